// backup, verify and restore of 256 MiB and of 4 GiB in PostgreSQL and SQLite take less than 256 MiB of memory (20 GB of disk)
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { at } from "../../scripts/lib/paths.mjs";
import { main, Problem } from "../../scripts/lib/problem.mjs";
import { rivals } from "../../scripts/setup/rivals.mjs";
import { table } from "../bench/support/figures.mjs";
import { startPostgres } from "../bench/support/postgres.mjs";
import { measured } from "../bench/support/timed.mjs";

const mebibyte = 1 << 20;
const most = 256;
/** MiB of row text. */
const sizes = (process.env.SOAK_SIZES ?? "256,4096").split(",").map(Number);
const only = (process.env.SOAK_ONLY ?? "postgres,sqlite").split(",");
const coffer = process.env.COFFER_BIN;

/** Rows of about 1 KiB: text that packs in part, and a number to look them up by. */
const rowBytes = 1000;
const columns = "id bigint PRIMARY KEY, bucket bigint NOT NULL, body text NOT NULL";
const index = "CREATE INDEX by_bucket ON rows (bucket);";

const engines = {
  async postgres(folder, size, use) {
    const server = await startPostgres(join(folder, "postgres"));
    try {
      server.create("soak");
      const fill = `INSERT INTO rows SELECT n, n % 1000, repeat(md5(n::text), 30) FROM generate_series(1, ${Math.round((size * mebibyte) / rowBytes)}) n;`;
      for (const statement of [`CREATE TABLE rows (${columns});`, fill, index]) server.sql("soak", statement);
      await use(server.url("soak"));
    } finally {
      await server.stop();
    }
  },
  async sqlite(folder, size, use) {
    const file = join(folder, "soak.sqlite");
    const count = Math.round((size * mebibyte) / rowBytes);
    const fill = `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT INTO rows SELECT n, n % 1000, hex(randomblob(160)) || substr(hex(zeroblob(320)), 1, 640) FROM n;`;
    execFileSync("sqlite3", [
      file,
      `PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE rows (${columns}); ${fill} ${index}`,
    ]);
    await use(`sqlite:${file}`);
  },
};

/** What is measured of each database. */
function steps(folder, url) {
  const [archive, key] = [join(folder, "soak.coffer"), join(folder, "key")];
  const made = execFileSync(coffer, ["key", "new", "--out", key, "--json"], { encoding: "utf8" });
  const { recipient } = JSON.parse(made);
  return {
    archive,
    backup: [coffer, "backup", "--source", url, "--out", archive, "--sealed", "--recipient", recipient],
    verify: [coffer, "verify", archive, "--identity", key],
    "restore, keeping what is replaced": [coffer, "restore", archive, "--target", url, "--mode", "replace", "--yes", "--force"].concat(
      ["--identity", key],
      ["--safety-folder", join(folder, "safety")],
    ),
  };
}

main(async () => {
  await rivals("psql", "sqlite3");
  const lines = [];
  for (const engine of only)
    for (const size of sizes) {
      const folder = at("target", "soak", "engine-memory");
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o711);
      try {
        await engines[engine](folder, size, async (url) => {
          const { archive, ...commands } = steps(folder, url);
          for (const [step, command] of Object.entries(commands)) {
            const { wall, peak } = measured(command);
            const stored = `${Math.round(statSync(archive).size / mebibyte)} MiB`;
            lines.push([engine, `${size} MiB`, stored, step, `${(wall / 1000).toFixed(1)} s`, `${Math.round(peak / mebibyte)} MiB`]);
            console.log(lines.at(-1).join(", "));
            if (peak >= most * mebibyte) throw new Problem(`${engine}, ${step}: ${peak} bytes of memory, ${most} MiB are allowed.`);
          }
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  console.log(`\n${table([["engine", "rows", "archive", "step", "time", "peak memory"], ...lines])}`);
  return 0;
});
