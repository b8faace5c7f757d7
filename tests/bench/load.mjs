// the server under load: 200 readers of ranges beside nginx, 20 uploads of 64 MiB, idle and dawdling connections, memory and start
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { rivals } from "../../scripts/setup/rivals.mjs";
import { noise } from "./support/content.mjs";
import { median, ratio, table } from "./support/figures.mjs";
import { ask, connections, memory, peak, startNginx, startServer } from "./support/site.mjs";

const mebibyte = 1 << 20;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.BENCH_SECONDS ?? 8);
const readers = 200;
const uploads = 20;
const uploadMebibytes = 64;
/** What a reader asks for at once: what the page's reader does, and a whole archive in a few pieces. */
const rangeMebibytes = [1, 4];
const idle = 2000;
const dawdlers = 200;

const mib = (bytes) => `${(bytes / mebibyte).toFixed(0)} MiB`;
const folder = mkdtempSync(join(tmpdir(), "coffer-load-"));

/** A sealed archive of about so many bytes. */
function sealedArchive(name, mebibytes) {
  const files = join(folder, `${name}-files`);
  mkdirSync(files);
  for (let at = 0; at < mebibytes; at += 16)
    writeFileSync(join(files, `${at}.bin`), noise(`${name} ${at}`, Math.min(16, mebibytes - at) * mebibyte));
  const database = join(folder, "app.sqlite");
  const rows = "CREATE TABLE IF NOT EXISTS app (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT OR IGNORE INTO app VALUES (1, 'load');";
  execFileSync(process.env.COFFER_PYTHON, [
    "-c",
    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])",
    database,
    rows,
  ]);
  writeFileSync(join(folder, "password"), "pass\n");
  const archive = join(folder, `${name}.coffer`);
  const args = ["backup", "--source", `sqlite:${database}`, "--files", `files=${files}`, "--out", archive];
  execFileSync(process.env.COFFER_BIN, [...args, "--sealed", "--password-file", join(folder, "password")], { stdio: "pipe" });
  rmSync(files, { recursive: true });
  return archive;
}

const tus = { "tus-resumable": "1.0.0" };

/** Uploads an archive by tus, in pieces of 8 MiB, and gives the backup that it became. */
async function upload(origin, headers, bytes, agent) {
  const metadata = `purpose ${Buffer.from("archive").toString("base64")},name ${Buffer.from("load.coffer").toString("base64")}`;
  const begun = await ask(origin, "/api/uploads", {
    method: "POST",
    headers: { ...headers, ...tus, "upload-length": bytes.length, "upload-metadata": metadata },
    agent,
  });
  if (begun.status !== 201) throw new Error(`begin: ${begun.status} ${begun.body}`);
  const path = new URL(begun.headers.location, origin).pathname;
  const piece = 8 * mebibyte;
  for (let at = 0; at < bytes.length; at += piece) {
    const sent = { ...headers, ...tus, "content-type": "application/offset+octet-stream", "upload-offset": at };
    const answer = await ask(origin, path, { method: "PATCH", headers: sent, body: bytes.subarray(at, at + piece), agent });
    if (answer.status !== 204) throw new Error(`append at ${at}: ${answer.status} ${answer.body}`);
  }
  for (;;) {
    const { state, backup, error } = JSON.parse((await ask(origin, path, { headers: { ...headers, ...tus }, agent })).body);
    if (state === "stored") return backup;
    if (state !== "checking" && state !== "receiving") throw new Error(`the upload is ${state}: ${JSON.stringify(error)}`);
    await pause(50);
  }
}

/** A free port of the loopback. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** wrk with ranges at random places. Gives bytes a second; a wrong status or a broken connection is an error. */
function readRanges(wrk, url, headers, size, range) {
  const script = join(folder, "ranges.lua");
  writeFileSync(
    script,
    `local size, range = ${size}, ${range}
function init(args) math.randomseed(20261122) end
function request()
  local from = math.random(0, size - range)
  wrk.headers["Range"] = "bytes=" .. from .. "-" .. (from + range - 1)
  return wrk.format("GET")
end
function response(status) if status ~= 206 then wrk.thread:stop() end end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\\n", summary.bytes, summary.duration, summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
`,
  );
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const args = ["-t", "2", "-c", String(readers), "-d", `${seconds}s`, "--timeout", "30s", ...given, "-s", script, url];
  const { stdout, stderr, status } = spawnSync(wrk, args, { encoding: "utf8" });
  const found = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(stdout);
  if (status !== 0 || !found) throw new Error(`wrk: ${stdout}${stderr}`);
  const [bytes, microseconds, requests, errors] = found.slice(1).map(Number);
  if (errors > 0) throw new Error(`${errors} of ${requests} requests of ${url} failed`);
  // Whoever stops at a wrong status has asked for much less than fits into the time.
  if (bytes < requests * range * 0.9) throw new Error(`${requests} answers have only ${bytes} bytes`);
  return bytes / (microseconds / 1e6);
}

/** A connection that sends this and then nothing, or a byte a second. */
function open(origin, first, drip) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(first);
      const timer = drip ? setInterval(() => socket.writable && socket.write(drip), 1000) : undefined;
      socket.on("close", () => clearInterval(timer));
      resolve(socket);
    });
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

/** Milliseconds that answers take, one after the other. */
async function answers(origin, headers, count) {
  const took = [];
  for (let left = count; left > 0; left -= 1) {
    const begun = performance.now();
    const { status } = await ask(origin, "/api/backups", { headers });
    if (status !== 200) throw new Error(`/api/backups answers ${status}`);
    took.push(performance.now() - begun);
  }
  return took;
}

async function startAndIdle() {
  const starts = [];
  let resident = 0;
  for (let round = 0; round < 11; round += 1) {
    const server = await startServer();
    starts.push(server.started);
    if (round === 10) {
      await pause(2000);
      resident = memory(server.pid, "VmRSS");
    }
    await server.stop();
  }
  console.log(
    `Start to ready: median ${median(starts).toFixed(0)} ms, longest ${Math.max(...starts).toFixed(0)} ms of ${starts.length} (goal 300).`,
  );
  console.log(`Memory when idle: ${mib(resident)} (goal 60).\n`);
}

async function ranges(server, headers, archive, backup) {
  const { nginx, wrk } = await rivals("nginx", "wrk");
  const rival = await startNginx(nginx, archive, await freePort());
  try {
    const size = statSync(archive).size;
    const rows = [["way", "MB/s", "times as fast as nginx"]];
    for (const mebibytes of rangeMebibytes) {
      const range = mebibytes * mebibyte;
      const speeds = { nginx: [], coffer: [] };
      for (let round = -1; round < rounds; round += 1) {
        const byNginx = readRanges(wrk, `${rival.origin}/archive`, {}, size, range);
        const byCoffer = readRanges(wrk, `${server.origin}/api/backups/${backup}/archive`, headers, size, range);
        if (round < 0) continue;
        speeds.nginx.push(byNginx);
        speeds.coffer.push(byCoffer);
      }
      const row = (name, way) => [`${name}, ranges of ${mebibytes} MiB`, (median(speeds[way]) / 1e6).toFixed(0)];
      rows.push([...row("nginx", "nginx"), ""], [...row("coffer", "coffer"), ratio(speeds.coffer, speeds.nginx).toFixed(2)]);
    }
    console.log(`${readers} readers, ${size} bytes, ${rounds} rounds of ${seconds} s (goal 0.5):\n${table(rows)}\n`);
  } finally {
    await rival.stop();
  }
}

async function uploading(server, headers, archive) {
  const bytes = readFileSync(archive);
  const agent = connections(uploads);
  const begun = performance.now();
  const stored = await Promise.all(Array.from({ length: uploads }, () => upload(server.origin, headers, bytes, agent)));
  const took = (performance.now() - begun) / 1000;
  agent.destroy();
  const digest = (of) => createHash("sha256").update(of).digest("hex");
  const { body } = await ask(server.origin, `/api/backups/${stored.at(-1)}/archive`, { headers });
  if (digest(body) !== digest(bytes)) throw new Error("what was uploaded is not what is stored");
  if (new Set(stored).size !== uploads) throw new Error(`${uploads} uploads became ${new Set(stored).size} backups`);
  console.log(`${uploads} uploads of ${mib(bytes.length)} at once, stored and proven: ${took.toFixed(1)} s, no error.\n`);
}

async function dawdling(server, headers) {
  const alone = await answers(server.origin, headers, 50);
  const open_ = [];
  for (let count = 0; count < idle; count += 1) open_.push(await open(server.origin, ""));
  for (let count = 0; count < dawdlers; count += 1)
    open_.push(await open(server.origin, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", "a"));
  const among = await answers(server.origin, headers, 50);
  const resident = memory(server.pid, "VmRSS");
  // Their head never ends, so they are sent away.
  const deadline = performance.now() + 45_000;
  while (open_.some((socket) => !socket.closed) && performance.now() < deadline) await pause(500);
  const left = open_.filter((socket) => !socket.closed).length;
  for (const socket of open_) socket.destroy();
  console.log(
    `${idle} idle connections and ${dawdlers} that send a byte a second: answers take ${median(among).toFixed(1)} ms, alone ${median(alone).toFixed(1)} ms; ` +
      `memory ${mib(resident)}; ${left} were left after 45 s.\n`,
  );
  if (left > 0) throw new Error(`${left} connections that ask nothing are kept`);
}

try {
  console.log(`${cpus().length} processors: ${cpus()[0].model}\n`);
  await startAndIdle();
  const large = sealedArchive("large", 512);
  const small = sealedArchive("small", uploadMebibytes);
  const server = await startServer();
  try {
    const headers = await server.signIn();
    const backup = await upload(server.origin, headers, readFileSync(large));
    const most = () => console.log(`Most memory that the server had: ${mib(peak(server.pid))} (goal 300).\n`);
    await ranges(server, headers, large, backup);
    most();
    await uploading(server, headers, small);
    most();
    await dawdling(server, headers);
    most();
  } finally {
    await server.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
