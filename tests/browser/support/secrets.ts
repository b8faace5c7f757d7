/** Finds secrets in what was sent, in every form in which somebody might have written them. */
import type { Sent } from "./recorder";

export interface Form {
  /** What it is of what, e.g. `password in UTF-16LE as base64 (1 byte before)`. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Leak {
  readonly form: string;
  readonly where: string;
}

/**
 * The characters of a base64 text that depend on the secret alone, when `before` (0 to 2) unknown bytes stand before
 * it and unknown bytes follow.
 */
function base64Core(secret: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), secret])
    .toString("base64")
    .replace(/=+$/, "");
  const first = Math.ceil((before * 8) / 6);
  const last = Math.floor(((before + secret.length) * 8) / 6);
  return text.slice(first, last);
}

const urlSafe = (base64: string) => base64.replaceAll("+", "-").replaceAll("/", "_");

function* textForms(name: string, bytes: Buffer): Generator<Form> {
  yield { name: `${name} as it is`, bytes };
  const hex = bytes.toString("hex");
  yield { name: `${name} as hex`, bytes: Buffer.from(hex) };
  yield { name: `${name} as upper-case hex`, bytes: Buffer.from(hex.toUpperCase()) };
  for (const before of [0, 1, 2]) {
    const base64 = base64Core(bytes, before);
    yield { name: `${name} as base64 (${before} bytes before)`, bytes: Buffer.from(base64) };
    if (urlSafe(base64) !== base64) yield { name: `${name} as base64url (${before} bytes before)`, bytes: Buffer.from(urlSafe(base64)) };
  }
}

/** Every form of a secret that is bytes. */
export const formsOfBytes = (name: string, bytes: Buffer): Form[] => [...textForms(name, bytes)];

/** Every form of a secret that is text. */
export function formsOfText(name: string, text: string): Form[] {
  const utf8 = Buffer.from(text, "utf8");
  const little = Buffer.from(text, "utf16le");
  const big = Buffer.from(little).swap16();
  const percent = [...utf8].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  const escaped = (upper: boolean) =>
    [...text]
      .map((c) => {
        const code = c.charCodeAt(0).toString(16).padStart(4, "0");
        return c.charCodeAt(0) < 0x80 ? c : `\\u${upper ? code.toUpperCase() : code}`;
      })
      .join("");
  const written = {
    "percent-encoded": encodeURIComponent(text),
    "percent-encoded in lower case": encodeURIComponent(text).replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    "percent-encoded as an address": encodeURI(text),
    "percent-encoded as a form": encodeURIComponent(text).replaceAll("%20", "+"),
    "percent-encoded throughout": percent,
    "percent-encoded throughout in upper case": percent.toUpperCase(),
    "escaped as in JSON": escaped(false),
    "escaped as in JSON in upper case": escaped(true),
  };
  const forms = [
    ...textForms(`${name} in UTF-8`, utf8),
    ...textForms(`${name} in UTF-16LE`, little),
    ...textForms(`${name} in UTF-16BE`, big),
    ...Object.entries(written).map(([how, value]) => ({ name: `${name} ${how}`, bytes: Buffer.from(value) })),
  ];
  // Where two ways of writing give the same, one of them is enough.
  const seen = new Set<string>();
  return forms.filter(({ bytes }) => !seen.has(bytes.toString("hex")) && seen.add(bytes.toString("hex")));
}

/** Every form that occurs in something that was sent. */
export function leaks(sent: readonly Sent[], forms: readonly Form[]): Leak[] {
  return sent.flatMap(({ where, bytes }) => forms.filter((form) => bytes.includes(form.bytes)).map((form) => ({ form: form.name, where })));
}
