// The web app, into web/dist/.
import { at } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { once } from "../lib/stamps.mjs";
import { buildWasm } from "./wasm.mjs";

/** Builds web/dist/ if its inputs changed. */
export async function buildWeb() {
  await buildWasm();
  const inputs = ["package-lock.json", "web", "wasm/generated", "wasm/dist"];
  await once(
    "web",
    { inputs: inputs.map((path) => at(path)), outputs: [at("web", "dist", "index.html"), at("web", "dist", "coffer-open.html")] },
    () =>
      run("npm", ["run", "--silent", "build", "-w", "web"], {
        failure: 'The web app could not be built; the reason is above. To see it again: "npm run build -- web".',
      }),
  );
}
