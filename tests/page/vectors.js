// Reads a vector in every way that a browser can: by the readers of tests/make-vectors, built for WebAssembly, whose
// chunks are decrypted by themselves or by WebCrypto; and by the module that is shipped, in both ways too.
import { BlobReader } from "/dist/blob-reader.js";
import { Lanes } from "/dist/lanes.js";
import init, { Archive, Source } from "/generated/coffer_wasm.js";
import initReaders, { Reader, random, scrub, sequential } from "/module/coffer_vectors_browser.js";

const max = 2 ** 32 - 1;
const chunk = 16 << 10;
const lanes = new Lanes();

await Promise.all([
  init({ module_or_path: "/generated/coffer_wasm_bg.wasm" }),
  initReaders({ module_or_path: "/module/coffer_vectors_browser_bg.wasm" }),
]);

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const digest = async (blob) => hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));

/** With random access, the chunks decrypted by WebCrypto as the shipped package has it done. */
async function byWebCrypto({ file, kind, value }, step, piece) {
  const reader = new Reader(file, kind, value, step, piece);
  const raw = reader.key();
  if (raw) {
    const key = await lanes.importKey(raw);
    for (let job = reader.nextJob(); job; job = reader.nextJob()) {
      const { bytes, damaged } = await lanes.open(key, job.nonces, job.sealed, 0, 0);
      reader.settle(bytes, damaged);
      job.free();
      if (damaged >= 0) break;
    }
  }
  return reader.finish();
}

/** By the module that is shipped: its own way to open, unlock and unseal. */
async function byShipped({ file, kind, value }, crypto) {
  const pieces = [];
  let code = "success";
  let sender;
  try {
    const archive = await Archive.open(Source.file(new BlobReader(new Blob([file]))), crypto);
    sender = archive.sender?.key;
    if (kind === "identity") await archive.unlock_with_key(value, undefined);
    else await archive.unlock(kind === "password" ? value : "a file key can't be given");
    const unsealing = archive.unseal();
    for (let piece = await unsealing.next(); piece; piece = await unsealing.next()) pieces.push(piece);
  } catch (failure) {
    // For people it is told as what it comes from, with both lengths.
    code = failure.expected === undefined ? failure.code : "length_mismatch";
    if (code === undefined) throw failure;
  }
  return `${code} ${await digest(new Blob(pieces))} ${code === "success" ? (sender ?? "-") : "-"}`;
}

/**
 * What is found in each way: the code, the digest of what was released, and the sender.
 *
 * @param {{ sealed: string, kind: string, value: string }} vector the archive in base64, and what to open it with
 */
globalThis.readVector = async ({ sealed, kind, value }) => {
  const file = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0));
  const vector = { file, kind, value };
  return {
    "wasm, whole": random(file, kind, value, max, max),
    "wasm, chunk by chunk": random(file, kind, value, 4096, chunk),
    "wasm, byte by byte": random(file, kind, value, 1, chunk),
    "wasm, streamed": sequential(file, kind, value, 16_000),
    "wasm, streamed byte by byte": sequential(file, kind, value, 1),
    "wasm, scrubbed": scrub(file, max),
    "wasm, scrubbed byte by byte": scrub(file, 1),
    "WebCrypto, whole": await byWebCrypto(vector, max, max),
    "WebCrypto, chunk by chunk": await byWebCrypto(vector, 4096, chunk),
    "WebCrypto, byte by byte": await byWebCrypto(vector, 1, chunk),
    "shipped, wasm": await byShipped(vector, undefined),
    "shipped, WebCrypto": await byShipped(vector, lanes),
  };
};
document.documentElement.dataset.ready = "";
