// PostgreSQL's server programs, for tests that start their own servers. No system-wide cluster is made or used.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram, isProgram, newestFirst } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

const needed = ["postgres", "initdb", "pg_ctl", "psql"];
const debianVersions = "/usr/lib/postgresql";
const clusterSettings = "/etc/postgresql-common/createcluster.conf";

const isComplete = (directory) => needed.every((name) => isProgram(join(directory, name)));

/** The directory of the newest complete set of programs. */
function find() {
  const onPath = findProgram(["postgres"]);
  const directories = [
    ...newestFirst(debianVersions).map((version) => join(debianVersions, version, "bin")),
    ...(onPath ? [dirname(onPath)] : []),
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/pgsql/bin",
  ];
  return directories.find(isComplete);
}

/** Installs the server without the cluster that Debian's package would create and start. */
async function installWithoutCluster() {
  const purpose = "tests on a real PostgreSQL";
  await install(["postgresql-common"], purpose);
  const before = existsSync(clusterSettings) ? readFileSync(clusterSettings) : undefined;
  writeFileSync(clusterSettings, "create_main_cluster = false\n");
  try {
    await install(["postgresql"], purpose);
  } finally {
    if (before) writeFileSync(clusterSettings, before);
    else rmSync(clusterSettings);
  }
}

/** @returns {Promise<string>} the directory of the server programs */
export async function postgres() {
  const chosen = process.env.COFFER_POSTGRES_BIN;
  if (chosen) {
    if (isComplete(chosen)) return chosen;
    throw new Problem(
      `COFFER_POSTGRES_BIN names ${chosen}, which lacks one of ${needed.join(", ")}. Correct or unset it, then run this command again.`,
    );
  }
  const found = find();
  if (found) return found;
  if (!canInstall())
    throw new Problem(
      `PostgreSQL's server programs were not found, and ${whyNot()}. ` +
        `Install the PostgreSQL server, or set COFFER_POSTGRES_BIN to the directory of ${needed.join(", ")}, then run this command again.`,
    );
  await installWithoutCluster();
  const installed = find();
  if (installed) return installed;
  throw new Problem(
    `Debian's postgresql was installed, but its programs were not found. Set COFFER_POSTGRES_BIN to their directory, then run this command again.`,
  );
}
