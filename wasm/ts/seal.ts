/** Sealing: any bytes in, a sealed archive out, of any length and in bounded memory. */
import { transfer } from "comlink";
import { ByteStream } from "./byte-stream.js";
import { Connection } from "./connection.js";
import { ArchiveFailure, cancelled } from "./failure.js";
import type { CryptoChoice, OnProgress } from "./service.js";
import { fileSlabs, type Slab, streamSlabs } from "./slabs.js";

/** Slabs that are being sealed at once: one in each lane and one on its way to each. */
const together = 4;

export interface SealOptions {
  /** Each of these opens it alone. */
  readonly passwords?: readonly string[];
  /** Public keys (`coffer1…`), of which each one's secret half opens it alone. */
  readonly recipients?: readonly string[];
  /** Secret keys of some of the recipients, locked (`coffer-locked-key-1 …`): carried along, so that their passwords open it. */
  readonly lockedKeys?: readonly string[];
  /** Bytes of content sealed, and in all; of a stream the total is not known and is what was sealed so far. */
  readonly onProgress?: OnProgress;
  /** Ends it; what was being waited for rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  readonly crypto?: CryptoChoice;
}

/**
 * Seals content for passwords and public keys. It begins when the first piece is asked for, in a worker of its own,
 * and goes on as pieces are taken.
 *
 * What came before a failure is no archive: throw it away. A failure of the stream that the content comes from is
 * passed on as it is.
 */
export function seal(source: Blob | ReadableStream<Uint8Array>, options: SealOptions): ByteStream {
  return new ByteStream(sealed(source, options));
}

async function* sealed(
  source: Blob | ReadableStream<Uint8Array>,
  { passwords = [], recipients = [], lockedKeys = [], onProgress, signal, crypto }: SealOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  if (signal?.aborted) throw new ArchiveFailure(cancelled);
  const connection = new Connection();
  const ended = new AbortController();
  const file = source instanceof Blob ? source : undefined;
  const slabs = source instanceof Blob ? fileSlabs(source) : streamSlabs(source, ended.signal);
  const stop = () => connection.cancel();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const waysIn = { passwords: [...passwords], recipients: [...recipients], lockedKeys: [...lockedKeys] };
    yield arrived(await connection.call((service) => service.beginSeal(waysIn, crypto, file)));

    let done = 0;
    const underWay: { readonly length: number; readonly piece: Promise<Uint8Array> }[] = [];
    const first = async () => {
      const next = underWay.shift();
      if (!next) return new Uint8Array(0);
      const piece = arrived(await next.piece);
      done += next.length;
      onProgress?.(done, file?.size ?? done);
      return piece;
    };
    for (;;) {
      // A source that makes no sign must not keep anybody waiting who has ended the work.
      const { done: end, value: slab } = await Promise.race([slabs.next(), connection.failed]);
      if (end) break;
      const piece = send(connection, slab);
      // It is waited for below; until then its failure is not unhandled.
      piece.catch(() => undefined);
      underWay.push({ length: slab.length, piece });
      if (underWay.length >= together) yield await first();
    }
    while (underWay.length > 0) yield await first();
    yield arrived(await connection.call((service) => service.endSeal()));
  } finally {
    signal?.removeEventListener("abort", stop);
    connection.close();
    ended.abort();
  }
}

function send(connection: Connection, slab: Slab): Promise<Uint8Array> {
  const sent = slab instanceof Uint8Array ? transfer(slab, [slab.buffer]) : slab;
  return connection.call((service) => service.sealSlab(sent));
}

/** What was transferred lies in a buffer of its own. */
const arrived = (bytes: Uint8Array) => bytes as Uint8Array<ArrayBuffer>;
