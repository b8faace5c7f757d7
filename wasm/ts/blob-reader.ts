/**
 * Reading a file. What follows on what was read before comes through one stream, everything else as slices.
 *
 * Each slice makes Chromium set up a pipe, whose memory the system has to find and to clear at both ends: with slices of
 * 4 MiB that takes four times as long as passing the bytes on does. It also never has two readers in one file at once.
 */
import type { FileBytes } from "../generated/coffer_wasm.js";
import { holding } from "./held.js";

/** Shorter reads are looks at some place, which nothing follows. */
const leastBytes = 1 << 20;
/** Places at which somebody reads on. Whoever comes back to an older one starts with a slice again. */
const places = 2;
/** Buffers that are kept for later reads. */
const sparesKept = 4;

export class BlobReader implements FileBytes {
  readonly #blob: Blob;
  /** The one that was used last stands last. */
  #runs: Run[] = [];
  readonly #spares = new Spares();

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  get size(): number {
    return this.#blob.size;
  }

  /**
   * The bytes from `start` to `end`, in a buffer of their own with `room` bytes behind them; fewer only if the file became
   * shorter. It may be called again before the bytes are there.
   */
  async read(start: number, end: number, room: number): Promise<Uint8Array<ArrayBuffer>> {
    const run = this.#runs.find(({ next }) => next === start);
    this.#runs = this.#runs.filter((other) => other !== run);
    if (run) {
      const reading = run.read(end - start, room);
      if (end < this.#blob.size) this.#runs.push(run);
      try {
        return await reading;
      } catch (failure) {
        this.#runs = this.#runs.filter((other) => other !== run);
        throw failure;
      }
    }
    if (end - start >= leastBytes && end < this.#blob.size) {
      this.#runs.push(new Run(this.#blob, end, this.#spares));
      while (this.#runs.length > places) this.#runs.shift()?.stop();
    }
    return slice(this.#blob, start, end, room);
  }

  /** Takes a buffer that nobody needs any more: to fill it again costs less than the system's clearing of another one. */
  giveBack(buffer: ArrayBuffer): void {
    this.#spares.keep(buffer);
  }
}

class Spares {
  readonly #buffers: ArrayBuffer[] = [];

  keep(buffer: ArrayBuffer): void {
    this.#buffers.push(buffer);
    if (this.#buffers.length > sparesKept) this.#buffers.shift();
  }

  take(size: number): ArrayBuffer {
    const at = this.#buffers.findIndex(({ byteLength }) => byteLength === size);
    const [spare] = at < 0 ? [] : this.#buffers.splice(at, 1);
    return spare ?? new ArrayBuffer(size);
  }
}

/** Reads from one place on. */
class Run {
  readonly #blob: Blob;
  readonly #spares: Spares;
  /** Where the next read has to start. */
  next: number;
  /** Ends when all that was asked for is read; rejects if any of it could not be. */
  #before: Promise<unknown> = Promise.resolve();
  /** `null` where the browser can't fill buffers from a stream. */
  #stream: ReadableStreamBYOBReader | null | undefined;

  constructor(blob: Blob, start: number, spares: Spares) {
    this.#blob = blob;
    this.#spares = spares;
    this.next = start;
  }

  read(length: number, room: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = this.next;
    this.next += length;
    const reading = this.#before.then(() => this.#fill(start, length, room));
    this.#before = reading;
    // Whoever waits for it is told; what waits behind it fails as well.
    reading.catch(() => this.stop());
    return reading;
  }

  async #fill(start: number, length: number, room: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#stream === undefined) this.#stream = bytesOf(this.#blob.slice(start));
    if (!this.#stream) return slice(this.#blob, start, start + length, room);
    let buffer = this.#spares.take(length + room);
    let filled = 0;
    while (filled < length) {
      const { value } = await holding(this, this.#stream.read(new Uint8Array(buffer, filled, length - filled)));
      if (!value?.length) return new Uint8Array(0);
      buffer = value.buffer;
      filled += value.length;
    }
    return new Uint8Array(buffer, 0, length);
  }

  /** Gives the stream up, as soon as what was asked for is read. */
  stop(): void {
    const cancel = () => void this.#stream?.cancel().catch(() => undefined);
    this.#before.then(cancel, cancel);
  }
}

function bytesOf(blob: Blob): ReadableStreamBYOBReader | null {
  try {
    return blob.stream().getReader({ mode: "byob" });
  } catch {
    return null;
  }
}

async function slice(blob: Blob, start: number, end: number, room: number): Promise<Uint8Array<ArrayBuffer>> {
  const read = await blob.slice(start, end).arrayBuffer();
  if (room === 0) return new Uint8Array(read);
  const roomy = new Uint8Array(read.byteLength + room);
  roomy.set(new Uint8Array(read));
  return roomy.subarray(0, read.byteLength);
}
