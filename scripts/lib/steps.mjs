// Running named steps and saying at the end what came of each.
import { Problem } from "./problem.mjs";

/** What a step returns if it had nothing to do: the reason is shown, and it counts as neither passed nor failed. */
export class Skipped {
  /** @param {string} reason */
  constructor(reason) {
    this.reason = reason;
  }
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function runStep(title, body) {
  console.log(`\n── ${title}`);
  const start = performance.now();
  try {
    const value = await body();
    if (value instanceof Skipped) return { result: "skipped", note: value.reason };
    return { result: "passed", note: seconds(start) };
  } catch (error) {
    // A Problem has its sentence for the reader; anything else is a bug in a script and shows where.
    console.error(`\n${error instanceof Problem ? error.message : error.stack}`);
    return { result: "failed", note: seconds(start) };
  }
}

/**
 * Runs steps in order, each with its name and time, and prints a table of all of them.
 *
 * @param {Record<string, () => unknown>} steps
 * @param {{title: string, stopAtFailure: boolean}} options
 * @returns {Promise<boolean>} whether none failed
 */
export async function runSteps(steps, { title, stopAtFailure }) {
  const results = [];
  let failed = false;
  for (const [name, body] of Object.entries(steps)) {
    if (failed && stopAtFailure) {
      results.push({ name, result: "not run", note: "an earlier step failed" });
      continue;
    }
    const outcome = await runStep(`${title}: ${name}`, body);
    failed ||= outcome.result === "failed";
    results.push({ name, ...outcome });
  }

  const width = Math.max(...results.map(({ name }) => name.length));
  console.log(`\n── ${title}: summary`);
  for (const { name, result, note } of results) console.log(`${name.padEnd(width)}  ${result.padEnd(7)}  ${note}`);
  const count = (wanted) => results.filter(({ result }) => result === wanted).length;
  console.log(`${title}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped") + count("not run")} skipped`);
  return !failed;
}

/**
 * The steps that were asked for by name; all of them if none was.
 *
 * @template T
 * @param {Record<string, T>} steps
 * @param {string[]} wanted
 * @returns {Record<string, T>}
 */
export function chosen(steps, wanted) {
  for (const name of wanted)
    if (!(name in steps)) throw new Problem(`There is no step "${name}". Steps: ${Object.keys(steps).join(", ")}.`);
  return Object.fromEntries(Object.entries(steps).filter(([name]) => wanted.length === 0 || wanted.includes(name)));
}
