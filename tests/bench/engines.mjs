// Backups and restores of 1 GiB, sealed, against pg_dump and pg_restore, VACUUM INTO with zstd and age, restic, and tar
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { at } from "../../scripts/lib/paths.mjs";
import { rivals } from "../../scripts/setup/rivals.mjs";
import { noise, numbers, text, writeFiles } from "./support/content.mjs";
import { median, ratio, table } from "./support/figures.mjs";
import { postgresSchema, rows, sqliteSchema, tableNames } from "./support/helpdesk.mjs";
import { fillPostgres, startPostgres } from "./support/postgres.mjs";
import { measured, timed, workFolder } from "./support/timed.mjs";

const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
/** GiB of each. */
const size = Number(process.env.BENCH_SIZE ?? 1);
const only = (process.env.BENCH_ONLY ?? "postgres-backup,postgres-restore,sqlite,files").split(",");
const mebibyte = 1 << 20;
const coffer = process.env.COFFER_BIN;

await rivals("age", "age-keygen", "pg_dump", "pg_restore", "psql", "restic", "sqlite3", "zstd");
process.env.RESTIC_PASSWORD = "bench";

/**
 * Runs all ways, one after the other, round by round, and prints them. One round is not counted: it warms files and
 * processors.
 *
 * @param {Record<string, { before?: () => unknown, run: () => { wall: number, cpu: number, peak: number }, out?: string, against?: string }>} ways
 */
function compare(title, ways) {
  const figures = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const [way, { before, run, out }] of Object.entries(ways)) {
      if (out) rmSync(out, { recursive: true, force: true });
      before?.();
      const figure = run();
      if (round >= 0) figures[way].push(figure);
    }
  }
  const column = (way, name) => figures[way].map((figure) => figure[name]);
  const stored = (out) => (out ? `${(folderBytes(out) / 1e6).toFixed(0)} MB` : "");
  const lines = Object.entries(ways).map(([way, { out, against }]) => [
    way,
    `${(median(column(way, "wall")) / 1000).toFixed(2)} s`,
    `${(median(column(way, "cpu")) / 1000).toFixed(2)} s`,
    `${(Math.max(...column(way, "peak")) / mebibyte).toFixed(0)} MiB`,
    stored(out),
    ...(against ?? []).map((other) => `${ratio(column(other, "wall"), column(way, "wall")).toFixed(2)} × ${other}`),
  ]);
  const width = Math.max(...lines.map((line) => line.length));
  console.log(`\n${title}, ${rounds} rounds\n`);
  console.log(
    table([
      ["way", "time", "processor time", "peak memory", "stored", "times as fast", ""].slice(0, Math.max(width, 5)),
      ...lines.map((line) => [...line, "", ""].slice(0, Math.max(width, 5))),
    ]),
  );
}

const folderBytes = (path) => Number(/^\d+/.exec(execFileSync("du", ["-sb", path], { encoding: "utf8" }))[0]);

const folder = workFolder("engines", (10 + 8 * size) * 1024 * mebibyte);
// PostgreSQL runs under an account of its own.
chmodSync(folder, 0o711);
const path = (name) => join(folder, name);
execFileSync("age-keygen", ["-o", path("age.key")], { stdio: "ignore" });
const ageRecipient = /age1\w+/.exec(readFileSync(path("age.key"), "utf8"))[0];
const made = execFileSync(coffer, ["key", "new", "--out", path("coffer.key"), "--json"], { encoding: "utf8" });
const { recipient } = JSON.parse(made);

const backUp = (source, out, ...more) =>
  measured([coffer, "backup", "--source", source, "--out", out, "--sealed", "--recipient", recipient, ...more]);
const restore = (archive, target, ...more) =>
  measured([
    coffer,
    "restore",
    archive,
    "--target",
    target,
    "--mode",
    "replace",
    "--yes",
    "--force",
    "--identity",
    path("coffer.key"),
    ...more,
  ]);
/** Coffer reads back what it restored and compares it. */
const readBack = "pg_restore; then rows read back";
/** What the other tools don't do; folders and tables that were empty make it take next to nothing. */
const keeping = ["--safety-folder", path("safety"), "--keep-safety-backups", "1"];

/** Makes the database to back up. Making its rows takes longest, so that a dump of it is kept for the next time. */
async function makeDesk(server) {
  const kept = at("target", "bench", "engines", `desk-${size}.dump`);
  if (existsSync(kept)) {
    server.create("desk");
    execFileSync("pg_restore", ["-d", server.url("desk"), kept]);
    server.sql("desk", postgresSchema.after.at(-1));
    return kept;
  }
  await fillPostgres(server, "desk", size);
  mkdirSync(at("target", "bench", "engines"), { recursive: true });
  execFileSync("pg_dump", ["-Fc", "-f", `${kept}.part`, server.url("desk")]);
  renameSync(`${kept}.part`, kept);
  return kept;
}

async function postgres() {
  const server = await startPostgres(path("postgres"));
  try {
    const dump = await makeDesk(server);
    const bytes = server.sql("desk", "SELECT pg_size_pretty(pg_database_size(current_database()))");
    const archive = path("pg.coffer");
    if (only.includes("postgres-backup"))
      compare(`PostgreSQL, ${bytes} with indexes: backup`, {
        "pg_dump -Fc": {
          out: path("pg.dump"),
          run: () => timed('pg_dump -Fc -f "$1" "$2"', path("pg.dump"), server.url("desk")),
        },
        coffer: { out: archive, against: ["pg_dump -Fc"], run: () => backUp(server.url("desk"), archive) },
      });
    if (!only.includes("postgres-restore")) return;
    rmSync(archive, { force: true });
    backUp(server.url("desk"), archive);
    // Coffer's target has the schema, and no rows or those of the last round; pg_restore makes both.
    server.create("target");
    execFileSync("pg_restore", ["--schema-only", "-d", server.url("target"), dump]);
    const empty = () => server.sql("target", `TRUNCATE ${tableNames.join(", ")}`);
    const anew = () => {
      server.drop("anew");
      server.create("anew");
    };
    compare(`PostgreSQL, ${bytes} with indexes: restore`, {
      pg_restore: { before: anew, run: () => timed('pg_restore -d "$2" "$1"', dump, server.url("anew")) },
      [readBack]: {
        before: anew,
        run: () => timed('pg_restore -d "$2" "$1" && pg_dump --data-only "$2" | sha256sum', dump, server.url("anew")),
      },
      "coffer, into empty tables": {
        before: empty,
        against: ["pg_restore", readBack],
        run: () => restore(archive, server.url("target"), "--no-safety-backup"),
      },
      "coffer, over rows that it keeps in a safety backup": {
        against: ["pg_restore", readBack],
        run: () => restore(archive, server.url("target"), ...keeping),
      },
    });
    const state = (database) =>
      server.sql(
        database,
        `SELECT string_agg(d, E'\\n' ORDER BY d) FROM (SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace UNION ALL ${tableNames.map((name) => `SELECT '${name}' || count(*) FROM ${name}`).join(" UNION ALL ")}) x (d)`,
      );
    if (state("target") !== state("anew")) throw new Error("the two ways did not restore the same");
  } finally {
    await server.stop();
    rmSync(path("postgres"), { recursive: true, force: true });
  }
}

async function makeSqlite(file) {
  const sqlite = spawn("sqlite3", [file], { stdio: ["pipe", "ignore", "inherit"] });
  const ended = once(sqlite, "exit");
  const write = async (line) => {
    if (!sqlite.stdin.write(line)) await once(sqlite.stdin, "drain");
  };
  await write(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;\n${sqliteSchema.before.join("\n")}\nBEGIN;\n`);
  const value = (field) => (field === "\\N" ? "NULL" : /^-?\d+(\.\d+)?$/.test(field) ? field : `'${field.replaceAll("'", "''")}'`);
  for (const name of tableNames)
    for (const lines of rows(name, size))
      await write(
        `INSERT INTO ${name} VALUES\n${lines
          .trimEnd()
          .split("\n")
          .map((line) => `(${line.split("\t").map(value).join(",")})`)
          .join(",\n")};\n`,
      );
  await write(`COMMIT;\n${sqliteSchema.after.join("\n")}\n`);
  sqlite.stdin.end();
  if ((await ended)[0] !== 0) throw new Error("the SQLite file could not be made");
}

async function sqlite() {
  const file = path("desk.sqlite");
  await makeSqlite(file);
  const [archive, copy, packed] = [path("sqlite.coffer"), path("copy.sqlite"), path("sqlite.age")];
  const bytes = `${(statSync(file).size / mebibyte).toFixed(0)} MiB with indexes`;
  const chain = "VACUUM INTO, zstd -1 and age";
  compare(`SQLite, ${bytes}: backup`, {
    [chain]: {
      out: packed,
      before: () => rmSync(copy, { force: true }),
      run: () => timed('sqlite3 "$1" "VACUUM INTO \'$2\'" && zstd -1 -q -c "$2" | age -r "$3" -o "$4"', file, copy, ageRecipient, packed),
    },
    coffer: { out: archive, against: [chain], run: () => backUp(`sqlite:${file}`, archive) },
  });
  for (const made of [file, copy, packed, archive]) rmSync(made, { force: true });
}

/** Uploads as they are: many small ones, photos, some recordings; about half of the bytes pack. */
function makeUploads(uploads) {
  const next = numbers("uploads");
  let left = size * 1024 * mebibyte;
  for (let index = 0; left > 0; index += 1) {
    const kind = index % 40 === 0 ? 24 * mebibyte : index % 4 === 0 ? 2 * mebibyte : 64 << 10;
    const bytes = Math.min(left, (kind >> 1) + (next() % kind));
    const packs = index % 5 < 2;
    const name = `${index % 50}/${index}.${packs ? "txt" : "jpg"}`;
    writeFiles(uploads, { [name]: (packs ? text : noise)(`upload ${index}`, bytes) });
    left -= bytes;
  }
}

function files() {
  const uploads = path("uploads");
  makeUploads(uploads);
  const database = path("app.sqlite");
  execFileSync("sqlite3", [database, "CREATE TABLE app (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO app VALUES (1, 'bench')"]);
  const [archive, repository, tarred, restored] = [path("files.coffer"), path("restic"), path("files.age"), path("restored")];
  const count = execFileSync("find", [uploads, "-type", "f"], { encoding: "utf8" }).trimEnd().split("\n").length;
  const [tar, restic] = ["tar, zstd -1 and age", "restic"];
  compare(`${count} files, ${(folderBytes(uploads) / mebibyte).toFixed(0)} MiB: backup`, {
    [restic]: {
      out: repository,
      before: () => execFileSync("restic", ["-q", "-r", repository, "--cache-dir", path("cache"), "init"]),
      run: () => timed('restic -q -r "$1" --cache-dir "$2" backup "$3"', repository, path("cache"), uploads),
    },
    [tar]: { out: tarred, run: () => timed('tar -C "$1" -c . | zstd -1 -q -c | age -r "$2" -o "$3"', uploads, ageRecipient, tarred) },
    coffer: { out: archive, against: [restic, tar], run: () => backUp(`sqlite:${database}`, archive, "--files", `uploads=${uploads}`) },
  });
  const anew = () => {
    rmSync(restored, { recursive: true, force: true });
    mkdirSync(restored);
  };
  const same = (folder) => execFileSync("diff", ["-rq", uploads, folder]);
  compare(`${count} files, ${(folderBytes(uploads) / mebibyte).toFixed(0)} MiB: restore`, {
    [restic]: {
      before: anew,
      run: () => timed('restic -q -r "$1" --cache-dir "$2" restore latest --target "$3"', repository, path("cache"), restored),
    },
    [tar]: { before: anew, run: () => timed('age -d -i "$1" "$2" | zstd -d -q -c | tar -C "$3" -x', path("age.key"), tarred, restored) },
    coffer: {
      before: anew,
      against: [restic, tar],
      run: () => restore(archive, `sqlite:${database}`, "--files", `uploads=${restored}`, ...keeping),
    },
  });
  same(restored);
}

try {
  console.log(`${cpus().length} processors: ${cpus()[0].model}; in ${folder.split("/").slice(0, 3).join("/")}`);
  if (only.some((name) => name.startsWith("postgres"))) await postgres();
  if (only.includes("sqlite")) await sqlite();
  if (only.includes("files")) files();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
