/** Bytes that come out of the worker piece by piece: one file, or a restore bundle. */
import type { Connection } from "./connection.js";
import { ArchiveFailure } from "./failure.js";

/** Waits between tries to read on after the connection to an address broke, in milliseconds. */
const waits = [500, 1000, 2000, 4000, 8000, 15_000];

/** Can be walked once. Leaving the loop early releases what the worker holds for it. */
export class Pieces implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #connection: Connection;
  readonly #id: number;
  readonly #waits: readonly number[];
  #done = false;

  /** @param remote whether the archive is read over a network, where what fails now may succeed a moment later */
  constructor(connection: Connection, id: number, remote: boolean) {
    this.#connection = connection;
    this.#id = id;
    this.#waits = remote ? waits : [];
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    try {
      for (;;) {
        const piece = await this.#next();
        if (!piece) {
          this.#done = true;
          return;
        }
        yield piece as Uint8Array<ArrayBuffer>;
      }
    } finally {
      this.release();
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#connection.call((service) => service.next(this.#id));
      } catch (failure) {
        const wait = this.#waits[tries];
        if (!(failure instanceof ArchiveFailure) || failure.code !== "read_failed" || wait === undefined) throw failure;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  /** Gives it up before its end; harmless afterwards. */
  release(): void {
    if (this.#done || this.#connection.ended) return;
    this.#done = true;
    this.#connection.call((service) => service.release(this.#id)).catch(() => undefined);
  }
}

/** One file out of an archive. Its size and SHA-256 are checked at its end: until then its bytes are not to be trusted. */
export class ArchiveFile {
  readonly #pieces: Pieces;

  constructor(
    /** Bytes. */
    readonly size: number,
    pieces: Pieces,
  ) {
    this.#pieces = pieces;
  }

  /** The bytes as they are read. Errors at the end if the file is not the one that was archived. Can be taken once. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const iterator = this.#pieces[Symbol.asyncIterator]();
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await iterator.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        async cancel() {
          await iterator.return();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** All bytes, checked. */
  async blob(type = "application/octet-stream"): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of this.#pieces) parts.push(piece);
    return new Blob(parts, { type });
  }

  /** Gives it up. */
  release(): void {
    this.#pieces.release();
  }
}

/**
 * What was selected of an archive, checked and sealed again under a key that exists only for this.
 * Walk it once to get the bytes to upload.
 */
export class RestoreBundle implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #pieces: Pieces;

  constructor(
    /** The manifest of what was selected, exactly as it stands in the bundle. */
    readonly manifest: string,
    /** The one-time key that opens the bundle, and nothing else; base64. */
    readonly key: string,
    /** How many bytes it will have, as far as known beforehand. */
    readonly total: number,
    pieces: Pieces,
  ) {
    this.#pieces = pieces;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    return this.#pieces[Symbol.asyncIterator]();
  }

  /** Gives it up. */
  release(): void {
    this.#pieces.release();
  }
}
