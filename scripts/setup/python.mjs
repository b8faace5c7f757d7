// Python with an independent implementation of the cryptography and with Schemathesis, for the interoperability tests only.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { at } from "../lib/paths.mjs";
import { Problem } from "../lib/problem.mjs";
import { ask, run } from "../lib/run.mjs";
import { once } from "../lib/stamps.mjs";

const packages = ["cryptography>=50", "argon2-cffi>=23", "schemathesis>=4"];
const directory = at("target", "python");
const program = at("target", "python", "bin", "python");

/** A Python that can make virtual environments with pip in them. */
async function basePython() {
  const works = () => ask("python3", ["-c", "import ensurepip, venv, sys; assert sys.version_info >= (3, 9)"]) !== undefined;
  if (works()) return;
  if (!canInstall())
    throw new Problem(`Python 3.9 or later with its venv module was not found, and ${whyNot()}. Install it, then run this command again.`);
  await install(["python3", "python3-venv"], "the interoperability tests");
  if (!works())
    throw new Problem(
      "Debian's python3-venv was installed, but python3 still can't make virtual environments. Check which python3 comes first in PATH.",
    );
}

/** @returns {Promise<string>} the Python program of the tests' virtual environment */
export async function python() {
  await once("python", { inputs: [], facts: packages, outputs: [program] }, async () => {
    await basePython();
    await run("python3", ["-m", "venv", "--clear", directory], { failure: "The tests' Python environment could not be made." });
    await run(program, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages], {
      failure: "The tests' Python packages could not be installed.",
    });
  });
  return program;
}
