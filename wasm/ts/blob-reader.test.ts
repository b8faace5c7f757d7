import { describe, expect, it } from "vitest";
import { BlobReader } from "./blob-reader.js";

const mebibyte = 1 << 20;
const content = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 12)) % 251);

/** A file that counts how it is read. */
class Counted extends Blob {
  slices = 0;
  streams = 0;

  override slice(start?: number, end?: number): Blob {
    const part = super.slice(start, end);
    const count = (what: "slices" | "streams") => {
      this[what] += 1;
    };
    return Object.assign(part, {
      arrayBuffer: () => {
        count("slices");
        return Blob.prototype.arrayBuffer.call(part);
      },
      stream: () => {
        count("streams");
        return Blob.prototype.stream.call(part);
      },
    });
  }
}

/** Reads `[start, end]` one after the other, without waiting, and compares. */
async function expectRead(reader: BlobReader, bytes: Uint8Array, ranges: readonly (readonly [number, number])[], room = 0) {
  const all = await Promise.all(ranges.map(([start, end]) => reader.read(start, end, room)));
  for (const [index, [start, end]] of ranges.entries()) {
    const read = all[index];
    expect(Buffer.from(read ?? []).equals(Buffer.from(bytes.subarray(start, end))), `${start} to ${end}`).toBe(true);
    expect(read?.byteOffset).toBe(0);
    expect(read?.buffer.byteLength).toBe(end - start + room);
  }
}

/** Consecutive ranges. */
const steps = (from: number, to: number, step: number) =>
  Array.from(
    { length: Math.ceil((to - from) / step) },
    (_, index) => [from + index * step, Math.min(to, from + (index + 1) * step)] as const,
  );

describe("a file", () => {
  it("is read on through one stream, to its end, with room behind each part", async () => {
    const bytes = content(9 * mebibyte + 77);
    for (const room of [0, 4096]) {
      const blob = new Counted([bytes]);
      await expectRead(new BlobReader(blob), bytes, steps(0, bytes.length, 2 * mebibyte), room);
      expect([blob.slices, blob.streams]).toEqual([1, 1]);
    }
  });

  it("is looked at here and there by slices", async () => {
    const bytes = content(3 * mebibyte);
    const blob = new Counted([bytes]);
    const looks = [[5, 70], [70, 1000], [1000, 1000 + mebibyte], [0, 16]] as const; // biome-ignore format: ranges
    await expectRead(new BlobReader(blob), bytes, looks);
    expect([blob.slices, blob.streams]).toEqual([4, 0]);
  });

  it("may be read on at several places in turn", async () => {
    const bytes = content(16 * mebibyte);
    const blob = new Counted([bytes]);
    const [first, second, third] = [0, 5, 10].map((at) => steps(at * mebibyte, (at + 5) * mebibyte, mebibyte));
    const both = first?.flatMap((range, index) => [range, second?.[index] ?? range]) ?? [];
    const reader = new BlobReader(blob);
    await expectRead(reader, bytes, both);
    expect([blob.slices, blob.streams]).toEqual([2, 2]);
    // At more places than are remembered it is slower, and the same bytes come.
    await expectRead(reader, bytes, [...(third ?? []), ...both, ...(third ?? [])]);
  });

  it("that can't be read is tried again from where it failed", async () => {
    const bytes = content(6 * mebibyte);
    const blob = new Blob([bytes]);
    const broken = Object.assign(new Blob([bytes]), {
      slice: (start: number, end?: number) => {
        const part = blob.slice(start, end);
        const fail = () => new ReadableStream({ type: "bytes", pull: () => Promise.reject(new RangeError("gone")) });
        return Object.assign(part, { stream: fail });
      },
    });
    const reader = new BlobReader(broken);
    const reads = steps(0, 4 * mebibyte, mebibyte).map(([start, end]) => reader.read(start, end, 0));
    const outcomes = await Promise.allSettled(reads);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
    await expectRead(reader, bytes, [[mebibyte, 2 * mebibyte]]);
  });

  it("that became shorter gives fewer bytes", async () => {
    const bytes = content(4 * mebibyte);
    const blob = new Blob([bytes]);
    const shorter = Object.assign(new Blob([bytes]), {
      slice: (start: number, end?: number) => blob.slice(start, Math.min(end ?? Number.POSITIVE_INFINITY, bytes.length - 9)),
    });
    const reader = new BlobReader(shorter);
    const reads = steps(0, bytes.length, 2 * mebibyte).map(([start, end]) => reader.read(start, end, 0));
    const [first, last] = await Promise.all(reads);
    expect(first?.length).toBe(2 * mebibyte);
    expect(last?.length).toBeLessThan(2 * mebibyte);
  });

  it("is read by slices where a browser can't fill buffers from a stream", async () => {
    const bytes = content(5 * mebibyte);
    const blob = new Blob([bytes]);
    const old = Object.assign(new Blob([bytes]), {
      slice: (start: number, end?: number) => Object.assign(blob.slice(start, end), { stream: () => new ReadableStream() }),
    });
    await expectRead(new BlobReader(old), bytes, steps(0, bytes.length, mebibyte), 64);
  });
});
