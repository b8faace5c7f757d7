/** The archive that is open in this page: one at a time, and only in memory. */
import { ArchiveFailure, type ArchiveHandle, type FileEntry, type Manifest, type Overview, openArchive } from "@coffer/archive";
import { api, type Backup, type Id } from "./api";

/** The content was read well, and is something else. */
const isNoArchive = (thrown: unknown) =>
  thrown instanceof ArchiveFailure && (thrown.code === "not_a_zip" || thrown.code === "not_an_archive");

export class Opened {
  /** Present once it is readable. */
  manifest = $state.raw<Manifest>();
  /** Instead of the manifest, of an archive that another product made. */
  overview = $state.raw<Overview>();
  /** Instead of either, of a sealed file whose content is no archive. */
  other = $state(false);
  /** Present a moment after the manifest. */
  files = $state.raw<readonly FileEntry[]>();
  bytesRead = $state(0);
  /** Nobody signed it, and whoever knows a public key may have made it. */
  anybody = $state(false);

  constructor(
    readonly handle: ArchiveHandle,
    readonly name: string,
    /** The file itself, or its address. */
    readonly source: Blob | string,
    /** Which of the server's backups it is. */
    readonly backup?: Id,
  ) {}

  get fileSets() {
    return this.manifest?.file_sets ?? [];
  }

  async unlock(password: string): Promise<void> {
    await this.handle.unlock(password);
    await this.load();
  }

  /** With the text of a key file, and its password if it is locked. */
  async unlockWithKey(file: string | Uint8Array, password?: string): Promise<void> {
    await this.handle.unlockWithKey(file, password);
    await this.load();
  }

  async load(): Promise<void> {
    if (this.handle.foreign) {
      this.overview = await this.handle.survey();
      this.bytesRead = await this.handle.bytesRead();
      return;
    }
    this.anybody = this.handle.sealed && (await this.handle.madeByAnybody());
    try {
      this.manifest = await this.handle.manifest();
    } catch (thrown) {
      if (!this.handle.sealed || !isNoArchive(thrown)) throw thrown;
      this.other = true;
    }
    this.bytesRead = await this.handle.bytesRead();
  }

  async loadFiles(): Promise<void> {
    this.files ??= this.fileSets.length > 0 ? await this.handle.files() : [];
    this.bytesRead = await this.handle.bytesRead();
  }
}

let current = $state.raw<Opened>();
/** Counts what was asked for, opening or closing. The last one wins, whichever is quicker. */
let asked = 0;

async function open(source: Blob | string, name: string, { backup, sidecar }: { backup?: Id; sidecar?: Blob | undefined }): Promise<void> {
  close();
  const mine = asked;
  const opened = new Opened(await openArchive(source, sidecar ? { sidecar } : {}), name, source, backup);
  try {
    if (!opened.handle.sealed) await opened.load();
    if (mine !== asked) throw new DOMException("Another archive was opened, or this one was closed.", "AbortError");
  } catch (failure) {
    opened.handle.close();
    throw failure;
  }
  current = opened;
}

function close(): void {
  asked += 1;
  current?.handle.close();
  current = undefined;
}

export const opened = {
  get current(): Opened | undefined {
    return current;
  },
  openFile: (file: File, sidecar?: File) => open(file, file.name, { sidecar }),
  openBackup: (backup: Backup) => open(api.archiveAddress(backup.id), backup.name, { backup: backup.id }),
  close,
};
