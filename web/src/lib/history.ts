/** What backups and runs say over time. */
import type { Backup, Id } from "./api";
import { type JobRun, secondsOf } from "./jobs";

export interface Point {
  readonly at: string;
  readonly value: number;
}

const oldestFirst = (points: Point[]): Point[] => points.sort((a, b) => a.at.localeCompare(b.at));

/** How long the runs took that reached their end, in seconds. */
export const durations = (runs: readonly JobRun[]): Point[] =>
  oldestFirst(
    runs.flatMap((run) => {
      const seconds = secondsOf(run);
      return run.state === "done" && seconds !== undefined ? [{ at: run.started_at ?? run.due_at, value: seconds }] : [];
    }),
  );

/** How many bytes each backup of a source has; the sources in the order of their names. */
export function sizesBySource(backups: readonly Backup[]): { readonly source: Id; readonly name: string; readonly points: Point[] }[] {
  const sources = new Map<Id, { source: Id; name: string; points: Point[] }>();
  for (const { source, source_name, created_at, size } of backups) {
    if (source === null) continue;
    const of = sources.get(source) ?? { source, name: source_name, points: [] };
    of.points.push({ at: created_at, value: size });
    sources.set(source, of);
  }
  return [...sources.values()].map((of) => ({ ...of, points: oldestFirst(of.points) })).sort((a, b) => a.name.localeCompare(b.name));
}
