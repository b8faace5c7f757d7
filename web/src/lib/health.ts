/** How things stand, from what the server tells: a pure function, so that what the first page says can be shown to be true. */
import type { Backup, Id, Profile, Source } from "./api";
import { isActive, type Job, type JobRun, type JobWithRuns } from "./jobs";

/** What is known. Who may see only some sources is told nothing of jobs. */
export interface Known {
  readonly sources: readonly Source[];
  readonly backups: readonly Backup[];
  readonly profiles: readonly Profile[];
  /** With their runs, the latest first. */
  readonly jobs: readonly JobWithRuns[] | undefined;
  /** How many channels are told of failures; only known to who may configure. */
  readonly channels: number | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface SourceHealth {
  readonly source: Source;
  /** Its newest verified backup. */
  readonly last: Backup | undefined;
  /** The next run that backs it up, and the job. */
  readonly next: { readonly at: string; readonly job: Job } | undefined;
}

/** Something to do. The grave ones come first. */
export type Problem =
  | { readonly kind: "never" | "unplanned"; readonly source: Source }
  | { readonly kind: "old"; readonly source: Source; readonly last: Backup }
  | { readonly kind: "failed"; readonly job: Job; readonly run: JobRun }
  | { readonly kind: "missed"; readonly job: Job; readonly run: JobRun }
  | { readonly kind: "trying_again"; readonly job: Job; readonly run: JobRun }
  | { readonly kind: "damaged"; readonly backup: Backup; readonly copies: number }
  | { readonly kind: "not_ready"; readonly job: Job; readonly profile: Profile }
  | { readonly kind: "nobody_told" };

const grave: ReadonlySet<Problem["kind"]> = new Set(["never", "failed", "old", "damaged"]);
export const isGrave = ({ kind }: Problem): boolean => grave.has(kind);

export interface Health {
  readonly sources: readonly SourceHealth[];
  readonly problems: readonly Problem[];
  /** `unknown` where there is nothing to say, or too little is known to say that all is well. */
  readonly state: "good" | "warn" | "bad" | "unknown";
}

/** Whether all of it can be relied on: nothing that is stored of it is known to be damaged. */
const isSafe = (backup: Backup): boolean =>
  backup.state === "verified" && (backup.copies.length === 0 || backup.copies.some(({ state }) => state === "verified"));

const byTime = (a: string, b: string): number => Date.parse(a) - Date.parse(b);

/** The newest backup of a source that was read again and found right. */
export const lastVerified = (backups: readonly Backup[], source: Id): Backup | undefined =>
  backups.filter((backup) => backup.source === source && isSafe(backup)).toSorted((a, b) => byTime(b.created_at, a.created_at))[0];

/** The longest pause between the next runs, in milliseconds; nothing if only one is known. */
function longestPause({ next }: Job): number | undefined {
  const pauses = next.slice(1).map((time, index) => byTime(time, next[index] ?? time));
  return pauses.length === 0 ? undefined : Math.max(...pauses);
}

/** Milliseconds that a run may take, at the least, before its backup counts as late. */
const patience = 3_600_000;

/** Whether a backup is older than the schedules that should have replaced it allow, twice over. */
function isOld(last: Backup, jobs: readonly Job[], now: number): boolean {
  const pauses = jobs.flatMap((job) => longestPause(job) ?? []);
  return pauses.length > 0 && now - Date.parse(last.created_at) > 2 * Math.min(...pauses) + patience;
}

function problemsOfJob(job: Job, runs: readonly JobRun[], profiles: readonly Profile[]): Problem[] {
  const problems: Problem[] = [];
  // A time that another run made up for says nothing of its own.
  const last = runs.find((run) => !isActive(run) && run.state !== "skipped");
  const again = runs.find((run) => run.state === "waiting" && run.attempt > 0);
  if (again) problems.push({ kind: "trying_again", job, run: again });
  else if (last?.state === "failed") problems.push({ kind: "failed", job, run: last });
  else if (last?.state === "missed") problems.push({ kind: "missed", job, run: last });
  const profile = profiles.find(({ id }) => id === job.profile);
  if (profile && !profile.ready) problems.push({ kind: "not_ready", job, profile });
  return problems;
}

export function healthOf({ sources, backups, profiles, jobs, channels, now }: Known): Health {
  const planned = jobs?.map(({ job }) => job).filter(({ enabled, schedule }) => enabled && schedule !== null);
  const problems: Problem[] = [];

  const shown = sources.map((source): SourceHealth => {
    const last = lastVerified(backups, source.id);
    const own = planned?.filter((job) => job.sources.includes(source.id)) ?? [];
    const [next] = own
      .flatMap((job) => (job.next[0] === undefined ? [] : [{ at: job.next[0], job }]))
      .toSorted((a, b) => byTime(a.at, b.at));
    if (!last) problems.push({ kind: "never", source });
    else if (isOld(last, own, now)) problems.push({ kind: "old", source, last });
    if (planned && !next) problems.push({ kind: "unplanned", source });
    return { source, last, next };
  });

  for (const { job, runs } of jobs ?? []) problems.push(...problemsOfJob(job, runs, profiles));
  for (const backup of backups) {
    const copies = backup.copies.filter(({ state }) => state === "damaged").length;
    if (backup.state === "damaged" || copies > 0) problems.push({ kind: "damaged", backup, copies });
  }
  if (channels === 0 && planned && planned.length > 0) problems.push({ kind: "nobody_told" });

  const ordered = [...problems.filter(isGrave), ...problems.filter((problem) => !isGrave(problem))];
  const quiet = sources.length === 0 || jobs === undefined ? "unknown" : "good";
  return { sources: shown, problems: ordered, state: ordered.some(isGrave) ? "bad" : ordered.length > 0 ? "warn" : quiet };
}
