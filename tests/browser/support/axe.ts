/** Whether a page can be used by everybody, as far as a program can see: axe-core, with the rules of WCAG 2.2 AA and good practice. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, type Page } from "@playwright/test";
import type { AxeResults } from "axe-core";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Expects that axe finds nothing. What it finds is told by rule and place. */
export async function expectAccessible(page: Page): Promise<void> {
  // By the debugger, which the page's content security policy does not concern.
  await page.evaluate(source);
  const found = await page.evaluate(async (runOnly) => {
    const { axe } = window as unknown as { axe: { run: (where: Document, options: object) => Promise<AxeResults> } };
    const { violations } = await axe.run(document, { runOnly });
    return violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
  }, tags);
  expect(found, page.url()).toEqual([]);
}

/** Expects that nothing makes the page itself scroll sideways. */
export async function expectFits(page: Page): Promise<void> {
  const [inner, scroll] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth]);
  expect(scroll, page.url()).toBeLessThanOrEqual(inner ?? 0);
}
