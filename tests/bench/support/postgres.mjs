// A PostgreSQL server to measure with: on 127.0.0.1 and a free port, gone afterwards.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { postgresSchema, rows, tableNames } from "./helpdesk.mjs";

/** The role that owns the databases. It is no superuser. */
const owner = "app";

/** As root, PostgreSQL runs under another account. */
function account() {
  if (process.getuid() !== 0) return {};
  const accounts = readFileSync("/etc/passwd", "utf8").split("\n");
  const [, , uid, gid] = ["postgres", "nobody"]
    .map((name) => accounts.find((line) => line.startsWith(`${name}:`)))
    .find(Boolean)
    .split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Starts a server in a folder, with the settings that Debian's has but for twice 256 MB of buffers. */
export async function startPostgres(folder) {
  const programs = process.env.COFFER_POSTGRES_BIN;
  const as = account();
  mkdirSync(folder, { recursive: true });
  if (as.uid) chownSync(folder, as.uid, as.gid);
  const [data, port] = [join(folder, "data"), await freePort()];
  execFileSync(join(programs, "initdb"), ["-D", data, "-U", "super", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust"], {
    ...as,
    cwd: folder,
    stdio: "ignore",
  });
  const settings = { listen_addresses: "127.0.0.1", port, unix_socket_directories: folder, shared_buffers: "512MB", max_wal_size: "4GB" };
  const server = spawn(
    join(programs, "postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    { ...as, cwd: folder, stdio: "ignore" },
  );
  const stop = async () => {
    if (server.exitCode !== null) return;
    server.kill("SIGINT");
    await once(server, "exit");
  };
  const sql = (database, text, user = owner) =>
    execFileSync("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text, url(database, user)], { encoding: "utf8" }).trim();
  const url = (database, user = owner) => `postgres://${user}@127.0.0.1:${port}/${database}`;
  for (let attempt = 0; spawnSync(join(programs, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).status !== 0; attempt += 1) {
    if (attempt > 300) throw new Error("PostgreSQL does not start");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  sql("postgres", `CREATE ROLE ${owner} LOGIN`, "super");
  const create = (database) => sql("postgres", `CREATE DATABASE ${database} OWNER ${owner}`, "super");
  const drop = (database) => sql("postgres", `DROP DATABASE IF EXISTS ${database}`, "super");
  return { url, sql, create, drop, stop };
}

/** Fills a database with a help desk, of about `size` GiB. */
export async function fillPostgres(server, database, size) {
  server.create(database);
  server.sql(database, postgresSchema.before.join(""));
  for (const table of tableNames) {
    const copy = spawn("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", `COPY ${table} FROM STDIN`, server.url(database)], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = once(copy, "exit");
    for (const text of rows(table, size)) if (!copy.stdin.write(text)) await once(copy.stdin, "drain");
    copy.stdin.end();
    const [status] = await ended;
    if (status !== 0) throw new Error(`the rows of ${table} could not be loaded`);
  }
  for (const statement of postgresSchema.after) server.sql(database, statement);
}
