// Finding programs.
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Whether the path is a file that may be executed. */
export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The first of these programs: by each name in PATH, then at each absolute path.
 *
 * @param {string[]} names
 * @param {string[]} usualPlaces absolute paths
 * @returns {string | undefined}
 */
export function findProgram(names, usualPlaces = []) {
  const directories = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const candidates = [...names.flatMap((name) => directories.map((directory) => join(directory, name))), ...usualPlaces];
  return candidates.find(isProgram);
}

/** The names in a directory, sorted with the highest version number first; none if there is no such directory. */
export function newestFirst(directory) {
  try {
    return readdirSync(directory).sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  } catch {
    return [];
  }
}

/** The files below a directory whose names match, sorted; none if there is no such directory. */
export function filesNamed(directory, pattern) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
