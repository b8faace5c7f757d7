/** Archives made by the command line. */
import { execFileSync } from "node:child_process";
import { environment } from "./environment";

export interface BackupOptions {
  readonly database: string;
  readonly out: string;
  /** Without one, the archive is plain. */
  readonly password?: string;
  /** Folder by file set. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Takes a backup of a SQLite file. */
export function backup({ database, out, password, files = {} }: BackupOptions): void {
  const args = ["backup", "--source", `sqlite:${database}`, "--out", out];
  for (const [name, folder] of Object.entries(files)) args.push("--files", `${name}=${folder}`);
  if (password !== undefined) args.push("--sealed", "--password-env", "COFFER_TEST_PASSWORD");
  execFileSync(environment.coffer, args, {
    env: { ...process.env, COFFER_TEST_PASSWORD: password ?? "" },
    stdio: "pipe",
    timeout: 120_000,
  });
}

/** Opens a sealed archive with its password. */
export function unseal({ file, out, password }: { file: string; out: string; password: string }): void {
  execFileSync(environment.coffer, ["unseal", file, "--out", out, "--allow-credentials", "--password-env", "COFFER_TEST_PASSWORD"], {
    env: { ...process.env, COFFER_TEST_PASSWORD: password },
    stdio: "pipe",
    timeout: 120_000,
  });
}

/** Seals any file for a password. */
export function seal({ file, out, password }: { file: string; out: string; password: string }): void {
  execFileSync(environment.coffer, ["seal", file, "--out", out, "--password-env", "COFFER_TEST_PASSWORD"], {
    env: { ...process.env, COFFER_TEST_PASSWORD: password },
    stdio: "pipe",
    timeout: 120_000,
  });
}
