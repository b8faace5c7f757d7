import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "./problem.mjs";
import { chosen, runSteps, Skipped } from "./steps.mjs";

/** Runs steps without their output and returns the lines of the summary. */
async function summary(context, steps, stopAtFailure) {
  const lines = [];
  context.mock.method(console, "log", (line) => lines.push(line));
  context.mock.method(console, "error", () => {});
  const passed = await runSteps(steps, { title: "t", stopAtFailure });
  const start = lines.findIndex((line) => line.includes("summary"));
  return { passed, results: lines.slice(start + 1, -1).map((line) => line.split(/ {2,}/)[1]), last: lines.at(-1) };
}

const fail = () => {
  throw new Problem("no");
};

test("steps after a failure are not run, and the summary says so", async (context) => {
  const { passed, results, last } = await summary(context, { a: () => {}, b: fail, c: () => {} }, true);
  assert.equal(passed, false);
  assert.deepEqual(results, ["passed", "failed", "not run"]);
  assert.equal(last, "t: 1 passed, 1 failed, 1 skipped");
});

test("independent steps all run", async (context) => {
  const { passed, results } = await summary(context, { a: fail, b: async () => {} }, false);
  assert.equal(passed, false);
  assert.deepEqual(results, ["failed", "passed"]);
});

test("a step with nothing to do is no failure, and is not counted as passed", async (context) => {
  const { passed, last } = await summary(context, { a: () => new Skipped("nothing there") }, true);
  assert.equal(passed, true);
  assert.equal(last, "t: 0 passed, 0 failed, 1 skipped");
});

test("steps are chosen by name, in their own order", () => {
  assert.deepEqual(Object.keys(chosen({ a: 1, b: 2, c: 3 }, ["c", "a"])), ["a", "c"]);
  assert.deepEqual(Object.keys(chosen({ a: 1, b: 2 }, [])), ["a", "b"]);
  assert.throws(() => chosen({ a: 1 }, ["x"]), /There is no step "x"/);
});
