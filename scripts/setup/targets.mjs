// Ways to build for a target that is not this machine.
//
// The standard library of another target comes from one of three places. A way that is already here is taken before
// anything is installed, so a second set-up costs nothing and needs no network.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram, isProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";
import { ask } from "../lib/run.mjs";
import { isRecentEnough, oldestRust } from "./rust.mjs";

/**
 * @typedef {object} Route
 * @property {string} description for the person
 * @property {string} target
 * @property {string} version of the compiler, which decides what a build looks like
 * @property {string} cargo the program
 * @property {string[]} flags for `cargo build` and `cargo check`
 * @property {Record<string, string>} env
 */

const debianPackages = ["rustc-web", "cargo-web", "rust-web-src"];
const debianCargo = "/usr/bin/cargo";
const debianRustc = "/usr/bin/rustc";

/** The toolchain in PATH, if it has the target's libraries. */
function installed(target) {
  const sysroot = ask("rustc", ["--print", "sysroot"]);
  if (!sysroot || !existsSync(join(sysroot, "lib", "rustlib", target, "lib"))) return undefined;
  return {
    description: `the installed Rust toolchain's ${target}`,
    target,
    version: ask("rustc", ["--version"]),
    cargo: "cargo",
    flags: ["--target", target],
    env: {},
  };
}

/** The linker for WebAssembly that comes with a toolchain; Debian's, or the one of the toolchain in PATH. */
function bundledLinker() {
  const host = /^host: (.+)$/m.exec(ask("rustc", ["-vV"]) ?? "")?.[1];
  const sysroot = ask("rustc", ["--print", "sysroot"]);
  const fromToolchain = host && sysroot ? [join(sysroot, "lib", "rustlib", host, "bin", "rust-lld")] : [];
  return [...fromToolchain, "/usr/bin/rust-lld"].find(isProgram);
}

/**
 * Debian's compiler with the standard library built from Debian's sources. Building the standard library is an
 * unstable option of cargo, hence RUSTC_BOOTSTRAP; the compiler is Debian's stable one.
 */
function debian(target, libraries) {
  if (!isProgram(debianCargo) || !isProgram(debianRustc)) return undefined;
  const version = ask(debianRustc, ["--version"]);
  const sysroot = ask(debianRustc, ["--print", "sysroot"]);
  if (!isRecentEnough(version) || !existsSync(join(sysroot, "lib", "rustlib", "src", "rust", "library", "Cargo.lock"))) return undefined;
  const linker = bundledLinker();
  if (!linker) return undefined;
  const linkerVariable = `CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`;
  return {
    description: `Debian's Rust, which builds the standard library for ${target} from source`,
    target,
    version,
    cargo: debianCargo,
    flags: ["--target", target, `-Zbuild-std=${libraries}`],
    env: { RUSTC_BOOTSTRAP: "1", RUSTC: debianRustc, [linkerVariable]: linker },
  };
}

/**
 * Finds a way to build for a target, or installs one.
 *
 * @param {string} target
 * @param {string} libraries of the standard library, if it must be built: `core,alloc` or `std,panic_abort`
 * @returns {Promise<Route>}
 */
export async function routeTo(target, libraries) {
  const found = installed(target) ?? debian(target, libraries);
  if (found) return found;

  if (findProgram(["rustup"])) {
    console.log(`Adding ${target} to the Rust toolchain.`);
    // Fails where rustup's servers can't be reached, which is no reason to stop: there is another way.
    ask("rustup", ["target", "add", target], { timeout: 180_000 });
    const added = installed(target);
    if (added) return added;
    console.log(`rustup could not add it.`);
  }

  if (!canInstall())
    throw new Problem(
      `The Rust library for ${target} is missing, and ${whyNot()}. ` +
        `Run "rustup target add ${target}" where rustup's servers can be reached, then this command again.`,
    );
  await install(debianPackages, `building for ${target}`);
  const installedNow = debian(target, libraries);
  if (installedNow) return installedNow;
  throw new Problem(
    `Debian's Rust was installed, but it can't build for ${target}: it must be ${oldestRust().join(".")} or later, with its sources and rust-lld. ` +
      `Run "rustup target add ${target}" where rustup's servers can be reached, then this command again.`,
  );
}
