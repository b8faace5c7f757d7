/** AES-256-GCM over a batch of chunks, and SHA-256 of the blocks that it fills, by WebCrypto. Nothing is decided here. */
import type { Worked } from "../generated/coffer_wasm.js";
import { forget } from "./memory.js";

export interface Batch {
  readonly kind: "open" | "seal";
  readonly key: CryptoKey;
  /** 12 bytes for each chunk. */
  readonly nonces: Uint8Array<ArrayBuffer>;
  /** Sealed bytes to open, or plaintext to seal. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How the sealed bytes fall into blocks, if they are to be hashed. */
  readonly cut: Cut | undefined;
}

/** Bytes whose SHA-256 somebody wants. */
export interface Unhashed {
  readonly kind: "digest";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Cut {
  /** Sealed bytes before the first block that begins in this batch. */
  readonly head: number;
  /** Number of whole blocks after them. */
  readonly whole: number;
}

type Hashed = Pick<Worked, "head" | "digests" | "tail">;

const nonceBytes = 12;
const chunkBytes = 16 << 10;
const tagBytes = 16;
const blockBytes = 1 << 20;
const digestBytes = 32;
/** Calls that are made before any is waited for. With more, their results wait in memory that is no longer near. */
const together = 16;

/** Does a batch. Its bytes are used up. */
export async function work(batch: Batch): Promise<Worked> {
  const { bytes, cut } = batch;
  if (batch.kind === "open") {
    const blocks = digestBlocks(bytes, cut);
    return { ...(await open(batch)), rest: new Uint8Array(0), ...(await blocks) };
  }
  const rest = bytes.slice(chunksOf(batch) * chunkBytes);
  const sealed = await seal(batch);
  return { bytes: sealed, damaged: -1, rest, ...(await digestBlocks(sealed, cut)) };
}

const chunksOf = ({ nonces }: Batch) => nonces.length / nonceBytes;

async function open(batch: Batch): Promise<Pick<Worked, "bytes" | "damaged">> {
  const { key, nonces, bytes: sealed } = batch;
  const count = chunksOf(batch);
  // In its own place: each chunk's plaintext ends before the next one's sealed bytes begin, and every call copied what it
  // was given when it was made.
  const plain = sealed.subarray(0, sealed.length - count * tagBytes);
  for (let first = 0; first < count; first += together) {
    const places = range(first, Math.min(count, first + together));
    const opening = places.map((place) => {
      const chunk = piece(sealed, place, chunkBytes + tagBytes);
      return crypto.subtle.decrypt(algorithm(nonces, place), key, chunk);
    });
    let chunks: ArrayBuffer[];
    try {
      chunks = await Promise.all(opening);
    } catch {
      const outcomes = await Promise.allSettled(opening);
      const failed = outcomes.findIndex(({ status }) => status === "rejected");
      const outcome = outcomes[failed];
      // WebCrypto's name for a tag that is not the right one; anything else is not about the bytes.
      if (outcome?.status === "rejected" && outcome.reason?.name !== "OperationError") throw outcome.reason;
      return { bytes: new Uint8Array(0), damaged: first + failed };
    }
    take(chunks, plain, first * chunkBytes, chunkBytes);
  }
  return { bytes: plain, damaged: -1 };
}

async function seal(batch: Batch): Promise<Uint8Array<ArrayBuffer>> {
  const { key, nonces, bytes: plain } = batch;
  const count = chunksOf(batch);
  const sealedBytes = count * (chunkBytes + tagBytes);
  // In its own place if whoever gave it left room for the tags and nothing else: from the last chunk back no sealed chunk
  // reaches plaintext that is still to be read. Memory of its own would have to be found and cleared first.
  const roomy = plain.byteOffset === 0 && plain.length === count * chunkBytes && plain.buffer.byteLength === sealedBytes;
  const sealed = roomy ? new Uint8Array(plain.buffer) : new Uint8Array(sealedBytes);
  for (let end = count; end > 0; end -= together) {
    const first = Math.max(0, end - together);
    const sealing = range(first, end).map((place) => crypto.subtle.encrypt(algorithm(nonces, place), key, piece(plain, place, chunkBytes)));
    take(await Promise.all(sealing), sealed, first * (chunkBytes + tagBytes), chunkBytes + tagBytes);
  }
  return sealed;
}

/** Copies results to their places from `at` on. */
function take(results: ArrayBuffer[], into: Uint8Array<ArrayBuffer>, at: number, step: number): void {
  for (const [index, result] of results.entries()) into.set(new Uint8Array(result), at + index * step);
  forget(results);
}

async function digestBlocks(sealed: Uint8Array<ArrayBuffer>, cut: Cut | undefined): Promise<Hashed> {
  if (!cut) return { head: new Uint8Array(0), digests: new Uint8Array(0), tail: new Uint8Array(0) };
  const { head, whole } = cut;
  const digests = new Uint8Array(whole * digestBytes);
  const blocks = range(0, whole).map((block) => {
    const start = head + block * blockBytes;
    return crypto.subtle.digest("SHA-256", sealed.subarray(start, start + blockBytes));
  });
  const [before, after] = [sealed.slice(0, head), sealed.slice(head + whole * blockBytes)];
  for (const [index, digest] of (await Promise.all(blocks)).entries()) digests.set(new Uint8Array(digest), index * digestBytes);
  return { head: before, digests, tail: after };
}

const algorithm = (nonces: Uint8Array<ArrayBuffer>, place: number): AesGcmParams => ({
  name: "AES-GCM",
  iv: piece(nonces, place, nonceBytes),
});

const piece = (bytes: Uint8Array<ArrayBuffer>, place: number, size: number) => bytes.subarray(place * size, (place + 1) * size);

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
