// memory of the page while it seals, checks and unseals 64 MiB to 4 GiB: it must not grow with the size (5 GB of disk)
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inPage } from "../bench/support/browser.mjs";
import { noise } from "../bench/support/content.mjs";
import { table } from "../bench/support/figures.mjs";

const mebibyte = 1 << 20;
const sizes = (process.env.SOAK_MIB ?? "64,256,1024,4096").split(",").map(Number);
/** Of which every archive holds as many as its size needs. */
const fileMebibytes = 16;
/**
 * MiB that a way may take more for the largest size than for the one that took most among the smaller ones. A browser
 * collects what nobody needs any more when it sees fit, so that two runs of the same differ by tens of MiB.
 */
const allowed = 96;

/** A sealed archive with so much that does not pack. The files are one file under many names, so the disk holds it once. */
function backUp(folder, mebibytes) {
  const database = join(folder, "app.sqlite");
  const rows = "CREATE TABLE app (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO app VALUES (1, 'soak');";
  const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
  execFileSync(process.env.COFFER_PYTHON, ["-c", script, database, rows]);
  const files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(folder, "noise"), noise("soak", fileMebibytes * mebibyte));
  for (let index = 0; index < mebibytes / fileMebibytes; index += 1) linkSync(join(folder, "noise"), join(files, `${index}.bin`));
  writeFileSync(join(folder, "password"), "pass\n");
  const archive = join(folder, "archive.coffer");
  const args = ["backup", "--source", `sqlite:${database}`, "--files", `files=${files}`, "--out", archive];
  execFileSync(process.env.COFFER_BIN, [...args, "--sealed", "--password-file", join(folder, "password")], { stdio: "pipe" });
  return archive;
}

/** Run in the page. Each gives the bytes that came out, which are counted and not kept. */
const ways = {
  /** Of a file on the disk. */
  "seal a file": async ({ recipient }) => drain(coffer.seal(picked(), { recipients: [recipient] })),
  /** Of a stream that gives one MiB over and over. */
  "seal a stream": async ({ recipient, size }) => {
    let rest = size;
    const piece = new Uint8Array(1 << 20).fill(7);
    const stream = new ReadableStream({
      pull: (controller) => {
        rest -= piece.length;
        controller.enqueue(piece);
        if (rest === 0) controller.close();
      },
    });
    return drain(coffer.seal(stream, { recipients: [recipient] }));
  },
  check: async ({ archive }) => (await archive.verify()).bytes,
  unseal: async ({ archive }) => drain(await archive.unseal()),
};

/** Run in the page: what the ways need. */
async function prepare(size) {
  globalThis.picked = () => document.querySelector("#files").files[0];
  // Like whoever writes them away this hands the bytes on, here to nobody: else it would depend on when the browser
  // collects what lies around.
  const nowhere = new MessageChannel();
  nowhere.port2.close();
  globalThis.drain = async (pieces) => {
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.length;
      nowhere.port1.postMessage(undefined, [piece.buffer]);
    }
    return bytes;
  };
  const { recipient } = await coffer.makeKey();
  const archive = await coffer.openArchive(picked());
  await archive.unlock("pass");
  globalThis.given = { recipient, archive, size };
}

/** MiB that a process has for itself, what it shares counted in part. */
function residentMebibytes(pid) {
  try {
    const [, kibibytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? [];
    return Number(kibibytes ?? 0) / 1024;
  } catch {
    return 0; // It has ended.
  }
}

/** The most that the page and its workers (they are one process) had at any time while something was done. */
async function peakWhile(session, work) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  let peak = 0;
  const look = () => {
    const now = renderers.reduce((sum, pid) => sum + residentMebibytes(pid), 0);
    peak = Math.max(peak, now);
  };
  const timer = setInterval(look, 50);
  try {
    look();
    const result = await work();
    look();
    if (peak === 0) throw new Error("the memory of no process could be read");
    return { peak, result };
  } finally {
    clearInterval(timer);
  }
}

/** Peaks in MiB of every way, for one size. */
async function measure(mebibytes) {
  const folder = mkdtempSync(join(tmpdir(), "coffer-soak-"));
  try {
    const archive = backUp(folder, mebibytes);
    const size = mebibytes * mebibyte;
    if (statSync(archive).size < size) throw new Error(`the archive has only ${statSync(archive).size} bytes`);
    const peaks = {};
    // Each in a page of its own, which has no memory of the others.
    for (const [name, way] of Object.entries(ways))
      peaks[name] = await inPage({ files: [archive] }, async (page, context) => {
        const session = await context.browser().newBrowserCDPSession();
        const prepared = await peakWhile(session, () => page.evaluate(prepare, size));
        peaks.prepared = Math.max(peaks.prepared ?? 0, prepared.peak);
        const { peak, result } = await peakWhile(session, () => page.evaluate(`(${way})(given)`));
        if (result < size) throw new Error(`${name}: ${result} bytes came of ${size}`);
        return peak;
      });
    return peaks;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const rows = [];
for (const mebibytes of sizes) rows.push({ mebibytes, peaks: await measure(mebibytes) });

const names = ["prepared", ...Object.keys(ways)];
const cells = rows.map(({ mebibytes, peaks }) => [`${mebibytes} MiB`, ...names.map((name) => peaks[name].toFixed(0))]);
console.log("Peak memory of the page and its workers in Chromium, MiB (proportional set size, looked at every 50 ms).\n");
console.log(table([["", "opened and unlocked", ...names.slice(1)], ...cells]));

const last = rows.at(-1);
const grown = names.filter((name) => last.peaks[name] > Math.max(...rows.slice(0, -1).map(({ peaks }) => peaks[name])) + allowed);
if (grown.length > 0) {
  console.error(`\nIt grows with the size: ${grown.join(", ")} (allowed: ${allowed} MiB more than with any smaller size).`);
  process.exitCode = 1;
}
