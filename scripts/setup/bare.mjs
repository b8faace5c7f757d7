// A target without a standard library, to prove that coffer-core needs none.
import { routeTo } from "./targets.mjs";

/** The way to build for it. This one has no operating system, but an allocator can be given: `core` and `alloc` only. */
export const bareRoute = () => routeTo("wasm32v1-none", "core,alloc");
