// A `coffer serve` of the bench's own on the loopback, and what a signed-in client asks it.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

/** How long a server may take to start or to end, in milliseconds. */
const limit = 60_000;

/** Waits for a program that ends, or ends it. */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const stopped = await Promise.race([gone.then(() => true), pause(limit, false, { ref: false })]);
  if (!stopped) child.kill("SIGKILL");
  await gone;
}

/** One number of bytes that the system tells of a process, such as `VmRSS` (now) or `VmHWM` (at most so far). */
export function memory(pid, name) {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line[1]) * 1024;
}

/** The most memory that a process had since this was asked the last time, in bytes. */
export function peak(pid) {
  const most = memory(pid, "VmHWM");
  // As proc(5) says: the peak starts again from what is there now.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  return most;
}

/** Sends a request; the answer's body is read to its end. `agent` decides which connection is used. */
export function ask(origin, path, { method = "GET", headers = {}, body, agent } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, origin), { method, headers, agent }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }));
    });
    sent.on("error", reject);
    sent.setTimeout(limit, () => sent.destroy(new Error(`${method} ${path}: no answer for ${limit} ms`)));
    sent.end(body);
  });
}

/** Starts a server with a data folder of its own. */
export async function startServer(...args) {
  const data = mkdtempSync(join(tmpdir(), "coffer-load-"));
  const begun = performance.now();
  const options = ["serve", "--listen", "127.0.0.1:0", "--data", join(data, "data"), "--log", "warn", "--json", ...args];
  const child = spawn(process.env.COFFER_BIN, options, { stdio: ["ignore", "pipe", "inherit"] });
  const said = await new Promise((resolve, reject) => {
    const lines = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (line === "}") resolve(lines.join("\n"));
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
  const { address, set_up: setUp } = JSON.parse(said);
  const origin = new URL(address).origin;
  const { status } = await ask(origin, "/readyz");
  if (status !== 200) throw new Error(`/readyz answers ${status}`);
  const started = performance.now() - begun;
  return {
    origin,
    pid: child.pid,
    started,
    /** Makes the first administrator, and gives the headers that its requests carry. */
    async signIn() {
      const chosen = { token: /#set-up=(.+)$/.exec(setUp)[1], name: "load", password: "nine plain words that nobody else has chosen" };
      const headers = { "content-type": "application/json", origin };
      const answer = await ask(origin, "/api/session/link", { method: "POST", headers, body: JSON.stringify(chosen) });
      if (answer.status !== 204) throw new Error(`signing in: ${answer.status} ${answer.body}`);
      return { cookie: answer.headers["set-cookie"][0].split(";")[0], origin };
    },
    async stop() {
      await ended(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** nginx with one file at `/archive`, as its manual says for large files. */
export async function startNginx(program, file, port) {
  const folder = mkdtempSync(join(tmpdir(), "coffer-nginx-"));
  const root = file.slice(0, file.lastIndexOf("/"));
  const name = file.slice(root.length + 1);
  const config = `
daemon off; worker_processes auto; pid ${folder}/pid; error_log ${folder}/error.log; ${process.getuid() === 0 ? "user root;" : ""}
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  server { listen 127.0.0.1:${port}; location = /archive { alias ${root}/${name}; } }
}`;
  writeFileSync(join(folder, "nginx.conf"), config);
  const child = spawn(program, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: ["ignore", "ignore", "inherit"] });
  const origin = `http://127.0.0.1:${port}`;
  for (let left = 100; ; left -= 1) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(join(folder, "error.log"), "utf8")}`);
    const answer = await ask(origin, "/archive", { method: "HEAD" }).catch(() => undefined);
    if (answer?.status === 200) break;
    if (left === 0) throw new Error("nginx does not answer");
    await pause(50);
  }
  return {
    origin,
    pid: child.pid,
    async stop() {
      await ended(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Connections that are kept, so many at once. */
export const connections = (count) => new Agent({ keepAlive: true, maxSockets: count, maxFreeSockets: count });
