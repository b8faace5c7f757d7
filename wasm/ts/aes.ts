/** AES-256-GCM over a batch of chunks, and SHA-256 of the blocks that it fills, by WebCrypto. Nothing is decided here. */
import type { Worked } from "../generated/coffer_wasm.js";

export interface Job {
  readonly kind: "open" | "seal";
  readonly key: CryptoKey;
  /** 12 bytes for each chunk. */
  readonly nonces: Uint8Array<ArrayBuffer>;
  /** Sealed bytes to open, or plaintext to seal. What lies in a file is read here, so that nobody else has to pass it on. */
  readonly bytes: Uint8Array<ArrayBuffer> | Blob;
  /** How the sealed bytes fall into blocks, if they are to be hashed. */
  readonly cut: Cut | undefined;
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

/** The bytes of a file could not be had. */
export class Unread extends Error {
  override readonly name = "Unread";
}

/** The bytes of a job, wherever they lie. */
export async function load(bytes: Job["bytes"]): Promise<Uint8Array<ArrayBuffer>> {
  if (!(bytes instanceof Blob)) return bytes;
  let read: ArrayBuffer;
  try {
    read = await bytes.arrayBuffer();
  } catch (thrown) {
    throw new Unread(thrown instanceof Error ? thrown.name : "no reason was given");
  }
  if (read.byteLength !== bytes.size) throw new Unread("fewer bytes came");
  return new Uint8Array(read);
}

/** Does a batch whose bytes are `loaded`. */
export async function work(job: Job, loaded: Uint8Array<ArrayBuffer>): Promise<Worked> {
  if (job.kind === "open") {
    const blocks = digestBlocks(loaded, job.cut);
    return { ...(await open(job, loaded)), rest: new Uint8Array(0), ...(await blocks) };
  }
  const bytes = await seal(job, loaded);
  const rest = loaded.slice((job.nonces.length / nonceBytes) * chunkBytes);
  return { bytes, damaged: -1, rest, ...(await digestBlocks(bytes, job.cut)) };
}

async function open({ key, nonces }: Job, sealed: Uint8Array<ArrayBuffer>): Promise<Pick<Worked, "bytes" | "damaged">> {
  const count = nonces.length / nonceBytes;
  // In its own place: each chunk's plaintext ends before the next one's sealed bytes begin, and every call copied what it
  // was given when it was made.
  const plain = sealed.subarray(0, sealed.length - count * tagBytes);
  for (let first = 0; first < count; first += together) {
    const places = range(first, Math.min(count, first + together));
    const opening = places.map((place) => {
      const chunk = piece(sealed, place, chunkBytes + tagBytes);
      return crypto.subtle.decrypt(algorithm(nonces, place), key, chunk);
    });
    try {
      for (const [index, chunk] of (await Promise.all(opening)).entries()) take(chunk, plain, (first + index) * chunkBytes);
    } catch {
      const outcomes = await Promise.allSettled(opening);
      const failed = outcomes.findIndex(({ status }) => status === "rejected");
      const outcome = outcomes[failed];
      // WebCrypto's name for a tag that is not the right one; anything else is not about the bytes.
      if (outcome?.status === "rejected" && outcome.reason?.name !== "OperationError") throw outcome.reason;
      return { bytes: new Uint8Array(0), damaged: first + failed };
    }
  }
  return { bytes: plain, damaged: -1 };
}

async function seal({ key, nonces }: Job, plain: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const count = nonces.length / nonceBytes;
  const sealed = new Uint8Array(count * (chunkBytes + tagBytes));
  for (let first = 0; first < count; first += together) {
    const places = range(first, Math.min(count, first + together));
    const sealing = places.map((place) => crypto.subtle.encrypt(algorithm(nonces, place), key, piece(plain, place, chunkBytes)));
    for (const [index, chunk] of (await Promise.all(sealing)).entries()) take(chunk, sealed, (first + index) * (chunkBytes + tagBytes));
  }
  return sealed;
}

/**
 * Copies a result to its place and gives its memory back at once: collected later, each result would lie in memory that
 * the system has to find and to clear anew, which is a quarter of all work here.
 */
function take(result: ArrayBuffer, into: Uint8Array<ArrayBuffer>, at: number): void {
  into.set(new Uint8Array(result), at);
  // Not every browser can; there it is collected.
  (result as Movable).transfer?.(0);
}

/** ECMAScript 2024. */
interface Movable extends ArrayBuffer {
  transfer?(length?: number): ArrayBuffer;
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
