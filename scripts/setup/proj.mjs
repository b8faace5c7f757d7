// PROJ's registry of coordinate systems: somebody else's real SQLite database, with triggers and foreign keys.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { canInstall, unpack, whyNot } from "../lib/apt.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { once } from "../lib/stamps.mjs";

const packageName = "proj-data";
const unpacked = at("target", "fixtures", packageName);
const database = join(unpacked, "usr", "share", "proj", "proj.db");

/** @returns {Promise<string>} the path of proj.db */
export async function proj() {
  const chosen = process.env.COFFER_PROJ;
  if (chosen) {
    if (existsSync(chosen)) return chosen;
    throw new Problem(`COFFER_PROJ names ${chosen}, which does not exist. Correct or unset it, then run this command again.`);
  }
  await once("proj", { inputs: [], facts: [packageName], outputs: [database] }, () => {
    if (!canInstall())
      throw new Problem(
        `PROJ's database for the tests comes from Debian's ${packageName}, and ${whyNot()}. ` +
          "Set COFFER_PROJ to the path of a proj.db, then run this command again.",
      );
    return unpack(packageName, unpacked, "tests on a real application's SQLite database");
  });
  return database;
}
