/** Using a page with the keyboard alone. */
import { expect, type Page } from "@playwright/test";

/** Presses of a key after which what is looked for is not there. */
const limit = 120;

/** What has the focus, by its label, or else by its text. */
export const focusedName = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const focused = document.activeElement;
    const labels = focused instanceof HTMLInputElement || focused instanceof HTMLSelectElement ? focused.labels : null;
    return (focused?.getAttribute("aria-label") ?? labels?.[0]?.textContent ?? focused?.textContent ?? "").trim();
  });

/** Presses Tab until what is wanted has the focus, and checks that the focus can be seen there. */
export async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < limit; presses += 1) {
    await page.keyboard.press("Tab");
    if (!name.test(await focusedName(page))) continue;
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
    expect(outline).not.toBe("none");
    return;
  }
  throw new Error(`Tab never reached ${name}`);
}
