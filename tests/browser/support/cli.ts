/** Archives made by the command line. */
import { execFileSync } from "node:child_process";
import { environment } from "./environment";
import { execute } from "./python";

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

/** An archive of about so many bytes, which do not compress. */
export function noise(out: string, bytes: number, password?: string): void {
  const database = `${out}.sqlite`;
  const rows = "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < ";
  const insert = `INSERT INTO noise (bytes) SELECT randomblob(1000) FROM (${rows}${Math.ceil(bytes / 1000)}) SELECT v FROM n)`;
  execute(database, `CREATE TABLE noise (id INTEGER PRIMARY KEY, bytes BLOB); ${insert};`);
  backup({ database, out, ...(password === undefined ? {} : { password }) });
}
