/** Words that every page has: the frame around it, passwords, progress, and what the server or the page itself failed with. */
import type { Phase } from "../lib/api";
import { bytes, number } from "../lib/format";
import { type ProblemText, rows } from "./common";

export const appTexts = {
  app: {
    name: "Coffer",
    backups: "Backups",
    profiles: "Keys",
    jobs: "Jobs",
    destinations: "Destinations",
    openArchive: "Open an archive",
    openArchiveShort: "Open",
    offline: "This file works without any server or network. Nothing you open leaves this machine.",
    signOut: "Sign out",
    skip: "Skip to the content",
    navigation: "Main",
    close: "Close",
    cancel: "Cancel",
    back: "Back",
    refresh: "Refresh",
    loading: "One moment…",
    more: (value: number) => `Show ${number(value)} more`,
    shown: (value: number, total: number) => `${number(value)} of ${number(total)} shown`,
    reload: "Load the page again",
    needsPermission: (permission: string) => `This needs the permission “${permission}”. An administrator can give it.`,
    notLoaded: {
      title: "This part of the page could not be loaded",
      detail: "The server may have been updated since the page was opened, or the connection broke. Nothing was changed.",
      next: "Load the page again.",
    } satisfies ProblemText,
  },

  welcome: {
    title: "Look into a backup, on this machine",
    lead: "Open an archive with its password. Everything is decrypted in this page; neither the password nor what is inside is sent anywhere.",
    open: "Open an archive",
  },

  password: { account: "Coffer backups", show: "Show the password", hide: "Hide the password" },

  progress: {
    phases: {
      waiting: "Waiting to start",
      hooks: "Running hooks",
      reading: "Reading the schema",
      rows: "Copying rows",
      files: "Copying files",
      finishing: "Writing the end of the archive",
      verifying: "Checking every stored byte",
      planning: "Comparing archive and target",
      loading: "Writing rows",
      proving: "Checking what was written",
      committing: "Making it final",
    } satisfies Record<Phase, string>,
    rows: (done: number, total: number) => (total > 0 ? `${number(done)} of ${rows(total)}` : rows(done)),
    bytes: (done: number, total: number) => (total > done ? `${bytes(done)} of ${bytes(total)}` : bytes(done)),
    cancel: "Cancel",
    cancelling: "Cancelling…",
  },

  chart: {
    summary: (title: string, points: number, least: string, most: string, last: string) =>
      `${title}: ${number(points)} values between ${least} and ${most}, the last is ${last}.`,
    last: "last:",
    table: "As a table",
    when: "When",
    tooFew: "A curve appears once there are two.",
    sizeOf: (name: string) => `Size of ${name}`,
    durationOf: (name: string) => `Duration of ${name}`,
  },

  /** For answers of the server that need more than its own sentence. */
  server: {
    unreachable: {
      title: "The server does not answer",
      detail: "What this page just asked for may not have arrived there.",
      next: "See whether Coffer is still running, then try again.",
    },
    unexpected_answer: {
      title: "The server’s answer could not be understood",
      detail: "Something between this page and Coffer may have answered in its place.",
      next: "Reload the page. If it stays like this, look into Coffer’s log.",
    },
    not_signed_in: {
      title: "You are signed out",
      detail: "Nothing was changed.",
      next: "Sign in again.",
    },
    other: "The server could not do this",
  },

  unexpected: {
    title: "Something unexpected happened in this page",
    detail: "Nothing was changed by this page after that.",
    next: "Reload the page and try again.",
  } satisfies ProblemText,
};
