// The Rust toolchain, and the C compiler that some crates (SQLite, ring) and every link need.
import { readFileSync } from "node:fs";
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram } from "../lib/find.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { ask } from "../lib/run.mjs";

/** The oldest Rust that builds Coffer, as `[major, minor]`; the workspace's Cargo.toml says it. */
export function oldestRust() {
  const version = /^rust-version = "(\d+)\.(\d+)/m.exec(readFileSync(at("Cargo.toml"), "utf8"));
  return [Number(version[1]), Number(version[2])];
}

/** Whether a version line such as `rustc 1.95.0 (…)` is new enough. */
export function isRecentEnough(versionLine, [major, minor] = oldestRust()) {
  const version = /\b(\d+)\.(\d+)\.\d+/.exec(versionLine ?? "");
  if (!version) return false;
  const [, foundMajor, foundMinor] = version.map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}

/**
 * Checks for cargo and a C compiler.
 *
 * @param {{lints?: boolean}} needs `lints`: rustfmt and clippy too
 * @returns {Promise<{version: string}>}
 */
export async function rust({ lints = false } = {}) {
  const oldest = oldestRust().join(".");
  const version = ask("rustc", ["--version"]);
  if (!version || !ask("cargo", ["--version"]))
    throw new Problem(`Rust was not found. Install Rust ${oldest} or later with rustup, then run this command again.`);
  if (!isRecentEnough(version))
    throw new Problem(`${version} is too old for Coffer, which needs ${oldest}. Run "rustup update", then this command again.`);
  if (lints)
    for (const [component, command] of [
      ["rustfmt", "fmt"],
      ["clippy", "clippy"],
    ])
      if (!ask("cargo", [command, "--version"]))
        throw new Problem(`${component} is not installed. Run "rustup component add ${component}", then this command again.`);

  if (!findProgram(["cc", "gcc", "clang"])) {
    if (!canInstall()) throw new Problem(`No C compiler was found, and ${whyNot()}. Install gcc or clang, then run this command again.`);
    await install(["gcc", "libc6-dev"], "the crates that hold C code");
  }
  return { version };
}
