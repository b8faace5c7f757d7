// Installing Debian packages, where that is possible.
import { existsSync } from "node:fs";
import { findProgram } from "./find.mjs";
import { run } from "./run.mjs";

let listsAreFresh = false;

/** Whether this process may install Debian packages. */
export const canInstall = () => process.getuid?.() === 0 && existsSync("/etc/debian_version") && !!findProgram(["apt-get"]);

/** Why it may not, as the end of a sentence. */
export const whyNot = () =>
  existsSync("/etc/debian_version")
    ? "this is not root, so it can't be installed here"
    : "this is not Debian, so it can't be installed here";

/**
 * Installs packages, without what they only recommend. The package lists are fetched once a process, and only if
 * something is installed at all.
 *
 * @param {string[]} packages
 * @param {string} purpose the end of "Installing … for …"
 */
export async function install(packages, purpose) {
  console.log(`Installing Debian's ${packages.join(", ")} for ${purpose}.`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!listsAreFresh) {
    listsAreFresh = true;
    // Not fatal: one unreachable source among several, or lists that are recent anyway, are no reason to stop.
    // If a package can't be had, installing it fails and says so.
    await run("apt-get", ["update", "-q"], { env, timeout: 300_000, quiet: true }).catch(() =>
      console.log("Debian's package lists could not be brought up to date; going on with those that are there."),
    );
  }
  await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...packages], {
    env,
    timeout: 900_000,
    quiet: true,
    failure: `Debian's ${packages.join(", ")} could not be installed.`,
  });
}
