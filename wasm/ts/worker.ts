/** The worker: loads the WebAssembly module and offers it to the page. Nothing is decided here. */
import { expose, transfer } from "comlink";
import init, { Archive, Foreign, key_file_fits, make_key, Sealing, Source } from "../generated/coffer_wasm.js";
import { BlobReader } from "./blob-reader.js";
import { cancelled, closed, noWebCrypto, otherKind, toCofferError } from "./failure.js";
import { available, Lanes } from "./lanes.js";
import type { Selection, TableName } from "./manifest.js";
import type { ArchiveService, CryptoChoice, Lock, MadeKey, OnProgress, RowMatches } from "./service.js";

/** What gives its bytes piece by piece: a file, a bundle, a plain archive. */
interface Pieces {
  next(): Promise<Uint8Array | undefined>;
  free(): void;
}

const ready = init({ module_or_path: new URL("../generated/coffer_wasm_bg.wasm", import.meta.url) });
let archive: Archive | undefined;
/** Instead of it, if another product made the file. */
let foreign: Foreign | undefined;
let sealing: Sealing | undefined;
let verifyCancelled = false;
const streams = new Map<number, Pieces>();
let lastStream = 0;

function opened(): Archive {
  if (!archive) throw foreign ? otherKind : closed;
  return archive;
}

/** The place of an archive's bytes, which is used up by whoever opens it. */
const sourceOf = (source: Blob | string) => (typeof source === "string" ? Source.url(source) : fileSource(source));

/** Whether a file's name says that it can't be opened without its sidecar; what it is its bytes decide. */
const saysEncrypted = (source: Blob | string) => source instanceof File && source.name.endsWith(".enc");

/** Larger files beside a backup are none of its. */
const sidecarBytes = 1 << 20;

async function openForeign(source: Blob | string, sidecar: Blob | undefined): Promise<Foreign | undefined> {
  const json = sidecar && new Uint8Array(await sidecar.slice(0, sidecarBytes + 1).arrayBuffer());
  return Foreign.open(sourceOf(source), json, saysEncrypted(source));
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

/** Ends the work that reports its progress as soon as somebody has asked for that. */
function unlessCancelled(onProgress: OnProgress): OnProgress {
  verifyCancelled = false;
  return (done, total) => {
    if (verifyCancelled) throw cancelled;
    onProgress(done, total);
  };
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
  async makeKey(type, password) {
    return make_key(type, password) as MadeKey;
  },

  keyFileFits: (file, recipient) => key_file_fits(file, recipient),

  async open(source, crypto, sidecar) {
    if (sidecar) foreign = await openForeign(source, sidecar);
    if (!foreign) {
      try {
        archive = await Archive.open(sourceOf(source), lanes(crypto));
      } catch (thrown) {
        // Coffer's own archives cost nothing more; what is none of them may be another product's.
        const { code } = toCofferError(thrown);
        if (code === "read_failed" || code === "empty" || code === "worker_crashed") throw thrown;
        foreign = await openForeign(source, undefined);
        if (!foreign) throw thrown;
      }
    }
    if (foreign) return { foreign: true, sealed: foreign.sealed, size: foreign.size, locks: foreign.locks, sender: null };
    const { sealed, size, locks, sender } = opened();
    return { foreign: false, sealed, size, locks, sender: sender ?? null };
  },

  bytesRead: () => (foreign ?? archive)?.bytes_read ?? 0,
  madeByAnybody: () => !foreign && opened().made_by_anybody,
  unlock: (password) => (foreign ?? opened()).unlock(password),
  unlockWithKey(file, password) {
    if (foreign) return foreign.unlock_with_key(typeof file === "string" ? new TextEncoder().encode(file) : file);
    return opened().unlock_with_key(typeof file === "string" ? file : new TextDecoder().decode(file), password);
  },

  survey(everything, onProgress) {
    if (!foreign) throw archive ? otherKind : closed;
    return foreign.survey(everything, unlessCancelled(onProgress));
  },

  manifest: () => opened().manifest(),
  files: () => opened().files(),
  rows: ({ schema, name }: TableName, skip: number, limit: number) =>
    foreign ? foreign.rows(name, skip, limit) : opened().rows(schema, name, skip, limit),

  searchRows({ schema, name }, text, skip, limit, onProgress) {
    return opened().search_rows(schema, name, text, skip, limit, unlessCancelled(onProgress)) as Promise<RowMatches>;
  },

  async openTable({ schema, name }, format) {
    return { id: keep(await opened().export_table(schema, name, format)) };
  },

  async openRekeyed({ remove, newPassword, passwords, recipients }) {
    const rekeyed = await opened().rekey(new Uint32Array(remove), newPassword, [...passwords], [...recipients]);
    const [before, after] = [rekeyed.before, rekeyed.after] as [Lock[], Lock[]];
    return { size: rekeyed.size, before, after, content: rekeyed.content, id: keep(rekeyed) };
  },

  async openRedacted(withoutFiles) {
    return { id: keep(await opened().redact(withoutFiles)) };
  },

  verify: (onProgress: OnProgress) => opened().verify(unlessCancelled(onProgress)),

  cancelVerify() {
    verifyCancelled = true;
  },

  async openFile(set, path) {
    const file = await (foreign ? foreign.file(path) : opened().file(set, path));
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

  async beginSeal({ passwords, recipients, lockedKeys }, crypto, file) {
    sealing = await Sealing.begin([...passwords], [...recipients], [...lockedKeys], file && fileSource(file), lanes(crypto));
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
