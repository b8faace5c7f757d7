// The `coffer` program.
import { locked } from "../lib/cargo.mjs";
import { run } from "../lib/run.mjs";
import { rust } from "../setup/rust.mjs";

/**
 * Builds target/release/coffer. Cargo itself knows whether there is anything to do.
 *
 * @param {{besideTests?: boolean}} options with `besideTests`, the libraries are built with the features that the tests'
 *   own dependencies add to them. `cargo test` then finds them built; otherwise it builds core and server once more,
 *   which takes longer than everything that only tests need.
 */
export async function buildServer({ besideTests = false } = {}) {
  await rust();
  // Cargo counts the dependencies of tests as soon as one test is built, whichever.
  const selected = besideTests ? ["--workspace", "--bin", "coffer", "--test", "cancel"] : ["-p", "coffer-server"];
  await run("cargo", ["build", "--release", ...locked, "--quiet", ...selected], {
    failure: 'The coffer program could not be built; the reason is above. To see it again: "npm run build -- server".',
  });
}
