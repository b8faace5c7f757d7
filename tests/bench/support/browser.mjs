// Chromium with the page of tests/page, for measurements.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { buildPage, servePage } from "../../page/serve.mjs";

/**
 * Opens the page, gives it to `use`, and closes everything.
 *
 * @template T
 * @param {{ rivals?: boolean, files?: string[] }} options files that the page's file field holds
 * @param {(page: import("@playwright/test").Page, context: import("@playwright/test").BrowserContext) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function inPage({ rivals = false, files = [] }, use) {
  await buildPage();
  const { origin, stop } = await servePage();
  // A profile on the disk, where the page's own files lie then. In memory they would compete with Blobs for 500 MiB.
  const profile = mkdtempSync(join(tmpdir(), "coffer-profile-"));
  let context;
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.COFFER_CHROMIUM,
      // Chromium refuses its sandbox to root. The pages are our own.
      args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "--disable-gpu", "--enable-precise-memory-info"],
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`the page had a fault: ${error.message}`));
    await page.goto(`${origin}/${rivals ? "?rivals" : ""}`);
    await page.waitForSelector("html[data-ready]");
    await page.locator("#files").setInputFiles(files);
    return await use(page, context);
  } finally {
    await context?.close();
    await stop();
    rmSync(profile, { recursive: true, force: true });
  }
}
