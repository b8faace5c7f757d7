/** A read of a file ends also if the browser collects garbage meanwhile, and only those who wait know what is being read. */
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { buildPage, servePage } from "../page/serve.mjs";

const built = fileURLToPath(new URL("../../wasm/dist", import.meta.url));

test("files are read to their ends while garbage is collected", async ({ playwright, launchOptions }) => {
  await buildPage();
  const served = await servePage({ package: built });
  const browser = await playwright.chromium.launch({
    ...launchOptions,
    args: [...(launchOptions.args ?? []), "--js-flags=--expose-gc"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(served.origin);
    const outcomes = await page.evaluate(async () => {
      const { BlobReader } = await import(/* @vite-ignore */ `${location.origin}/package/blob-reader.js`);
      const collect = (globalThis as unknown as { gc(): void }).gc;
      const slab = 4 << 20;

      const read = async (reader: InstanceType<typeof BlobReader>, size: number) => {
        const slabs = [];
        for (let start = 0; start < size; start += slab) slabs.push(reader.read(start, Math.min(start + slab, size), 16));
        let bytes = 0;
        for (const slab of slabs) bytes += (await slab).length;
        return bytes;
      };

      const outcomes = new Set<number | string>();
      for (let run = 0; run < 20 && !outcomes.has("waiting"); run += 1) {
        const size = (9 << 20) + run;
        // Nobody but the read itself knows the reader.
        const reading = read(new BlobReader(new Blob([new Uint8Array(size)])), size).then((bytes) => {
          outcomes.add(bytes - size);
        });
        const collecting = setInterval(collect, 1);
        let limit: ReturnType<typeof setTimeout> | undefined;
        const waiting = new Promise<void>((resolve) => {
          limit = setTimeout(() => {
            outcomes.add("waiting");
            resolve();
          }, 30_000);
        });
        await Promise.race([reading, waiting]);
        clearTimeout(limit);
        clearInterval(collecting);
      }
      return [...outcomes];
    });
    expect(outcomes).toEqual([0]);
  } finally {
    await browser.close();
    await served.stop();
  }
});
