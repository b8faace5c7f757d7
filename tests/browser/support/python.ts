/** Looking at SQLite files with another program than Coffer: Python's own module. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { environment } from "./environment";

/** What a program printed. The password of a test goes to it in its environment. */
export function runPython(args: readonly string[], { input, env = {} }: { input?: string; env?: Record<string, string> } = {}): string {
  return execFileSync(environment.python, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 1 << 30,
    timeout: 120_000,
    ...(input === undefined ? {} : { input }),
  });
}

/** A table's columns, and its rows as text with each value's storage class, in a fixed order. */
export interface Dumped {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export type Dump = Record<string, Dumped>;

/** All tables of a SQLite file. */
export const dump = (database: string): Dump => JSON.parse(runPython([join(import.meta.dirname, "dump.py"), database])) as Dump;

/** Changes a SQLite file behind the application's back; foreign keys are not enforced. */
export const execute = (database: string, sql: string): void => {
  const script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.stdin.read())\nc.commit()";
  runPython(["-c", script, database], { input: sql });
};
