/**
 * What is known of an archive of another product, once all of its rows were read: the shapes of
 * `core/src/foreign/overview.rs` and `finding.rs`.
 */

export type ForeignProduct = "nosdesk" | "nojoin" | "dbackup";

export interface Overview {
  readonly product: ForeignProduct;
  /** The version of the format, in the product's own terms. */
  readonly format: string;
  readonly app_version: string | null;
  /** When it was made, as it is written there. */
  readonly created_at: string | null;
  /** How it is encrypted, `null` if it is not. */
  readonly sealed: string | null;
  /** Credentials are inside. */
  readonly sensitive: boolean;
  /** What else it says of itself: names and values. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly tables: readonly ForeignTable[];
  readonly rows: number;
  readonly files: readonly ForeignFileEntry[];
  readonly file_bytes: number;
  /** Whether the content of the files was read too. */
  readonly files_read: boolean;
  /** The worst first. */
  readonly findings: readonly ForeignFinding[];
  /** Findings that there was no room for. */
  readonly more_findings: number;
  readonly errors: number;
}

export interface ForeignTable {
  /** Its name in the product's database. */
  readonly name: string;
  /** The entry, or the key of the JSON, where its rows stand. */
  readonly source: string;
  readonly rows: number;
  readonly columns: readonly string[];
}

export interface ForeignFileEntry {
  readonly entry: string;
  /** Bytes. */
  readonly size: number;
  /** A row names it. */
  readonly named: boolean;
}

export interface ForeignFinding {
  /** `error`: the archive is not what it promises to be. */
  readonly level: "error" | "warning" | "note";
  readonly code: string;
  /** A table with its column, or an entry; empty for the archive as a whole. */
  readonly place: string;
  readonly message: string;
  /** How often, where it is counted. */
  readonly count: number | null;
}
