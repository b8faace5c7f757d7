// Browsers for the browser tests.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram, isProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

/**
 * Finds a browser, or installs Debian's.
 *
 * @param {{name: string, variable: string, names: string[], usualPlaces: string[], packages: string[]}} browser
 *   `variable` of the environment names another one; `names` are looked for in PATH before `usualPlaces`
 * @returns {Promise<string>} its program
 */
async function browser({ name, variable, names, usualPlaces, packages }) {
  const chosen = process.env[variable];
  if (chosen) {
    if (isProgram(chosen)) return chosen;
    throw new Problem(`${variable} names ${chosen}, which is not a program. Correct or unset it, then run this command again.`);
  }
  const found = findProgram(names, usualPlaces);
  if (found) return found;
  if (!canInstall())
    throw new Problem(
      `No ${name} was found, and ${whyNot()}. Install ${name}, or set ${variable} to its program, then run this command again.`,
    );
  // A font is needed too: without any, text has no size and nothing can be clicked.
  await install([...packages, "fonts-dejavu-core"], "the browser tests");
  const installed = findProgram(names, usualPlaces);
  if (installed) return installed;
  throw new Problem(
    `Debian's ${packages[0]} was installed, but its program was not found. Set ${variable} to it, then run this command again.`,
  );
}

export const chromium = () =>
  browser({
    name: "Chromium",
    variable: "COFFER_CHROMIUM",
    names: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
    usualPlaces: [
      "/usr/bin/chromium",
      "/snap/bin/chromium",
      "/Applications/Chromium.app/Contents/MacOS/Chromium",
      "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ],
    packages: ["chromium"],
  });

/** The release that is kept for a year, which is the oldest that many people have. */
export const firefox = () =>
  browser({
    name: "Firefox",
    variable: "COFFER_FIREFOX",
    names: ["firefox-esr", "firefox"],
    usualPlaces: ["/usr/bin/firefox-esr", "/Applications/Firefox.app/Contents/MacOS/firefox"],
    packages: ["firefox-esr"],
  });
