// coffer-core needs nothing but `core` and `alloc`: built for a target that has no `std` to fall back on.
import { locked } from "../lib/cargo.mjs";
import { at } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { bareRoute } from "../setup/bare.mjs";
import { rust } from "../setup/rust.mjs";

export async function noStd() {
  await rust();
  const route = await bareRoute();
  await run(route.cargo, ["check", "-p", "coffer-core", "--no-default-features", "--release", ...locked, ...route.flags], {
    env: { ...route.env, CARGO_TARGET_DIR: at("target", "wasm-build") },
    failure: "coffer-core does not build without the standard library; the reason is above.",
  });
}
