import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchedFirst } from "./budgets.mjs";

test("what is imported at the start counts, and what is fetched later does not", () => {
  const html =
    '<script type="module" src="./assets/a.js"></script><link rel="stylesheet" href="./assets/a.css"><link rel="icon" href="./icon.svg">';
  const texts = {
    "assets/a.js": 'import{x as y}from"./b.js";import"./c.js";const later=()=>import("./d.js");const words="from ./e.js";',
    "assets/b.js": 'import { z } from "./c.js"; import "./a.js";',
    "assets/c.js": "",
  };
  const found = fetchedFirst(html, (path) => texts[path] ?? assert.fail(path));
  assert.deepEqual([...found].sort(), ["assets/a.css", "assets/a.js", "assets/b.js", "assets/c.js"]);
});
