import { expect, test } from "vitest";
import type { Backup } from "./api";
import { addresses } from "./channels";
import { durations, sizesBySource } from "./history";
import type { JobRun } from "./jobs";
import { logLines } from "./log-lines";
import { sentence } from "./sentence";

test("a log's lines come with their times, and whatever has none stays whole", () => {
  expect(logLines("2026-11-22T02:41:18Z attempt 1 begins\n2026-99-22T02:41:18Z odd\nno time here\n")).toEqual([
    { at: "2026-11-22T02:41:18Z", line: "attempt 1 begins" },
    { at: undefined, line: "2026-99-22T02:41:18Z odd" },
    { at: undefined, line: "no time here" },
  ]);
  expect(logLines("")).toEqual([]);
});

test("addresses are separated as people do it", () => {
  expect(addresses(" ada@example.org, lou@example.org;\nmax@example.org ,")).toEqual([
    "ada@example.org",
    "lou@example.org",
    "max@example.org",
  ]);
});

test("sentences begin with a capital, but for addresses", () => {
  expect(sentence("the disk is full")).toBe("The disk is full.");
  expect(sentence("http://127.0.0.1:1 did not answer")).toBe("http://127.0.0.1:1 did not answer.");
});

test("only runs that reached their end say how long one takes, the oldest first", () => {
  const run = (state: JobRun["state"], started_at: string | null, ended_at: string | null) =>
    ({ state, started_at, ended_at, due_at: "2026-11-20T00:00:00Z" }) as JobRun;
  expect(
    durations([
      run("done", "2026-11-22T03:00:00Z", "2026-11-22T03:02:00Z"),
      run("failed", "2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z"),
      run("missed", null, null),
      run("done", "2026-11-21T03:00:00Z", "2026-11-21T03:01:00Z"),
    ]),
  ).toEqual([
    { at: "2026-11-21T03:00:00Z", value: 60 },
    { at: "2026-11-22T03:00:00Z", value: 120 },
  ]);
});

test("sizes are told by source, the oldest first, and only of what has one", () => {
  const backup = (source: string | null, created_at: string, size: number) =>
    ({ source, source_name: `name of ${source}`, created_at, size }) as Backup;
  expect(
    sizesBySource([
      backup("b", "2026-11-22T03:00:00Z", 3),
      backup("a", "2026-11-22T03:00:00Z", 2),
      backup(null, "2026-11-22T03:00:00Z", 9),
      backup("a", "2026-11-21T03:00:00Z", 1),
    ]),
  ).toEqual([
    {
      source: "a",
      name: "name of a",
      points: [
        { at: "2026-11-21T03:00:00Z", value: 1 },
        { at: "2026-11-22T03:00:00Z", value: 2 },
      ],
    },
    { source: "b", name: "name of b", points: [{ at: "2026-11-22T03:00:00Z", value: 3 }] },
  ]);
});
