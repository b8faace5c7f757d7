// The tests that a change meets: only those that come across it, the cheapest first.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../scripts/lib/problem.mjs";

/** Of a test program, in KiB: a change can make a buffer huge. */
const MEMORY = 4 << 20;
/** What takes longer, in seconds, runs in a process of its own, and only when nothing shorter has noticed. */
const DEAR = 0.5;
/** So many tests that each comes from a file of its own are one trial. */
const WHOLE = new Set(["vectors"]);

/** Runs a test program; says how it ended, what it wrote, and the processor time that it took in seconds. */
function execute(program, args, { cwd, env, seconds }) {
  // A change can make a loop endless, so it's processor time that is limited.
  const bounded = `ulimit -t ${seconds}; ulimit -v ${MEMORY}; "$0" "$@" 2>&1; code=$?; times >&2; exit $code`;
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", bounded, program, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"])
      child[name].setEncoding("utf8").on("data", (text) => {
        said[name] += text;
      });
    child.on("error", reject);
    child.on("close", (code) => {
      const [user, system] = [...said.stderr.matchAll(/(\d+)m([\d.]+)s/g)]
        .slice(-2)
        .map(([, minutes, rest]) => 60 * minutes + Number(rest));
      resolve({ code, text: said.stdout, took: (user ?? 0) + (system ?? 0) });
    });
  });
}

/**
 * Finds out which changes each test comes across, and how long it takes.
 *
 * @param {Record<string, string>} paths the test programs by name
 * @param {{cwd: string, folder: string, jobs: number}} where `cwd` is where the programs run
 * @returns {Promise<{program: string, name: string | undefined, took: number, reached: number[]}[]>}
 */
export async function survey(paths, { cwd, folder, jobs }) {
  const trials = [];
  for (const [program, path] of Object.entries(paths)) {
    const { text } = await execute(path, ["--list"], { cwd, seconds: 20 });
    const names = [...text.matchAll(/^(.*): test$/gm)].map(([, name]) => name);
    if (names.length === 0) continue;
    for (const name of WHOLE.has(program) ? [undefined] : names) trials.push({ program, name });
  }
  const waiting = [...trials.entries()];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [number, trial] = next;
      const file = join(folder, `reached-${number}`);
      rmSync(file, { force: true });
      const args = trial.name ? ["--exact", trial.name] : [];
      const env = { COFFER_MUTANTS_REACHED: file };
      const { code, text, took } = await execute(paths[trial.program], ["--test-threads=1", ...args], { cwd, env, seconds: 120 });
      if (code !== 0) throw new Problem(`${trial.name ?? trial.program} fails without any change:\n${text}`);
      const reached = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number) : [];
      Object.assign(trial, { took, reached });
      rmSync(file, { force: true });
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return trials;
}

/** What is in a list, by what a function says of each. */
export function grouped(list, key) {
  const groups = new Map();
  for (const each of list) groups.set(key(each), [...(groups.get(key(each)) ?? []), each]);
  return groups;
}

/** The runs that a change meets, each with the tests of one program, in the order in which they are worth trying. */
export function runs(trials, id, near) {
  const groups = grouped(
    trials.filter(({ reached }) => reached.includes(id)),
    ({ program, name, took }) => `${program} ${took > DEAR ? name : (name?.startsWith(near) ?? false)}`,
  );
  return [...groups.values()]
    .map((of) => ({
      program: of[0].program,
      args: of[0].name ? ["--exact", ...of.map(({ name }) => name)] : [],
      took: of.reduce((sum, { took }) => sum + took, 0),
      first: of[0].name?.startsWith(near) && of[0].took <= DEAR,
    }))
    .sort((one, other) => Number(other.first ?? false) - Number(one.first ?? false) || one.took - other.took);
}

/** Runs tests with one change switched on. */
export async function run({ program, args, took }, paths, id, cwd) {
  const seconds = Math.ceil(1 + 3 * took);
  const { code } = await execute(paths[program], ["--test-threads=1", ...args], { cwd, env: { COFFER_MUTANT: `${id}` }, seconds });
  if (code === 0) return "survived";
  // The shell says 128 and the number of the signal: SIGKILL or SIGXCPU.
  return code === 137 || code === 152 ? "timed out" : "noticed";
}
