import { expect, test } from "vitest";
import type { Backup, Profile, Source } from "./api";
import { healthOf, type Known } from "./health";
import type { Job, JobRun } from "./jobs";

const now = Date.parse("2026-11-22T12:00:00Z");
const hours = (value: number) => new Date(now + value * 3_600_000).toISOString();

const source: Source = {
  id: "s",
  name: "Help desk",
  engine: "sqlite",
  database: "helpdesk.sqlite",
  app: null,
  file_sets: [],
  preset: null,
  created_at: hours(-1000),
};
const profile: Profile = { id: "p", name: "Kit", ready: true, created_at: hours(-1000), keys: [] };
const backup = (age: number, change: Partial<Backup> = {}): Backup => ({
  id: `b${age}`,
  origin: "taken",
  uploaded_by: null,
  source: "s",
  source_name: "Help desk",
  name: "a.coffer",
  size: 1,
  created_at: hours(-age),
  state: "verified",
  fingerprints: [],
  scrubbed_at: null,
  sender: null,
  job: "j",
  locked: false,
  copies: [{ destination: "d", state: "verified", checked_at: hours(-age) }],
  ...change,
});
const job: Job = {
  id: "j",
  name: "Nightly",
  profile: "p",
  sensitive: false,
  enabled: true,
  schedule: "0 3 * * *",
  time_zone: "UTC",
  jitter_seconds: 0,
  catch_up: "one",
  retention: {},
  retries: 0,
  retry_seconds: 300,
  sources: ["s"],
  destinations: ["d"],
  version: 1,
  created_at: hours(-1000),
  next: [15, 39, 63, 87, 111].map(hours),
  last_run: null,
};
const run = (state: JobRun["state"], change: Partial<JobRun> = {}): JobRun => ({
  id: "r",
  job: "j",
  due_at: hours(-9),
  by_hand: false,
  state,
  attempt: 1,
  not_before: hours(-9),
  progress: { phase: "waiting", rows: 0, rows_total: 0, bytes: 0, bytes_total: 0 },
  error: null,
  started_at: hours(-9),
  ended_at: hours(-8.9),
  ...change,
});
const known = (change: Partial<Known> = {}): Known => ({
  sources: [source],
  backups: [backup(9)],
  profiles: [profile],
  jobs: [{ job, runs: [run("done")] }],
  channels: 1,
  now,
  ...change,
});
const kinds = (change: Partial<Known>) => {
  const { state, problems } = healthOf(known(change));
  return [state, ...problems.map(({ kind }) => kind)];
};

test("all is well only with a verified backup, a next run, and somebody who is told", () => {
  const health = healthOf(known());
  expect(health.state).toBe("good");
  expect(health.sources[0]?.last?.id).toBe("b9");
  expect(health.sources[0]?.next?.at).toBe(hours(15));
  expect(kinds({ backups: [] })).toEqual(["bad", "never"]);
  expect(kinds({ jobs: [] })).toEqual(["warn", "unplanned"]);
  expect(kinds({ channels: 0 })).toEqual(["warn", "nobody_told"]);
  expect(kinds({ profiles: [{ ...profile, ready: false }] })).toEqual(["warn", "not_ready"]);
});

test("what is switched off, or runs by hand only, is no plan", () => {
  expect(kinds({ jobs: [{ job: { ...job, enabled: false, next: [] }, runs: [] }] })).toEqual(["warn", "unplanned"]);
  expect(kinds({ jobs: [{ job: { ...job, schedule: null, next: [] }, runs: [] }] })).toEqual(["warn", "unplanned"]);
});

test("the last run that ended counts, not one that is at work", () => {
  const of = (...runs: JobRun[]) => kinds({ jobs: [{ job, runs }] });
  expect(of(run("failed"))).toEqual(["bad", "failed"]);
  expect(of(run("running"), run("failed"))).toEqual(["bad", "failed"]);
  expect(of(run("done"), run("failed"))).toEqual(["good"]);
  expect(of(run("missed"))).toEqual(["warn", "missed"]);
  expect(of(run("waiting", { attempt: 2 }), run("failed"))).toEqual(["warn", "trying_again"]);
  expect(of(run("waiting", { attempt: 0 }), run("done"))).toEqual(["good"]);
  expect(of(run("cancelled"))).toEqual(["good"]);
  expect(of(run("skipped"), run("failed"))).toEqual(["bad", "failed"]);
});

test("a backup is old when two of its schedule's pauses have gone by", () => {
  expect(kinds({ backups: [backup(48)] })).toEqual(["good"]);
  expect(kinds({ backups: [backup(50)] })).toEqual(["bad", "old"]);
  // Another job backs it up every hour.
  const hourly = { ...job, id: "h", next: [1, 2, 3, 4, 5].map(hours) };
  expect(kinds({ jobs: [job, hourly].map((one) => ({ job: one, runs: [run("done")] })) })).toEqual(["bad", "old"]);
});

test("only what was read again and found right counts as a backup", () => {
  const copy = (state: Backup["copies"][number]["state"]) => ({ destination: "d", state, checked_at: hours(-9) });
  expect(kinds({ backups: [backup(9, { copies: [copy("unverified")] })] })).toEqual(["bad", "never"]);
  expect(kinds({ backups: [backup(9, { state: "unverified" })] })).toEqual(["bad", "never"]);
  expect(kinds({ backups: [backup(9, { copies: [copy("damaged"), copy("verified")] })] })).toEqual(["bad", "damaged"]);
  expect(kinds({ backups: [backup(9, { state: "damaged", copies: [] }), backup(20)] })).toEqual(["bad", "damaged"]);
  // One without copies lies in the server's own store.
  expect(kinds({ backups: [backup(9, { copies: [] })] })).toEqual(["good"]);
  expect(kinds({ backups: [backup(9, { source: "other" })] })).toEqual(["bad", "never"]);
});

test("nothing is claimed to be well that can't be seen", () => {
  expect(kinds({ jobs: undefined, channels: undefined })).toEqual(["unknown"]);
  expect(kinds({ sources: [], backups: [], jobs: [] })).toEqual(["unknown"]);
  expect(kinds({ jobs: undefined, backups: [] })).toEqual(["bad", "never"]);
});
