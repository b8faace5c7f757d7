/** The words about people: signing in, accounts, users and groups, the audit log. */

import { count } from "../lib/format";
import type { Permission } from "../lib/people";
import { plain } from "../lib/visible";
import type { ProblemText } from "./common";

const permissions: Record<Permission, string> = {
  view: "View",
  back_up: "Back up",
  restore: "Restore",
  configure: "Configure",
  administer: "Administer",
};

export const peopleTexts = {
  permissions,
  permissionHelp: {
    view: "See sources and backups, and download archives",
    back_up: "Take backups",
    restore: "Restore, and undo that",
    configure: "Change sources, and delete backups",
    administer: "Change who may do what, and read the audit log",
  } satisfies Record<Permission, string>,
  permissionList: (held: readonly Permission[]) => (held.length === 0 ? "Nothing" : held.map((one) => permissions[one]).join(", ")),

  name: "Name",
  password: "Password for signing in",
  passwordAgain: "Password for signing in, again",
  passwordHint: "At least 12 characters.",
  tooShort: "It has fewer than 12 characters.",
  differ: "The two are not the same.",
  notForArchives:
    "This password signs you in to this server, which stores a hash of it. It is not one that archives are sealed with: choose another for those, and never type that one here.",

  signIn: {
    title: "Sign in",
    lead: "To take and restore backups of the databases that this server reaches.",
    submit: "Sign in",
    forgotten: "Forgot the password? On the server’s machine, coffer user reset NAME prints a new link; an administrator can make one too.",
    failed: "You are not signed in",
    linkFailed: "The link did not work",
  },
  setUp: {
    pageTitle: "Set up this server",
    pageLead: "Nobody can sign in to it yet. The link that you followed works once, for one of these.",
    way: "How to begin",
    ways: {
      first: { title: "From nothing", hint: "With a first administrator, who sets up all the rest." },
      backup: { title: "From a system backup", hint: "With the sources, jobs, people and settings of a server that there was before." },
    },
    title: "Make the first administrator",
    lead: "Nobody can sign in to this server yet. Whoever is made here may do everything, and can let others in.",
    submit: "Make the administrator",
    waiting: "This server is new: open the link that it printed where it was started, in the terminal or in the service’s log.",
  },
  fromBackup: {
    lead: "Choose a backup of the configuration of a Coffer server. It is opened here, with its password, key file or recovery kit; you see what it holds before anything is restored.",
    choose: "Choose the system backup",
    stays: "Password and keys stay in this page. The server gets the configuration sealed to a key that exists for this one restore.",
    holdsTitle: "What this backup holds",
    taken: "taken",
    held: {
      sources: "Sources",
      destinations: "Destinations",
      jobs: "Jobs",
      profiles: "Encryption profiles",
      channels: "Channels",
      users: "Users",
      groups: "Groups",
    },
    withoutCredentials:
      "Credentials were left out of this backup: passwords for signing in, for databases, destinations and mail servers have to be set again.",
    restoreLead:
      "Restoring takes all of it over into this server, in one transaction: all of it, or nothing. The applications and their backups are not touched.",
    restore: "Restore this configuration",
    restoring: "Restoring…",
    other: {
      title: "This is no system backup",
      detail: "The archive holds the data of an application and not a configuration of Coffer. Nothing was changed.",
      next: "Choose another file, or make the first administrator and open this archive afterwards.",
    } satisfies ProblemText,
    doneTitle: "This server is set up",
    doneLead: (all: number) => `${count(all, "row", "rows")} of configuration were restored and compared with the backup.`,
    administrators: (names: readonly string[]) => `Sign in as an administrator of before: ${names.map(plain).join(", ")}.`,
    signIn: "Go to the sign-in",
    choosePassword: "No administrator came with a password. Choose one for:",
    administrator: "Administrator",
    lacking: "To be entered again, because the backup does not hold it:",
    needs: {
      sources: "Addresses of databases, of the sources",
      destinations: "Keys of the destinations",
      channels: "Passwords and secrets of the channels",
      users: "Passwords of the users",
    },
  },
  newPassword: {
    title: "Choose your password",
    lead: "The link that you followed works once.",
    submit: "Use this password",
  },

  account: {
    title: "Account",
    of: (name: string) => `Account of ${plain(name)}`,
    signedInAs: (name: string) => `You are ${plain(name)}.`,
    may: "You may",
    forSources: (count: number) => `more for ${count === 1 ? "one source" : `${count} sources`}`,
    password: "Password",
    old: "Old password for signing in",
    change: "Change the password",
    changed: "The password is changed. All other sessions have ended.",
    sessions: "Sessions",
    sessionsLead: "Where you are signed in. A session ends after 12 hours without use, and after a week.",
    this: "This one",
    end: "End",
    used: "Last used",
    from: "From",
    tokens: "Tokens for programs",
    tokensLead: "A program sends one as Authorization: Bearer. It can do at most what you may, and ends by itself.",
    noTokens: "None",
    addToken: "Make a token",
    tokenName: "What it is for",
    days: "Days until it ends",
    makeToken: "Make it",
    tokenMade: "Copy it now. It is shown this once; only a hash of it is kept.",
    copied: "The token",
    ends: "Ends",
    never: "Never",
    remove: "Remove",
  },

  people: {
    title: "People",
    users: "Users",
    addUser: "Add a user",
    add: "Add",
    groups: "Groups",
    groupsLead: "What somebody may do comes from groups, all together. Nobody gives what they don’t have themselves.",
    addGroup: "Add a group",
    change: "Change…",
    changeGroup: (name: string) => `Change the group ${plain(name)}`,
    saveGroup: "Save the group",
    groupName: "Name of the group",
    may: "May",
    everything: "everything",
    someSources: (count: number) => (count === 1 ? "one source" : `${count} sources`),
    scope: "With",
    onlyThese: "Only these sources",
    state: { active: "Active", disabled: "Disabled", waiting: "Has not chosen a password" },
    disable: "Disable",
    enable: "Enable",
    remove: "Remove",
    newLink: "New password…",
    linkMade: (name: string) => `By this link ${plain(name)} chooses a password. It works once, for a day, and is shown only now:`,
    link: "The link",
    removeUser: (name: string) => `Remove ${plain(name)}?`,
    removeUserLead: "Sessions and tokens end with it. What was done stays in the audit log.",
    removeGroup: (name: string) => `Remove the group ${plain(name)}?`,
    removeGroupLead: "Its members lose what it gave them.",
    actions: "Actions",
  },

  api: {
    title: "API",
    lead: "What programs can ask this server for, with a token. The same as a file for tools:",
    filter: "Filter",
    operation: "Operation",
    does: "Does",
    needs: "Needs",
    need: (words: string, ofSource: boolean) => {
      const special: Record<string, string> = { public: "nothing", signed_in: "a sign-in or a token", session: "a sign-in, no token" };
      const known = permissions as Record<string, string>;
      const needed = words.split(" ").map((word) => special[word] ?? known[word] ?? word);
      return `${needed.join(" or ")}${ofSource ? ", for the source" : ""}`;
    },
  },

  log: {
    title: "Audit log",
    lead: "Each change and download: who, what, when, from where, and how it ended. Nobody can change it here.",
    columns: { when: "When", who: "Who", what: "What", where: "From", how: "Ended" },
    nobody: "nobody",
    more: "Earlier ones",
    none: "Nothing yet",
    console: "on the server’s machine",
    done: "done",
  },
};
