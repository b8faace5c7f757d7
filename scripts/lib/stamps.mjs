// Doing work only when its inputs changed.
//
// A stamp is the SHA-256 of the inputs' names and contents. Times of files are never looked at: a fresh clone,
// a copied directory and a `touch` must not decide what is built.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { at, top } from "./paths.mjs";

/** Skipped inside a directory; a path that is named itself is always read. */
const neverInputs = new Set(["node_modules", "target", "dist", "generated", "results", ".git"]);

/** Every file below the paths (files or directories), in a fixed order, without what builds make. */
function* filesOf(paths) {
  for (const path of paths) {
    if (!existsSync(path)) continue;
    let entries;
    try {
      entries = readdirSync(path, { withFileTypes: true });
    } catch (error) {
      if (error.code !== "ENOTDIR") throw error;
      yield path;
      continue;
    }
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (neverInputs.has(entry.name)) continue;
      if (entry.isDirectory()) yield* filesOf([join(path, entry.name)]);
      else if (entry.isFile()) yield join(path, entry.name);
    }
  }
}

/**
 * @param {string[]} paths files and directories of the repository
 * @param {string[]} facts anything else that the result depends on, such as a tool's version
 * @returns {string} hex
 */
export function hashOf(paths, facts = []) {
  const hash = createHash("sha256");
  const add = (part) => hash.update(`${Buffer.byteLength(part)}:`).update(part);
  facts.forEach(add);
  for (const file of filesOf(paths)) {
    add(relative(top, file));
    add(readFileSync(file));
  }
  return hash.digest("hex");
}

/**
 * Does the work unless it was done for the same inputs and its outputs are still there.
 *
 * @param {string} name of the stamp
 * @param {{inputs: string[], facts?: string[], outputs: string[]}} what
 * @param {() => void | Promise<void>} work
 * @returns {Promise<boolean>} whether there was anything to do
 */
export async function once(name, { inputs, facts = [], outputs }, work) {
  const stamp = at("target", "stamps", name);
  const wanted = hashOf(inputs, facts);
  const done = existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (done && outputs.every((output) => existsSync(output))) return false;

  rmSync(stamp, { force: true });
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
  return true;
}
