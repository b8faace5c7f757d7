/** Words about jobs: what they do, when, what became of their runs, and what stays of their backups. */

import { count, duration, number } from "../lib/format";
import type { Fate, JobRun, Kept, Passed, Period, Retention, RetentionRule } from "../lib/jobs";
import type { Choice, Kind, Weekday } from "../lib/schedule";
import { sentence } from "../lib/sentence";
import { plain } from "../lib/visible";

const days: Record<Weekday, string> = {
  1: "Monday",
  2: "Tuesday",
  3: "Wednesday",
  4: "Thursday",
  5: "Friday",
  6: "Saturday",
  0: "Sunday",
};
const and = new Intl.ListFormat("en", { type: "conjunction" });
const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const endings: Record<string, string> = { one: "st", two: "nd", few: "rd" };
const ordinal = (value: number) => `${value}${endings[ordinals.select(value)] ?? "th"}`;

const periods: Record<Period, string> = { hour: "hour", day: "day", week: "week", month: "month", quarter: "quarter", year: "year" };
const many = (of: number, period: Period) => count(of, periods[period], `${periods[period]}s`);
/** A span that the rules count in hours, as people say it. */
const span = (hours: number) => (hours % 24 === 0 ? count(hours / 24, "day", "days") : count(hours, "hour", "hours"));

function kept(reason: Kept): string {
  switch (reason.reason) {
    case "no_rules":
      return "there are no rules, so everything stays";
    case "locked":
      return "somebody locked it";
    case "not_verified":
      return "it is not verified, so no rule touches it";
    case "newest_verified":
      return "it is the newest verified one, which always stays";
    case "last":
      return reason.of === 1 ? "it is the last one" : `it is the ${ordinal(reason.number)} of the last ${number(reason.of)}`;
    case "newest":
      return `it is the newest of its ${periods[reason.period]}, the ${ordinal(reason.number)} of ${many(reason.of, reason.period)}`;
    case "oldest":
      return `it is the oldest, and the ${many(reason.of, reason.period)} are not full yet`;
    case "within":
      return `it is at most ${span(reason.hours)} older than the newest`;
  }
}

function passed(reason: Passed): string {
  switch (reason.reason) {
    case "last":
      return reason.of === 1 ? "it is not the last one" : `it is none of the last ${number(reason.of)}`;
    case "newer":
      return `its ${periods[reason.period]} has a newer one`;
    case "full":
      return `there are newer ones of ${many(reason.of, reason.period)}`;
    case "older":
      return `it is more than ${span(reason.hours)} older than the newest`;
  }
}

const rules: Record<RetentionRule, (value: number) => string> = {
  last: (value) => (value === 1 ? "the last one" : `the last ${number(value)}`),
  hourly: (value) => `one an hour for ${many(value, "hour")}`,
  daily: (value) => `one a day for ${many(value, "day")}`,
  weekly: (value) => `one a week for ${many(value, "week")}`,
  monthly: (value) => `one a month for ${many(value, "month")}`,
  quarterly: (value) => `one a quarter for ${many(value, "quarter")}`,
  yearly: (value) => `one a year for ${many(value, "year")}`,
  within_hours: (value) => `all of ${span(value)}`,
};

function choiceText(choice: Choice): string {
  switch (choice.kind) {
    case "by_hand":
      return "Only when somebody starts it";
    case "hourly":
      return `Every hour, at ${choice.minute} ${choice.minute === 1 ? "minute" : "minutes"} past`;
    case "daily":
      return `Every day at ${choice.time}`;
    case "weekly":
      return choice.days.length === 0 ? "On no day yet" : `Every ${and.format(choice.days.map((day) => days[day]))} at ${choice.time}`;
    case "monthly":
      return `On the ${ordinal(choice.day)} of each month at ${choice.time}`;
    case "pattern":
      return `By the pattern ${plain(choice.pattern)}`;
  }
}

export const jobTexts = {
  jobs: {
    title: "Jobs",
    lead: "A job backs up sources to destinations, by a schedule or when somebody starts it. It counts as done only once every copy was read again and found right.",
    add: "New job",
    notifications: "Notifications",
    none: "No job yet",
    noneLead: "Backups that nobody has to think of need three things. Then a job puts them together.",
    needs: {
      source: "A source: a database that this server reaches",
      destination: "A destination: a folder or bucket where copies go",
      profile: "A key to seal them to, whose kit was checked",
    },
    has: "There is one",
    lacks: "Missing",
    toSources: "Add a source",
    toDestinations: "Add a destination",
    toProfiles: "Make a key",
    firstAdd: "Make the first job",
    open: "Runs and backups",
    nextRun: "Next run",
    lastRun: "Last run",
    neverRan: "It has not run yet",
    byHand: "When somebody starts it",
    off: "Switched off",
    offLead: "Nothing runs by its schedule",
    path: (sources: readonly string[], destinations: readonly string[]) =>
      `${and.format(sources.map(plain))} → ${and.format(destinations.map(plain))}`,
    gone: "something that was removed",
    hidden: "a destination",
    schedule: choiceText,
    inZone: (zone: string) => `(${plain(zone)})`,
    runNow: "Run now",
    pause: "Switch off",
    resume: "Switch on",
    edit: "Change…",
    remove: "Remove",
    removeTitle: (name: string) => `Remove the job ${plain(name)}?`,
    removeLead: "Its schedule ends and its history is forgotten. All backups stay where they are; no rule removes them any more.",
    asked: (name: string) => `${plain(name)} begins in a moment.`,
    badges: {
      running: "Running",
      waiting: "About to run",
      done: "Last run done",
      failed: "Last run failed",
      cancelled: "Last run cancelled",
      missed: "Last run missed",
      skipped: "Made up for",
      never: "Never ran",
    } satisfies Record<JobRun["state"] | "never", string>,
  },

  job: {
    parts: "Parts of this job",
    tabs: { runs: "Runs", backups: "Backups", retention: "Rules", facts: "Settings" },
    back: "All jobs",
    noRuns: "It has not run yet",
    noRunsLead: "Each run is listed here with its log, whether it was due or somebody started it.",
    noBackups: "No backup of this job yet",
    noBackupsLead: "After the first run, each backup is listed here with its copies.",
    columns: { due: "Due", state: "State", took: "Took", how: "Started", actions: "Actions" },
    states: {
      waiting: "Waiting",
      running: "Running",
      done: "Done",
      failed: "Failed",
      cancelled: "Cancelled",
      missed: "Missed",
      skipped: "Made up for",
    } satisfies Record<JobRun["state"], string>,
    stateHelp: {
      waiting: "It has not begun, or is tried again later.",
      running: "A server is at it.",
      done: "Every copy was stored, read again and found right.",
      failed: "Not every copy is there.",
      cancelled: "Somebody stopped it.",
      missed: "No server was running when it was due.",
      skipped: "Another run of the job was waiting, and made up for it.",
    } satisfies Record<JobRun["state"], string>,
    byHand: "by hand",
    bySchedule: "by schedule",
    attempt: (value: number) => `attempt ${number(value)}`,
    again: "tried again",
    details: "Log",
    detailsOf: (when: string) => `Log of the run of ${when}`,
    runTitle: (when: string) => `Run of ${when}`,
    log: "Log",
    noLog: "Nothing was written yet.",
    failedTitle: "This run failed",
    missedNote: "No server was running when it was due, so nothing was backed up then.",
    cancelledNote: "Somebody stopped it. What was being written was removed; copies that were verified before stay.",
    doneNote: "Every copy was stored, read again from its destination, and found right.",
    running: (name: string) => `${plain(name)} is running`,
    waiting: (name: string) => `${plain(name)} is about to run`,
    waitingAgain: "The last attempt failed. It is tried again",
    facts: {
      sources: "Sources",
      destinations: "Destinations",
      profile: "Sealed for",
      contents: "Credentials",
      sensitive: "included",
      standard: "left out, where a preset names them",
      schedule: "Schedule",
      next: "Next runs",
      late: "Begins",
      jitter: (seconds: number) => (seconds === 0 ? "when it is due" : `up to ${duration(seconds)} after it is due`),
      missed: "Times that were missed",
      catchUp: { one: "the last one is made up for", none: "are left out" },
      failed: "After a failure",
      retries: (times: number, seconds: number) =>
        times === 0
          ? "not tried again"
          : `tried again ${times === 1 ? "once" : `up to ${number(times)} times`}, first after ${duration(seconds)}`,
      keeps: "Keeps",
    },
  },

  retention: {
    everything: "Everything",
    lead: "After each run, what no rule keeps is removed. The newest verified backup of a source and locked ones always stay; what is not verified is never removed.",
    words: (policy: Retention, order: readonly RetentionRule[]) => {
      const parts = order.flatMap((rule) => {
        const value = policy[rule];
        return value === undefined ? [] : [rules[rule](value)];
      });
      return parts.length === 0 ? "everything" : and.format(parts);
    },
    dryRun: "What the rules would do now",
    dryRunLead: "Nothing is removed by looking at this.",
    preview: "See what would go",
    previewing: "Looking…",
    allStay: (value: number) => (value === 1 ? "The one backup stays." : `All ${number(value)} backups stay.`),
    someGo: (go: number, of: number) => `${number(go)} of ${count(of, "backup", "backups")} would go after the next run.`,
    nothing: "This job has stored nothing here yet.",
    columns: { taken: "Taken", source: "Source", fate: "Would", why: "Because" },
    stays: "stay",
    goes: "go",
    why: (fate: Fate) => sentence(and.format(fate.stays ? fate.kept.map(kept) : fate.passed.map(passed))),
  },

  editJob: {
    newTitle: "New job",
    title: (name: string) => `Change ${plain(name)}`,
    name: "Name",
    nameHint: "How you call it, e.g. Nightly.",
    what: "What it backs up",
    sources: "Sources",
    destinations: "Destinations",
    destinationsHint: "Each gets a copy of its own, and each is read again. Two in different places survive the loss of one.",
    noSources: "There is no source yet.",
    noDestinations: "There is no destination yet.",
    noProfiles: "There is no profile yet whose kit was checked.",
    profile: "Sealed for",
    notReady: "not ready: its kit was not checked",
    sensitive: "Include credentials",
    sensitiveHint: "Password hashes, tokens and keys of the applications. Every source needs a preset for it.",
    when: "When it runs",
    repeats: "Repeats",
    kinds: {
      by_hand: "Never: only when somebody starts it",
      hourly: "Every hour",
      daily: "Every day",
      weekly: "On days of the week",
      monthly: "On a day of the month",
      pattern: "By a cron pattern",
    } satisfies Record<Kind, string>,
    time: "Time",
    minute: "Minutes past the hour",
    days: "Days",
    day: (value: Weekday) => days[value],
    dayOfMonth: "Day of the month",
    dayHint: "From 1 to 28, so that every month has it.",
    pattern: "Cron pattern",
    patternHint: "Minute, hour, day of the month, month, day of the week. 30 3 * * 1-5 is half past three from Monday to Friday.",
    zone: "Time zone",
    zoneOwn: "your own",
    otherZones: "Other",
    next: "The next five runs",
    nextNone: "Nothing runs by itself.",
    nextLoading: "One moment…",
    nextOff: "These are the times once the job is switched on.",
    enabled: "Switched on",
    enabledHint: "Switched off, nothing runs by the schedule; starting it by hand still works.",
    more: "If something is late or goes wrong",
    catchUp: "If no server was running when a run was due",
    catchUps: { one: "Run once as soon as a server is there", none: "Leave it out, and say so" },
    jitter: "Begin up to so many minutes later",
    jitterHint: "Spreads jobs that are due at the same time. 0 begins at once.",
    retries: "Try again after a failure",
    retriesHint: "How often. 0 gives up at once.",
    retryMinutes: "Minutes until the next attempt",
    retryHint: "Each further one waits longer.",
    keepsTitle: "What stays",
    keeps: "Keep",
    keepAll: "Everything",
    keepAllHint: "Nothing is ever removed. The destinations fill up.",
    keepRules: "What one of these rules keeps",
    keepHint: "A backup stays if any rule keeps it: 7 at “Days” keeps the newest of each of seven days. An empty field is no rule.",
    rules: {
      last: "The last",
      hourly: "Hours",
      daily: "Days",
      weekly: "Weeks",
      monthly: "Months",
      quarterly: "Quarters",
      yearly: "Years",
      within_hours: "All of the last hours",
    } satisfies Record<RetentionRule, string>,
    save: "Save the job",
    saving: "Saving…",
    added: "The job is saved.",
    missing: {
      source: "Choose at least one source.",
      destination: "Choose at least one destination.",
      days: "Choose at least one day.",
      profile: "Choose who can open the backups.",
    },
    missingTitle: "Something is missing",
    loadAgain: "Load it again",
  },
};
