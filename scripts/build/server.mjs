// The `coffer` program.
import { locked } from "../lib/cargo.mjs";
import { run } from "../lib/run.mjs";
import { rust } from "../setup/rust.mjs";

/** Builds target/release/coffer. Cargo itself knows whether there is anything to do. */
export async function buildServer() {
  await rust();
  await run("cargo", ["build", "--release", ...locked, "--quiet", "-p", "coffer-server"], {
    failure: 'The coffer program could not be built; the reason is above. To see it again: "npm run build -- server".',
  });
}
