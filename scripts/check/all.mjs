// The checks, in the order from the fastest to the slowest.
import { chosen, runSteps } from "../lib/steps.mjs";
import { budgetsKept } from "./budgets.mjs";
import { hygiene } from "./hygiene.mjs";
import { licences } from "./licences.mjs";
import { noStd } from "./no-std.mjs";
import { rustFormat, rustLints, wasmLints } from "./rust.mjs";
import { scriptTests, typescriptFormat, typescriptTypes } from "./typescript.mjs";

const checks = {
  hygiene,
  licences,
  "Rust format": rustFormat,
  "TypeScript format and lints": typescriptFormat,
  "script tests": scriptTests,
  "core without std": noStd,
  "Rust lints": rustLints,
  "WebAssembly lints": wasmLints,
  "TypeScript types": typescriptTypes,
  budgets: budgetsKept,
};

/**
 * Runs the checks; all of them even if one fails, since their findings don't depend on each other.
 *
 * @param {string[]} wanted names of checks; none for all
 * @returns {Promise<boolean>} whether none failed
 */
export const check = (wanted = []) => runSteps(chosen(checks, wanted), { title: "check", stopAtFailure: false });
