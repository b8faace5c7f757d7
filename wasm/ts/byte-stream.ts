/** Bytes that come piece by piece, and can be taken once: by a loop, as a stream or as a whole. */
import { ArchiveFailure, noRoom } from "./failure.js";

export class ByteStream implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #source: AsyncIterable<Uint8Array<ArrayBuffer>>;

  constructor(source: AsyncIterable<Uint8Array<ArrayBuffer>>) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array<ArrayBuffer>> {
    return this.#source[Symbol.asyncIterator]();
  }

  /** The bytes as they come. A failure on the way fails the stream; cancelling it gives up the rest. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const iterator = this[Symbol.asyncIterator]();
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await iterator.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        async cancel() {
          await iterator.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** All bytes. Rejects with `no_room` if the browser can't keep so many: in Chromium all Blobs together may have to fit into 500 MiB. */
  async blob(type = "application/octet-stream"): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of this) parts.push(piece);
    const blob = new Blob(parts, { type });
    try {
      // Chromium makes a Blob also where it has no room for the bytes, and says so to whoever reads it.
      await blob.slice(0, 1).arrayBuffer();
    } catch {
      throw new ArchiveFailure(noRoom(blob.size));
    }
    return blob;
  }
}
