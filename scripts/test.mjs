// npm test [-- STEP…]: sets up what tests need, builds once, and runs every test there is.
import { readFileSync } from "node:fs";
import { buildServer } from "./build/server.mjs";
import { buildVectorsModule, buildWasm } from "./build/wasm.mjs";
import { buildWeb } from "./build/web.mjs";
import { check } from "./check/all.mjs";
import { locked } from "./lib/cargo.mjs";
import { filesNamed } from "./lib/find.mjs";
import { at } from "./lib/paths.mjs";
import { main, Problem } from "./lib/problem.mjs";
import { run } from "./lib/run.mjs";
import { chosen, runSteps, Skipped } from "./lib/steps.mjs";
import { tools } from "./lib/tools.mjs";

const minutes = 60_000;

async function checkStep() {
  if (!(await check())) throw new Problem("The checks have findings; the summary above says which.");
}

/** Unit tests, and the tests in tests/ that drive the built program on real databases. */
async function rustStep() {
  await buildServer({ besideTests: true });
  const env = await tools("COFFER_BIN", "COFFER_POSTGRES_BIN", "COFFER_ZABBIX", "COFFER_PROJ");
  // All of them even if one fails: what is wrong is seen in one go.
  await run("cargo", ["test", "--release", "--workspace", "--no-fail-fast", ...locked], {
    env,
    timeout: 50 * minutes,
    failure: "A Rust test failed; it is above.",
  });
}

/** The tests of the npm package around coffer-wasm and of the web app, each by its workspace's own script "test". */
async function webStep() {
  const tested = ["wasm", "web"].filter((name) => JSON.parse(readFileSync(at(name, "package.json"), "utf8")).scripts?.test);
  if (tested.length === 0) return new Skipped("neither wasm nor web has a script named test");
  await buildWasm();
  for (const name of tested)
    await run("npm", ["run", "--silent", "test", "-w", name], { timeout: 10 * minutes, failure: `A test of ${name} failed; it is above.` });
}

/** The whole job in a real browser, against the built program. */
async function browserStep() {
  if (filesNamed(at("tests", "browser"), /\.(test|spec)\.ts$/).length === 0) return new Skipped("tests/browser has no tests");
  await buildWeb();
  await buildVectorsModule();
  await buildServer({ besideTests: true });
  const env = await tools("COFFER_BIN", "COFFER_WEB", "COFFER_CHROMIUM", "COFFER_FIREFOX", "COFFER_POSTGRES_BIN", "COFFER_PYTHON");
  await run(at("node_modules", ".bin", "playwright"), ["test", "--config", at("tests", "playwright.config.ts")], {
    env,
    timeout: 20 * minutes,
    failure: "A browser test failed; it is above, and tests/results has its trace.",
  });
}

/** Other people's implementations read what Coffer writes. */
async function interopStep() {
  if (filesNamed(at("tests", "interop"), /^test_.*\.py$/).length === 0) return new Skipped("tests/interop has no tests");
  await buildServer({ besideTests: true });
  const env = await tools("COFFER_BIN", "COFFER_PYTHON", "COFFER_UNZIP", "COFFER_7Z", "COFFER_BSDTAR");
  await run(env.COFFER_PYTHON, ["-m", "unittest", "discover", "--start-directory", at("tests", "interop"), "--verbose"], {
    env,
    timeout: 10 * minutes,
    failure: "An interoperability test failed; it is above.",
  });
}

const steps = { check: checkStep, rust: rustStep, web: webStep, browser: browserStep, interop: interopStep };

main(async () => ((await runSteps(chosen(steps, process.argv.slice(2)), { title: "test", stopAtFailure: true })) ? 0 : 1));
