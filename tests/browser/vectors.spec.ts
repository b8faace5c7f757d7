/** Every vector in Chromium: a test named after each file, which reads it by WebAssembly and by WebCrypto in several ways. */
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { servePage } from "../page/serve.mjs";
import { expected, names, readVector } from "./support/vectors";

const top = join(import.meta.dirname, "..", "..");

interface ReaderPage {
  readVector(vector: { sealed: string; kind: string; value: string }): Promise<Record<string, string>>;
}

test.describe("vectors", () => {
  // One page for all: what a vector does to it, the next one would show.
  let page: Page;
  let stop: () => Promise<void>;

  test.beforeAll(async ({ browser }) => {
    const served = await servePage({
      page: join(top, "tests", "page"),
      dist: join(top, "wasm", "dist"),
      generated: join(top, "wasm", "generated"),
      module: join(top, "target", "vectors-module"),
    });
    stop = served.stop;
    page = await browser.newPage();
    const fault = new Promise<never>((_, reject) => page.on("pageerror", reject));
    await page.goto(`${served.origin}/page/vectors.html`);
    await Promise.race([page.waitForSelector("html[data-ready]", { state: "attached" }), fault]);
  });

  test.afterAll(async () => {
    await page?.close();
    await stop?.();
  });

  test("there are many", () => expect(names.length).toBeGreaterThanOrEqual(80));

  for (const name of names)
    test(name, async () => {
      const vector = readVector(name);
      const { sealed, kind, value } = vector;
      const found = await page.evaluate((given) => (globalThis as unknown as ReaderPage).readVector(given), {
        sealed: sealed.toString("base64"),
        kind,
        value,
      });
      expect(found).toEqual(expected(name, vector));
    });
});
