/**
 * What an archive says about itself: the shapes of `core/src/manifest.rs` and `core/src/schema.rs` as they arrive
 * here. A manifest that arrived was parsed and validated by the core; these types only name its fields.
 * Counts and sizes are numbers; digests are 64 lower-case hexadecimal digits.
 */

export interface Manifest {
  readonly format_version: number;
  /** The program that wrote the archive. */
  readonly tool: Product;
  /** The application whose data this is. */
  readonly app: Product;
  readonly engine: Engine;
  /** The database server's or library's own version. */
  readonly engine_version: string;
  /** When the snapshot was taken: RFC 3339 in UTC with whole seconds. */
  readonly created_at: string;
  readonly contents: Contents;
  /** The rules for the credentials that are inside; present exactly in a sensitive archive. */
  readonly credentials?: readonly CredentialColumn[];
  /** The application's own secrets that values in the archive are wrapped with, or were. */
  readonly app_secrets?: readonly SecretMark[];
  /** The last migration that the application's ledger records. */
  readonly migration?: Migration;
  readonly schema_sha256: string;
  /** The shape of the whole database, of left-out tables too. */
  readonly schema: Schema;
  /** The tables whose rows are in the archive, in the order of their names. */
  readonly tables: readonly TableData[];
  readonly sequences?: readonly Sequence[];
  readonly file_sets?: readonly FileSet[];
  /** Present exactly if there are file sets. */
  readonly files_index?: EntryDigest;
  /** Everything of the source that is not in the archive, and why. */
  readonly left_out?: readonly LeftOut[];
  /** What the one who restores should know. */
  readonly notices?: readonly Notice[];
}

export interface Product {
  readonly name: string;
  readonly version?: string;
}

export type Engine = "postgres" | "sqlite";

/**
 * - `standard`: a preset says what is a credential, and none is inside.
 * - `sensitive`: a preset says what is a credential, and they are inside.
 * - `unclassified`: no preset was used, so nobody can say; to be treated as sensitive.
 */
export type Contents = "standard" | "sensitive" | "unclassified";

/** A rule for credentials that are inside. Without `placeholder`, `random` and `omit_rows`, NULL comes in their place. */
export interface CredentialColumn {
  readonly table: TableName;
  readonly column: string;
  /** What a standard archive holds in place of its values. */
  readonly placeholder?: string;
  /** Where in the column's JSON; absent for the whole value. */
  readonly path?: readonly string[];
  /** A fresh random secret comes in its place: `prefix` and so many bytes in hexadecimal. */
  readonly random?: { readonly prefix: string; readonly bytes: number };
  /** The rows that have one are left out. */
  readonly omit_rows?: boolean;
  /** The rows that the rule is for, by column; absent for all. */
  readonly where?: Readonly<Record<string, Scalar | readonly Scalar[]>>;
  /** Columns of the same row that change along with it. */
  readonly also_set?: Readonly<Record<string, Scalar | { readonly value: "null" | "default" }>>;
}

/** A value in a rule. */
export type Scalar = string | number | boolean;

/** A secret of the application's environment, and what depends on it. */
export interface SecretMark {
  readonly name: string;
  /** The environment variable that the application reads it from. */
  readonly variable: string;
  readonly form: "fernet" | "iv_tag_ciphertext" | "coffer" | "opaque";
  readonly columns: readonly SecretColumn[];
  /** Argon2id of the secret, hexadecimal; absent where the backup was not given it. */
  readonly fingerprint?: { readonly salt: string; readonly argon2id: string };
  /** The values are in the archive without the secret, and are wrapped with the target's when they are restored. */
  readonly unwrapped?: boolean;
}

/** A column with values that an application has wrapped. */
export interface SecretColumn {
  readonly table: TableName;
  readonly column: string;
  /** The keys, at any depth of the column's JSON, whose values are wrapped; absent for the whole value. */
  readonly keys?: readonly string[];
}

export interface Migration {
  readonly ledger: TableName;
  /** The last migration's version or name. */
  readonly head: string;
}

/** A table's name, unquoted, with the schema that it lives in. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface TableData {
  readonly table: TableName;
  /** Folder of its parts in the archive. */
  readonly path: string;
  readonly rows: number;
  /** Bytes of row text in all parts, header lines included. */
  readonly bytes: number;
  readonly digest: string;
  /** Digest of the rows that does not depend on their order. */
  readonly row_set: string;
  readonly parts: readonly PartData[];
}

export interface PartData {
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Sequence {
  readonly name: TableName;
  readonly owned_by?: { readonly table: TableName; readonly column: string };
  /** A `bigint` where a number would not be exact. */
  readonly last_value: number | bigint;
  readonly is_called: boolean;
}

export interface FileSet {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
  /** What a program made of its files, if one was to. */
  readonly transform?: Transformed;
}

export interface Transformed {
  readonly program: string;
  readonly new_suffix: string;
  readonly files: number;
  readonly original_bytes: number;
  /** Files that it was for and that are as they were. */
  readonly kept: number;
  /** Results that no row names, where the columns that name files are known. */
  readonly unnamed?: number;
}

export interface EntryDigest {
  readonly bytes: number;
  readonly sha256: string;
}

export type LeftOutReason = "credential" | "derived" | "transient" | "local" | "ledger" | "excluded" | "not_selected" | "not_data";

export type LeftOut =
  | { readonly what: "table"; readonly table: TableName; readonly reason: LeftOutReason; readonly rows?: number; readonly detail?: string }
  | {
      /** Some rows of a table that is otherwise in the archive. */
      readonly what: "rows";
      readonly table: TableName;
      readonly condition: string;
      readonly reason: LeftOutReason;
      readonly rows: number;
      readonly detail?: string;
    }
  | {
      readonly what: "column";
      readonly table: TableName;
      readonly column: string;
      readonly reason: LeftOutReason;
      readonly placeholder?: string;
    }
  | { readonly what: "file_set"; readonly name: string; readonly reason: LeftOutReason }
  | { readonly what: "files"; readonly set: string; readonly pattern: string; readonly found: number; readonly reason: LeftOutReason }
  | { readonly what: "object"; readonly kind: string; readonly name: string; readonly reason: LeftOutReason };

export type Notice =
  | { readonly code: "looks_like_credential"; readonly table: TableName; readonly column: string }
  | { readonly code: "file_changed"; readonly set: string; readonly path: string }
  | { readonly code: "file_vanished"; readonly set: string; readonly path: string }
  | { readonly code: "file_skipped"; readonly set: string; readonly path: string; readonly why: string }
  | { readonly code: "not_transformed"; readonly set: string; readonly path: string; readonly why: string };

/** A database's shape. */
export interface Schema {
  readonly tables: readonly Table[];
}

export interface Table {
  readonly name: TableName;
  readonly columns: readonly Column[];
  readonly primary_key?: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly foreign_keys?: readonly ForeignKey[];
}

export interface Column {
  readonly name: string;
  /** The engine's own spelling; empty where SQLite has none. */
  readonly type: string;
  readonly nullable: boolean;
  readonly default?: string;
  readonly generated?: boolean;
  readonly identity?: boolean;
}

export interface ForeignKey {
  readonly name?: string;
  readonly columns: readonly string[];
  readonly references: TableName;
  readonly referenced_columns: readonly string[];
}

/** One file of a file set, as the files index describes it. */
export interface FileEntry {
  readonly set: string;
  /** As on disk, with `/` between segments. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since 1970, UTC. */
  readonly mtime: number;
  readonly sha256: string;
}

/** What to take out of an archive; `null` means all of a kind. */
export interface Selection {
  readonly tables: readonly TableName[] | null;
  readonly file_sets: readonly string[] | null;
}
