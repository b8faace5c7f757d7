import assert from "node:assert/strict";
import { test } from "node:test";
import { findingsIn } from "./hygiene.mjs";

const registry = ["crates", "io"].join(".");
const path = (...parts) => `/${parts.join("/")}/`;

test("the name of a registry is found, in any file", () => {
  assert.equal(findingsIn("README.md", `see\n${registry}/crates/zip`).length, 1);
  assert.match(findingsIn("README.md", `see\n${registry}`)[0], /^README\.md:2 /);
  assert.equal(findingsIn("x.md", `my-${registry}`).length, 0);
});

test("cargo's own line about its registry is allowed, in its lock file only", () => {
  const line = `source = "registry+https://github.com/rust-lang/${registry}-index"`;
  assert.deepEqual(findingsIn("Cargo.lock", line), []);
  assert.equal(findingsIn("Cargo.lock", line.replace("-index", "-other")).length, 1);
});

test("paths of a machine are found, but not the same words inside other paths", () => {
  assert.equal(findingsIn("a", `open ${path("home", "ann", "coffer")}`).length, 1);
  assert.equal(findingsIn("a", `"${path("root", ".cache")}"`).length, 1);
  assert.equal(findingsIn("a", `/var${path("work", "x")}`).length, 0);
  assert.equal(findingsIn("a", `https://example.org${path("home", "ann")}`).length, 0);
});

test("download addresses in npm's lock file are found", () => {
  assert.equal(findingsIn("package-lock.json", `"resolved": "https://example.org/a.tgz"`).length, 1);
  assert.equal(findingsIn("package-lock.json", `"resolved": "wasm",`).length, 0);
});
