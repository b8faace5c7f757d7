// A browser for the browser tests.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram, isProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const usualPlaces = [
  "/usr/bin/chromium",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** @returns {Promise<string>} the browser's program */
export async function chromium() {
  const chosen = process.env.COFFER_CHROMIUM;
  if (chosen) {
    if (isProgram(chosen)) return chosen;
    throw new Problem(`COFFER_CHROMIUM names ${chosen}, which is not a program. Correct or unset it, then run this command again.`);
  }
  const found = findProgram(names, usualPlaces);
  if (found) return found;
  if (!canInstall())
    throw new Problem(
      `No Chromium was found, and ${whyNot()}. Install Chromium, or set COFFER_CHROMIUM to its program, then run this command again.`,
    );
  // A font is needed too: without any, text has no size and nothing can be clicked.
  await install(["chromium", "fonts-dejavu-core"], "the browser tests");
  const installed = findProgram(names, usualPlaces);
  if (installed) return installed;
  throw new Problem(
    `Debian's chromium was installed, but its program was not found. Set COFFER_CHROMIUM to it, then run this command again.`,
  );
}
