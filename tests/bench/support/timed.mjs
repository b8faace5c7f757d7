// Running a program and measuring it, and the folder that it works in.
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { at } from "../../../scripts/lib/paths.mjs";

/** Runs a command, and prints what the system has counted for it and everything that it started. */
const meter = `
import json, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "status": status.returncode, "said": status.stderr.decode(errors="replace"),
    "wall": wall * 1e3, "cpu": (used.ru_utime + used.ru_stime) * 1e3, "peak": used.ru_maxrss * 1024,
}))
`;

/**
 * Runs a program. Gives how long it took and how long processors worked on it, in milliseconds, and the most memory that
 * one of the programs that it is made of had, in bytes.
 *
 * @param {string[]} command
 * @returns {{ wall: number, cpu: number, peak: number }}
 */
export function measured(command) {
  const { stdout } = spawnSync(process.env.COFFER_PYTHON, ["-c", meter, ...command], { encoding: "utf8" });
  const { status, said, ...figures } = JSON.parse(stdout);
  if (status !== 0) throw new Error(`${command.join(" ")} failed: ${said}`);
  return figures;
}

/** The same for a shell line with arguments, `$1` and so on. */
export const timed = (line, ...args) => measured(["/bin/bash", "-c", `set -o pipefail; ${line}`, "bash", ...args]);

/**
 * A new folder in memory, so that no disk is measured; in the build folder where there is no such place.
 *
 * @param {string} name of the bench
 * @param {number} bytes that it needs
 */
export function workFolder(name, bytes) {
  const inMemory = "/dev/shm";
  try {
    accessSync(inMemory, constants.W_OK);
    const { bavail, bsize } = statfsSync(inMemory);
    if (bavail * bsize > bytes) return mkdtempSync(join(inMemory, "coffer-bench-"));
  } catch {
    // Not there: the build folder it is.
  }
  const folder = at("target", "bench", name, "work");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
