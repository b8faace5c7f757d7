// Fuzzes every reader for ten minutes each (COFFER_FUZZ_SECONDS), with cargo-fuzz and AddressSanitizer.
//
// The bodies are in tests/invariants; what a run finds worth keeping stays in target/fuzz and is tried first the next
// time. To keep it for all, put the smallest inputs of it into tests/fuzz/corpus, which `cargo test` replays:
// `target/fuzz/build/…/release/TARGET -set_cover_merge=1 -use_counters=0 tests/fuzz/corpus/TARGET target/fuzz/corpus/TARGET`.
// COFFER_FUZZ_TARGETS (names with blanks between them) picks some targets.
import { copyFileSync, cpSync, existsSync, mkdirSync } from "node:fs";
import { at } from "../../scripts/lib/paths.mjs";
import { main, Problem } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

const version = "0.13.2";
const targets = ["header", "rekey", "sealed", "survey", "zip", "foreign", "search", "manifest", "rows", "redact"];
const seconds = Number(process.env.COFFER_FUZZ_SECONDS ?? "600");
const chosen = process.env.COFFER_FUZZ_TARGETS?.split(" ").filter(Boolean) ?? targets;
const folder = at("target", "fuzz");
const tools = at("target", "tools");
const cargoFuzz = at("target", "tools", "bin", "cargo-fuzz");

main(async () => {
  const unknown = chosen.filter((target) => !targets.includes(target));
  if (unknown.length > 0) throw new Problem(`There is no fuzz target ${unknown.join(", ")}; there are ${targets.join(", ")}.`);
  if (!existsSync(cargoFuzz))
    await run("cargo", ["install", "cargo-fuzz", "--locked", "--version", version, "--root", tools], {
      failure: "cargo-fuzz could not be installed.",
    });
  // The same versions of everything as the program itself; cargo adds what only fuzzing needs.
  copyFileSync(at("Cargo.lock"), at("tests", "fuzz", "Cargo.lock"));
  for (const target of chosen) {
    const corpus = at("target", "fuzz", "corpus", target);
    const found = at("target", "fuzz", "found", target);
    for (const each of [corpus, found]) mkdirSync(each, { recursive: true });
    cpSync(at("tests", "fuzz", "corpus", target), corpus, { recursive: true });
    console.log(`\n── ${target}, ${seconds} s`);
    const fuzzer = [`-max_total_time=${seconds}`, "-max_len=4096", "-timeout=30", "-print_final_stats=1", `-artifact_prefix=${found}/`];
    await run(cargoFuzz, ["run", "--fuzz-dir", at("tests", "fuzz"), "--target-dir", `${folder}/build`, target, corpus, "--", ...fuzzer], {
      // Sanitizers are unstable options of the compiler; this lets the stable one take them.
      env: { RUSTC_BOOTSTRAP: "1" },
      cwd: at("tests", "fuzz"),
      timeout: (seconds + 3600) * 1000,
      failure: `${target} broke a promise or could not be built; an input that shows it is in target/fuzz/found/${target}.`,
    });
  }
  return 0;
});
