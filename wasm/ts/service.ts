/**
 * What the worker offers to the page. One worker serves one archive: closing the archive ends the worker, and with
 * it everything that was derived from a password.
 */
import type { Overview } from "./foreign.js";
import type { FileEntry, Manifest, Selection, TableName } from "./manifest.js";
import type { Slab } from "./slabs.js";

/** A way to open a sealed archive, as its header tells it. */
export type Lock =
  | { readonly kind: "password" }
  /** A secret key that lies in the header itself, locked by a password. */
  | { readonly kind: "locked_key"; readonly fingerprint: string }
  /** A secret key that is kept elsewhere. */
  | { readonly kind: "key"; readonly type: string; readonly fingerprint: string }
  /** The key of one of DBackup's encryption profiles, as a file of hexadecimal digits or a Recovery Kit. */
  | { readonly kind: "profile_key"; readonly profile: string | null }
  /** Something that a newer Coffer wrote. */
  | { readonly kind: "unknown"; readonly type: string };

/** Who sealed an archive. */
export interface Sender {
  /** The public key, `coffer-sender1…`. */
  readonly key: string;
  readonly fingerprint: string;
}

/** What is known of an archive before it is unlocked. */
export interface ArchiveFacts {
  /** It was made by something else than Coffer: what is inside is told by `survey`, not by a manifest. */
  readonly foreign: boolean;
  readonly sealed: boolean;
  /** Bytes of the file. */
  readonly size: number;
  readonly locks: readonly Lock[];
  /**
   * Who signed it, `null` if nobody did. The signature is valid, over the digests of the content; the content itself was
   * not compared with these digests yet. Whatever is read later is compared before it is used, and `verify` compares
   * everything.
   */
  readonly sender: Sender | null;
}

/** Some rows of one table; values are text as the database prints it, `null` is NULL. */
export interface RowsPage {
  readonly columns: readonly string[];
  readonly types: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** Row and column, from 0, of each value of which only the beginning is here, because it is very long. */
  readonly cut: readonly (readonly [row: number, column: number])[];
  /** Whether the last of them is the table's last. */
  readonly end: boolean;
}

/** Rows that hold a text. */
export interface RowMatches extends RowsPage {
  /** Which row of the table each one is, from 0. */
  readonly numbers: readonly number[];
  /** Where to go on: what to skip next. `null` after the table's last row. */
  readonly next: number | null;
}

/** `csv` and `json` as the command line's `extract` writes them, `stored` as the archive holds them. */
export type TableFormat = "csv" | "json" | "stored";

/** What is to change about who can open an archive. */
export interface KeyChange {
  /** What goes: places in `locks`, from 0. */
  readonly remove?: readonly number[];
  /** Comes in place of the password that opened the archive; if a key did, it is one more way in. */
  readonly newPassword?: string;
  /** Passwords that come. */
  readonly passwords?: readonly string[];
  /** Public keys that come: `coffer1…` */
  readonly recipients?: readonly string[];
}

/** What a changed header comes to. */
export interface KeysChanged {
  /** Bytes of the file. */
  readonly size: number;
  readonly before: readonly Lock[];
  readonly after: readonly Lock[];
  /** SHA-256 of the digests of all megabytes of the content, which is the same before and after. */
  readonly content: string;
}

export interface Verified {
  readonly entries: number;
  /** Bytes of all entries, inflated. */
  readonly bytes: number;
}

/** `mlkem768x25519` stays safe when quantum computers come, `x25519` is short. */
export type KeyType = "mlkem768x25519" | "x25519";

interface KeyPair {
  readonly type: KeyType;
  /** The public half: anything can be sealed to it. */
  readonly recipient: string;
  readonly fingerprint: string;
  /** The text of a key file, for `unlockWithKey` and for the command line's `--identity`. */
  readonly file: string;
}

/** A key pair whose secret half is locked by a password. */
export interface LockedKeyPair extends KeyPair {
  /** The secret half, locked; only the password opens it. */
  readonly locked: string;
}

/** What the worker gives: of `locked` and `secret` one is there. */
export interface MadeKey extends KeyPair {
  readonly locked?: string;
  readonly secret?: string;
}

/** A key pair whose secret half is in the clear. */
export interface SecretKeyPair extends KeyPair {
  /** The secret half: whoever has it opens what is sealed to the recipient. */
  readonly secret: string;
}

/**
 * Who does the bulk of the cryptography: the browser (`webcrypto`), which is several times as fast, or the module
 * (`wasm`). Left out, it is the browser wherever it offers it. What is found is the same.
 */
export type CryptoChoice = "webcrypto" | "wasm";

/** What can open a file that is sealed. */
export interface WaysIn {
  readonly passwords: readonly string[];
  /** Public keys: `coffer1…` */
  readonly recipients: readonly string[];
  /** Secret keys of such, locked: `coffer-locked-key-1 …` */
  readonly lockedKeys: readonly string[];
}

/** Bytes done, of how many. */
export type OnProgress = (done: number, total: number) => void;

export interface ArchiveService {
  makeKey(type: KeyType, password: string | undefined): Promise<MadeKey>;
  keyFileFits(file: string, recipient: string): boolean;
  open(source: Blob | string, crypto: CryptoChoice | undefined, sidecar: Blob | undefined): Promise<ArchiveFacts>;
  /** Bytes read from the source so far. */
  bytesRead(): number;
  madeByAnybody(): boolean;
  unlock(password: string): Promise<void>;
  unlockWithKey(file: string | Uint8Array, password: string | undefined): Promise<void>;
  survey(everything: boolean, onProgress: OnProgress): Promise<Overview>;
  manifest(): Promise<Manifest>;
  files(): Promise<FileEntry[]>;
  rows(table: TableName, skip: number, limit: number): Promise<RowsPage>;
  searchRows(table: TableName, text: string, skip: number, limit: number, onProgress: OnProgress): Promise<RowMatches>;
  openTable(table: TableName, format: TableFormat): Promise<{ id: number }>;
  openRekeyed(change: Required<Omit<KeyChange, "newPassword">> & Pick<KeyChange, "newPassword">): Promise<KeysChanged & { id: number }>;
  openRedacted(withoutFiles: boolean): Promise<{ id: number }>;
  verify(onProgress: OnProgress): Promise<Verified>;
  cancelVerify(): void;
  openFile(set: string, path: string): Promise<{ id: number; size: number }>;
  openBundle(selection: Selection): Promise<{ id: number; manifest: string; key: string; total: number }>;
  openPlain(): { id: number; size: number };
  /** Begins a sealed file, maybe of what a file holds: its first bytes. */
  beginSeal(waysIn: WaysIn, crypto: CryptoChoice | undefined, file: Blob | undefined): Promise<Uint8Array>;
  /** Seals the next slab: a whole number of chunks of 16 KiB, unless it is the last. */
  sealSlab(slab: Slab): Promise<Uint8Array>;
  /** The sealed file's last bytes. */
  endSeal(): Promise<Uint8Array>;
  /** The next bytes of a file, bundle or plain archive that was opened; `undefined` at its end, which also releases it. */
  next(id: number): Promise<Uint8Array | undefined>;
  /** Gives one of them up before its end. */
  release(id: number): void;
}
