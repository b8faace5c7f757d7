// coffer-wasm: Rust → WebAssembly → bindings → optimised, into wasm/generated/; then its TypeScript, into wasm/dist/.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { locked } from "../lib/cargo.mjs";
import { at } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { once } from "../lib/stamps.mjs";
import { nodePackages } from "../setup/node-packages.mjs";
import { rust } from "../setup/rust.mjs";
import { wasmRoute } from "../setup/wasm.mjs";

/** Apart from target/: this compiler may be another than the one for this machine, and each would discard the other's work. */
const targetDirectory = at("target", "wasm-build");
const generated = at("wasm", "generated");
/** Each run has its own: two at once must not take each other's files away. */
const bound = at("target", "wasm-build", `bound-${process.pid}`);
const failure = 'The WebAssembly module could not be built; the reason is above. To see it again: "npm run build -- wasm".';

/** What rustc emits for WebAssembly. Every browser of the last years has them; wasm-opt must be told. */
const features = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext", "simd"];

const megabytes = (path) => `${(statSync(path).size / 1e6).toFixed(2)} MB`;

/** The version of binaryen in the lock file, since another wasm-opt makes another module. */
const binaryenVersion = () => JSON.parse(readFileSync(at("package-lock.json"), "utf8")).packages["node_modules/binaryen"].version;

/** @returns {Promise<string>} the module that the compiler made of a crate */
async function compile(route, crate) {
  await run(route.cargo, ["build", "-p", crate, "--profile", "wasm", ...locked, ...route.flags], {
    env: { ...route.env, CARGO_TARGET_DIR: targetDirectory },
    failure,
  });
  return join(targetDirectory, route.target, "wasm", `${crate.replaceAll("-", "_")}.wasm`);
}

async function bind(module) {
  rmSync(bound, { recursive: true, force: true });
  mkdirSync(bound, { recursive: true });
  await run("cargo", ["run", "--release", ...locked, "--quiet", "-p", "coffer-wasm-bindgen", "--", module, bound], { failure });
}

async function optimise() {
  const module = join(bound, "coffer_wasm_bg.wasm");
  const smaller = join(bound, "optimised.wasm");
  await run(at("node_modules", ".bin", "wasm-opt"), [module, "-O3", ...features.map((name) => `--enable-${name}`), "-o", smaller], {
    failure,
  });
  console.log(`wasm-opt: ${megabytes(module)} → ${megabytes(smaller)}.`);
  renameSync(smaller, module);
}

/** Moves the result into place only when it is whole. */
function publish(directory) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(bound)) copyFileSync(join(bound, name), join(directory, name));
}

/** Builds wasm/generated/ if its inputs changed. */
export async function buildModule() {
  await rust();
  await nodePackages();
  const route = await wasmRoute();
  const inputs = [
    "Cargo.toml",
    "Cargo.lock",
    "core",
    "wasm/Cargo.toml",
    "wasm/src",
    "scripts/wasm-bindgen",
    "scripts/build/wasm.mjs",
    "scripts/setup/wasm.mjs",
  ];
  const what = {
    inputs: inputs.map((path) => at(path)),
    facts: [route.version, binaryenVersion()],
    outputs: [join(generated, "coffer_wasm.js"), join(generated, "coffer_wasm_bg.wasm")],
  };
  await once("wasm-module", what, async () => {
    console.log(`Building the WebAssembly module with ${route.description}.`);
    const module = await compile(route, "coffer-wasm");
    try {
      await bind(module);
      await optimise();
      publish(generated);
    } finally {
      rmSync(bound, { recursive: true, force: true });
    }
  });
}

/** Where the readers of the vectors are, as a module that is no part of what is shipped. */
export const vectorsModule = at("target", "vectors-module");

/** Builds the readers of the vectors for tests/browser/vectors.spec.ts. */
export async function buildVectorsModule() {
  await rust();
  const route = await wasmRoute();
  const inputs = [
    "Cargo.toml",
    "Cargo.lock",
    "core",
    "tests/make-vectors",
    "scripts/wasm-bindgen",
    "scripts/build/wasm.mjs",
    "scripts/setup/wasm.mjs",
  ];
  const what = {
    inputs: inputs.map((path) => at(path)),
    facts: [route.version],
    outputs: [join(vectorsModule, "coffer_vectors_browser.js")],
  };
  await once("vectors-module", what, async () => {
    const module = await compile(route, "coffer-vectors-browser");
    try {
      await bind(module);
      publish(vectorsModule);
    } finally {
      rmSync(bound, { recursive: true, force: true });
    }
  });
}

/** Builds the npm package around the module: wasm/generated/ and wasm/dist/. */
export async function buildWasm() {
  await buildModule();
  const inputs = ["package-lock.json", "wasm", "wasm/generated"];
  await once("wasm-package", { inputs: inputs.map((path) => at(path)), outputs: [at("wasm", "dist")] }, () =>
    run("npm", ["run", "--silent", "build", "-w", "wasm"], {
      failure:
        'The npm package around the WebAssembly module could not be built; the reason is above. To see it again: "npm run build -- wasm".',
    }),
  );
}
