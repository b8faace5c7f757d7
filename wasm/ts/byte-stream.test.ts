import { afterEach, describe, expect, it, vi } from "vitest";
import { ByteStream } from "./byte-stream.js";
import { ArchiveFailure } from "./failure.js";

async function* pieces() {
  yield new Uint8Array([1, 2]);
  yield new Uint8Array([3]);
}

describe("bytes that come piece by piece", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("are a Blob of all of them", async () => {
    const blob = await new ByteStream(pieces()).blob("text/plain");
    expect([blob.type, ...new Uint8Array(await blob.arrayBuffer())]).toEqual(["text/plain", 1, 2, 3]);
  });

  it("are refused as a Blob that the browser made and has no room for", async () => {
    class Broken extends Blob {
      override slice(): Blob {
        const unreadable = () => Promise.reject(new DOMException("no room", "NotReadableError"));
        return Object.assign(new Blob(), { arrayBuffer: unreadable });
      }
    }
    vi.stubGlobal("Blob", Broken);
    const failure = await new ByteStream(pieces()).blob().catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ArchiveFailure);
    expect((failure as ArchiveFailure).reason).toMatchObject({ code: "no_room", message: expect.stringContaining("3 bytes") });
  });
});
