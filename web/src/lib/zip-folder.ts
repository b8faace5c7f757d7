/** Many files out of an archive as one ZIP, made as it is taken. */
import type { ArchiveHandle, FileEntry } from "@coffer/archive";
import { makeZip } from "client-zip";
import type { Making } from "./save-job.svelte";

/**
 * The ZIP of some files, under their paths without what they all begin with. Each file's SHA-256 is compared: if one differs,
 * the ZIP fails.
 */
export function zipOf(handle: ArchiveHandle, files: readonly FileEntry[], shared: number, { signal, onProgress }: Making) {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  async function* entries() {
    for (const { set, path, mtime, size } of files) {
      signal.throwIfAborted();
      const file = await handle.file(set, path);
      const input = file.stream().pipeThrough(
        new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(piece, controller) {
            signal.throwIfAborted();
            done += piece.length;
            onProgress(done, total);
            controller.enqueue(piece);
          },
        }),
      );
      yield { name: `${set}/${path}`.slice(shared), lastModified: new Date(mtime * 1000), size, input };
    }
  }
  const zip = makeZip(entries(), { buffersAreUTF8: true }) as ReadableStream<Uint8Array<ArrayBuffer>>;
  return { stream: () => zip, blob: () => new Response(zip).blob() };
}
