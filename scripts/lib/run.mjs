// Running other programs.
import { spawn, spawnSync } from "node:child_process";
import { top } from "./paths.mjs";
import { Problem } from "./problem.mjs";

const minutes = 60_000;

/**
 * Passes signals on to a child for as long as it runs, so that ending a script ends what it started.
 *
 * @returns {() => NodeJS.Signals | undefined} ends this, and says which signal came last
 */
function passSignals(child) {
  let received;
  const listeners = ["SIGTERM", "SIGHUP", "SIGINT"].map((signal) => {
    const listener = () => {
      received = signal;
      // The terminal sends Ctrl-C to both processes; sending it on as well would arrive as a second, impatient Ctrl-C.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    process.on(signal, listener);
    return [signal, listener];
  });
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
    return received;
  };
}

/**
 * Runs a program with the terminal's output, and waits for it.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{env?: Record<string, string>, cwd?: string, timeout?: number, quiet?: boolean, failure?: string}} options
 *   `env` is added to the environment, `timeout` is in milliseconds, `quiet` shows only what the program reports as
 *   wrong, `failure` is the sentence for the person (without it, the sentence names the command).
 */
export function run(program, args, { env = {}, cwd = top, timeout = 30 * minutes, quiet = false, failure } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
      timeout,
      killSignal: "SIGTERM",
    });
    const endPassing = passSignals(child);
    const fail = (why) => {
      const command = [program, ...args].join(" ");
      reject(new Problem(failure ? `${failure} (${command}: ${why})` : `This command failed (${why}): ${command}`));
    };
    child.on("error", (error) => fail(error.code === "ENOENT" ? "not found" : error.message));
    child.on("close", (code, signal) => {
      const received = endPassing();
      if (received) process.kill(process.pid, received);
      if (code === 0) resolve();
      else fail(signal ? `ended by ${signal}` : `exit code ${code}`);
    });
  });
}

/**
 * Runs a short program and returns what it printed, or `undefined` if it is missing or failed.
 *
 * @param {{env?: Record<string, string>, timeout?: number}} options `timeout` in milliseconds, 20 s unless told
 * @returns {string | undefined}
 */
export function ask(program, args, { env = {}, timeout = 20_000 } = {}) {
  const result = spawnSync(program, args, {
    cwd: top,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "ignore"],
    timeout,
  });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/**
 * Becomes another program, as nearly as Node allows: terminal, signals and exit code pass through.
 * Resolves with the exit code to use.
 */
export function become(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: top, stdio: "inherit" });
    const endPassing = passSignals(child);
    child.on("error", (error) => reject(new Problem(`${program} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      endPassing();
      if (signal) process.kill(process.pid, signal);
      else resolve(code);
    });
  });
}
