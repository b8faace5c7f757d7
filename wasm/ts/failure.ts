/** Why something could not be done with an archive: for programs by its code, for people by its sentence. */

/** The codes that stand for one situation each and that a program may want to tell apart. */
export type KnownCode =
  // The file as such
  | "empty"
  | "not_sealed"
  | "not_an_archive"
  | "not_a_zip"
  | "text_mode"
  | "unsupported_version"
  | "header_malformed"
  | "footer_malformed"
  | "cut_short"
  | "trailing_data"
  | "scrub_table_damaged"
  // The sender
  | "sender_malformed"
  | "sender_signature_wrong"
  | "not_what_was_signed"
  // Keys
  | "locked"
  | "not_a_recipient"
  | "wrong_password"
  | "cost_too_high"
  | "header_damaged"
  | "commitment_mismatch"
  | "key_malformed"
  | "key_locked"
  | "wrong_key_password"
  | "no_way_in"
  | "nothing_to_do"
  | "payload_damaged"
  // A standard archive of one with credentials
  | "standard_already"
  | "no_rules"
  // Archives of other products
  | "wrong_password_or_damaged"
  | "sidecar_missing"
  | "sidecar_invalid"
  | "key_needed"
  | "no_key_fits"
  | "damaged"
  | "changed"
  | "too_long"
  | "not_gzip"
  | "not_json"
  | "not_a_system_backup"
  | "no_tables"
  | "manifest_invalid"
  | "limit"
  | "foreign"
  // Contents
  | "chunk_damaged"
  | "digest_mismatch"
  | "not_in_archive"
  | "out_of_range"
  // The way here
  | "no_randomness"
  | "no_webcrypto"
  | "read_failed"
  | "no_room"
  | "cancelled"
  | "closed"
  | "worker_crashed";

/** Findings about the archive's structure, its manifest, its index or its rows have many codes of their own. */
export type Finding = `${"zip" | "manifest" | "files_index" | "rows"}_${string}`;

/** What only a defect of this program can cause. */
export type Defect =
  | "busy"
  | "ended"
  | "bad_key_type"
  | "bad_format"
  | "crypto"
  | "misfed"
  | "not_a_way_in"
  | "too_large"
  | "too_many_ways_in";

export type Code = KnownCode | Finding | Defect;

interface ErrorOf<C extends string> {
  readonly code: C;
  /** What happened, what is untouched, what to do next. */
  readonly message: string;
}

/** Discriminated by `code`; some carry the figures that explain them. */
export type CofferError =
  | ErrorOf<Exclude<Code, "chunk_damaged" | "digest_mismatch" | "not_what_was_signed">>
  | (ErrorOf<"chunk_damaged"> & {
      /** The first damaged chunk, from 0, of 16 KiB each. */
      readonly chunk: number;
      /** Its place in the file. */
      readonly offset: number;
    })
  | (ErrorOf<"not_what_was_signed"> & {
      /** The first block of the payload that differs, from 0, of 1 MiB each. */
      readonly block: number;
      /** Its place in the file. */
      readonly offset: number;
    })
  | (ErrorOf<"digest_mismatch"> & {
      /** The entry whose bytes are not the ones that the manifest names. */
      readonly entry: string;
    });

/** What every call of this package rejects with. */
export class ArchiveFailure extends Error {
  override readonly name = "ArchiveFailure";

  constructor(readonly reason: CofferError) {
    super(reason.message);
  }

  get code(): CofferError["code"] {
    return this.reason.code;
  }
}

/** Whether something thrown is a failure's plain form, the one that crosses from the worker. */
export function isCofferError(thrown: unknown): thrown is CofferError {
  if (typeof thrown !== "object" || thrown === null || thrown instanceof Error) return false;
  const { code, message } = thrown as Partial<Record<string, unknown>>;
  return typeof code === "string" && typeof message === "string";
}

const crashed = (why: string): CofferError => ({
  code: "worker_crashed",
  message: `The part of the page that reads archives stopped unexpectedly: ${why}. The file was only read and is unchanged.`,
});

/** The plain form of anything thrown: what the core did not name is a crash, never a finding about the archive. */
export function toCofferError(thrown: unknown): CofferError {
  if (thrown instanceof ArchiveFailure) return thrown.reason;
  if (isCofferError(thrown)) return thrown;
  return crashed(thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : "without a reason");
}

/** Work that was given up because somebody asked for it. */
export const cancelled: CofferError = { code: "cancelled", message: "Cancelled. Nothing was changed." };

/** Work on an archive that was closed. */
export const closed: CofferError = { code: "closed", message: "This archive was closed. Open it again." };

/** What is known only of Coffer's own archives, asked of another product's, or the other way round. */
export const otherKind: CofferError = {
  code: "foreign",
  message:
    "This is not known of an archive of this kind: what another product wrote has no manifest of Coffer's, and Coffer's own is not surveyed.",
};

/** More bytes than the browser keeps in one piece. */
export const noRoom = (bytes: number): CofferError => ({
  code: "no_room",
  message: `The browser has no room for ${bytes} bytes in one piece. Nothing was changed; take them as a stream and write them to a file.`,
});

/** What was asked to be done by WebCrypto where there is none. */
export const noWebCrypto: CofferError = {
  code: "no_webcrypto",
  message:
    "This page has no WebCrypto, which browsers offer to pages from https:// or localhost only. Nothing was read; let the module do it.",
};
