// What must not be in the repository: the addresses of package registries, and paths of the machine it was written on.
import { readFileSync } from "node:fs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { ask } from "../lib/run.mjs";

/** Written in parts, since this file is checked too. */
const registryHosts = [
  ["crates", "io"],
  ["docs", "rs"],
  ["npmjs", "org"],
  ["npmjs", "com"],
  ["pypi", "org"],
  ["pythonhosted", "org"],
  ["deb", "debian", "org"],
].map((parts) => parts.join("."));

/** Cargo writes the name of its default registry into its lock file and offers no way to leave it out. */
const defaultRegistry = /^source = "registry\+https:\/\/github\.com\/rust-lang\/[a-z.]+-index"$/;

/** A home or checkout directory at the start of an absolute path; not a part of a longer path or URL. */
const machinePath = /(?<![\w./)}\]*-])\/(?:root|work|home\/[\w-]+|Users\/[\w-]+)\//;

/**
 * @param {string} path inside the repository
 * @param {string} text its content
 * @returns {string[]} a sentence for each finding
 */
export function findingsIn(path, text) {
  return text.split("\n").flatMap((line, index) => {
    const where = `${path}:${index + 1}`;
    if (path === "Cargo.lock" && defaultRegistry.test(line)) return [];
    const host = registryHosts.find((name) => new RegExp(`(?<![\\w-])${name.replaceAll(".", "\\.")}(?!\\w)`).test(line));
    return [
      ...(host ? [`${where} names the registry ${host}`] : []),
      ...(machinePath.test(line) ? [`${where} has an absolute path of some machine`] : []),
      ...(path === "package-lock.json" && /"resolved": "https?:/.test(line) ? [`${where} says where a package was downloaded`] : []),
    ];
  });
}

export function hygiene() {
  const listed = ask("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  if (listed === undefined) throw new Problem("The repository's files could not be listed. Is git installed, and is this a clone?");
  const findings = [];
  let count = 0;
  for (const path of listed.split("\0").filter(Boolean)) {
    let content;
    try {
      content = readFileSync(at(path));
    } catch (error) {
      if (error.code === "ENOENT") continue; // deleted, and not yet committed
      throw error;
    }
    count += 1;
    if (!content.includes(0)) findings.push(...findingsIn(path, content.toString("utf8")));
  }
  if (findings.length > 0) throw new Problem(`These lines don't belong into the repository:\n  ${findings.join("\n  ")}`);
  console.log(`${count} files, nothing in them that doesn't belong there.`);
}
