/** The keys of a sealed archive, derived from file and password by another program than Coffer. */
import { join } from "node:path";
import { runPython } from "./python";

const script = join(import.meta.dirname, "..", "..", "interop", "open_sealed.py");

/** By name: what the password gives, the secret key, the archive's file key, and what follows from it. */
export function keysOf(archive: string, password: string): Record<string, Buffer> {
  const printed = runPython([script, archive, "--password-env", "COFFER_TEST_PASSWORD", "--keys"], {
    env: { COFFER_TEST_PASSWORD: password },
  });
  const keys = Object.entries(JSON.parse(printed) as Record<string, string>);
  return Object.fromEntries(keys.map(([name, hex]) => [name, Buffer.from(hex, "hex")]));
}

/**
 * The part of a secret key's text form (Bech32 over a type byte and the key) that the key alone decides, without
 * prefix and checksum.
 */
export function bech32Core(key: Buffer): string {
  const bits = [1, ...key].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{5}/g) ?? [];
  return groups.map((group) => "qpzry9x8gf2tvdw0s3jn54khce6mua7l"[Number.parseInt(group, 2)]).join("");
}
