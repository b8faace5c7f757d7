// Changes the sealed archive's and the archive's code in every small way, and shows which changes no test notices.
//
// What the changes are is cargo-mutants' to say. Building core for each would take hours, so tests/mutants puts all of them
// into one copy of the source, each behind a switch, and one build tries them all, each with those tests that come across it.
// A body that the compiler refuses behind a switch it refuses anywhere. What can't be switched (a constant, a condition with `let`) goes to cargo-mutants itself,
// which builds it alone.
//
// COFFER_MUTANTS_FILES (globs with blanks between them) picks some files. COFFER_MUTANTS_ONLY=survivors tries only what survived
// the last time, which is enough after adding tests; COFFER_MUTANTS_ONLY=untried goes on with the same build where a run was
// ended. COFFER_MUTANTS_JOBS says how many are tried side by side. docs/mutants.md says what was made of those that survived.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { at, top } from "../../scripts/lib/paths.mjs";
import { main, Problem } from "../../scripts/lib/problem.mjs";
import { ask, run } from "../../scripts/lib/run.mjs";
import { grouped, runs, survey, run as tryWith } from "../mutants/trials.mjs";

const version = "27.1.0";
const cargoMutants = at("target", "tools", "bin", "cargo-mutants");
const globs = process.env.COFFER_MUTANTS_FILES?.split(" ").filter(Boolean) ?? ["core/src/seal/**", "core/src/archive/**"];
const only = process.env.COFFER_MUTANTS_ONLY;
const folder = at("target", "mutants");
const tree = join(folder, "tree");
const build = join(folder, "build");
const results = join(folder, "results.json");
const built = join(folder, "built.json");
const jobs = Number(process.env.COFFER_MUTANTS_JOBS ?? availableParallelism());
/** What core depends on is compiled for speed and only once. */
const profile = ["profile.dev.debug=false", "profile.dev.incremental=false", 'profile.dev.package."*".opt-level=3'];
const settings = [...profile, "profile.dev.opt-level=2"].map((setting) => `--config=${setting}`);
const packages = ["coffer-core", "coffer-vectors", "coffer-invariants"];
const programs = ["hostile", "vectors", "properties_seal", "properties_archive", "corpus"];

/** How the names of the nearest tests begin. */
const near = ({ file }) => (file.startsWith("core/src/seal") ? "seal::" : "archive::");

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
  return { about: about.map(({ id }) => id), sure: own.length > 0, text: message.rendered };
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
  const refused = [];
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
      return { changes, paths: Object.assign({}, ...said.map(({ program }) => program)), placed: placed.map(({ id }) => id), refused };
    const before = leftOut.size;
    for (const { about = [], sure } of said)
      for (const id of about) {
        if (sure && changes[id].genre === "FnValue" && !leftOut.has(id)) refused.push(id);
        leftOut.add(id);
      }
    console.log(`${leftOut.size - before} changes do not compile behind a switch.`);
    if (leftOut.size === before)
      throw new Problem(`The copy does not compile:\n${said.map(({ text }) => text ?? "").join("\n")}${cargo.stderr}`);
  }
}

/** Tries what can be switched: all with the short tests, then what survived with the others. Tells `learnt` of each. */
async function trySwitched({ changes, paths, trials }, placed, passed, learnt) {
  const cwd = join(tree, "core");
  const left = placed.map((id) => ({ id, ...changes[id], waiting: runs(trials, id, near(changes[id])).slice(passed[id] ?? 0) }));
  for (let round = left, most = 1; round.length > 0; most *= 4) {
    const longer = [];
    console.log(`${round.length} to try with tests of up to ${most} s.`);
    const queue = [...round];
    const worker = async () => {
      for (let change = queue.shift(); change; change = queue.shift()) {
        const { id, name, waiting } = change;
        let outcome = "survived";
        while (outcome === "survived" && waiting.length > 0 && waiting[0].took <= most) {
          const next = waiting.shift();
          outcome = await tryWith(next, paths, id, cwd);
          if (outcome === "survived") passed[id] = (passed[id] ?? 0) + 1;
          else if (outcome !== "noticed" || most > 1) console.log(`${outcome} by ${next.program}: ${name}`);
        }
        if (outcome === "survived" && waiting.length > 0) longer.push(change);
        else {
          if (outcome === "survived") console.log(`survived: ${name}`);
          learnt(name, outcome);
        }
        progress(`${queue.length} left`);
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
    round = longer;
  }
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
      ...["every_truncation_has", "every_flipped", "any_damage_leaves", "digests_made_elsewhere"].flatMap((name) => ["--skip", name]),
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
  const files = grouped(Object.entries(outcomes), ([name]) => name.slice(0, name.indexOf(":")));
  console.log(`\n| | tried | ${columns.join(" | ")} |\n|---|---|${columns.map(() => "---|").join("")}`);
  for (const [file, of] of [...files, ["together", Object.entries(outcomes)]])
    console.log(
      `| ${file} | ${of.length} | ${columns.map((column) => of.filter(([, outcome]) => outcome === column).length).join(" | ")} |`,
    );
  const survived = Object.keys(outcomes).filter((name) => outcomes[name] === "survived");
  console.log(survived.length > 0 ? `\nSurvived:\n${survived.map((name) => `  ${name}`).join("\n")}` : "\nNone survived.");
  return survived.length;
}

/** What earlier runs have found, by the names of the changes. */
const earlier = () => (existsSync(results) ? JSON.parse(readFileSync(results, "utf8")) : {});

main(async () => {
  if (!existsSync(cargoMutants))
    await run("cargo", ["install", "cargo-mutants", "--locked", "--version", version, "--root", at("target", "tools")], {
      failure: "cargo-mutants could not be installed.",
    });
  mkdirSync(folder, { recursive: true });
  const before = earlier();
  const again = only === "untried" && existsSync(built) && JSON.parse(readFileSync(built, "utf8"));
  if (!again) {
    copySource();
    const listed = list();
    const files = new Set(listed.map(({ file }) => file));
    const names = new Set(listed.map(({ name }) => name));
    // What was found of these files counts only if it is asked for, and only of changes that there still are.
    for (const name of Object.keys(before)) if (files.has(name.split(":")[0]) && !(only && names.has(name))) delete before[name];
    const changes = listed.filter(({ name }) => only !== "survivors" || before[name] === "survived");
    const made = buildSwitched(changes);
    const trials = await survey(made.paths, { cwd: join(tree, "core"), folder, jobs });
    save("built.json", { ...made, trials });
  }
  const { changes, paths, trials, placed, refused } = again || JSON.parse(readFileSync(built, "utf8"));
  const outcomes = before;
  const tried = (id) => only === "untried" && changes[id].name in outcomes;
  const keep = () => save("results.json", outcomes);
  console.log(`${changes.length} changes: ${placed.length} are switched, ${refused.length} the compiler refuses.`);
  for (const id of refused) outcomes[changes[id].name] = "does not compile";
  const open = placed.filter((id) => !tried(id));
  // How many of its runs each change has passed, so that going on doesn't begin anew.
  const passed = again?.passed ?? {};
  const stop = () => {
    save("built.json", { changes, paths, trials, placed, refused, passed });
    process.exit(1);
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, stop);
  await trySwitched({ changes, paths, trials }, open, passed, (name, outcome) => {
    outcomes[name] = outcome;
    keep();
  });
  const known = new Set([...placed, ...refused]);
  const alone = changes.filter((_, id) => !known.has(id) && !tried(id));
  console.log(`${alone.length} are built alone.`);
  if (alone.length > 0) for (const [name, outcome] of await tryAlone(alone)) outcomes[name] = outcome;
  keep();
  const untried = changes.filter(({ name }) => !(name in outcomes));
  if (untried.length > 0) throw new Problem(`Not tried: ${untried.map(({ name }) => name).join(", ")}`);
  return report(outcomes) === 0 ? 0 : 1;
});
