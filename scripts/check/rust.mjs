// rustfmt, and clippy with the workspace's lints as errors.
import { locked } from "../lib/cargo.mjs";
import { at } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Skipped } from "../lib/steps.mjs";
import { rust } from "../setup/rust.mjs";
import { wasmRoute } from "../setup/wasm.mjs";

export async function rustFormat() {
  await rust({ lints: true });
  await run("cargo", ["fmt", "--all", "--check"], { failure: 'Some Rust files are not formatted. "npm run format" formats them.' });
}

export async function rustLints() {
  await rust({ lints: true });
  await run("cargo", ["clippy", "--release", ...locked, "--workspace", "--all-targets", "--", "-D", "warnings"], {
    failure: "Clippy has findings; they are above.",
  });
}

/** The code of coffer-wasm that only exists in the browser is not seen by clippy on this machine's own target. */
export async function wasmLints() {
  await rust({ lints: true });
  const route = await wasmRoute();
  if (route.cargo !== "cargo")
    return new Skipped("the installed clippy has no library for wasm32; coffer-wasm was linted for this machine, with the rest");
  await run(route.cargo, ["clippy", "-p", "coffer-wasm", "--profile", "wasm", ...locked, ...route.flags, "--", "-D", "warnings"], {
    env: { ...route.env, CARGO_TARGET_DIR: at("target", "wasm-build") },
    failure: "Clippy has findings in the browser's code; they are above.",
  });
}
