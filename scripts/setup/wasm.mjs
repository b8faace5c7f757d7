// What building coffer-wasm needs.
import { routeTo } from "./targets.mjs";

/**
 * The way to build for the browser.
 *
 * With vector instructions, which every browser has had since 2023 and which zlib-rs, sha2 and memchr have code for.
 */
export async function wasmRoute() {
  const route = await routeTo("wasm32-unknown-unknown", "std,panic_abort");
  return { ...route, env: { ...route.env, CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: "-C target-feature=+simd128" } };
}
