/** Content cut into slabs of one size, as the sealing worker wants it. */

/** Bytes of every slab but the last: a whole number of chunks, and large enough that a slab's way costs nothing. */
export const slabBytes = 4 << 20;

/** A part of the file that the worker was given, which reads it by itself. */
export interface Part {
  readonly start: number;
  readonly length: number;
}

export type Slab = Part | Uint8Array<ArrayBuffer>;

export async function* fileSlabs({ size }: Blob): AsyncGenerator<Slab, void, undefined> {
  for (let start = 0; start < size; start += slabBytes) yield { start, length: Math.min(slabBytes, size - start) };
}

/** Room for a slab and the tags of its chunks, so that it can be sealed where it lies. */
const roomFor = (size: number) => new Uint8Array(new ArrayBuffer(size + (size / (16 << 10)) * 16), 0, size);

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
    let slab = roomFor(size);
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
          slab = roomFor(size);
          filled = 0;
        }
      }
    }
    if (filled > 0) yield slab.slice(0, filled);
  } finally {
    reader.releaseLock();
  }
}
