/** The worker: loads the WebAssembly module and offers it to the page. Nothing is decided here. */
import { expose, transfer } from "comlink";
import init, { Archive, make_key, Sealing, Source } from "../generated/coffer_wasm.js";
import { BlobReader } from "./blob-reader.js";
import { cancelled, closed, noWebCrypto, toCofferError } from "./failure.js";
import { available, Lanes } from "./lanes.js";
import type { Selection, TableName } from "./manifest.js";
import type { ArchiveService, CryptoChoice, MadeKey, OnProgress } from "./service.js";

/** What gives its bytes piece by piece: a file, a bundle, a plain archive. */
interface Pieces {
  next(): Promise<Uint8Array | undefined>;
  free(): void;
}

const ready = init({ module_or_path: new URL("../generated/coffer_wasm_bg.wasm", import.meta.url) });
let archive: Archive | undefined;
let sealing: Sealing | undefined;
let verifyCancelled = false;
const streams = new Map<number, Pieces>();
let lastStream = 0;

function opened(): Archive {
  if (!archive) throw closed;
  return archive;
}

function lanes(choice: CryptoChoice | undefined): Lanes | undefined {
  if (choice === "webcrypto" && !available()) throw noWebCrypto;
  return choice === "wasm" || !available() ? undefined : new Lanes();
}

function begun(): Sealing {
  if (!sealing) throw closed;
  return sealing;
}

const fileSource = (file: Blob) => Source.file(new BlobReader(file));

const sent = (bytes: Uint8Array) => transfer(bytes, [bytes.buffer]);

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
  async makeKey(type, password) {
    return make_key(type, password) as MadeKey;
  },

  async open(source, crypto) {
    archive = await Archive.open(typeof source === "string" ? Source.url(source) : fileSource(source), lanes(crypto));
    return { sealed: archive.sealed, size: archive.size, locks: archive.locks, sender: archive.sender ?? null };
  },

  bytesRead: () => archive?.bytes_read ?? 0,
  madeByAnybody: () => opened().made_by_anybody,
  unlock: (password) => opened().unlock(password),
  unlockWithKey: (file, password) => opened().unlock_with_key(file, password),
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

  openPlain() {
    const plain = opened().unseal();
    return { size: plain.size, id: keep(plain) };
  },

  async beginSeal({ passwords, recipients }, crypto, file) {
    sealing = await Sealing.begin([...passwords], [...recipients], file && fileSource(file), lanes(crypto));
    return sent(sealing.start());
  },

  async sealSlab(slab) {
    const given = slab instanceof Uint8Array ? begun().push(slab) : begun().push_part(slab.start, slab.length);
    return sent(await given);
  },

  async endSeal() {
    return sent(await begun().finish());
  },

  async next(id) {
    const piece = await streams.get(id)?.next();
    if (!piece) {
      release(id);
      return undefined;
    }
    return sent(piece);
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
