// Changes the sealed archive's and the archive's code in every small way, and shows which changes no test notices.
//
// What the changes are is cargo-mutants' to say. Building core for each would take hours, so tests/mutants puts all of them
// into one copy of the source, each behind a switch, and one build tries them all. What can't be switched (a constant, a
// condition with `let`) or does not compile goes to cargo-mutants itself, which builds it alone.
//
// COFFER_MUTANTS_FILES (globs with blanks between them) picks some files. COFFER_MUTANTS_ONLY=survivors tries only what survived
// the last time, which is enough after adding tests; COFFER_MUTANTS_ONLY=untried goes on where a run was ended.
// docs/mutants.md says what was made of those that survived.
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { at, top } from "../../scripts/lib/paths.mjs";
import { main, Problem } from "../../scripts/lib/problem.mjs";
import { ask, run } from "../../scripts/lib/run.mjs";

const version = "27.1.0";
const cargoMutants = at("target", "tools", "bin", "cargo-mutants");
const globs = process.env.COFFER_MUTANTS_FILES?.split(" ").filter(Boolean) ?? ["core/src/seal/**", "core/src/archive/**"];
const only = process.env.COFFER_MUTANTS_ONLY;
const folder = at("target", "mutants");
const tree = join(folder, "tree");
const build = join(folder, "build");
const results = join(folder, "results.json");
/** What core depends on is compiled for speed and only once. */
const profile = ["profile.dev.debug=false", "profile.dev.incremental=false", 'profile.dev.package."*".opt-level=3'];
const settings = [...profile, "profile.dev.opt-level=2"].map((setting) => `--config=${setting}`);
/** These take longer than all others together, so they come last. */
const slow = ["every_truncation_has", "every_flipped", "any_damage_leaves", "digests_made_elsewhere"];
const quick = slow.flatMap((name) => ["--skip", name]);
/** Of a test program, in KiB: a change can make a buffer huge. */
const memory = 4 << 20;
/**
 * The test programs, most telling first, and the seconds of processor time that each may take: a change can make a loop
 * endless.
 */
const ladder = ({ file }) => {
  const part = file.startsWith("core/src/seal") ? "seal" : "archive";
  return [
    ["coffer_core", [`${part}::`, ...quick], 20],
    ["hostile", [], 20],
    ["coffer_core", quick, 20],
    ["vectors", [], 60],
    ["coffer_core", slow, 90],
    [`properties_${part}`, [], 120],
    ["corpus", [], 120],
  ];
};
const packages = ["coffer-core", "coffer-vectors", "coffer-invariants"];
const programs = ["hostile", "vectors", "properties_seal", "properties_archive", "corpus"];

const save = (name, value) => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
};
const chosenFiles = globs.flatMap((glob) => ["--file", glob]);
const progress = (text) => process.stdout.isTTY && process.stdout.write(`\r\x1b[K${text}`);

/** What cargo-mutants would change, in its order. */
function list() {
  const text = ask(cargoMutants, ["mutants", "--list", "--json", "--package=coffer-core", ...chosenFiles], { timeout: 120_000 });
  if (!text) throw new Problem("cargo-mutants could not list the changes.");
  return JSON.parse(text);
}

/** A copy of the source that may be changed. */
function copySource() {
  rmSync(tree, { recursive: true, force: true });
  const names = ask("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).split("\0");
  for (const name of names.filter((name) => name && existsSync(at(name)))) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    copyFileSync(at(name), join(tree, name));
  }
}

/** The changes that a message of the compiler is about, or the test program that it made. */
function understand(line, placed) {
  if (!line.startsWith("{")) return {};
  const { reason, message, executable, target } = JSON.parse(line);
  if (reason === "compiler-artifact" && executable) return { program: { [target.name]: executable } };
  if (reason !== "compiler-message" || message.level !== "error") return {};
  const spans = [...message.spans, ...message.children.flatMap((child) => child.spans)];
  const within = (lines) => (place) =>
    spans.some(
      (span) => join(tree, place.file).endsWith(span.file_name) && span.line_start <= place[lines][1] && span.line_end >= place[lines][0],
    );
  const own = placed.filter(within("own"));
  const about = own.length > 0 ? own : placed.filter(within("whole"));
  return { about: about.map(({ id }) => id), text: message.rendered };
}

/** Builds the test programs with as many of the changes as can be switched; says which those are. */
function buildSwitched(changes) {
  const tool = at("tests", "mutants", "Cargo.toml");
  // The same versions of everything as elsewhere.
  copyFileSync(at("Cargo.lock"), at("tests", "mutants", "Cargo.lock"));
  const toolBuilt = spawnSync("cargo", ["build", "--release", "--manifest-path", tool, "--target-dir", join(folder, "tool")], {
    stdio: "inherit",
  });
  if (toolBuilt.status !== 0) throw new Problem("tests/mutants could not be built.");
  const leftOut = new Set();
  for (;;) {
    const place = spawnSync(
      join(folder, "tool", "release", "coffer-mutants"),
      [top, tree, "core/src", save("list.json", changes), save("left-out.json", [...leftOut])],
      { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] },
    );
    if (place.status !== 0) throw new Problem("The changes could not be put into the copy of the source.");
    const placed = JSON.parse(place.stdout);
    const cargo = spawnSync(
      "cargo",
      [
        "test",
        "--no-run",
        ...packages.map((name) => `--package=${name}`),
        "--lib",
        ...programs.map((name) => `--test=${name}`),
        "--locked",
        "--message-format=json",
        `--target-dir=${build}`,
        ...settings,
      ],
      // The switch asks whether it runs in the compiler, which is an unstable question.
      {
        cwd: tree,
        env: { ...process.env, RUSTC_BOOTSTRAP: "1", RUSTFLAGS: "--cap-lints=allow" },
        encoding: "utf8",
        maxBuffer: 1 << 28,
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    const said = cargo.stdout.split("\n").map((line) => understand(line, placed));
    if (cargo.status === 0)
      return { programs: Object.assign({}, ...said.map(({ program }) => program)), placed: new Set(placed.map(({ id }) => id)) };
    const before = leftOut.size;
    for (const { about = [] } of said) for (const id of about) leftOut.add(id);
    console.log(`${leftOut.size - before} changes do not compile behind a switch.`);
    if (leftOut.size === before)
      throw new Problem(`The copy does not compile:\n${said.map(({ text }) => text ?? "").join("\n")}${cargo.stderr}`);
  }
}

/** Runs a test program with one change switched on. */
function tests(program, args, seconds, change) {
  const bounded = `ulimit -t ${seconds}; ulimit -v ${memory}; exec "$0" "$@"`;
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", bounded, program, "--test-threads=1", ...args], {
      cwd: join(tree, "core"),
      env: { ...process.env, COFFER_MUTANT: `${change}` },
      stdio: "ignore",
      timeout: 20 * 60_000,
      killSignal: "SIGKILL",
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve("survived");
      else resolve(signal === "SIGXCPU" || signal === "SIGKILL" ? "timed out" : "noticed");
    });
  });
}

/** Tries a change with the nearest tests first; says what came of it, and which program noticed. */
async function tryChange(paths, change, id) {
  for (const [program, args, seconds] of ladder(change)) {
    const outcome = await tests(paths[program], args, seconds, id);
    if (outcome !== "survived") return { outcome, program };
  }
  return { outcome: "survived" };
}

/** Has cargo-mutants itself try what can't be switched. */
async function tryAlone(changes) {
  const literally = (name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const config = join(folder, "alone.toml");
  writeFileSync(config, `examine_re = [\n${changes.map(({ name }) => `'''^${literally(name)}$''',\n`).join("")}]\n`);
  const output = join(folder, "alone");
  await run(
    cargoMutants,
    [
      "mutants",
      "--package=coffer-core",
      `--config=${config}`,
      "--timeout=120",
      "--cap-lints=true",
      `--output=${output}`,
      ...[...profile, "profile.dev.opt-level=1"].map((setting) => `--cargo-arg=--config=${setting}`),
      "--",
      "--lib",
      "--test=hostile",
      "--",
      ...slow.flatMap((name) => ["--skip", name]),
    ],
    { timeout: 5 * 3_600_000, env: { CARGO_TARGET_DIR: join(folder, "alone-build") } },
    // It fails if a change survives; what it found is in its files all the same.
  ).catch((problem) => console.log(problem.message));
  const outcomes = { caught: "noticed", missed: "survived", timeout: "timed out", unviable: "does not compile" };
  const found = new Map();
  for (const [file, outcome] of Object.entries(outcomes)) {
    const names = readFileSync(join(output, "mutants.out", `${file}.txt`), "utf8").split("\n");
    for (const name of names.filter(Boolean)) found.set(name, outcome);
  }
  return found;
}

/** One line a file, and the names of what survived. */
function report(outcomes) {
  const columns = ["noticed", "timed out", "does not compile", "survived"];
  const files = Map.groupBy(Object.entries(outcomes), ([name]) => name.slice(0, name.indexOf(":")));
  console.log(`\n| | tried | ${columns.join(" | ")} |\n|---|---|${columns.map(() => "---|").join("")}`);
  for (const [file, of] of [...files, ["together", Object.entries(outcomes)]])
    console.log(
      `| ${file} | ${of.length} | ${columns.map((column) => of.filter(([, outcome]) => outcome === column).length).join(" | ")} |`,
    );
  const survived = Object.keys(outcomes).filter((name) => outcomes[name] === "survived");
  console.log(survived.length > 0 ? `\nSurvived:\n${survived.map((name) => `  ${name}`).join("\n")}` : "\nNone survived.");
  return survived.length;
}

main(async () => {
  if (!existsSync(cargoMutants))
    await run("cargo", ["install", "cargo-mutants", "--locked", "--version", version, "--root", at("target", "tools")], {
      failure: "cargo-mutants could not be installed.",
    });
  mkdirSync(folder, { recursive: true });
  const before = only && existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : {};
  const wanted = { survivors: (name) => before[name] === "survived", untried: (name) => !(name in before) }[only] ?? (() => true);
  const changes = list().filter(({ name }) => wanted(name));
  console.log(`${changes.length} changes.`);
  if (changes.length === 0) return 0;
  copySource();
  const { programs: paths, placed } = buildSwitched(changes);

  const outcomes = {};
  const keep = () => save("results.json", { ...before, ...outcomes });
  for (const part of ["seal", "archive"]) {
    const unchanged = await tryChange(paths, { file: `core/src/${part}` }, changes.length);
    if (unchanged.outcome !== "survived")
      throw new Problem(`The tests fail without any change: ${unchanged.program} ${unchanged.outcome}.`);
  }
  const waiting = [...placed];
  const worker = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const { name } = changes[id];
      const { outcome, program } = await tryChange(paths, changes[id], id);
      outcomes[name] = outcome;
      if (outcome !== "noticed" || program !== "coffer_core") console.log(`${outcome}${program ? ` by ${program}` : ""}: ${name}`);
      progress(`${waiting.length} left`);
      if (waiting.length % 50 === 0) keep();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  keep();
  console.log(`${placed.size} were switched, ${changes.length - placed.size} are built alone.`);

  const alone = changes.filter((_, id) => !placed.has(id));
  if (alone.length > 0) for (const [name, outcome] of await tryAlone(alone)) outcomes[name] = outcome;
  const untried = changes.filter(({ name }) => !(name in outcomes));
  if (untried.length > 0) throw new Problem(`Not tried: ${untried.map(({ name }) => name).join(", ")}`);
  keep();
  return report({ ...before, ...outcomes }) === 0 ? 0 : 1;
});
