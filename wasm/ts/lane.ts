/** A worker that does batches of chunks and nothing else. */
import { type Job, work } from "./aes.js";

/** What a lane answers: what became of the batch, or why nothing did. */
export type Answer = { readonly worked: Awaited<ReturnType<typeof work>> } | { readonly failure: string };

/** Ends when all that was asked before is answered: answers come in the order of the questions. */
let before = Promise.resolve();

async function answer(job: Job): Promise<void> {
  try {
    const worked = await work(job);
    const transfer = [worked.bytes, worked.head, worked.digests, worked.tail].map(({ buffer }) => buffer as ArrayBuffer);
    postMessage({ worked } satisfies Answer, { transfer });
  } catch (thrown) {
    postMessage({ failure: String(thrown) } satisfies Answer);
  }
}

addEventListener("message", ({ data }: MessageEvent<Job>) => {
  before = before.then(() => answer(data));
});
