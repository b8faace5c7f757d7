/** The npm package: sealing and unsealing, by WebCrypto and by the module, and that both find the same. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { buildPage, servePage } from "../page/serve.mjs";
import { backup, unseal } from "./support/cli";
import { execute } from "./support/python";

type Coffer = typeof import("@coffer/archive");
type Crypto = "webcrypto" | "wasm";

declare global {
  var coffer: Coffer;
}

const password = "zwei Wege, ein Ergebnis";
const kinds: readonly Crypto[] = ["webcrypto", "wasm"];

test.describe("the npm package", () => {
  let page: Page;
  let stop: () => Promise<void>;

  test.beforeAll(async ({ browser }) => {
    await buildPage();
    const served = await servePage();
    stop = served.stop;
    page = await browser.newPage();
    await page.goto(served.origin);
    await page.waitForSelector("html[data-ready]", { state: "attached" });
  });

  test.afterAll(async () => {
    await page?.close();
    await stop?.();
  });

  /** Puts a file into the page's file field, where the scripts below find it. */
  const pick = (name: string, bytes: Buffer) =>
    page.locator("#files").setInputFiles({ name, mimeType: "application/octet-stream", buffer: bytes });

  test("what one seals the other opens, of any length, from a file and from a stream", async () => {
    // 36 passwords are tried, each at the full cost: a machine that is busy with something else takes its time.
    test.setTimeout(300_000);
    const found = await page.evaluate(
      async ({ password, kinds }) => {
        const digest = async (blob: Blob) => new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())).join();
        const noise = crypto.getRandomValues(new Uint8Array(65_536));
        const wrong: string[] = [];
        let runs = 0;
        // Work that never ends says where it stands, which a test's own time limit would not.
        let at = "";
        const stuck = new Promise<string>((resolve) => setTimeout(() => resolve(`nothing came of it for a long time: ${at}`), 240_000));
        const work = async () => {
          for (const length of [0, 1, 16_384, (4 << 20) - 1, 4 << 20, (13 << 20) + 77]) {
            const plain = new Blob([new Blob(Array.from({ length: 1 + length / noise.length }, () => noise)).slice(0, length)]);
            const expected = await digest(plain);
            for (const sealing of kinds)
              for (const source of [plain, plain.stream()]) {
                const way = `${length} bytes, ${sealing}, from a ${source instanceof Blob ? "file" : "stream"}`;
                at = `${way}: sealing`;
                let pieces = 0;
                const onProgress = (done: number) => {
                  pieces += 1;
                  at = `${way}: sealing, ${done} bytes in ${pieces} pieces`;
                };
                const sealed = await coffer.seal(source, { passwords: [password], crypto: sealing, onProgress }).blob();
                for (const opening of kinds) {
                  at = `${way}, to ${opening}: opening`;
                  const archive = await coffer.openArchive(sealed, { crypto: opening });
                  at = `${way}, to ${opening}: unlocking`;
                  await archive.unlock(password);
                  at = `${way}, to ${opening}: unsealing`;
                  const opened = await archive.unseal({
                    onProgress: (done) => {
                      at = `${way}, to ${opening}: unsealing, ${done} bytes`;
                    },
                  });
                  runs += 1;
                  if (opened.size !== length || (await digest(await opened.blob())) !== expected) wrong.push(`${way} to ${opening}`);
                  archive.close();
                }
              }
          }
          return { wrong, runs };
        };
        return Promise.race([work(), stuck]);
      },
      { password, kinds },
    );
    expect(found).toEqual({ wrong: [], runs: 48 });
  });

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a test needs from its pattern
  test("what the page seals, the command line opens", async ({}, info) => {
    const folder = info.outputPath("sealed");
    mkdirSync(folder, { recursive: true });
    const database = join(folder, "app.sqlite");
    execute(database, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL); INSERT INTO notes VALUES (1, 'one');");
    mkdirSync(join(folder, "uploads"));
    writeFileSync(join(folder, "uploads", "noise.bin"), randomBytes(5_000_000));
    const plain = join(folder, "plain.zip");
    backup({ database, out: plain, files: { uploads: join(folder, "uploads") } });
    const content = readFileSync(plain);
    await pick("plain.zip", content);
    for (const kind of kinds) {
      const base64 = await page.evaluate(
        async ({ password, kind }) => {
          const file = document.querySelector<HTMLInputElement>("#files")?.files?.[0];
          if (!file) throw new Error("no file");
          const bytes = new Uint8Array(await (await coffer.seal(file, { passwords: [password], crypto: kind }).blob()).arrayBuffer());
          let text = "";
          for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
          return btoa(text);
        },
        { password, kind },
      );
      const sealed = join(folder, `${kind}.coffer`);
      writeFileSync(sealed, Buffer.from(base64, "base64"));
      const out = join(folder, `${kind}.bin`);
      unseal({ file: sealed, out, password });
      expect(readFileSync(out).equals(content)).toBe(true);
    }
  });

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a test needs from its pattern
  test("a check finds the same by WebCrypto and by the module, whatever is damaged", async ({}, info) => {
    test.setTimeout(300_000);
    const folder = info.outputPath("source");
    mkdirSync(join(folder, "files"), { recursive: true });
    const database = join(folder, "app.sqlite");
    execute(
      database,
      "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);" +
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO notes SELECT i, hex(randomblob(40)) FROM n;",
    );
    for (const [name, size] of [
      ["small.bin", 300],
      ["middle.bin", 40_000],
      ["large.bin", 5_000_000],
    ] as const)
      writeFileSync(join(folder, "files", name), Buffer.alloc(size, name));
    const sealedAt = join(folder, "archive.coffer");
    backup({ database, out: sealedAt, password, files: { uploads: join(folder, "files") } });
    const sealed = readFileSync(sealedAt);
    await pick("archive.coffer", sealed);

    const found = await page.evaluate(
      async ({ password, kinds }) => {
        const file = document.querySelector<HTMLInputElement>("#files")?.files?.[0];
        if (!file) throw new Error("no file");
        const check = async (source: Blob, kind: "webcrypto" | "wasm") => {
          let archive: Awaited<ReturnType<typeof coffer.openArchive>> | undefined;
          try {
            archive = await coffer.openArchive(source, { crypto: kind });
            await archive.unlock(password);
            return { result: await archive.verify() };
          } catch (thrown) {
            if (!(thrown instanceof coffer.ArchiveFailure)) throw thrown;
            return { failure: thrown.reason };
          } finally {
            archive?.close();
          }
        };
        const flipped = async (at: number) => {
          const byte = new Uint8Array(await file.slice(at, at + 1).arrayBuffer());
          return new Blob([file.slice(0, at), byte.map((value) => value ^ 1), file.slice(at + 1)]);
        };
        const outcomes: { at: number; found: unknown[] }[] = [{ at: -1, found: await Promise.all(kinds.map((kind) => check(file, kind))) }];
        const places = Array.from({ length: 12 }, (_, index) => 5000 + Math.floor(((file.size - 6000) * index) / 12));
        // The payload's commitment, the scrub table and the footer too.
        for (const at of [...places, 4096 + 30, file.size - 80, file.size - 71]) {
          const damaged = await flipped(at);
          outcomes.push({ at, found: await Promise.all(kinds.map((kind) => check(damaged, kind))) });
        }
        return outcomes;
      },
      { password, kinds },
    );
    const codes = new Set<string>();
    for (const { at, found: both } of found) {
      expect(both[0], `byte ${at}`).toEqual(both[1]);
      const { failure, result } = both[0] as { failure?: { code: string }; result?: { entries: number } };
      if (at < 0) expect(result?.entries).toBe(6);
      else codes.add(failure?.code ?? "nothing was found");
    }
    expect([...codes].sort()).toEqual(["chunk_damaged", "commitment_mismatch", "footer_malformed", "scrub_table_damaged"].sort());
  });

  test("sealing can be given up, says how far it is, and wants a way in", async () => {
    const found = await page.evaluate(
      async ({ password, kinds }) => {
        const outcome = async (work: () => Promise<unknown>) => {
          try {
            await work();
            return "done";
          } catch (thrown) {
            return thrown instanceof coffer.ArchiveFailure ? thrown.code : String(thrown);
          }
        };
        const outcomes: Record<string, unknown> = {};
        for (const crypto of kinds) {
          outcomes[`${crypto}: nobody`] = await outcome(() => coffer.seal(new Blob(["x"]), { crypto }).blob());
          outcomes[`${crypto}: no key`] = await outcome(() => coffer.seal(new Blob(["x"]), { recipients: ["coffer1x"], crypto }).blob());

          const given = new AbortController();
          let cancelled = false;
          // One slab, and then silence: only giving it up ends this.
          const silent = new ReadableStream<Uint8Array>({
            start: (controller) => controller.enqueue(new Uint8Array(5 << 20)),
            cancel: () => {
              cancelled = true;
            },
          });
          const sealing = outcome(() => coffer.seal(silent, { passwords: [password], crypto, signal: given.signal }).blob());
          setTimeout(() => given.abort(), 300);
          outcomes[`${crypto}: given up`] = await sealing;
          outcomes[`${crypto}: told the source`] = cancelled;

          const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new RangeError("broken source")) });
          outcomes[`${crypto}: broken source`] = await outcome(() => coffer.seal(broken, { passwords: [password], crypto }).blob());

          const steps: number[] = [];
          const content = new Blob([new Uint8Array(9 << 20)]);
          await coffer.seal(content, { passwords: [password], crypto, onProgress: (done) => steps.push(done) }).blob();
          outcomes[`${crypto}: progress`] = steps;
        }
        return outcomes;
      },
      { password, kinds },
    );
    for (const kind of kinds) {
      expect(found[`${kind}: nobody`]).toBe("no_way_in");
      expect(found[`${kind}: no key`]).toBe("key_malformed");
      expect(found[`${kind}: given up`]).toBe("cancelled");
      expect(found[`${kind}: told the source`]).toBe(true);
      expect(found[`${kind}: broken source`]).toBe("RangeError: broken source");
      expect(found[`${kind}: progress`]).toEqual([4 << 20, 8 << 20, 9 << 20]);
    }
  });
});
