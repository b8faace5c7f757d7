// Changes the sealed archive's and the archive's code in every small way, and shows which changes no unit test of core notices.
//
// About three seconds a change on an idle machine, an hour in all. COFFER_MUTANTS_FILES (a glob) picks some files,
// COFFER_MUTANTS_SHARD (such as 1/10) some of the changes. docs/mutants.md says what was made of those that survived.
import { existsSync } from "node:fs";
import { at } from "../../scripts/lib/paths.mjs";
import { main } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

const version = "27.1.0";
const tools = at("target", "tools");
const cargoMutants = at("target", "tools", "bin", "cargo-mutants");
const files = process.env.COFFER_MUTANTS_FILES ? [process.env.COFFER_MUTANTS_FILES] : ["core/src/seal/**", "core/src/archive/**"];
const shard = process.env.COFFER_MUTANTS_SHARD ? ["--shard", process.env.COFFER_MUTANTS_SHARD] : [];
/** Quick to compile, and yet quick enough to run; what core depends on is compiled only once. */
const profile = ["profile.dev.opt-level=1", "profile.dev.debug=false", 'profile.dev.package."*".opt-level=3'];
/** These find nothing that others don't, and take longer than all others together. */
const slow = ["every_truncation_has", "every_flipped", "any_damage_leaves", "digests_made_elsewhere"];

main(async () => {
  if (!existsSync(cargoMutants))
    await run("cargo", ["install", "cargo-mutants", "--locked", "--version", version, "--root", tools], {
      failure: "cargo-mutants could not be installed.",
    });
  await run(
    cargoMutants,
    [
      "mutants",
      "--package=coffer-core",
      ...files.flatMap((glob) => ["--file", glob]),
      ...shard,
      "--timeout=30",
      `--output=${at("target", "mutants")}`,
      ...profile.map((setting) => `--cargo-arg=--config=${setting}`),
      "--",
      "--lib",
      "--",
      ...slow.flatMap((name) => ["--skip", name]),
    ],
    {
      timeout: 5 * 3_600_000,
      failure:
        "Some changes were not noticed; target/mutants/mutants.out/missed.txt lists them, and docs/mutants.md those that mean nothing.",
    },
  );
  return 0;
});
