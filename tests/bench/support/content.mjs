// Files to measure with: the same bytes on every machine.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Bytes that nothing makes smaller, as of pictures and recordings: AES in counter mode would do, SHA-512 does too. */
export function noise(name, size) {
  const out = Buffer.allocUnsafe(size);
  let state = createHash("sha512").update(name).digest();
  // A long period is not needed: DEFLATE looks back 32 KiB.
  const block = Buffer.alloc(1 << 20);
  for (let at = 0; at < block.length; at += state.length) {
    state = createHash("sha512").update(state).digest();
    state.copy(block, at);
  }
  for (let at = 0; at < size; at += block.length) block.copy(out, at, 0, Math.min(block.length, size - at));
  return out;
}

/** Random numbers of 32 bits, the same ones for the same name: xorshift (Marsaglia 2003). */
export function numbers(name) {
  let state = createHash("sha256").update(name).digest().readUInt32LE(0) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const words =
  "ticket printer account password reset network office report monday invoice update server answer question please thanks regards closed opened waiting colleague floor building laptop screen keyboard".split(
    " ",
  );

/** Text that packs about as well as log files and letters do. */
export function text(name, size) {
  const next = numbers(name);
  const parts = [];
  for (let length = 0; length < size; ) {
    const number = next();
    const word = number % 7 === 0 ? `${number.toString(36)}\n` : `${words[(number >>> 8) % words.length]} `;
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join("").slice(0, size));
}

/** @param {Record<string, Buffer>} files by their path in the folder */
export function writeFiles(folder, files) {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}
