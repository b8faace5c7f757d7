/**
 * Every word that people read, in one place. People come here on bad days: say what is, what is safe, and what a
 * button will do; blame nobody; no exclamation marks.
 */
import type {
  Contents,
  Engine,
  ForeignFinding,
  ForeignProduct,
  KeyType,
  KnownCode,
  LeftOut,
  LeftOutReason,
  Lock,
  Notice,
  SecretColumn,
  TableName,
} from "@coffer/archive";
import type { Backup, Changes, Phase, ProfileKey } from "./lib/api";
import { bytes, count, number } from "./lib/format";
import type { Difference, Finding, Outcome, Reference } from "./lib/plan";
import { plain } from "./lib/visible";
import { peopleTexts } from "./texts-people";

/** What happened; what it means and what is untouched; what to do next. */
export interface ProblemText {
  readonly title: string;
  readonly detail: string;
  readonly next: string;
}

const rows = (value: number) => count(value, "row", "rows");
const files = (value: number) => count(value, "file", "files");
const tableName = ({ schema, name }: TableName) => plain(schema === "main" || schema === "public" ? name : `${schema}.${name}`);
const secretColumns = (columns: readonly SecretColumn[]) =>
  columns.map(({ table, column }) => `${tableName(table)}.${plain(column)}`).join(", ");
const tableNames = (tables: readonly TableName[]) => tables.map(tableName).join(", ");
const engines: Record<Engine, string> = { postgres: "PostgreSQL", sqlite: "SQLite" };

const onlyRead = "The file was only read and is unchanged.";
const onServer = "It stays on the server until five later ones have replaced it.";
const otherCopy = "If you have another copy of this backup, try that one.";

export const texts = {
  tableName,
  engines,
  people: peopleTexts,
  app: {
    name: "Coffer",
    backups: "Backups",
    profiles: "Keys",
    openArchive: "Open an archive",
    openArchiveShort: "Open",
    offline: "This file works without any server or network. Nothing you open leaves this machine.",
    signOut: "Sign out",
    skip: "Skip to the content",
    navigation: "Main",
    close: "Close",
    cancel: "Cancel",
    back: "Back",
    refresh: "Refresh",
    loading: "One moment…",
  },

  welcome: {
    title: "Look into a backup, on this machine",
    lead: "Open an archive with its password. Everything is decrypted in this page; neither the password nor what is inside is sent anywhere.",
    open: "Open an archive",
  },

  home: {
    title: "Backups",
    sources: "Sources",
    noSources: "No source yet",
    noSourcesLead: "A source is a database, and the folders that belong to it, that this server can reach.",
    addSource: "Add a source",
    lastVerified: "Last verified backup",
    never: "None yet",
    neverLead: "Nothing of this source is safe yet.",
    takeBackup: "Take a backup",
    undoable: "Before the last restore",
    undo: "Undo a restore…",
    removeSource: "Remove this source",
    removeSourceTitle: (name: string) => `Remove ${plain(name)}?`,
    removeSourceLead: "Coffer forgets how to reach this source. The database, its files and all backups stay as they are.",
    remove: "Remove",
    fileSets: (names: readonly string[]) => (names.length === 0 ? "no files" : `files: ${names.map(plain).join(", ")}`),
    backups: "Stored backups",
    noBackups: "No backup yet",
    noBackupsLead: "Once you take one, it is listed here after every stored byte was read again and found right.",
    columns: { source: "Source", taken: "Taken", size: "Size", state: "State", actions: "Actions" },
    sealedBy: (fingerprint: string | null, own: boolean) =>
      fingerprint === null ? "Not signed" : own ? "Signed by this server" : `Signed by ${fingerprint.slice(0, 16)}`,
    states: {
      verified: "Verified",
      damaged: "Damaged",
    },
    stateHelp: ({ state, origin }: Pick<Backup, "state" | "origin">) =>
      state === "damaged"
        ? "What is stored is not what was written. Do not rely on it; take another backup."
        : origin === "uploaded"
          ? "Every stored byte is what its own table says. Only who can open it can check what is inside."
          : "Read again from where it is stored, and found complete.",
    whole: "Whole",
    uploaded: (by: string | null) => (by === null ? "Uploaded" : `Uploaded by ${plain(by)}`),
    upload: "Seal and upload…",
    scrub: "Check the stored bytes",
    scrubbing: "Reading…",
    scrubbed: ({ name, state }: Pick<Backup, "name" | "state">) =>
      state === "verified"
        ? `Every stored byte of ${plain(name)} was read, and is what was stored.`
        : `${plain(name)} is damaged: its stored bytes are not what was stored. Do not rely on it.`,
    open: "Open",
    download: "Download",
    remove_: "Delete",
    removeBackupTitle: "Delete this backup?",
    removeBackupLead: (source: string, when: string) =>
      `The backup of ${plain(source)} from ${when} will be gone for good. The live database is not touched.`,
    removeLastLead: "It is the only verified backup of this source.",
    removeBackup: "Delete the backup",
  },

  addSource: {
    title: "Add a source",
    lead: "Coffer connects once to see whether it works. Nothing is changed there.",
    name: "Name",
    nameHint: "How you call it, e.g. Help desk.",
    url: "Database",
    urlHint: "postgres://user:password@host/database, or sqlite:/path/to/file.sqlite",
    fileSets: "Folders with uploaded files",
    fileSetName: "Name",
    fileSetFolder: "Folder on the server",
    addFileSet: "Add a folder",
    removeFileSet: (name: string) => `Remove the folder ${name || "without a name"}`,
    preset: "Preset",
    presetHint: "A TOML file that says what this application’s credentials are. Without one, every backup is to be treated as secret.",
    submit: "Connect and add",
    working: "Connecting…",
  },

  backup: {
    title: (source: string) => `Back up ${plain(source)}`,
    lead: "The live database is only read. The backup is sealed as it is written; this server cannot open it afterwards.",
    profile: "Sealed for",
    newProfile: "A new password…",
    profileOption: (name: string, fingerprints: readonly string[]) =>
      `${plain(name)} (${fingerprints.map((fingerprint) => fingerprint.slice(0, 8)).join(", ")})`,
    sensitive: "Include credentials",
    sensitiveHint: "Password hashes, tokens and keys of the application. Needed to bring an installation back exactly as it was.",
    standardHint: "Without them, everybody sets new ones after a restore.",
    unclassified: "No preset says what is a credential in this database, so everything is included. Treat the backup as secret.",
    start: "Take the backup",
    running: (source: string) => `Backing up ${plain(source)}`,
    cancelled: "The backup was cancelled. Nothing was kept, and the database was only read.",
    done: (source: string) => `${plain(source)} is backed up, and the stored copy was verified.`,
    failedTitle: "The backup was not taken",
    failedNext: "Nothing half was kept, and the database was only read. Earlier backups are unchanged.",
  },

  profiles: {
    title: "Encryption profiles",
    lead: "A profile names the keys that backups are sealed to. This server has their public halves only: it can seal, and never open.",
    add: "New profile",
    none: "No profile yet",
    noneLead: "Make one with a recovery kit here, or choose a password when you take a backup.",
    ready: "Ready",
    notReady: "Not ready",
    notReadyLead: "Nobody has shown yet that a kit of this profile can be found again, so nothing is sealed to it.",
    states: { active: "In use", pending: "Waiting for their kit to be checked", retired: "Of the past" },
    made: "Made",
    retired: "retired",
    opens: (archives: number) => `opens ${count(archives, "stored archive", "stored archives")}`,
    kinds: ({ locked, kit_verified_at }: Pick<ProfileKey, "locked" | "kit_verified_at">) =>
      locked !== null ? "opened by a password" : kit_verified_at !== null ? "kit checked" : "kit not checked",
    rotate: "Change the key…",
    addKey: "Add a key…",
    retire: "Retire",
    retireTitle: "Retire this key?",
    retireLead: (archives: number) =>
      `New backups are not sealed to it any more. ${archives === 0 ? "No stored archive needs its kit." : `Its kit still opens ${count(archives, "stored archive", "stored archives")}: keep it.`}`,
    discard: "Discard",
    discardTitle: "Discard this key?",
    discardLead: "Nothing was ever sealed to it. If a kit of it was saved, it opens nothing.",
    addTitle: "New encryption profile",
    addLead:
      "Coffer makes a key pair here, in this page. The public half goes to the server; the secret half goes into a recovery kit that you keep.",
    addKeyTitle: (name: string) => `Another key for ${plain(name)}`,
    addKeyLead: "Backups are sealed to all keys of a profile, and each of their kits opens them alone.",
    rotateTitle: (name: string) => `A new key for ${plain(name)}`,
    rotateLead:
      "Once the kit of the new key is checked, new backups are sealed to it and no longer to the old ones. Old kits still open old backups.",
    name: "Name of the profile",
    make: "Make the key",
    making: "Making the key…",
    kitLead:
      "The recovery kit is the only thing that opens what is sealed to this key. This page forgets the key when it is closed, and the server never has it.",
    fingerprint: "Fingerprint:",
    stepSave: "1. Save the kit",
    saveKit: "Save the recovery kit",
    printHint: "It is one page that any browser opens, without a network. Keep it apart from the backups, and print it from there.",
    stepCheck: "2. Open the saved kit again",
    checkTitle: "Check a recovery kit",
    checkLead: "Choose the file that you have saved. It is read in this page and compared with the key; it is not sent anywhere.",
    checkKit: "Check the kit…",
    chooseKit: "Choose the saved kit",
    otherKit: {
      title: "This is the kit of another key",
      detail: "It does not open what is sealed to this one. Nothing was changed.",
      next: "Choose the file with the fingerprint that is shown here.",
    } satisfies ProblemText,
    proven: "The kit fits. Backups can be sealed to this profile now.",
    rotated: "The kit fits. New backups are sealed to the new key from now on.",
    provenHint: "Keep the kit where you find it without this machine.",
    done: "Done",
    kitName: (fingerprint: string) => `coffer-recovery-kit-${fingerprint.slice(0, 8)}.html`,
  },

  upload: {
    title: "Seal and upload",
    lead: "The file is sealed here, in this page, and only what nobody can read leaves it. The server can store it, count it and check it for rot.",
    choose: "Choose a file",
    alreadySealed: "It is sealed already, and is sent as it is. If the upload stops, choose the same file again to go on.",
    password: "A password",
    stayHint: "Leave this page open until it is done. After a reload it has to start again, because the key is kept nowhere.",
    sealAndSend: "Seal and upload",
    send: "Upload",
    sealing: "Sealing and uploading",
    sending: "Uploading",
    checking: "Reading again what was stored",
    progress: (done: number, total: number) => `${bytes(done)} of ${bytes(total)}`,
    resumed: "Goes on where it had stopped.",
    waiting: "The connection broke. Trying again…",
    done: (name: string) => `${plain(name)} is stored. Every stored byte was read again.`,
    cancelled: "The upload was cancelled. Nothing of it was kept.",
    close: "Done",
    unfinished: "Unfinished uploads",
    unfinishedLead: "Choose the same file to go on. They are removed a day after they stopped.",
    discard: "Discard",
  },

  /** What is written in a recovery kit: for somebody who may know nothing of Coffer. */
  kit: {
    title: (profile: string) => `Recovery kit: ${plain(profile)}`,
    warning:
      "Whoever has this page can open every backup that is sealed to this key. Keep it secret, and keep it apart from the backups. Nobody can make it again.",
    fingerprint: "Fingerprint",
    profile: "Profile",
    made: "Made on",
    server: "Server",
    opens: "What it opens",
    opensWhat: (profile: string) =>
      `Every archive (.coffer) that was sealed to the profile “${plain(profile)}” from this day on, until the key was retired there. The header of an archive names its keys by fingerprint.`,
    secret: "The secret key",
    qr: "The same secret key as a QR code:",
    withCoffer: "Opening a backup with Coffer",
    withCofferSteps: [
      "In the page of any Coffer, or in the file coffer-open.html that works without a network: choose “Open an archive”, then the archive, then “Use a key file” and this page.",
      "On the command line: coffer unseal ARCHIVE.coffer --identity THIS-PAGE.html --out ARCHIVE.zip",
      "From paper: type or scan the secret key into a text file of one line, and use that file in its place.",
    ],
    without: "Opening a backup without Coffer",
    withoutLead:
      "The format is published as “The formats of Coffer, version 1”. A program of about a hundred lines of Python (package cryptography, 50 or later) does this:",
    withoutSteps: {
      mlkem768x25519: steps(
        "one byte 01, then 32 bytes, which are the seed of an X-Wing key (ML-KEM-768 and X25519)",
        "mlkem768x25519",
        "KEM 0x647A (X-Wing)",
        1120,
      ),
      x25519: steps("one byte 02, then 32 bytes, which are an X25519 key", "x25519", "KEM 0x0020 (X25519)", 32),
    } satisfies Record<KeyType, readonly string[]>,
  },

  newPassword: {
    title: "Choose the password for your backups",
    lead: "It opens every backup that is sealed for it. Coffer makes a key from it here, in this page.",
    facts: [
      "The password never leaves this page. The server gets a key that can only seal.",
      "Nobody can recover it for you. Without it, the backups stay closed.",
    ],
    password: "Password",
    passwordHint: (minimum: number) =>
      `At least ${minimum} characters. Four or five words picked at random are strong and can be written down.`,
    repeat: "Password again",
    different: "The two passwords differ.",
    tooShort: (minimum: number) => `At least ${minimum} characters, please.`,
    stored: "I have kept this password where I can find it without this machine",
    submit: "Use this password",
    working: "Making the key…",
    profileName: (when: string) => `Password of ${when}`,
  },

  password: { account: "Coffer backups", show: "Show the password", hide: "Hide the password" },

  progress: {
    phases: {
      waiting: "Waiting to start",
      hooks: "Running hooks",
      reading: "Reading the schema",
      rows: "Copying rows",
      files: "Copying files",
      finishing: "Writing the end of the archive",
      verifying: "Checking every stored byte",
      planning: "Comparing archive and target",
      loading: "Writing rows",
      proving: "Checking what was written",
      committing: "Making it final",
    } satisfies Record<Phase, string>,
    rows: (done: number, total: number) => (total > 0 ? `${number(done)} of ${rows(total)}` : rows(done)),
    bytes: (done: number, total: number) => (total > done ? `${bytes(done)} of ${bytes(total)}` : bytes(done)),
    cancel: "Cancel",
    cancelling: "Cancelling…",
  },

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
    taken: "Taken",
    database: "Database",
    writtenBy: "Written by",
    migration: "Migration",
    file: "Archive",
    readSoFar: (read: number, size: number) => `${bytes(read)} of ${bytes(size)} read so far`,
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
    set: "File set",
    noMatch: "No file has this in its path.",
    none: "There are no files in this archive.",
    save: (name: string) => `Save ${plain(name)}`,
    saving: "Reading and checking…",
    saved: (name: string) => `${plain(name)} was read, and its SHA-256 is the one that was archived.`,
    list: "Files",
    count: files,
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
      if (item.what === "table") return item.detail && plain(item.detail);
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

  restore: {
    title: "Restore",
    lead: (app: string, when: string) => `From the backup of ${plain(app)}, taken ${when}.`,
    needsArchive: "Open the archive first that you want to restore from.",
    needsSignIn: "Restoring needs a sign-in to the server that reaches the target database.",
    nothingYet: "Nothing changes until you confirm the plan.",
    chooseTitle: "Where to, and what",
    target: "Target",
    targetHint: "The database that will be changed.",
    what: "What to restore",
    everything: "Everything in the archive",
    some: "Only some of it",
    tables: "Tables",
    fileSets: "File sets",
    all: "All",
    none: "None",
    filter: "Filter tables",
    nothingSelected: "Select at least one table or file set.",
    makePlan: "Make the plan",
    planning: "Comparing the archive with the target…",
    planTitle: "The plan",
    planLead: (target: string) => `This is what a restore into ${plain(target)} does. Nothing has been changed yet.`,
    columns: { table: "Table", goes: "Rows that go", comes: "Rows that come" },
    fileColumns: { set: "File set", goes: "Files that go", comes: "Files that come" },
    totals: "All tables",
    findings: "To know",
    blocked: "Not possible like this",
    needsConsent: "Needs your consent",
    cannot: "This can’t be restored into this target. Nothing was changed. Choose another target, or other tables.",
    change: "Change the choice",
    consent: {
      replace_existing: "Replace what the target holds now",
      drop_columns: "Lose what the target has no columns for",
      discard_changes: "Lose what changed since the restore",
      no_safety_backup: "Take no safety backup",
    },
    keep: "Keep what is replaced",
    kept: "A safety backup is taken first and read back, so that this can be undone.",
    notKept: "No safety backup is taken: what is replaced can’t be brought back.",
    confirmTitle: "Confirm",
    confirmLead: (target: string) =>
      `The rows listed as going are deleted from ${plain(target)}, in one transaction with the new ones: all of it happens, or nothing.`,
    confirmField: (target: string) => `Type ${plain(target)} to confirm`,
    confirm: (target: string) => `Restore into ${plain(target)}`,
    uploading: "Sealing again and uploading",
    uploadingHint: "What you selected goes to the server under a key made for this one restore. Nothing is changed in the target yet.",
    waiting: "The connection broke. Trying again; nothing is lost.",
    applying: (target: string) => `Restoring into ${plain(target)}`,
    applyingHint: "All in one transaction. If it is cancelled or fails, everything stays as it was.",
    doneTitle: (target: string) => `${plain(target)} is restored`,
    doneLead: (total: number) => `${rows(total)} were written and checked inside the transaction before it was made final.`,
    cancelledTitle: "The restore was cancelled",
    cancelledLead: (target: string) => `Nothing was changed in ${plain(target)}.`,
    outdatedTitle: "The plan is out of date",
    outdatedDetail: "Archive or target have changed since it was made, so it was not carried out.",
    filesFailedTitle: "The rows are restored, but not all of the files",
    failedTitle: "The restore was undone",
    failedNext: (target: string) => `Nothing was changed in ${plain(target)}.`,
    lost: {
      title: "The connection was lost during the restore",
      detail: "The server goes on without this page. It either finishes the whole restore or undoes all of it; nothing half is left.",
      next: "When the server answers again, look at the application, or plan the restore anew to see what the target holds.",
    } satisfies ProblemText,
    wasKept: (keptRows: number, keptFiles: number) =>
      `What was there before is kept as a safety backup: ${rows(keptRows)} and ${files(keptFiles)}. ${onServer}`,
    dangling: (table: TableName, key: string, references: string, pointing: number) =>
      `${rows(pointing)} of ${tableName(table)} still point by ${plain(key)} at nothing in ${plain(references)}, as they did where they were backed up.`,
    wasNotKept: "No safety backup was taken, so this can’t be undone.",
    undo: "Undo this…",
    planAnew: "Plan anew",
    another: "Restore something else",
    toBackups: "To the backups",
  },

  /** An undo is a restore, and speaks like one but for these. */
  undo: {
    title: "Undo a restore",
    nothing: "Nothing of this source is kept that a restore replaced, so there is nothing to undo.",
    whichTitle: (source: string) => `Bring back ${plain(source)} as it was`,
    chooseLead: "Before a restore replaces anything, Coffer keeps what is there.",
    before: { restore: "Before a restore", undo: "Before an undo" },
    holds: (kept: { readonly tables: number; readonly rows: number; readonly files: number }) =>
      `${rows(kept.rows)} in ${count(kept.tables, "table", "tables")}, ${files(kept.files)}`,
    uncertain: "the restore was interrupted and may not have taken effect",
    planning: "Comparing with what is there now…",
    changed: ({ tables, file_sets: sets }: Changes) =>
      `Since the restore, this changed: ${[...tables.map(tableName), ...sets.map((set) => `the files of ${plain(set)}`)].join(", ")}.`,
    planLead: (target: string) => `This is what the undo does to ${plain(target)}. Nothing has been changed yet.`,
    confirm: (target: string) => `Undo the restore of ${plain(target)}`,
    applying: (target: string) => `Undoing the restore of ${plain(target)}`,
    doneTitle: (target: string) => `${plain(target)} is as it was before`,
    cancelledTitle: "The undo was cancelled",
    outdatedDetail: "The target has changed since the plan was made, so it was not carried out.",
    filesFailedTitle: "The rows are back, but not all of the files",
    failedTitle: "The undo did not happen",
    lost: {
      title: "The connection was lost during the undo",
      detail: "The server goes on without this page. It either finishes the whole undo or nothing of it; nothing half is left.",
      next: "When the server answers again, look at the application, or plan the undo anew to see what the target holds.",
    } satisfies ProblemText,
    another: "Undo something else",
  },

  finding(finding: Finding): string {
    switch (finding.code) {
      case "other_engine":
        return `The archive is of ${engines[finding.archive]}, the target is ${engines[finding.target]}.`;
      case "not_empty":
        return `The target is not empty: ${rows(finding.rows)} and ${files(finding.files)} would be replaced.`;
      case "drift":
        return `${tableName(finding.table)} ${outcomes[finding.outcome]}: ${finding.differences.map(differenceText).join("; ")}.`;
      case "not_needed":
        return `Nothing has to be decided about ${plain(finding.column)} of ${tableName(finding.table)}.`;
      case "migration_mismatch":
        return `The archive was taken at migration ${plain(finding.archive?.head ?? "none")}, the target is at ${plain(finding.target?.head ?? "none")}.`;
      case "referenced_from_outside":
        return `Tables that you did not select refer to selected ones and keep their rows: ${finding.references.map(referenceText).join(", ")}. If one of these would point at nothing, the restore is undone.`;
      case "references_outside":
        return `Selected tables refer to tables that you did not select: ${tableNames(finding.tables)}. The rows they need must be there already, or the restore is undone.`;
      case "signed_by":
        return `The archive was sealed and signed by ${plain(finding.sender)}.`;
      case "unsigned":
        return "Nobody signed this archive, and it is sealed to a public key: whoever knows that key may have made it. Go on only if you know where it comes from.";
      case "files_left_out":
        return `The archive was told to leave out files of ${plain(finding.set)} (${finding.patterns.map(plain).join(", ")}). Those that the folder holds now go, and do not come back.`;
      case "no_safety_backup":
        return "No safety backup is taken: what the restore replaces can’t be brought back.";
      case "placeholders":
        return `Credentials were left out of this archive: ${count(finding.columns, "column", "columns")} will hold placeholders, and new credentials have to be set.`;
      case "no_folder":
        return `The target has no folder for the file set ${plain(finding.set)}.`;
      case "other_secret":
        return `The target has another ${plain(finding.variable)} than the one that the archive depends on: the application won’t be able to read ${secretColumns(finding.columns)}. Start it with the ${plain(finding.variable)} of the source, or enter these values again.`;
      case "secret_not_compared":
        return `${secretColumns(finding.columns)} can be read only with the ${plain(finding.variable)} of the source, and nobody has compared it with the target’s.`;
      case "secret_needed":
        return `${secretColumns(finding.columns)} are in the archive without the application’s own secret, and have to be wrapped with the target’s ${plain(finding.variable)}, which the server doesn’t have.`;
      case "notice":
        return texts.notice(finding.notice);
    }
  },

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

  /** For answers of the server that need more than its own sentence. */
  server: {
    unreachable: {
      title: "The server does not answer",
      detail: "What this page just asked for may not have arrived there.",
      next: "See whether Coffer is still running, then try again.",
    },
    unexpected_answer: {
      title: "The server’s answer could not be understood",
      detail: "Something between this page and Coffer may have answered in its place.",
      next: "Reload the page. If it stays like this, look into Coffer’s log.",
    },
    not_signed_in: {
      title: "You are signed out",
      detail: "Nothing was changed.",
      next: "Sign in again.",
    },
    other: "The server could not do this",
  },

  unexpected: {
    title: "Something unexpected happened in this page",
    detail: "Nothing was changed by this page after that.",
    next: "Reload the page and try again.",
  } satisfies ProblemText,
};

/** How an archive is opened by a secret key, in short; section 3 of the format has every detail. */
function steps(holds: string, stanza: string, kem: string, encapsulated: number): readonly string[] {
  return [
    `The secret key is Bech32 (BIP 173) text with the prefix COFFER-SECRET-KEY-. It holds ${holds}.`,
    "The archive starts with a header: bytes 10 and 11 are its length in units of 4096, bytes 12 to 15 the length of the text that follows (all big-endian).",
    `In the text, find the line “-> ${stanza} FINGERPRINT ENCAPSULATED-KEY” with this key’s fingerprint. The encapsulated key is base64 without padding (${encapsulated} bytes); the lines below are the body, 48 bytes in base64.`,
    `The body is HPKE (RFC 9180, base mode) with ${kem}, KDF 0x0001 (HKDF-SHA256), AEAD 0x0002 (AES-256-GCM), info “coffer/v1/${stanza}”, no aad. It opens to the archive’s file key, 32 bytes.`,
    "Behind the header lies the content as c2sp.org/chunked-encryption describes it (AES-256-GCM, chunks of 16 KiB); its input key and context follow from the file key as section 3 says.",
    "What comes out is a ZIP with a manifest, tables as tab-separated text, and files.",
  ];
}

function referenceText({ table, columns, references, rows: referring }: Reference): string {
  return `${rows(referring)} of ${tableName(table)} by ${plain(columns.join(", "))} to ${tableName(references)}`;
}

const outcomes: Record<Outcome, string> = {
  fits: "fits",
  fits_with_default: "fits with the default",
  decided: "fits as decided",
  not_read_yet: "fits if its rows do",
  needs_decision: "needs a decision",
  impossible: "does not fit",
};

/** What becomes of the rows where a column's values have to fit into another one. */
function fitText({ outcome, rows: affected }: Difference): string {
  const which = affected === undefined ? "rows" : rows(affected);
  switch (outcome) {
    case "fits":
    case "fits_with_default":
      return ", and every row fits";
    case "decided":
      return `, and in ${which} another value takes the place of one that does not fit, as decided`;
    case "not_read_yet":
      return "; whether its rows fit is looked at before anything is changed";
    case "needs_decision":
      return `, and of ${which} the value does not fit. The command line takes a value to put in its place (coffer restore --fill)`;
    case "impossible":
      return ", and its values cannot become values of that";
  }
}

function lossText({ outcome, rows: affected }: Difference): string {
  const which = affected === undefined ? "rows" : rows(affected);
  if (outcome === "fits") return ", and no row holds a value in it";
  if (outcome === "impossible") return ", nor any other column of the archive’s table";
  return outcome === "decided" ? `, and what ${which} hold in it is lost, as decided` : `, and what ${which} hold in it would be lost`;
}

function differenceText(difference: Difference): string {
  switch (difference.kind) {
    case "table_missing":
      return "the target does not have it";
    case "table_added":
      return "the archive does not know it, so it stays as it is";
    case "keys_changed":
      return "its keys differ, and rows that violate them undo the restore";
    case "column_missing":
      return `the target has no column ${plain(difference.column)}${lossText(difference)}`;
    case "column_computed":
      return `the target computes the column ${plain(difference.column)} itself${lossText(difference)}`;
    case "column_added": {
      const { value } = difference;
      const takes =
        typeof value === "object"
          ? `takes its default ${plain(value.default)}`
          : {
              missing: "needs a value and has no default",
              null: "stays empty",
              number: "takes the next numbers",
              computed: "the target computes",
            }[value];
      return `the archive does not hold the column ${plain(difference.column)}, which ${takes}`;
    }
    case "column_changed":
      return `the column ${plain(difference.column)} is ${plain(difference.archive)} in the archive, ${plain(difference.target)} in the target${fitText(difference)}`;
    case "labels_missing":
      return `the target’s ${plain(difference.type)} lacks labels that the column ${plain(difference.column)} has in the archive${fitText(difference)}`;
  }
}
