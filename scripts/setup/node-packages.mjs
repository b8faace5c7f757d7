// The packages of package-lock.json.
import { existsSync } from "node:fs";
import { findProgram } from "../lib/find.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { run } from "../lib/run.mjs";
import { once } from "../lib/stamps.mjs";

/** Installs what the lock file says. */
export async function nodePackages() {
  const oldest = [20, 19];
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new Problem(
      `Node ${process.versions.node} is too old: Coffer's web part needs ${oldest.join(".")} or later. Install it, then run this command again.`,
    );
  if (!findProgram(["npm"])) throw new Problem("npm was not found beside Node. Install it, then run this command again.");

  const inputs = ["package.json", "package-lock.json", ".npmrc", "wasm/package.json", "web/package.json", "tests/package.json"];
  const outputs = [at("node_modules", ".package-lock.json")];
  await once("node-packages", { inputs: inputs.map((path) => at(path)), outputs }, () => {
    // "ci" starts from nothing, which is right for a fresh clone; "install" corrects what is there, and at a
    // developer's desk it may complete the lock file after an edit of a package.json.
    const fresh = process.env.CI || !outputs.every((output) => existsSync(output));
    return run("npm", [fresh ? "ci" : "install"], {
      failure: 'The npm packages could not be installed. If package.json and package-lock.json disagree, run "npm install" once.',
    });
  });
}
