/** What reading an archive can fail with, in words. */
import type { KnownCode } from "@coffer/archive";
import { onlyRead, otherCopy, type ProblemText } from "./common";

export const archiveTexts = {
  /** For failures of reading an archive that deserve words of their own; others bring a sentence from the core. */
  archive: {
    empty: {
      title: "This file is empty",
      detail: "It has no bytes at all, so nothing was saved in it. It was not changed.",
      next: `Its download or copy may have failed. ${otherCopy}`,
    },
    wrong_password_or_damaged: {
      title: "Wrong password, or a damaged file",
      detail: `Nosdesk’s format can’t tell which. ${onlyRead}`,
      next: `Type the password as it was typed when the archive was made. ${otherCopy}`,
    },
    sidecar_missing: {
      title: "The sidecar is missing",
      detail: `An encrypted backup of DBackup can’t be opened without the file of the same name that ends in .meta.json. ${onlyRead}`,
      next: "Choose both files together.",
    },
    no_key_fits: {
      title: "This is another key",
      detail: `The backup was not encrypted with it. ${onlyRead}`,
      next: "Look for the key of that time, maybe in a Recovery Kit.",
    },
    damaged: {
      title: "This file is damaged",
      detail: `The key fits, but the content is not what was encrypted. ${onlyRead}`,
      next: otherCopy,
    },
    changed: {
      title: "The file changed while it was read",
      detail: "What was checked is not what is there now. Nothing was changed here.",
      next: "Open it again.",
    },
    sidecar_invalid: {
      title: "The sidecar can’t be used",
      detail: `It does not say how the backup was encrypted, or not in a way that is known. ${onlyRead}`,
      next: "Fetch it again from where the backup is stored.",
    },
    key_needed: {
      title: "Its key is needed",
      detail: `The backup is encrypted with the key of a profile. ${onlyRead}`,
      next: "Choose a file with the key’s digits, or the Recovery Kit.",
    },
    too_long: {
      title: "This file is too large",
      detail: `It is longer than its encryption can protect. ${onlyRead}`,
      next: otherCopy,
    },
    not_gzip: {
      title: "This file is damaged, or not what it seems",
      detail: `It begins like a packed file, and can’t be unpacked to its end. ${onlyRead}`,
      next: otherCopy,
    },
    not_json: {
      title: "This file is not what it seems",
      detail: `Its content is not the JSON that the product writes. ${onlyRead}`,
      next: otherCopy,
    },
    not_a_system_backup: {
      title: "This is not a system backup of DBackup",
      detail: `It has no description of one. Backups of databases that DBackup made are opened with their own tools. ${onlyRead}`,
      next: "Choose a file whose name begins with config_backup.",
    },
    no_tables: {
      title: "This archive holds no tables",
      detail: `It has a description and none of the tables: restoring it would only delete what is there. ${onlyRead}`,
      next: otherCopy,
    },
    manifest_invalid: {
      title: "The archive’s description can’t be used",
      detail: `It is not what the product writes. ${onlyRead}`,
      next: otherCopy,
    },
    limit: {
      title: "This archive is larger than what is read",
      detail: `A part of it exceeds a limit that keeps a crafted file from filling the memory. ${onlyRead}`,
      next: otherCopy,
    },
    foreign: {
      title: "Another product made this archive",
      detail: "That part is known of Coffer’s own archives only. Nothing was changed.",
      next: "Convert it with the command line first.",
    },
    not_sealed: {
      title: "This is not a Coffer archive",
      detail: `It begins like no archive that Coffer knows. ${onlyRead}`,
      next: "Choose a file that Coffer wrote; its name usually ends in .coffer.",
    },
    not_a_zip: {
      title: "This is not a Coffer archive",
      detail: `It is neither a sealed archive nor a ZIP file. ${onlyRead}`,
      next: "Choose a file that Coffer wrote; its name usually ends in .coffer.",
    },
    not_an_archive: {
      title: "This is an ordinary ZIP file",
      detail: `It is readable as ZIP, but it has no manifest of a Coffer archive. ${onlyRead}`,
      next: "Open it with your file manager, or choose a file that Coffer wrote.",
    },
    text_mode: {
      title: "This archive was damaged by a transfer in text mode",
      detail: `Its line ends were changed on the way, as some transfer programs do. ${onlyRead}`,
      next: "Copy it again in binary mode.",
    },
    unsupported_version: {
      title: "This archive is from a newer Coffer",
      detail: `This version cannot read its format. ${onlyRead}`,
      next: "Open it with the newest version of Coffer.",
    },
    header_malformed: {
      title: "The beginning of this archive is damaged",
      detail: `Its header cannot be read, so it is not known what opens it. ${onlyRead}`,
      next: otherCopy,
    },
    footer_malformed: {
      title: "The end of this archive is damaged",
      detail: `Its last bytes are not what a complete archive ends with. ${onlyRead}`,
      next: otherCopy,
    },
    cut_short: {
      title: "This archive is cut short",
      detail: `Its end is missing, as after an interrupted download or copy. ${onlyRead}`,
      next: "Download or copy it again.",
    },
    trailing_data: {
      title: "Something was added after the end of this archive",
      detail: `A complete archive ends earlier than this file. ${onlyRead}`,
      next: otherCopy,
    },
    scrub_table_damaged: {
      title: "The end of this archive is damaged",
      detail: `The table that tells which of its megabytes are sound is not readable. ${onlyRead}`,
      next: otherCopy,
    },
    sender_malformed: {
      title: "The signature of this archive is damaged",
      detail: `It names no valid key, so nobody can say who sealed this archive. ${onlyRead}`,
      next: otherCopy,
    },
    sender_signature_wrong: {
      title: "This archive is not what its sender signed",
      detail: `It was changed or damaged after it was sealed. ${onlyRead}`,
      next: `${otherCopy} Do not restore from this one.`,
    },
    not_what_was_signed: {
      title: "A part of this archive is not what its sender signed",
      detail: `It is damaged, or somebody who can open it has changed it. Nothing of that part is used. ${onlyRead}`,
      next: `${otherCopy} Do not restore from this one.`,
    },
    locked: { title: "This archive is still locked", detail: onlyRead, next: "Type its password first." },
    not_a_recipient: {
      title: "This is not what opens this archive",
      detail: `It is sealed to other keys than this one. ${onlyRead}`,
      next: "Choose the key file that belongs to it.",
    },
    key_malformed: {
      title: "This is not a key file",
      detail: "It holds no key of Coffer, or one with a typing error. Nothing was changed.",
      next: "Choose the file that was saved when the key was made.",
    },
    key_locked: {
      title: "The key file is locked",
      detail: "Nothing was changed.",
      next: "Type its password.",
    },
    wrong_key_password: {
      title: "This is not the password of the key file",
      detail: "The file itself looks fine, and nothing was changed.",
      next: "Check capital letters and the keyboard’s language, and try again.",
    },
    wrong_password: {
      title: "This is not the password of this archive",
      detail: "The archive itself looks fine, and nothing was changed.",
      next: "Check capital letters and the keyboard’s language, and try again.",
    },
    cost_too_high: {
      title: "This archive asks for more memory or time than is allowed",
      detail: `Checking a password of it would exhaust this machine; it may have been made for that. ${onlyRead}`,
      next: "Open it only if you know who made it, with the coffer program.",
    },
    header_damaged: {
      title: "The beginning of this archive is damaged",
      detail: `Its header was changed after it was written. ${onlyRead}`,
      next: otherCopy,
    },
    commitment_mismatch: {
      title: "Key and contents of this archive do not belong together",
      detail: `Its beginning may be from another archive, or damaged. ${onlyRead}`,
      next: otherCopy,
    },
    chunk_damaged: {
      title: "A part of this archive is damaged",
      detail: `Some of its bytes are not the ones that were written. Nothing of that part is shown. ${onlyRead}`,
      next: `${otherCopy} Other tables and files in this one may still be readable.`,
    },
    digest_mismatch: {
      title: "Something in this archive is not what was archived",
      detail: `Its SHA-256 is not the one that the manifest names, so it is not used. ${onlyRead}`,
      next: otherCopy,
    },
    not_in_archive: { title: "The archive does not hold that", detail: onlyRead, next: "Open the archive again." },
    out_of_range: {
      title: "This archive points outside of itself",
      detail: `It describes contents that the file does not have. ${onlyRead}`,
      next: otherCopy,
    },
    read_failed: {
      title: "The file could not be read",
      detail: "It may have been moved or changed since you chose it, or the connection broke. Nothing was changed.",
      next: "Choose it again.",
    },
    no_room: {
      title: "This browser has no room for that much at once",
      detail: "It keeps only so many bytes in one piece. Nothing was changed.",
      next: "Close other pages and try again, or use the command line.",
    },
    no_way_in: {
      title: "Nobody could open the archive",
      detail: "Neither a password nor a key was given. Nothing was written.",
      next: "Give at least one of them.",
    },
    nothing_to_do: {
      title: "There is nothing to change",
      detail: "Nothing was named that goes or comes. Nothing was written.",
      next: "Choose what is to change first.",
    },
    payload_damaged: {
      title: "The content of this archive is damaged",
      detail: `Some of its megabytes are not what was written, so no copy of it was kept. ${onlyRead}`,
      next: `${otherCopy} What is left of this one can be salvaged.`,
    },
    standard_already: {
      title: "This archive holds no credentials",
      detail: "It is a standard one already. Nothing was written.",
      next: "Pass on the archive as it is.",
    },
    no_rules: {
      title: "Nobody said what is a credential in this archive",
      detail: "It was taken without a preset, so there are no rules for what to leave out. Nothing was written.",
      next: "Use the command line: coffer redact takes a preset.",
    },
    no_webcrypto: {
      title: "This page may not use the browser’s cryptography",
      detail: "Browsers offer it to pages over HTTPS or of this machine only. Nothing was changed.",
      next: "Open Coffer over HTTPS.",
    },
    no_randomness: {
      title: "This browser gives no random numbers",
      detail: "Without them nothing can be sealed safely. Nothing was changed.",
      next: "Use another browser.",
    },
    cancelled: { title: "Cancelled", detail: "Nothing was changed.", next: "" },
    closed: { title: "This archive was closed", detail: "Nothing was changed.", next: "Open it again." },
    worker_crashed: {
      title: "The part of this page that reads archives stopped",
      detail: onlyRead,
      next: "Open the archive again. If this happens again, try another browser or a machine with more memory.",
    },
  } satisfies Record<KnownCode, ProblemText>,

  archiveOther: { title: "This archive cannot be used", next: otherCopy },
};
