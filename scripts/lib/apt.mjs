// Installing Debian packages, where that is possible.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { filesNamed, findProgram } from "./find.mjs";
import { run } from "./run.mjs";

const env = { DEBIAN_FRONTEND: "noninteractive" };
let listsAreFresh = false;

/** Fetches the package lists, once a process. */
async function refreshLists() {
  if (listsAreFresh) return;
  listsAreFresh = true;
  // Not fatal: one unreachable source among several, or lists that are recent anyway, are no reason to stop.
  // If a package can't be had, installing it fails and says so.
  await run("apt-get", ["update", "-q"], { env, timeout: 300_000, quiet: true }).catch(() =>
    console.log("Debian's package lists could not be brought up to date; going on with those that are there."),
  );
}

/** Whether this process may install Debian packages. */
export const canInstall = () => process.getuid?.() === 0 && existsSync("/etc/debian_version") && !!findProgram(["apt-get"]);

/** Why it may not, as the end of a sentence. */
export const whyNot = () =>
  existsSync("/etc/debian_version")
    ? "this is not root, so it can't be installed here"
    : "this is not Debian, so it can't be installed here";

/**
 * Installs packages, without what they only recommend.
 *
 * @param {string[]} packages
 * @param {string} purpose the end of "Installing … for …"
 */
export async function install(packages, purpose) {
  console.log(`Installing Debian's ${packages.join(", ")} for ${purpose}.`);
  await refreshLists();
  await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...packages], {
    env,
    timeout: 900_000,
    quiet: true,
    failure: `Debian's ${packages.join(", ")} could not be installed.`,
  });
}

/**
 * Downloads a package and unpacks its files into a directory, without installing or running anything of it.
 *
 * @param {string} name of the package
 * @param {string} directory emptied first
 * @param {string} purpose the end of "Downloading … for …"
 */
export async function unpack(name, directory, purpose) {
  console.log(`Downloading Debian's ${name} for ${purpose}; it is unpacked, not installed.`);
  const failure = `Debian's ${name} could not be downloaded and unpacked.`;
  await refreshLists();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  // Root's own directory is closed to the user that apt otherwise downloads as.
  await run("apt-get", ["download", "-q", "-o", "APT::Sandbox::User=root", name], {
    env,
    cwd: directory,
    timeout: 300_000,
    quiet: true,
    failure,
  });
  for (const archive of filesNamed(directory, /\.deb$/)) {
    await run("dpkg-deb", ["--extract", archive, directory], { failure });
    rmSync(archive);
  }
}
