// 1 million rows in 20 tables, brought together with as many in modes skip and overwrite, against mode replace

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { median, ratio, table } from "./support/figures.mjs";
import { startPostgres } from "./support/postgres.mjs";
import { measured, workFolder } from "./support/timed.mjs";

const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const rows = Number(process.env.BENCH_ROWS ?? 1_000_000);
const only = (process.env.BENCH_ONLY ?? "postgres,sqlite").split(",");
const tables = 20;
const each = Math.round(rows / tables);
const coffer = process.env.COFFER_BIN;
const modes = ["replace", "skip", "overwrite"];

/** Each table refers to the one before, and is recognised by a unique text. */
const name = (index) => `t${String(index).padStart(2, "0")}`;
const all = Array.from({ length: tables }, (_, index) => index);
const create = all
  .map((index) => {
    const parent = index > 0 ? `, parent bigint NOT NULL REFERENCES ${name(index - 1)}` : "";
    return `CREATE TABLE ${name(index)} (id bigint PRIMARY KEY, uid text NOT NULL UNIQUE, body text, n bigint${parent});`;
  })
  .join("");
/** Rows whose numbers are moved by `move`, of which the second half is known to both sides. */
const fill = (numbers, side, move) =>
  all
    .map((index) => {
      const parent = index > 0 ? `, ${each} - i + 1 + ${move}` : "";
      const uid = `CASE WHEN i * 2 > ${each} THEN 'both-' ELSE '${side}-' END || i`;
      return `INSERT INTO ${name(index)} SELECT i + ${move}, ${uid}, 'body of ${side} ' || i * 7919 || ' and some more text to make it a row', i * 31${parent} FROM ${numbers};`;
    })
    .join("");
const inPostgres = `generate_series(1, ${each}) i`;
const inSqlite = `(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${each}) SELECT i FROM n)`;

const engines = {
  async postgres(folder, use) {
    const server = await startPostgres(join(folder, "postgres"));
    try {
      for (const [side, move] of [
        ["a", 0],
        ["b", Math.round(each / 2)],
      ]) {
        server.create(side);
        server.sql(side, create);
        server.sql(side, fill(inPostgres, side, move));
        server.sql(side, "VACUUM ANALYZE", "super");
      }
      await use(server.url("a"), () => {
        server.drop("target");
        server.sql("postgres", "CREATE DATABASE target OWNER app TEMPLATE b", "super");
        return server.url("target");
      });
    } finally {
      await server.stop();
    }
  },
  async sqlite(folder, use) {
    const file = (side) => join(folder, `${side}.sqlite`);
    for (const [side, move] of [
      ["a", 0],
      ["b", Math.round(each / 2)],
    ]) {
      execFileSync("sqlite3", [file(side), `PRAGMA journal_mode = OFF; ${create} BEGIN; ${fill(inSqlite, side, move)} COMMIT;`]);
    }
    await use(`sqlite:${file("a")}`, () => {
      copyFileSync(file("b"), file("target"));
      return `sqlite:${file("target")}`;
    });
  },
};

const folder = workFolder("merge", 4e9);
try {
  for (const engine of only) {
    const place = join(folder, engine);
    mkdirSync(place, { recursive: true });
    chmodSync(folder, 0o755);
    await engines[engine](place, async (source, fresh) => {
      const archive = join(place, "archive.zip");
      measured([coffer, "backup", "--source", source, "--out", archive]);
      const figures = Object.fromEntries(modes.map((mode) => [mode, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const mode of modes) {
          const wanted = [archive, "--target", fresh(), "--mode", mode, "--force"];
          // The plan of a merge is a rehearsal of all of it, which is part of what the user waits for.
          figures[mode].push(measured([coffer, "restore", ...wanted, "--yes", "--no-safety-backup"]));
        }
      }
      const wall = (mode) => figures[mode].map((figure) => figure.wall);
      console.log(
        `\n${engine}: ${rows} rows in ${tables} tables, ${rounds} rounds; a merge's time is that of its plan and of the restore\n`,
      );
      console.log(
        table([
          ["mode", "time", "speed of replace"],
          ...modes.map((mode) => [
            mode,
            `${(median(wall(mode)) / 1000).toFixed(2)} s`,
            `${ratio(wall("replace"), wall(mode)).toFixed(2)} ×`,
          ]),
        ]),
      );
    });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
