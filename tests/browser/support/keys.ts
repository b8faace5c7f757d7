/** The keys of a sealed archive, derived from file and password by another program than Coffer. */
import { join } from "node:path";
import { runPython } from "./python";

const script = join(import.meta.dirname ?? __dirname, "..", "..", "interop", "open_sealed.py");

export interface Keys {
  /** By name: what the password gives, the secret key, the archive's file key. */
  readonly bytes: Readonly<Record<string, Buffer>>;
  /** Text forms of keys. */
  readonly texts: Readonly<Record<string, string>>;
}

export function keysOf(archive: string, password: string): Keys {
  const printed = runPython([script, "--print-keys", archive], password);
  const keys = JSON.parse(printed) as Record<string, string>;
  const bytes = Object.entries(keys).filter(([, value]) => /^[0-9a-f]{64}$/.test(value));
  const texts = Object.entries(keys).filter(([, value]) => !/^[0-9a-f]{64}$/.test(value));
  return { bytes: Object.fromEntries(bytes.map(([name, hex]) => [name, Buffer.from(hex, "hex")])), texts: Object.fromEntries(texts) };
}
