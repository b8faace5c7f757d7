import assert from "node:assert/strict";
import { test } from "node:test";
import { isAllowed } from "./spdx.mjs";

const allowed = new Set(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]);

const cases = {
  MIT: true,
  "GPL-3.0-only": false,
  "MIT OR GPL-3.0-only": true,
  "GPL-3.0-only OR MIT": true,
  "MIT AND GPL-3.0-only": false,
  "GPL-3.0-only OR MIT AND Unicode-3.0": true,
  "(GPL-3.0-only OR MIT) AND Unicode-3.0": true,
  "(GPL-3.0-only OR MIT) AND OpenSSL": false,
  "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only": true,
  "GPL-2.0-only WITH LLVM-exception": false,
  "MIT/Apache-2.0": true,
};

for (const [expression, expected] of Object.entries(cases))
  test(`${expression} is ${expected ? "met" : "not met"}`, () => assert.equal(isAllowed(expression, allowed), expected));

for (const expression of ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "MIT WITH", "AND MIT"])
  test(`"${expression}" is no licence expression`, () => assert.throws(() => isAllowed(expression, allowed), /not a licence expression/));
