// What building coffer-wasm needs.
import { routeTo } from "./targets.mjs";

/** The way to build for the browser. */
export const wasmRoute = () => routeTo("wasm32-unknown-unknown", "std,panic_abort");
