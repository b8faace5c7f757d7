// Programs that Coffer is measured against. For benches only.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

/** Debian's package of each program. */
const packages = {
  age: "age",
  "age-keygen": "age",
  nginx: "nginx-core",
  pg_dump: "postgresql-client",
  pg_restore: "postgresql-client",
  psql: "postgresql-client",
  restic: "restic",
  sqlite3: "sqlite3",
  wrk: "wrk",
  zstd: "zstd",
};

/**
 * Finds programs, or installs them.
 *
 * @param {(keyof typeof packages)[]} names
 * @returns {Promise<Record<string, string>>} where each is
 */
export async function rivals(...names) {
  const missing = () => names.filter((name) => !findProgram([name]));
  const wanted = [...new Set(missing().map((name) => packages[name]))];
  if (wanted.length > 0) {
    if (!canInstall())
      throw new Problem(
        `The bench needs ${missing().join(", ")}, and ${whyNot()}. Install ${wanted.join(", ")}, then run this command again.`,
      );
    await install(wanted, "the bench against it");
  }
  if (missing().length > 0) throw new Problem(`Debian's ${wanted.join(", ")} was installed, but ${missing().join(", ")} is not in PATH.`);
  return Object.fromEntries(names.map((name) => [name, findProgram([name])]));
}
