import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { at } from "./paths.mjs";
import { hashOf, once } from "./stamps.mjs";

let directory;
const stamp = `test-${process.pid}`;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "coffer-stamps-"));
  writeFileSync(join(directory, "input"), "1");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
  rmSync(at("target", "stamps", stamp), { force: true });
});

test("a hash depends on names, contents and facts, not on times", () => {
  const before = hashOf([directory]);
  utimesSync(join(directory, "input"), 1, 1);
  assert.equal(hashOf([directory]), before);
  assert.notEqual(hashOf([directory], ["fact"]), before);
  writeFileSync(join(directory, "input"), "2");
  assert.notEqual(hashOf([directory]), before);
  writeFileSync(join(directory, "input"), "1");
  writeFileSync(join(directory, "other"), "");
  assert.notEqual(hashOf([directory]), before);
});

test("what builds make is no input, unless it is named itself", () => {
  const before = hashOf([directory]);
  mkdirSync(join(directory, "dist"));
  writeFileSync(join(directory, "dist", "output"), "x");
  assert.equal(hashOf([directory]), before);
  assert.notEqual(hashOf([directory, join(directory, "dist")]), before);
});

test("work is done again only for changed inputs, missing outputs, or after a failure", async () => {
  const output = join(directory, "dist");
  const work = () => mkdirSync(output, { recursive: true });
  const what = { inputs: [directory], outputs: [output] };
  assert.equal(await once(stamp, what, work), true);
  assert.equal(await once(stamp, what, work), false);

  rmSync(output, { recursive: true });
  assert.equal(await once(stamp, what, work), true);

  writeFileSync(join(directory, "input"), "2");
  await assert.rejects(
    once(stamp, what, () => Promise.reject(new Error("no"))),
    /no/,
  );
  writeFileSync(join(directory, "input"), "1");
  assert.equal(await once(stamp, what, work), true);
});
