/** The worker: loads the WebAssembly module and offers it to the page. Nothing is decided here. */
import { expose, transfer } from "comlink";
import init, { Archive, make_key, Source } from "../generated/coffer_wasm.js";
import { cancelled, closed, toCofferError } from "./failure.js";
import type { Selection, TableName } from "./manifest.js";
import type { ArchiveService, OnProgress } from "./service.js";

/** What gives its bytes piece by piece: a file, or a bundle. */
interface Pieces {
  next(): Promise<Uint8Array | undefined>;
  free(): void;
}

const ready = init({ module_or_path: new URL("../generated/coffer_wasm_bg.wasm", import.meta.url) });
let archive: Archive | undefined;
let verifyCancelled = false;
const streams = new Map<number, Pieces>();
let lastStream = 0;

function opened(): Archive {
  if (!archive) throw closed;
  return archive;
}

function keep(pieces: Pieces): number {
  lastStream += 1;
  streams.set(lastStream, pieces);
  return lastStream;
}

function release(id: number): void {
  streams.get(id)?.free();
  streams.delete(id);
}

const service: ArchiveService = {
  async makeKey(password) {
    return make_key(password);
  },

  async open(source) {
    archive = await Archive.open(typeof source === "string" ? Source.url(source) : Source.blob(source));
    return { sealed: archive.sealed, size: archive.size, locks: archive.locks };
  },

  bytesRead: () => archive?.bytes_read ?? 0,
  unlock: (password) => opened().unlock(password),
  manifest: () => opened().manifest(),
  files: () => opened().files(),
  rows: ({ schema, name }: TableName, skip: number, limit: number) => opened().rows(schema, name, skip, limit),

  verify(onProgress: OnProgress) {
    verifyCancelled = false;
    return opened().verify((done: number, total: number) => {
      if (verifyCancelled) throw cancelled;
      onProgress(done, total);
    });
  },

  cancelVerify() {
    verifyCancelled = true;
  },

  async openFile(set, path) {
    const file = await opened().file(set, path);
    return { size: file.size, id: keep(file) };
  },

  async openBundle(selection: Selection) {
    const bundle = await opened().bundle(selection);
    return { manifest: bundle.manifest, key: bundle.key, total: bundle.total, id: keep(bundle) };
  },

  async next(id) {
    const piece = await streams.get(id)?.next();
    if (!piece) {
      release(id);
      return undefined;
    }
    return transfer(piece, [piece.buffer]);
  },

  release,
};

/** Every method waits for the module, and rejects with a plain `CofferError`, which crosses to the page unharmed. */
function guarded(inner: ArchiveService): ArchiveService {
  const methods = Object.entries(inner).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      try {
        await ready;
        return await (method as (...args: unknown[]) => unknown)(...args);
      } catch (thrown) {
        throw toCofferError(thrown);
      }
    },
  ]);
  return Object.fromEntries(methods) as ArchiveService;
}

expose(guarded(service));
