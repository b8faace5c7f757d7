/** Jobs and their runs, as the server answers about them. */
import { begin, type Id, json, type Progress, remove } from "./api";

/** What to keep; a rule that is missing keeps nothing, and no rule at all keeps everything. */
export const retentionRules = ["last", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "within_hours"] as const;
export type RetentionRule = (typeof retentionRules)[number];
export type Retention = Readonly<Partial<Record<RetentionRule, number>>>;

/** What somebody decides about a job. */
export interface JobContent {
  readonly name: string;
  readonly profile: Id;
  readonly sensitive: boolean;
  readonly enabled: boolean;
  /** A cron pattern of five fields; without one it runs by hand only. */
  readonly schedule: string | null;
  readonly time_zone: string;
  /** A run begins at most so much later than it is due. */
  readonly jitter_seconds: number;
  /** What becomes of times at which no server was there. */
  readonly catch_up: "one" | "none";
  readonly retention: Retention;
  /** How often a run that failed is tried again. */
  readonly retries: number;
  /** How long it waits before the first of them. */
  readonly retry_seconds: number;
  readonly sources: readonly Id[];
  readonly destinations: readonly Id[];
}

export interface Job extends JobContent {
  readonly id: Id;
  readonly version: number;
  readonly created_at: string;
  /** When it is due next, up to five times; none if it is switched off. */
  readonly next: readonly string[];
  readonly last_run: JobRun | null;
}

/** `missed`: no server was there; `skipped`: another run of the job made up for it. */
export type JobRunState = "waiting" | "running" | "done" | "failed" | "cancelled" | "missed" | "skipped";

/** One time at which a job was due, or was asked for. */
export interface JobRun {
  readonly id: Id;
  readonly job: Id;
  readonly due_at: string;
  readonly by_hand: boolean;
  readonly state: JobRunState;
  /** How often it was begun. */
  readonly attempt: number;
  /** While it waits: when it may begin. */
  readonly not_before: string;
  readonly progress: Progress;
  /** Lists come without. */
  readonly log?: string | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

export type Period = "hour" | "day" | "week" | "month" | "quarter" | "year";

/** Why a backup stays. */
export type Kept =
  | { readonly reason: "no_rules" | "locked" | "not_verified" | "newest_verified" }
  | { readonly reason: "last"; readonly number: number; readonly of: number }
  | { readonly reason: "newest"; readonly period: Period; readonly number: number; readonly of: number }
  | { readonly reason: "oldest"; readonly period: Period; readonly of: number }
  | { readonly reason: "within"; readonly hours: number };

/** Why a rule does not keep a backup. */
export type Passed =
  | { readonly reason: "last"; readonly of: number }
  | { readonly reason: "newer"; readonly period: Period }
  | { readonly reason: "full"; readonly period: Period; readonly of: number }
  | { readonly reason: "older"; readonly hours: number };

/** What the rules would do with one backup in one destination. */
export interface Fate {
  readonly backup: Id;
  readonly source: Id;
  readonly name: string;
  readonly created_at: string;
  readonly stays: boolean;
  readonly kept: readonly Kept[];
  readonly passed: readonly Passed[];
}

export interface DestinationFates {
  readonly destination: Id;
  readonly backups: readonly Fate[];
}

/** A job with its runs, the latest first. */
export interface JobWithRuns {
  readonly job: Job;
  readonly runs: readonly JobRun[];
}

export const jobs = {
  list: () => json<Job[]>("api/jobs"),
  listWithRuns: async (): Promise<JobWithRuns[]> =>
    Promise.all((await jobs.list()).map(async (job) => ({ job, runs: await jobs.runs(job.id) }))),
  show: (id: Id) => json<Job>(`api/jobs/${id}`),
  add: (job: JobContent) => json<Job>("api/jobs", "POST", job),
  /** `version` is the one that was read: nobody overwrites what somebody else has changed meanwhile. */
  change: (id: Id, version: number, job: JobContent) => json<Job>(`api/jobs/${id}`, "PUT", { ...job, version }),
  remove: (id: Id) => remove(`api/jobs/${id}`),
  start: (id: Id) => begin(`api/jobs/${id}/runs`, {}),
  /** The latest first. */
  runs: (id: Id) => json<JobRun[]>(`api/jobs/${id}/runs`),
  retention: (id: Id) => json<{ destinations: DestinationFates[] }>(`api/jobs/${id}/retention`),
  /** What rules would do that are not kept yet. */
  tryRetention: (id: Id, retention: Retention) =>
    json<{ destinations: DestinationFates[] }>(`api/jobs/${id}/retention`, "POST", { retention }),
  run: (id: Id) => json<JobRun>(`api/job-runs/${id}`),
  cancel: (id: Id) => json<void>(`api/job-runs/${id}/cancel`, "POST", {}),
  preview: (schedule: string, time_zone: string) => json<{ next: string[] }>("api/schedules/preview", "POST", { schedule, time_zone }),
};

/** The parts of a job that somebody decides, without what the server adds. */
export function contentOf(job: Job): JobContent {
  const { id: _id, version: _version, created_at: _created, next: _next, last_run: _last, ...content } = job;
  return content;
}

/** Whether it is not over. */
export const isActive = ({ state }: JobRun): boolean => state === "waiting" || state === "running";

/** How long it took, in seconds; of one that never began or is not over, nothing. */
export function secondsOf({ started_at, ended_at }: Pick<JobRun, "started_at" | "ended_at">): number | undefined {
  if (started_at === null || ended_at === null) return undefined;
  return Math.max(0, (Date.parse(ended_at) - Date.parse(started_at)) / 1000);
}
