// npm run bench|soak [-- NAME…]: what is too long for `npm test`.
//
// Each file tests/bench/NAME.mjs or tests/soak/NAME.mjs is one, run by Node with the same environment as the tests.
// Its first comment line says what it shows.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { buildServer } from "./build/server.mjs";
import { buildWeb } from "./build/web.mjs";
import { filesNamed } from "./lib/find.mjs";
import { at } from "./lib/paths.mjs";
import { main, Problem } from "./lib/problem.mjs";
import { run } from "./lib/run.mjs";
import { chosen, runSteps } from "./lib/steps.mjs";
import { tools } from "./lib/tools.mjs";

const describe = (path) => /^\/\/ (.*)$/m.exec(readFileSync(path, "utf8"))?.[1] ?? "";

main(async () => {
  const [kind, ...wanted] = process.argv.slice(2);
  const files = filesNamed(at("tests", kind), /\.mjs$/);
  if (files.length === 0) throw new Problem(`tests/${kind} has nothing to run yet.`);

  const programs = Object.fromEntries(files.map((path) => [basename(path, ".mjs"), path]));
  if (wanted.length === 0) {
    console.log(`Run them with "npm run ${kind} -- NAME…", or all with "npm run ${kind} -- all":\n`);
    for (const [name, path] of Object.entries(programs)) console.log(`  ${name}: ${describe(path)}`);
    return 0;
  }

  const selected = chosen(programs, wanted.includes("all") ? [] : wanted);
  await buildWeb();
  await buildServer();
  const env = await tools(
    "COFFER_BIN",
    "COFFER_WEB",
    "COFFER_CHROMIUM",
    "COFFER_POSTGRES_BIN",
    "COFFER_ZABBIX",
    "COFFER_PYTHON",
    "COFFER_UNZIP",
    "COFFER_7Z",
    "COFFER_BSDTAR",
  );
  const steps = Object.fromEntries(
    Object.entries(selected).map(([name, path]) => [name, () => run(process.execPath, [path], { env, timeout: 6 * 3_600_000 })]),
  );
  return (await runSteps(steps, { title: kind, stopAtFailure: false })) ? 0 : 1;
});
