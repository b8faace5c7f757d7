import assert from "node:assert/strict";
import { test } from "node:test";
import { isRecentEnough, oldestRust } from "./rust.mjs";

test("versions are compared as numbers", () => {
  assert.equal(isRecentEnough("rustc 1.100.0 (0123 2027-01-01)", [1, 95]), true);
  assert.equal(isRecentEnough("rustc 1.95.0", [1, 95]), true);
  assert.equal(isRecentEnough("rustc 1.63.0", [1, 95]), false);
  assert.equal(isRecentEnough("rustc 2.0.0", [1, 95]), true);
  assert.equal(isRecentEnough(undefined, [1, 95]), false);
});

test("the workspace says which Rust it needs", () => assert.equal(oldestRust().every(Number.isInteger), true));
