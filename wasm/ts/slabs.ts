/** Content cut into slabs of one size, as the sealing worker wants it. */

/** Bytes of every slab but the last: a whole number of chunks, and large enough that a slab's way costs nothing. */
export const slabBytes = 4 << 20;

export type Slab = Blob | Uint8Array<ArrayBuffer>;

/** Slabs of a file are read by the worker itself. */
export async function* blobSlabs(source: Blob): AsyncGenerator<Slab, void, undefined> {
  for (let start = 0; start < source.size; start += slabBytes) yield source.slice(start, start + slabBytes);
}

/**
 * Slabs of a stream are copied together here from pieces of any size.
 *
 * @param stop cancels the stream, also while it makes no sign
 */
export function streamSlabs(
  source: ReadableStream<Uint8Array>,
  stop: AbortSignal,
  size = slabBytes,
): AsyncGenerator<Slab, void, undefined> {
  const reader = source.getReader();
  // Whoever gives the bytes need not make any more, also if none was asked for yet. Whether it can still be told so
  // makes no difference here.
  const cancel = () => void reader.cancel().catch(() => undefined);
  stop.addEventListener("abort", cancel, { once: true });
  return read(reader, size);
}

async function* read(reader: ReadableStreamDefaultReader<Uint8Array>, size: number): AsyncGenerator<Slab, void, undefined> {
  try {
    let slab = new Uint8Array(size);
    let filled = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let rest = value; rest.length > 0; ) {
        const now = rest.subarray(0, size - filled);
        slab.set(now, filled);
        filled += now.length;
        rest = rest.subarray(now.length);
        if (filled === size) {
          yield slab;
          slab = new Uint8Array(size);
          filled = 0;
        }
      }
    }
    if (filled > 0) yield slab.slice(0, filled);
  } finally {
    reader.releaseLock();
  }
}
