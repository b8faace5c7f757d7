// Checking a whole sealed archive in Chromium, against npm zip.js extracting the same files from an AES-256 ZIP.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inPage } from "./support/browser.mjs";
import { noise, text, writeFiles } from "./support/content.mjs";
import { median, ratio, speed, table } from "./support/figures.mjs";

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const mebibyte = 1 << 20;

const numbered = (count, file) => Object.fromEntries(Array.from({ length: count }, (_, index) => file(index)));

/** Half of the large files pack well, half not at all. */
const large = () =>
  numbered(4, (index) => [`large/${index}`, index % 2 ? text(`large ${index}`, 32 * mebibyte) : noise(`large ${index}`, 32 * mebibyte)]);
const small = () =>
  numbered(1000, (index) => {
    const size = 2048 + ((index * 7919) % 28_672);
    return [`small/${index % 10}/${index}`, index % 2 ? text(`small ${index}`, size) : noise(`small ${index}`, size)];
  });

const sets = {
  "1,000 small files and large ones": { files: () => ({ ...small(), ...large() }), goal: "≥ 8" },
  "large files only": { files: large, goal: "≥ 3" },
};

/** A sealed archive of these files, and of a table with one row. */
function backUp(folder, files) {
  const database = join(folder, "app.sqlite");
  const rows = "CREATE TABLE app (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO app VALUES (1, 'bench');";
  const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
  execFileSync(process.env.COFFER_PYTHON, ["-c", script, database, rows]);
  writeFiles(join(folder, "files"), files);
  writeFileSync(join(folder, "password"), "pass\n");
  const archive = join(folder, "archive.coffer");
  const args = ["backup", "--source", `sqlite:${database}`, "--files", `files=${join(folder, "files")}`, "--out", archive];
  execFileSync(process.env.COFFER_BIN, [...args, "--sealed", "--password-file", join(folder, "password")], { stdio: "pipe" });
  return archive;
}

/** Runs in the page: milliseconds of both ways, one round after the other. */
async function measure({ rounds, paths }) {
  const picked = [...document.querySelector("#files").files];
  const sealed = picked.find(({ name }) => name === "archive.coffer");
  const sources = picked.filter((file) => file !== sealed);
  const { zip } = rivals;
  const password = "pass";

  // The ZIP of the same files, made by zip.js itself; where DEFLATE gains nothing it stores, as Coffer does.
  const writer = new zip.ZipWriter(new zip.BlobWriter(), { password, encryptionStrength: 3, level: 6 });
  for (const [index, file] of sources.entries()) {
    const stored = paths[index].noise;
    await writer.add(paths[index].path, new zip.BlobReader(file), stored ? { level: 0 } : {});
  }
  const zipped = await writer.close();

  const archive = await coffer.openArchive(sealed);
  await archive.unlock(password);
  const total = sources.reduce((sum, { size }) => sum + size, 0);
  const check = async () => {
    const { bytes } = await archive.verify();
    if (bytes < total) throw new Error(`${bytes} bytes were checked of ${total}`);
  };
  const modules = await coffer.openArchive(sealed, { crypto: "wasm" });
  await modules.unlock(password);

  /** As many at once as there are processors: zip.js has a worker for each. */
  const extract = async () => {
    const reader = new zip.ZipReader(new zip.BlobReader(zipped), { password, checkSignature: true });
    const entries = await reader.getEntries();
    let bytes = 0;
    const rest = entries[Symbol.iterator]();
    const work = async () => {
      for (const entry of rest) {
        const content = await entry.getData(new zip.Uint8ArrayWriter());
        bytes += content.length;
      }
    };
    await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
    await reader.close();
    if (bytes !== total) throw new Error(`${bytes} bytes came out of ${total}`);
  };

  const ways = { coffer: check, module: () => modules.verify(), zip: extract };
  const times = { coffer: [], module: [], zip: [] };
  for (let round = -1; round < rounds; round += 1)
    for (const [name, run] of Object.entries(ways)) {
      const before = performance.now();
      await run();
      // The first round only warms up.
      if (round >= 0) times[name].push(performance.now() - before);
    }
  return { times, total };
}

const rows = [["", "content", "Coffer", "the same, all in wasm", "zip.js", "to zip.js", "goal"]];
for (const [name, { files, goal }] of Object.entries(sets)) {
  const folder = mkdtempSync(join(tmpdir(), "coffer-bench-"));
  try {
    mkdirSync(join(folder, "files"));
    const contents = files();
    const archive = backUp(folder, contents);
    const paths = Object.keys(contents).map((path) => ({ path, noise: !isText(path) }));
    const sources = paths.map(({ path }) => join(folder, "files", path));
    const { times, total } = await inPage({ rivals: true, files: [archive, ...sources] }, (page) =>
      page.evaluate(measure, { rounds, paths }),
    );
    const speeds = Object.fromEntries(Object.entries(times).map(([way, list]) => [way, list.map((ms) => speed(total, ms))]));
    const content = `${(total / 1e6).toFixed(0)} MB, ${(statSync(archive).size / 1e6).toFixed(0)} sealed`;
    const medians = ["coffer", "module", "zip"].map((way) => median(speeds[way]).toFixed(0));
    rows.push([name, content, ...medians, ratio(speeds.coffer, speeds.zip).toFixed(1), goal]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.log(`Chromium, MB/s of content, medians of ${rounds} rounds; each ratio is the median of the rounds' own ratios.\n`);
console.log(table(rows));

function isText(path) {
  return Number(path.split("/").at(-1)) % 2 === 1;
}
