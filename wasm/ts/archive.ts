/** An archive, opened by a worker of its own. */
import { proxy } from "comlink";
import { Connection } from "./connection.js";
import { ArchiveFailure, cancelled } from "./failure.js";
import type { Overview } from "./foreign.js";
import type { FileEntry, Manifest, Selection, TableName } from "./manifest.js";
import { ArchiveFile, DerivedArchive, Pieces, PlainArchive, RekeyedArchive, RestoreBundle } from "./pieces.js";
import type {
  ArchiveFacts,
  CryptoChoice,
  KeyChange,
  KeyType,
  Lock,
  LockedKeyPair,
  OnProgress,
  RowMatches,
  RowsPage,
  SecretKeyPair,
  Sender,
  TableFormat,
  Verified,
} from "./service.js";

export interface OpenOptions {
  readonly crypto?: CryptoChoice;
  /** The file that lies beside an encrypted backup of DBackup, `….meta.json`. */
  readonly sidecar?: Blob;
}

/**
 * Opens an archive, sealed or plain, and reads just what tells which. Archives of Nosdesk, Nojoin and DBackup are known by
 * their bytes: see `foreign`.
 *
 * @param source a file that the user picked, or an address that answers range requests
 */
export async function openArchive(source: Blob | URL | string, { crypto, sidecar }: OpenOptions = {}): Promise<ArchiveHandle> {
  const connection = new Connection();
  try {
    // The worker has another base address than the page.
    const from = source instanceof Blob ? source : new URL(source, globalThis.document?.baseURI).href;
    const facts = await connection.call((service) => service.open(from, crypto, sidecar));
    return new ArchiveHandle(connection, facts, typeof from === "string");
  } catch (failure) {
    connection.close();
    throw failure;
  }
}

/**
 * Makes a key pair. With a password its secret half is locked, which takes about as long as unlocking: that is what
 * makes guessing expensive. Neither half leaves this machine.
 */
export async function makeKey(options: { type?: KeyType; password: string }): Promise<LockedKeyPair>;
export async function makeKey(options?: { type?: KeyType }): Promise<SecretKeyPair>;
export async function makeKey({
  type = "mlkem768x25519",
  password,
}: {
  type?: KeyType;
  password?: string;
} = {}): Promise<LockedKeyPair | SecretKeyPair> {
  const connection = new Connection();
  try {
    // With a password the secret half comes locked, without one it does not.
    return (await connection.call((service) => service.makeKey(type, password))) as LockedKeyPair | SecretKeyPair;
  } finally {
    connection.close();
  }
}

/**
 * Whether a key file, or a recovery kit, holds the secret half of this public key (`coffer1…`). Worked out from the secret in
 * a worker; rejects with `key_malformed` for what is neither, and with `key_locked` for a file that needs a password.
 */
export async function keyFileFits(file: string, recipient: string): Promise<boolean> {
  const connection = new Connection();
  try {
    return await connection.call((service) => service.keyFileFits(file, recipient));
  } finally {
    connection.close();
  }
}

/** How long work is watched, and ended. */
export interface WorkOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export class ArchiveHandle {
  readonly #connection: Connection;
  readonly #facts: ArchiveFacts;
  readonly #remote: boolean;

  constructor(connection: Connection, facts: ArchiveFacts, remote: boolean) {
    this.#connection = connection;
    this.#facts = facts;
    this.#remote = remote;
  }

  /** Whether it must be unlocked first. */
  get sealed(): boolean {
    return this.#facts.sealed;
  }

  /** Another product made it: ask `survey` what is inside. It has no manifest, no index of files and no sender. */
  get foreign(): boolean {
    return this.#facts.foreign;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#facts.size;
  }

  /** What opens it; empty for a plain archive. */
  get locks(): readonly Lock[] {
    return this.#facts.locks;
  }

  /** Who signed it, `null` if nobody did: see `ArchiveFacts.sender` for what that is worth. */
  get sender(): Sender | null {
    return this.#facts.sender;
  }

  /**
   * Whether anybody may have made it who knows a public key: nobody signed it, and a key has opened it, maybe one that the
   * password unlocked. Known once it is unlocked.
   */
  madeByAnybody(): Promise<boolean> {
    return this.#connection.call((service) => service.madeByAnybody());
  }

  /** Bytes read from the source so far. */
  bytesRead(): Promise<number> {
    return this.#connection.call((service) => service.bytesRead());
  }

  /** Rejects with `wrong_password` for a wrong one; it can be tried again. The password goes to the worker and nowhere else. */
  unlock(password: string): Promise<void> {
    return this.#connection.call((service) => service.unlock(password));
  }

  /**
   * Unlocks with the text of a key file. Rejects with `key_locked` if the file needs a password too, and with
   * `not_a_recipient` if the archive is sealed to other keys. The key goes to the worker and nowhere else. For a backup of
   * DBackup it is hexadecimal digits, or the bytes of a Recovery Kit; `no_key_fits` says that it is another's.
   */
  unlockWithKey(file: string | Uint8Array, password?: string): Promise<void> {
    return this.#connection.call((service) => service.unlockWithKey(file, password));
  }

  manifest(): Promise<Manifest> {
    return this.#connection.call((service) => service.manifest());
  }

  files(): Promise<FileEntry[]> {
    return this.#connection.call((service) => service.files());
  }

  /** Up to `limit` rows of a table, after the first `skip`. */
  rows(table: TableName, skip: number, limit: number): Promise<RowsPage> {
    // A fresh object: what the caller has may be a proxy, which can't be sent.
    const { schema, name } = table;
    return this.#connection.call((service) => service.rows({ schema, name }, skip, limit));
  }

  /**
   * Up to `limit` rows of which any value holds a text, whatever its capital letters, after the first `skip` rows of the
   * table. It goes on at `next`. Reports rows passed and in all.
   */
  searchRows(table: TableName, text: string, { skip = 0, limit = 50, ...options }: WorkOptions & { skip?: number; limit?: number } = {}) {
    const { schema, name } = table;
    return this.#watched<RowMatches>(options, (onProgress) =>
      this.#connection.call((service) => service.searchRows({ schema, name }, text, skip, limit, onProgress)),
    );
  }

  /** All rows of a table in a form that other programs read. Each part of it is compared with its digest before it comes. */
  async exportTable({ schema, name }: TableName, format: TableFormat, options: WorkOptions = {}): Promise<DerivedArchive> {
    const { id } = await this.#connection.call((service) => service.openTable({ schema, name }, format));
    return new DerivedArchive(0, this.#pieces(id), options);
  }

  /** One file of a file set; of another product's archive the entry's name, with any set. */
  async file(set: string, path: string): Promise<ArchiveFile> {
    const { id, size } = await this.#connection.call((service) => service.openFile(set, path));
    return new ArchiveFile(size, this.#pieces(id));
  }

  /** Reads and checks every byte: decrypts, inflates, compares every digest. */
  verify(options: WorkOptions = {}): Promise<Verified> {
    return this.#watched(options, (onProgress) => this.#connection.call((service) => service.verify(onProgress)));
  }

  /**
   * Reads all rows of another product's archive, and with `everything` all files too, and says what it holds and what is
   * to be said of it.
   */
  survey({ everything = false, ...options }: WorkOptions & { everything?: boolean } = {}): Promise<Overview> {
    return this.#watched(options, (onProgress) => this.#connection.call((service) => service.survey(everything, onProgress)));
  }

  async #watched<T>({ onProgress, signal }: WorkOptions, work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
    if (signal?.aborted) throw new ArchiveFailure(cancelled);
    const stop = () => void this.#connection.call((service) => service.cancelVerify()).catch(() => undefined);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await work(proxy(onProgress ?? (() => undefined)));
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * The plain archive, a ZIP that any tool opens: decrypted, not checked any further. An archive that is not sealed
   * comes as it is.
   */
  async unseal(options: { onProgress?: OnProgress; signal?: AbortSignal } = {}): Promise<PlainArchive> {
    const { id, size } = await this.#connection.call((service) => service.openPlain());
    return new PlainArchive(size, this.#pieces(id), options);
  }

  /**
   * The same content, behind a header that other passwords and keys open. It is compared with its digests on the way, so
   * the stream fails with `payload_damaged` at its end if it is not what was written. The file that is open here still opens
   * as it did.
   */
  async rekey(
    { remove = [], newPassword, passwords = [], recipients = [] }: KeyChange,
    options: WorkOptions = {},
  ): Promise<RekeyedArchive> {
    const change = {
      remove: [...remove],
      passwords: [...passwords],
      recipients: [...recipients],
      ...(newPassword === undefined ? {} : { newPassword }),
    };
    const { id, ...facts } = await this.#connection.call((service) => service.openRekeyed(change));
    return new RekeyedArchive(facts, this.#pieces(id), options);
  }

  /**
   * A standard archive of one that holds credentials, by the rules that it carries: plain, to be sealed again with `seal`
   * or not. Rejects with `standard_already` or `no_rules`; the stream fails if anything is not what was archived.
   */
  async redact({ withoutFiles = false, ...options }: WorkOptions & { withoutFiles?: boolean } = {}): Promise<DerivedArchive> {
    const { id } = await this.#connection.call((service) => service.openRedacted(withoutFiles));
    return new DerivedArchive(this.size, this.#pieces(id), options);
  }

  #pieces(id: number): Pieces {
    return new Pieces(this.#connection, id, this.#remote);
  }

  /** Seals what is selected again, under a fresh one-time key, for a server that is to restore it. */
  async bundle({ tables, file_sets }: Selection): Promise<RestoreBundle> {
    const selection: Selection = {
      tables: tables?.map(({ schema, name }) => ({ schema, name })) ?? null,
      file_sets: file_sets && [...file_sets],
    };
    const { id, manifest, key, total } = await this.#connection.call((service) => service.openBundle(selection));
    return new RestoreBundle(manifest, key, total, this.#pieces(id));
  }

  /** Ends the worker, and with it everything that the password opened. */
  close(): void {
    this.#connection.close();
  }
}
