/** A worker that does batches of chunks and nothing else. */
import { type Job, load, Unread, work } from "./aes.js";

/** What a lane answers: what became of the batch, or why nothing did. */
export type Answer =
  | { readonly worked: Awaited<ReturnType<typeof work>> }
  | { readonly failure: string /** The file could not be read. */; readonly unread: boolean };

/** Ends when all that was asked before is answered: answers come in the order of the questions. */
let before = Promise.resolve();

async function answer(job: Job, loading: Promise<Uint8Array<ArrayBuffer>>): Promise<void> {
  try {
    const worked = await work(job, await loading);
    const transfer = [worked.bytes, worked.rest, worked.head, worked.digests, worked.tail].map(({ buffer }) => buffer as ArrayBuffer);
    postMessage({ worked } satisfies Answer, { transfer });
  } catch (thrown) {
    postMessage({ failure: String(thrown), unread: thrown instanceof Unread } satisfies Answer);
  }
}

addEventListener("message", ({ data }: MessageEvent<Job>) => {
  // Read while the batch before is being worked on.
  const loading = load(data.bytes);
  loading.catch(() => undefined);
  before = before.then(() => answer(data, loading));
});
