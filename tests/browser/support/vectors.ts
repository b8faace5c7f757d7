/** The vectors of tests/vectors: see the README there. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";

export const vectorsFolder = join(import.meta.dirname, "..", "..", "vectors");

export const names = readdirSync(vectorsFolder).filter((name) => name !== "README.md");

const keys = ["password", "identity", "file key"] as const;
const nothing = createHash("sha256").digest("hex");

export interface Vector {
  readonly sealed: Buffer;
  readonly kind: (typeof keys)[number];
  readonly value: string;
  readonly fields: ReadonlyMap<string, string>;
}

export function readVector(name: string): Vector {
  const file = readFileSync(join(vectorsFolder, name));
  const end = file.indexOf("\n\n");
  const lines = file.subarray(0, end).toString("utf8").split("\n");
  const fields = new Map(lines.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
  const kind = keys.find((key) => fields.has(key));
  if (!kind) throw new Error(`${name} does not say what to open it with`);
  const body = file.subarray(end + 2);
  const sealed = fields.get("compressed") === "zlib" ? inflateSync(body) : body;
  return { sealed, kind, value: fields.get(kind) ?? "", fields };
}

/** What must be found in each way, as the page says it: code, digest of what was released, sender. */
export function expected(name: string, { kind, fields }: Vector): Record<string, string> {
  const field = (name: string) => fields.get(name) ?? "";
  const line = (code: string, payload: string) => `${code} ${payload} ${code === "success" ? (fields.get("sender") ?? "-") : "-"}`;
  const code = field("expect");
  // A range is released as a whole or not at all; the comparison with the scrub table comes after all content.
  const wholly = code === "success" || code === "scrub_table_damaged" ? field("payload") : nothing;
  const whole = line(code, wholly);
  const random = line(code, field("payload"));
  const sequential = line(fields.get("sequential expect") ?? code, fields.get("sequential payload") ?? field("payload"));
  const shipped = shippedCode(name, kind, code, field("payload"));
  const asShipped = line(shipped, shipped === "success" ? field("payload") : nothing);
  return {
    "wasm, whole": whole,
    "wasm, chunk by chunk": random,
    "wasm, byte by byte": random,
    "wasm, streamed": sequential,
    "wasm, streamed byte by byte": sequential,
    "wasm, scrubbed": field("scrub"),
    "wasm, scrubbed byte by byte": field("scrub"),
    "WebCrypto, whole": whole,
    "WebCrypto, chunk by chunk": random,
    "WebCrypto, byte by byte": random,
    "shipped, wasm": asShipped,
    "shipped, WebCrypto": asShipped,
  };
}

/** Where the shipped module, which opens plain archives too and takes no file key, must say something else. */
function shippedCode(name: string, kind: Vector["kind"], code: string, payload: string): string {
  // A ZIP whose end is not one.
  if (name === "not_sealed_zip") return "cut_short";
  // Unsealing does not look at the scrub table of an archive that nobody signed; checking an archive does.
  if (code === "scrub_table_damaged" && payload !== nothing) return "success";
  if (kind === "file key" && code !== "header_malformed") return "not_a_recipient";
  return code;
}
