/** Comparing folders. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** SHA-256 of every file below a folder, by path. */
export function digests(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, sha256(readFileSync(join(folder, path)))]));
}
