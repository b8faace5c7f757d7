// What people have to fetch before they see anything: the budgets of the web app, with what is used of them.
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { buildWeb } from "../build/web.mjs";
import { newestFirst } from "../lib/find.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";

/** Bytes. What has no `enforced` is told and not met yet. */
const budgets = {
  firstPage: { title: "first page, JavaScript and CSS, gzipped", most: 150_000, enforced: true },
  module: { title: "WebAssembly module, gzipped", most: 400_000, enforced: false },
  offline: { title: "coffer-open.html", most: 1_500_000, enforced: true },
};

/**
 * The scripts and styles that a page needs before it shows anything: those that it names, and what these import at their start.
 *
 * @param {string} html
 * @param {(path: string) => string} read gives the text of a file beside the page
 * @returns {Set<string>} paths beside the page
 */
export function fetchedFirst(html, read) {
  const found = new Set();
  const wanted = [...html.matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css))"/g)].map(([, path]) => path);
  while (wanted.length > 0) {
    const path = wanted.pop();
    if (found.has(path)) continue;
    found.add(path);
    if (!path.endsWith(".js")) continue;
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    // What is fetched later has a parenthesis after its `import`.
    for (const [, name] of read(path).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) wanted.push(folder + name);
  }
  return found;
}

export async function budgetsKept() {
  await buildWeb();
  const dist = (path) => at("web", "dist", ...path.split("/"));
  const packed = (path) => gzipSync(readFileSync(dist(path))).length;
  const first = fetchedFirst(readFileSync(dist("index.html"), "utf8"), (path) => readFileSync(dist(path), "utf8"));
  const modules = newestFirst(dist("assets")).filter((name) => name.endsWith(".wasm"));
  if (first.size === 0 || modules.length !== 1 || !existsSync(dist("coffer-open.html")))
    throw new Problem("The web app that was built has not the files that the budgets are about.");
  const used = {
    firstPage: [...first].reduce((sum, path) => sum + packed(path), 0),
    module: packed(`assets/${modules[0]}`),
    offline: readFileSync(dist("coffer-open.html")).length,
  };
  const over = [];
  for (const [name, { title, most, enforced }] of Object.entries(budgets)) {
    const kept = used[name] <= most;
    const verdict = kept ? "kept" : enforced ? "EXCEEDED" : "not met yet, not enforced";
    console.log(`${title}: ${(used[name] / 1000).toFixed(1)} KB of ${most / 1000} KB, ${verdict}`);
    if (!kept && enforced) over.push(title);
  }
  if (over.length > 0) throw new Problem(`Over budget: ${over.join("; ")}. Fetch what the first page does not show later (Lazy.svelte).`);
}
