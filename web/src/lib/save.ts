/**
 * Saving to the user's disk, in whatever way the browser has: a file that the user picks, which is written as the bytes
 * come; else the browser's own file system, from which it becomes a download when it is whole; else memory.
 */
import type { ArchiveFile, ByteStream } from "@coffer/archive";

/** What is larger, in bytes, goes to a disk as it comes, where the browser can do that. */
const streamAbove = 64_000_000;
/** Folder of the browser's own file system. */
const folderName = "coffer-saving";

interface SavePicker {
  showSaveFilePicker(options: { suggestedName: string }): Promise<PickedFile>;
}

interface PickedFile extends FileSystemFileHandle {
  remove?(): Promise<void>;
}

const hasPicker = (scope: object): scope is SavePicker => "showSaveFilePicker" in scope;

/** What can be saved: all of it at once, or as it comes. */
export type Savable = Pick<ByteStream, "stream" | "blob">;

/** Where something will be saved. */
export interface Place {
  /** Writes all of it. What fails on the way is not left behind. */
  write(content: Savable): Promise<void>;
}

/**
 * Finds a place for about so many bytes. To be called in answer to a click, before anything else is waited for: browsers
 * let nobody ask for a file later. Rejects with an `AbortError` if the user picks none.
 */
export async function placeFor(name: string, size: number): Promise<Place> {
  if (size <= streamAbove) return memory(name);
  if (hasPicker(window)) return picked(await window.showSaveFilePicker({ suggestedName: name }));
  return (await ownDisk(name)) ?? memory(name);
}

/** Saves a file out of an archive, and resolves once its SHA-256 was found right. */
export async function save(file: ArchiveFile, name: string): Promise<void> {
  await (await placeFor(name, file.size)).write(file);
}

/** Gives something that is made already to the browser to save. */
export function offer(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun by then; the address must only live until it is resolved.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const memory = (name: string): Place => ({
  async write(content) {
    offer(await content.blob(), name);
  },
});

function picked(file: PickedFile): Place {
  return {
    async write(content) {
      try {
        // Until the stream ends well, its bytes are in a temporary file of the browser's.
        await content.stream().pipeTo(await file.createWritable());
      } catch (failure) {
        // A new file is there as soon as it was picked; one that was to be replaced is as it was.
        const { size } = await file.getFile().catch(() => ({ size: 1 }));
        if (size === 0) await file.remove?.().catch(() => undefined);
        throw failure;
      }
    },
  };
}

/** The browser's own file system; `undefined` where there is none, as in private windows and in pages from a disk. */
async function ownDisk(name: string): Promise<Place | undefined> {
  if (!("FileSystemFileHandle" in window && "createWritable" in FileSystemFileHandle.prototype)) return undefined;
  let folder: FileSystemDirectoryHandle;
  try {
    const root = await navigator.storage.getDirectory();
    folder = await root.getDirectoryHandle(folderName, { create: true });
    await sweep(folder);
  } catch {
    return undefined;
  }
  return {
    async write(content) {
      const own = crypto.randomUUID();
      hold(own);
      const file = await folder.getFileHandle(own, { create: true });
      try {
        await content.stream().pipeTo(await file.createWritable());
      } catch (failure) {
        await folder.removeEntry(own).catch(() => undefined);
        throw failure;
      }
      // The browser copies it from there, and says nothing of when it has: it goes with the next one, or the next visit.
      offer(await file.getFile(), name);
    },
  };
}

/** Says to other pages of this site, as long as this one lives, that the file is still in use. */
function hold(own: string): void {
  void navigator.locks.request(`${folderName}/${own}`, () => new Promise<never>(() => undefined));
}

/** Removes what pages have left that are closed. */
async function sweep(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys())
    await navigator.locks.request(`${folderName}/${name}`, { ifAvailable: true }, async (lock) => {
      if (lock) await folder.removeEntry(name).catch(() => undefined);
    });
}

/** Removes what earlier visits have left in the browser's own file system. */
export async function sweepSaved(): Promise<void> {
  try {
    await sweep(await (await navigator.storage.getDirectory()).getDirectoryHandle(folderName));
  } catch {
    // There is none.
  }
}
