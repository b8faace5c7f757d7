/** Saving a file out of an archive to the user's disk. */
import type { ArchiveFile } from "@coffer/archive";

/** Files above this size, in bytes, go to the disk as they are read, where the browser can do that. */
const streamAbove = 64_000_000;

interface SavePicker {
  showSaveFilePicker(options: { suggestedName: string }): Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }>;
}

const canStream = (scope: object): scope is SavePicker => "showSaveFilePicker" in scope;

/**
 * Saves the file, and resolves once its SHA-256 was found right. A file that turns out wrong is not left behind: the
 * browser keeps streamed bytes in a temporary file until the stream ends well.
 */
export async function save(file: ArchiveFile, name: string): Promise<void> {
  if (file.size > streamAbove && canStream(window)) {
    const target = await window.showSaveFilePicker({ suggestedName: name });
    await file.stream().pipeTo(await target.createWritable());
    return;
  }
  offer(await file.blob(), name);
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
