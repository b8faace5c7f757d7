/** A worker that does batches of chunks and digests, and nothing else. */
import { type Batch, type Unhashed, work } from "./aes.js";

export type Job = Batch | Unhashed;

export interface Digested {
  readonly digest: ArrayBuffer;
  /** The memory in which the bytes lay. */
  readonly spare: ArrayBuffer;
}

/** What became of a batch or of bytes. */
export type Done = Awaited<ReturnType<typeof work>> | Digested;

/** What a lane answers: what it made, or why it could not. */
export type Answer = { readonly done: Done } | { readonly failure: string };

/** Ends when all that was asked before is answered: answers come in the order of the questions. */
let before = Promise.resolve();

async function answer(job: Job): Promise<void> {
  try {
    if (job.kind === "digest") {
      const spare = job.bytes.buffer;
      const done = { digest: await crypto.subtle.digest("SHA-256", job.bytes), spare };
      postMessage({ done } satisfies Answer, { transfer: [spare] });
      return;
    }
    const done = await work(job);
    const transfer = [done.bytes, done.rest, done.head, done.digests, done.tail].map(({ buffer }) => buffer as ArrayBuffer);
    postMessage({ done } satisfies Answer, { transfer });
  } catch (thrown) {
    postMessage({ failure: String(thrown) } satisfies Answer);
  }
}

addEventListener("message", ({ data }: MessageEvent<Job>) => {
  before = before.then(() => answer(data));
});
