// Every dependency has a licence that deny.toml allows, and comes from a registry.
import { readFileSync } from "node:fs";
import { locked } from "../lib/cargo.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { ask } from "../lib/run.mjs";
import { isAllowed } from "./spdx.mjs";

/** The list `allow` of deny.toml's [licenses]. */
function allowedLicences() {
  const list = /^\[licenses\][^[]*?^allow = \[([^\]]*)\]/ms.exec(readFileSync(at("deny.toml"), "utf8"))?.[1];
  const allowed = new Set([...(list ?? "").matchAll(/"([^"]+)"/g)].map(([, licence]) => licence));
  if (allowed.size === 0) throw new Problem("deny.toml has no list of allowed licences.");
  return allowed;
}

/** @returns {{name: string, licence: string | undefined, trouble?: string}[]} */
function crates() {
  const metadata = ask("cargo", ["metadata", "--format-version", "1", ...locked, "--all-features"], { timeout: 300_000 });
  if (!metadata) throw new Problem('The crates\' licences could not be read. "cargo metadata" shows the reason.');
  return JSON.parse(metadata)
    .packages.filter(({ source }) => source !== null)
    .map(({ name, version, license, source }) => ({
      name: `crate ${name} ${version}`,
      licence: license,
      trouble: source.startsWith("registry+") ? undefined : `comes from ${source}, not from a registry`,
    }));
}

/** Licences that are also fine for a tool: it runs while Coffer is built, and no part of it ends up in what is built. */
const alsoForTools = ["MPL-2.0"];

/** Packages that name their licence in their readme alone. Of another version, somebody has to look again. */
const namedInReadme = new Map([["combine-errors 3.0.3", "MIT"]]);

/** @returns {{name: string, licence: string | undefined, isTool: boolean}[]} */
function npmPackages() {
  const { packages } = JSON.parse(readFileSync(at("package-lock.json"), "utf8"));
  return Object.entries(packages)
    .filter(([path, { link }]) => path.includes("node_modules/") && !link)
    .map(([path, { version, license, dev, devOptional }]) => {
      const name = `${path.split("node_modules/").at(-1)} ${version}`;
      return { name: `npm package ${name}`, licence: license ?? namedInReadme.get(name), isTool: Boolean(dev || devOptional) };
    });
}

export function licences() {
  const allowed = allowedLicences();
  const allowedForTools = new Set([...allowed, ...alsoForTools]);
  const dependencies = [...crates(), ...npmPackages()];
  const findings = dependencies.flatMap(({ name, licence, isTool, trouble }) => {
    if (trouble) return [`${name} ${trouble}`];
    if (!licence) return [`${name} names no licence`];
    return isAllowed(licence, isTool ? allowedForTools : allowed) ? [] : [`${name} is under ${licence}`];
  });
  if (findings.length > 0)
    throw new Problem(
      `These dependencies don't keep to deny.toml. Replace them, or allow their licences there:\n  ${findings.join("\n  ")}`,
    );
  console.log(`${dependencies.length} dependencies, all under allowed licences.`);
}
