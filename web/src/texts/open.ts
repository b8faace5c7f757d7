/** Words about opening an archive and looking into it. */
import type { Contents, ForeignFinding, ForeignProduct, KeyType, LeftOut, LeftOutReason, Lock, Notice } from "@coffer/archive";
import { bytes, count, number } from "../lib/format";
import { plain } from "../lib/visible";
import { files, onlyRead, rows, tableName } from "./common";

export const openTexts = {
  open: {
    title: "Open an archive",
    lead: "The file stays on this machine. It is decrypted in this page, and only the parts that you look at are read.",
    choose: "Choose a file",
    drop: "or drop it here",
    dropNow: "Drop it to open it",
    accepts:
      "A .coffer file, a Coffer archive as ZIP, or an archive of Nosdesk, Nojoin or DBackup (with its .meta.json if it is encrypted)",
    stored: "Or one that this server keeps",
    opening: "Looking at the file…",
    another: "Open another archive",
    makeKey: "Make a key to seal archives to",
    offline: "Save this page as one file",
    offlineHelp:
      "coffer-open.html opens archives on any machine with a browser, long after this server is gone. Keep it with your backups.",
  },

  unlock: {
    title: "Type its password",
    lead: "It is used in this page only, to open this archive, and then forgotten.",
    password: "Password",
    submit: "Open",
    working: "Deriving the key…",
    workingHint: "This takes about a second on purpose: it is what makes guessing expensive.",
    sealed: (size: number) => `Sealed archive, ${bytes(size)}`,
    keyLead: "It is sealed to a key. Choose the key file; it is read in this page only, and then forgotten.",
    profileKeyLead:
      "It is a backup of DBackup, encrypted with the key of a profile. Choose a file with that key’s digits, or the Recovery Kit; it is read in this page only, and then forgotten.",
    chooseKey: "Choose the key file",
    useKey: "Use a key file instead",
    dropKey: "Drop the key file to open the archive with it",
    removeKey: "Use another way in",
    keyLocked: (name: string) => `${plain(name)} is locked. Type the password of the key file; it may be another one than the archive’s.`,
    keyPassword: "Password of the key file",
    nothing: {
      title: "This version cannot open this archive",
      detail: (locks: readonly Lock[]) =>
        `It is sealed for ${locks.map((lock) => ("type" in lock ? plain(lock.type) : lock.kind)).join(", ") || "nobody in particular"}. ${onlyRead}`,
      next: "A newer version may.",
    },
  },

  makeKey: {
    title: "A key to seal archives to",
    lead: "A key has two halves: anybody can seal to the public one, and only the key file opens. Both are made here, in this page.",
    type: "Kind of key",
    types: {
      mlkem768x25519: {
        name: "Made to last",
        hint: "Two methods together, of which one is safe from quantum computers. The public half is long.",
      },
      x25519: {
        name: "Short",
        hint: "The public half fits on a line. What is sealed to it may be opened once there are quantum computers.",
      },
    } satisfies Record<KeyType, { name: string; hint: string }>,
    lock: "Lock the key file with a password",
    lockHint: "Then the file alone opens nothing.",
    submit: "Make the key",
    working: "Making the key…",
    public: "Public half",
    publicHint: "Give it to whoever is to seal for you: coffer backup --sealed --recipient …",
    copy: "Copy",
    copied: "Copied",
    fingerprint: (value: string) => `Its fingerprint is ${value}.`,
    keep: "Save the key file",
    keepHint: "Whoever has it opens what is sealed to it, and nobody can without it. This page forgets it when it is closed.",
    keepLockedHint:
      "It opens what is sealed to it, with its password, and nobody can without both. This page forgets it when it is closed.",
    fileName: (fingerprint: string) => `coffer-${fingerprint.slice(0, 8)}.key`,
    done: "Done",
  },

  preview: {
    close: "Close this archive",
    restore: "Restore…",
    seal: "Seal it…",
    taken: "Taken",
    database: "Database",
    writtenBy: "Written by",
    migration: "Migration",
    file: "Archive",
    /** Some of it may have been read more than once. */
    readSoFar: (read: number, size: number) => `${bytes(Math.min(read, size))} of ${bytes(size)} read so far`,
    contentsTitle: "Contents",
    contents: { standard: "Standard", sensitive: "Sensitive", unclassified: "Unclassified" } satisfies Record<Contents, string>,
    contentsHelp: {
      standard: "No credentials are inside; placeholders stand in their place.",
      sensitive: "Credentials are inside: password hashes, tokens, keys. Do not pass it on.",
      unclassified: "Nobody said what is a credential in this database. Treat the archive as secret.",
    } satisfies Record<Contents, string>,
    sealedBy: "Sealed by",
    sender: {
      thisServer: "this server",
      nobody: "It doesn’t say",
    },
    senderHelp: {
      signed: (fingerprint: string) =>
        `Signed by the sender key ${fingerprint}. Everything that is shown here is compared with what was signed; “Check everything” compares all of it.`,
      unsigned: "Nobody signed it. Whoever knows the key that it is sealed to may have made it.",
    },
    sealed: "Sealed",
    plain: "Not sealed",
    plainHelp: "Anybody who has this file can read it.",
    tabs: "Parts of this archive",
    tables: "Tables",
    files: "Files",
    leftOut: "Left out",
    noticesTitle: (value: number) => count(value, "thing to know", "things to know"),
    noticesMore: (value: number) => `and ${number(value)} more`,
  },

  foreign: {
    products: { nosdesk: "Nosdesk", nojoin: "Nojoin", dbackup: "DBackup" } satisfies Record<ForeignProduct, string>,
    made: "Made",
    format: "Format",
    inside: "Inside",
    insideSummary: (tables: number, total: number) => `${rows(total)} in ${count(tables, "table", "tables")}`,
    encryption: "Encryption",
    notEncrypted: "None",
    findings: "Findings",
    noFindings: "There is nothing to say of it.",
    moreFindings: (value: number) => `and ${number(value)} more`,
    levels: { error: "Not what it promises to be", warning: "To think about", note: "To know" } satisfies Record<
      ForeignFinding["level"],
      string
    >,
    good: "All rows were read, and the archive is what it promises to be as far as they go.",
    allGood: "Every byte was read, and the archive is what it promises to be.",
    errors: (value: number) => `The archive is not what it promises to be: ${count(value, "error", "errors")} found.`,
    check: "Read the files too",
    named: "named by a row",
    unnamed: "named by no row",
  },

  tables: {
    summary: (tables: number, total: number, size: number) => `${count(tables, "table", "tables")}, ${rows(total)}, ${bytes(size)} of text`,
    filter: "Filter tables",
    noMatch: "No table has this in its name.",
    columns: { table: "Table", rows: "Rows", size: "Size" },
    look: (table: string) => `Look at the rows of ${table}`,
    empty: "There are no tables in this archive.",
  },

  rows: {
    title: (table: string) => table,
    range: (from: number, to: number, total: number) => `Rows ${number(from)} to ${number(to)} of ${number(total)}`,
    none: "This table has no rows.",
    previous: "Previous rows",
    next: "Next rows",
    loading: "Reading rows…",
    search: "Search the rows",
    searchNow: "Search",
    searching: "Searching",
    number: "Row",
    noMatch: (wanted: string) => `No row holds “${plain(wanted)}”.`,
    matches: (shown: number, wanted: string, more: boolean) =>
      more ? `${rows(shown)} of those that hold “${plain(wanted)}”` : `${rows(shown)} with “${plain(wanted)}”`,
    saveAs: (format: string) => `Save all rows as ${format.toUpperCase()}`,
    saving: "Reading and checking",
    saved: (format: string, total: number) =>
      `${rows(total)} saved as ${format.toUpperCase()}. Each part was compared with the digest that was archived.`,
    null: "NULL",
    nullHelp: "No value",
    empty: "empty",
    emptyHelp: "A text without any characters",
    more: (rest: number) => `Show ${count(rest, "more character", "more characters")}`,
    less: "Show less",
    cut: "Only its beginning is shown here; it is whole in the archive.",
    untyped: "no type",
  },

  files: {
    summary: (value: number, size: number) => `${files(value)}, ${bytes(size)}`,
    filter: "Filter files",
    allSets: "All file sets",
    way: "Folder",
    noMatch: "No file here has this in its path.",
    none: "There are no files in this archive.",
    enter: (name: string) => `Open the folder ${plain(name)}`,
    look: (path: string) => `Look at ${plain(path)}`,
    save: (name: string) => `Save ${plain(name)}`,
    saveFolder: (name: string) => `Save the folder ${plain(name)} as a ZIP`,
    saveThis: "Save this folder",
    folderSaved: (name: string, value: number) =>
      `${plain(name)}.zip: ${files(value)} were read, and the SHA-256 of each is the one that was archived.`,
    saving: "Reading and checking…",
    saved: (name: string) => `${plain(name)} was read, and its SHA-256 is the one that was archived.`,
    list: "Files",
    count: files,
  },

  filePreview: {
    save: "Save this file",
    unknown: "A file of this kind is not shown here. It can be saved.",
    tooLarge: (size: number) => `With ${bytes(size)} it is too large to be shown here. It can be saved.`,
    noPdf: "Its name says that it is a PDF, and its content is something else. It is not shown here, and can be saved.",
    notShown: "This browser can’t show it. It can be saved.",
    more: (size: number) => `This is its beginning; all of it has ${bytes(size)}.`,
  },

  leftOut: {
    lead: "This was in the source and is not in the archive.",
    none: "Nothing was left out.",
    reasons: {
      credential: "Credentials",
      derived: "Can be derived from the rest",
      transient: "Loses its meaning with time",
      local: "Belongs to the installation it was taken from",
      ledger: "The migration ledger: its last entry is recorded instead",
      excluded: "Left out by hand",
      not_selected: "Not selected",
      not_data: "Not data of its own",
    } satisfies Record<LeftOutReason, string>,
    what(item: LeftOut): string {
      switch (item.what) {
        case "table":
          return `Table ${tableName(item.table)}${item.rows === undefined ? "" : `, ${rows(item.rows)}`}`;
        case "rows":
          return `${rows(item.rows)} of ${tableName(item.table)} whose ${plain(item.condition)}`;
        case "column":
          return `Column ${tableName(item.table)}.${plain(item.column)}`;
        case "file_set":
          return `File set ${plain(item.name)}`;
        case "files":
          return `Files ${plain(item.pattern)} of ${plain(item.set)}, ${count(item.found, "match", "matches")}`;
        case "object":
          return `${plain(item.kind)} ${plain(item.name)}`;
      }
    },
    detail(item: LeftOut): string | undefined {
      if (item.what === "table" || item.what === "rows") return item.detail && plain(item.detail);
      if (item.what === "column" && item.placeholder) return `holds ${plain(item.placeholder)} instead`;
      return undefined;
    },
  },

  notice(notice: Notice): string {
    switch (notice.code) {
      case "looks_like_credential":
        return `${tableName(notice.table)}.${plain(notice.column)} looks like a credential, and no preset says what it is. Treat this archive as secret.`;
      case "file_changed":
        return `${plain(notice.set)}/${plain(notice.path)} changed while it was being read.`;
      case "file_vanished":
        return `${plain(notice.set)}/${plain(notice.path)} vanished before it was read and is not in the archive.`;
      case "file_skipped":
        return `${plain(notice.set)}/${plain(notice.path)} is ${plain(notice.why)} and is not in the archive.`;
      case "not_transformed":
        return `${plain(notice.set)}/${plain(notice.path)} is in the archive as it was: ${plain(notice.why)}.`;
    }
  },

  check: {
    start: "Check everything",
    hint: "Reads every byte: decrypts it, unpacks it, and compares every digest.",
    running: "Checking everything",
    progress: (done: number, total: number) => `${bytes(done)} of ${bytes(total)}`,
    cancel: "Stop checking",
    done: (entries: number, size: number) =>
      `Everything is right: ${count(entries, "entry", "entries")}, ${bytes(size)}, every digest as written.`,
    cancelled: "The check was stopped before its end. What was read so far was right.",
  },
};
