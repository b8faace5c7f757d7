// Sealing and unsealing 1 GiB natively, against Debian's age, in memory-backed files.
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { at } from "../../scripts/lib/paths.mjs";
import { rivals } from "../../scripts/setup/rivals.mjs";
import { noise, writeFiles } from "./support/content.mjs";
import { median, ratio, speed, table } from "./support/figures.mjs";
import { timed, workFolder } from "./support/timed.mjs";

const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const mebibyte = 1 << 20;
const coffer = process.env.COFFER_BIN;

/** A plain archive of 1 GiB of files that do not pack, as uploads are, and of a table; the same on every machine. */
function plainArchive() {
  const folder = at("target", "bench", "seal-age");
  const archive = join(folder, "archive.zip");
  const usable = existsSync(archive) && spawnSync(coffer, ["verify", archive], { stdio: "ignore" }).status === 0;
  if (usable) return archive;
  mkdirSync(folder, { recursive: true });
  for (let index = 0; index < 256; index += 1) {
    // Its own start, so that no two are the same, and sizes that fit no block.
    writeFiles(join(folder, "files"), { [`${index}.jpg`]: noise(`upload ${index}`, 4 * mebibyte - index * 31) });
  }
  const database = join(folder, "app.sqlite");
  const script = [
    "import sqlite3, sys, os",
    "if os.path.exists(sys.argv[1]): os.remove(sys.argv[1])",
    "db = sqlite3.connect(sys.argv[1])",
    "db.execute('CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject TEXT, body TEXT)')",
    "db.executemany('INSERT INTO tickets VALUES (?, ?, ?)', ((n, f'ticket {n}', f'the body of ticket {n} ' * 9) for n in range(100000)))",
    "db.commit()",
  ].join("\n");
  execFileSync(process.env.COFFER_PYTHON, ["-c", script, database]);
  const args = ["backup", "--source", `sqlite:${database}`, "--files", `uploads=${join(folder, "files")}`, "--out", archive, "--overwrite"];
  execFileSync(coffer, args, { stdio: "ignore" });
  rmSync(join(folder, "files"), { recursive: true });
  return archive;
}

const { age, "age-keygen": keygen } = await rivals("age", "age-keygen");
const source = plainArchive();
const folder = workFolder("seal-age", 6 * 1024 * mebibyte);
try {
  const path = (name) => join(folder, name);
  const [plain, byAge, byCoffer, fromAge, fromCoffer] = ["a.zip", "a.age", "a.coffer", "age.zip", "coffer.zip"].map(path);
  copyFileSync(source, plain);
  const bytes = statSync(plain).size;
  execFileSync(keygen, ["-o", path("age.key")], { stdio: "ignore" });
  const ageRecipient = /age1\w+/.exec(readFileSync(path("age.key"), "utf8"))[0];
  const made = execFileSync(coffer, ["key", "new", "--type", "x25519", "--out", path("coffer.key"), "--json"], { encoding: "utf8" });
  const { recipient } = JSON.parse(made);

  const ageSeal = '"$1" -r "$2" -o "$3" "$4"';
  const ways = {
    "seal, age": () => timed(ageSeal, age, ageRecipient, byAge, plain),
    "seal, age; then opened and compared": () =>
      timed(`${ageSeal} && "$1" -d -i "$5" "$3" | cmp - "$4"`, age, ageRecipient, byAge, plain, path("age.key")),
    "seal, coffer, content checked": () => timed('"$1" seal "$2" --out "$3" --recipient "$4"', coffer, plain, byCoffer, recipient),
    "seal, coffer --unchecked": () => timed('"$1" seal "$2" --out "$3" --recipient "$4" --unchecked', coffer, plain, byCoffer, recipient),
    "unseal, age": () => timed('"$1" -d -i "$2" -o "$3" "$4"', age, path("age.key"), fromAge, byAge),
    "unseal, coffer, content checked": () =>
      timed('"$1" unseal "$2" --out "$3" --identity "$4"', coffer, byCoffer, fromCoffer, path("coffer.key")),
  };
  const outputs = {
    "seal, age": byAge,
    "seal, age; then opened and compared": byAge,
    "seal, coffer, content checked": byCoffer,
    "seal, coffer --unchecked": byCoffer,
    "unseal, age": fromAge,
    "unseal, coffer, content checked": fromCoffer,
  };
  const figures = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  // One round is not counted: it warms files and processors.
  for (let round = -1; round < rounds; round += 1) {
    for (const [way, measure] of Object.entries(ways)) {
      rmSync(outputs[way], { force: true });
      const figure = measure();
      if (round >= 0) figures[way].push(figure);
    }
  }
  if (spawnSync("cmp", [fromAge, plain]).status !== 0 || spawnSync("cmp", [fromCoffer, plain]).status !== 0)
    throw new Error("what was unsealed is not what was sealed");

  const walls = (way) => figures[way].map(({ wall }) => wall);
  const row = (way, ...against) => [
    way,
    `${Math.round(speed(bytes, median(walls(way))))} MB/s`,
    `${(median(figures[way].map(({ cpu }) => cpu)) / 1000).toFixed(2)} s`,
    ...against.map((other) => (other ? ratio(walls(other), walls(way)).toFixed(2) : "")),
  ];
  const head = ["way", "speed", "processor time", "times as fast as age", "… as age, then compared"];
  const compared = "seal, age; then opened and compared";
  console.log(
    `${bytes} bytes, ${rounds} rounds, ${cpus().length} processors: ${cpus()[0].model}; files in ${folder.split("/").slice(0, 3).join("/")}\n`,
  );
  console.log(
    table([
      head,
      row("seal, age", "seal, age", compared),
      row(compared, "seal, age", compared),
      row("seal, coffer, content checked", "seal, age", compared),
      row("seal, coffer --unchecked", "seal, age", compared),
      row("unseal, age", "unseal, age", ""),
      row("unseal, coffer, content checked", "unseal, age", ""),
    ]),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
