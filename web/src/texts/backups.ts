/** Words about sources and the backups that are stored: taking them, uploading them, and the password for them. */
import type { Backup, Copy } from "../lib/api";
import { bytes } from "../lib/format";
import { plain } from "../lib/visible";

export const backupTexts = {
  home: {
    title: "Backups",
    sources: "Sources",
    noSources: "No source yet",
    noSourcesLead: "A source is a database, and the folders that belong to it, that this server can reach.",
    addSource: "Add a source",
    lastVerified: "Last verified backup",
    nextRun: "Next run",
    noNextRun: "None planned",
    planIt: "Make a job",
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
      unverified: "Not verified",
      damaged: "Damaged",
    } satisfies Record<Backup["state"], string>,
    stateHelp: ({ state, origin }: Pick<Backup, "state" | "origin">) =>
      state === "damaged"
        ? "What is stored is not what was written. Do not rely on it; take another backup."
        : state === "unverified"
          ? "It was found in a destination, and nobody here can say that it is whole. Only who can open it can check it."
          : origin === "uploaded"
            ? "Every stored byte is what its own table says. Only who can open it can check what is inside."
            : "Read again from where it is stored, and found complete.",
    filter: "Filter backups",
    noMatch: "No backup has this in the name of its source or archive.",
    copies: "Copies",
    copyStates: {
      storing: "being written",
      verified: "verified",
      unverified: "found, not verified",
      damaged: "damaged, seen",
    } satisfies Record<Copy["state"], string>,
    somewhere: "a destination that was removed",
    locked: "Locked",
    lockedHelp: "No rule removes it until it is unlocked.",
    lock: "Lock: no rule removes it",
    unlock: "Unlock: rules apply to it again",
    whole: "Whole",
    uploaded: (by: string | null) => (by === null ? "Uploaded" : `Uploaded by ${plain(by)}`),
    adopted: "Found in a destination",
    upload: "Seal and upload…",
    scrub: "Check the stored bytes",
    scrubbing: "Reading…",
    scrubbed: ({ name, state }: Pick<Backup, "name" | "state">) =>
      state === "verified"
        ? `Every stored byte of ${plain(name)} was read, and is what was stored.`
        : `${plain(name)} is damaged: its stored bytes are not what was stored. Do not rely on it.`,
    open: "Open",
    restore: "Restore…",
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
};
