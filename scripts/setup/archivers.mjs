// Other people's programs that unpack ZIPs, for the interoperability tests only.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

/** For each: what its program may be called, and the Debian package that has it. */
const known = {
  unzip: { names: ["unzip"], packageName: "unzip" },
  sevenZip: { names: ["7z", "7zz"], packageName: "7zip" },
  bsdtar: { names: ["bsdtar"], packageName: "libarchive-tools" },
};

/**
 * One of the programs; what is missing of all of them is installed together.
 *
 * @param {keyof typeof known} name
 * @returns {Promise<string>} its path
 */
export async function archiver(name) {
  const missing = Object.values(known).filter(({ names }) => !findProgram(names));
  if (missing.length > 0) {
    const packages = missing.map(({ packageName }) => packageName);
    if (!canInstall())
      throw new Problem(
        `The interoperability tests need the programs of ${packages.join(", ")} (Debian's names), and ${whyNot()}. ` +
          "Install them, then run this command again.",
      );
    await install(packages, "the interoperability tests");
  }
  const program = findProgram(known[name].names);
  if (!program)
    throw new Problem(
      `Debian's ${known[name].packageName} was installed, but has no ${known[name].names.join(" or ")}. Put one of them in PATH.`,
    );
  return program;
}
