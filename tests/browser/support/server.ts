/** A `coffer serve` of the test's own: a free port, a directory that goes when it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment } from "./environment";

/** Milliseconds until the server must have printed its link, demo and all. */
const startLimit = 60_000;
/** Milliseconds that it may take to end by itself. */
const endLimit = 10_000;

export class Server {
  private constructor(
    private readonly child: ChildProcess,
    /** Where it keeps everything, the demo application too. */
    readonly data: string,
    /** `http://127.0.0.1:PORT` */
    readonly origin: string,
    /** The one-time token of the printed link. */
    readonly token: string,
    private readonly output: { text: string },
  ) {}

  static async start(): Promise<Server> {
    const data = mkdtempSync(join(tmpdir(), "coffer-test-"));
    const args = ["serve", "--demo", "--web", environment.web, "--data", data, "--listen", "127.0.0.1:0"];
    const child = spawn(environment.coffer, args, { stdio: ["ignore", "pipe", "pipe"] });
    const output = { text: "" };
    const link = new Promise<RegExpExecArray>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`coffer serve ${why}:\n${output.text}`));
      const timer = setTimeout(() => fail(`printed no link within ${startLimit / 1000} s`), startLimit);
      const read = (chunk: Buffer) => {
        output.text += chunk.toString();
        const found = /(http:\/\/127\.0\.0\.1:\d+)\/#set-up=(\S+)/.exec(output.text);
        if (!found) return;
        clearTimeout(timer);
        resolve(found);
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.on("error", (error) => fail(error.message));
      child.on("exit", (code) => fail(`ended with ${code}`));
    });
    try {
      const [, origin = "", token = ""] = await link;
      return new Server(child, data, origin, token, output);
    } catch (error) {
      child.kill();
      rmSync(data, { recursive: true, force: true });
      throw error;
    }
  }

  /** The demo application's database. */
  get database(): string {
    return join(this.data, "demo", "helpdesk.sqlite");
  }

  /** The demo application's uploads. */
  get uploads(): string {
    return join(this.data, "demo", "uploads");
  }

  /** Everything that it printed so far. */
  get printed(): string {
    return this.output.text;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGTERM");
      const timer = setTimeout(() => this.child.kill("SIGKILL"), endLimit);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.data, { recursive: true, force: true });
  }
}
