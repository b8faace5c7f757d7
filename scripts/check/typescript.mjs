// TypeScript and the scripts: format and lints, types, and the scripts' own tests.
import { readFileSync } from "node:fs";
import { buildModule, buildWasm } from "../build/wasm.mjs";
import { newestFirst } from "../lib/find.mjs";
import { at } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Skipped } from "../lib/steps.mjs";
import { nodePackages } from "../setup/node-packages.mjs";

export async function typescriptFormat() {
  await nodePackages();
  await run(at("node_modules", ".bin", "biome"), ["ci", "--error-on-warnings"], {
    failure: 'Biome has findings; they are above. "npm run format" corrects those that it safely can.',
  });
}

/** Workspaces say with a script "check" how their types are checked. The types of coffer-wasm come from its build. */
export async function typescriptTypes() {
  const workspaces = JSON.parse(readFileSync(at("package.json"), "utf8")).workspaces;
  const checked = workspaces.filter((name) => JSON.parse(readFileSync(at(name, "package.json"), "utf8")).scripts?.check);
  if (checked.length === 0) return new Skipped("no workspace has a script named check");
  await buildModule();
  await buildWasm();
  for (const name of checked)
    await run("npm", ["run", "--silent", "check", "-w", name], { failure: `The types of ${name} have errors; they are above.` });
}

export async function scriptTests() {
  const tests = ["lib", "setup", "check"].flatMap((directory) =>
    newestFirst(at("scripts", directory))
      .filter((name) => name.endsWith(".test.mjs"))
      .map((name) => at("scripts", directory, name)),
  );
  await run(process.execPath, ["--test", "--test-reporter=spec", ...tests], { failure: "A test of the scripts failed; it is above." });
}
