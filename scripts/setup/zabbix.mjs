// Zabbix's PostgreSQL schema and data: somebody else's real database, with a dense foreign-key graph.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { canInstall, unpack, whyNot } from "../lib/apt.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { once } from "../lib/stamps.mjs";

const packageName = "zabbix-server-pgsql";
const unpacked = at("target", "fixtures", packageName);
const directory = join(unpacked, "usr", "share", packageName);

/** @returns {Promise<string>} the directory of schema.sql.gz, images.sql.gz and data.sql.gz */
export async function zabbix() {
  const chosen = process.env.COFFER_ZABBIX;
  if (chosen) {
    if (existsSync(join(chosen, "schema.sql.gz"))) return chosen;
    throw new Problem(`COFFER_ZABBIX names ${chosen}, which has no schema.sql.gz. Correct or unset it, then run this command again.`);
  }
  await once("zabbix", { inputs: [], facts: [packageName], outputs: [join(directory, "schema.sql.gz")] }, () => {
    if (!canInstall())
      throw new Problem(
        `Zabbix's database for the tests comes from Debian's ${packageName}, and ${whyNot()}. ` +
          "Set COFFER_ZABBIX to the directory of its schema.sql.gz, images.sql.gz and data.sql.gz, then run this command again.",
      );
    return unpack(packageName, unpacked, "tests on a real application's database");
  });
  return directory;
}
