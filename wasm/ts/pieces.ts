/** Bytes that come out of the worker piece by piece: one file, a restore bundle, a plain archive. */
import { ByteStream } from "./byte-stream.js";
import type { Connection } from "./connection.js";
import { ArchiveFailure, cancelled } from "./failure.js";
import type { KeysChanged, OnProgress } from "./service.js";

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
export class ArchiveFile extends ByteStream {
  readonly #pieces: Pieces;

  constructor(
    /** Bytes. */
    readonly size: number,
    pieces: Pieces,
  ) {
    super(pieces);
    this.#pieces = pieces;
  }

  /** Gives it up. */
  release(): void {
    this.#pieces.release();
  }
}

/** How the way of bytes is watched, and ended. */
interface Watching {
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Something made of an archive as it is taken. What came before a failure is to be thrown away.
 *
 * Its length is not known before its end: progress reports what came, and `about` so many bytes in all.
 */
export class DerivedArchive extends ByteStream {
  readonly #pieces: Pieces;

  constructor(
    /** About how many bytes it will have; 0 if nobody knows. */
    readonly about: number,
    pieces: Pieces,
    watching: Watching,
  ) {
    super(watched(about, pieces, watching));
    this.#pieces = pieces;
  }

  /** Gives it up. */
  release(): void {
    this.#pieces.release();
  }
}

/** A plain archive as it comes out of its seal. Every piece is authentic; that nothing is missing is known at the end. */
export class PlainArchive extends DerivedArchive {
  constructor(
    /** Bytes. */
    readonly size: number,
    pieces: Pieces,
    watching: Watching,
  ) {
    super(size, pieces, watching);
  }
}

/** An archive behind another header. */
export class RekeyedArchive extends DerivedArchive {
  constructor(
    /** Its size, what opened it and what opens it now, and the digest of its content. */
    readonly facts: KeysChanged,
    pieces: Pieces,
    watching: Watching,
  ) {
    super(facts.size, pieces, watching);
  }
}

async function* watched(
  size: number,
  pieces: Pieces,
  { onProgress, signal }: Watching,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let done = 0;
  const stopped = () => {
    if (signal?.aborted) throw new ArchiveFailure(cancelled);
  };
  stopped();
  for await (const piece of pieces) {
    stopped();
    yield piece;
    done += piece.length;
    onProgress?.(done, size);
    stopped();
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
