// Where things are. Every script works from the repository's top, whatever directory it was started in.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's top directory. */
export const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A path inside the repository. */
export const at = (...parts) => join(top, ...parts);

/** The `coffer` program that every script and test uses: there is one build profile for people. */
export const cofferProgram = at("target", "release", "coffer");
