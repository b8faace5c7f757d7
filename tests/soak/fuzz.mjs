// Fuzzes every reader for ten minutes each (COFFER_FUZZ_SECONDS), with cargo-fuzz and AddressSanitizer.
//
// The bodies are in tests/invariants; what a run finds worth keeping stays in target/fuzz and is tried first the next
// time. COFFER_FUZZ_KEEP=1 then chooses the smallest inputs that reach all of it, and puts them into tests/fuzz/corpus, which
// `cargo test` replays. COFFER_FUZZ_TARGETS (names with blanks between them) picks some targets, COFFER_FUZZ_JOBS says how many run
// side by side.
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { at } from "../../scripts/lib/paths.mjs";
import { main, Problem } from "../../scripts/lib/problem.mjs";
import { ask, run } from "../../scripts/lib/run.mjs";

const version = "0.13.2";
const targets = ["header", "rekey", "sealed", "survey", "zip", "foreign", "search", "manifest", "rows", "redact"];
const seconds = Number(process.env.COFFER_FUZZ_SECONDS ?? "600");
const jobs = Number(process.env.COFFER_FUZZ_JOBS ?? "1");
const chosen = process.env.COFFER_FUZZ_TARGETS?.split(" ").filter(Boolean) ?? targets;
const folder = at("target", "fuzz");
const tools = at("target", "tools");
const cargoFuzz = at("target", "tools", "bin", "cargo-fuzz");
const host = /host: (.*)/.exec(ask("rustc", ["-vV"]) ?? "")?.[1];
/** A pause of the whole machine is no endless loop. */
const common = ["-max_len=4096", "-timeout=900"];

/** Builds all targets. */
async function build() {
  if (!existsSync(cargoFuzz))
    await run("cargo", ["install", "cargo-fuzz", "--locked", "--version", version, "--root", tools], {
      failure: "cargo-fuzz could not be installed.",
    });
  // The same versions of everything as the program itself; cargo adds what only fuzzing needs.
  copyFileSync(at("Cargo.lock"), at("tests", "fuzz", "Cargo.lock"));
  await run(cargoFuzz, ["build", "--fuzz-dir", at("tests", "fuzz"), "--target-dir", `${folder}/build`, "--target", host], {
    // Sanitizers are unstable options of the compiler; this lets the stable one take them.
    env: { RUSTC_BOOTSTRAP: "1" },
    cwd: at("tests", "fuzz"),
    timeout: 3_600_000,
    failure: "The fuzz targets could not be built.",
  });
}

/** Runs a target's program and returns what it wrote. */
function fuzzer(target, args, most) {
  return new Promise((resolve, reject) => {
    const child = spawn(`${folder}/build/${host}/release/${target}`, [...common, ...args], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      timeout: most * 1000,
      killSignal: "SIGKILL",
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      // A fuzzer is talkative; its last words tell.
      said = (said + text).slice(-20_000);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, said }));
  });
}

/** Fuzzes a target; says what came of it. */
async function fuzz(target) {
  const [corpus, found] = ["corpus", "found"].map((kind) => `${folder}/${kind}/${target}`);
  for (const each of [corpus, found]) mkdirSync(each, { recursive: true });
  cpSync(at("tests", "fuzz", "corpus", target), corpus, { recursive: true });
  const args = [`-max_total_time=${seconds}`, "-print_final_stats=1", `-artifact_prefix=${found}/`, corpus];
  const { code, said } = await fuzzer(target, args, seconds + 600);
  const number = (name) => Number(new RegExp(`${name}: *(\\d+)`).exec(said)?.[1] ?? Number.NaN);
  const executions = number("stat::number_of_executed_units");
  const covered = Number([...said.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? Number.NaN);
  const kept = code === 0;
  if (!kept) console.log(`${said.slice(-4000)}\n${target} broke a promise; an input that shows it is in target/fuzz/found/${target}.`);
  console.log(`| ${target} | ${executions.toLocaleString("en")} | ${covered} | ${kept ? "none" : "see above"} |`);
  return kept;
}

/** Replaces a target's corpus by the smallest inputs that reach all that it and this machine's reach; those that once broke a promise stay. */
async function keepSmallest(target) {
  const [own, smallest] = [at("tests", "fuzz", "corpus", target), `${folder}/smallest-${target}`];
  rmSync(smallest, { recursive: true, force: true });
  mkdirSync(smallest, { recursive: true });
  for (const name of readdirSync(own).filter((name) => name.startsWith("once-"))) copyFileSync(join(own, name), join(smallest, name));
  const args = ["-set_cover_merge=1", "-use_counters=0", smallest, own, `${folder}/corpus/${target}`];
  const { code, said } = await fuzzer(target, args, 1800);
  if (code !== 0) throw new Problem(`The corpus of ${target} could not be made smaller:\n${said.slice(-2000)}`);
  rmSync(own, { recursive: true });
  renameSync(smallest, own);
  console.log(`${target}: ${readdirSync(own).length} inputs.`);
}

main(async () => {
  const unknown = chosen.filter((target) => !targets.includes(target));
  if (unknown.length > 0) throw new Problem(`There is no fuzz target ${unknown.join(", ")}; there are ${targets.join(", ")}.`);
  await build();
  console.log(`${seconds} s each\n\n| target | executions | edges reached | findings |\n|---|---|---|---|`);
  const waiting = [...chosen];
  const broken = [];
  const worker = async () => {
    for (let target = waiting.shift(); target; target = waiting.shift()) {
      if (!(await fuzz(target))) broken.push(target);
      else if (process.env.COFFER_FUZZ_KEEP) await keepSmallest(target);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  if (broken.length > 0) throw new Problem(`Promises were broken in ${broken.join(", ")}.`);
  return 0;
});
