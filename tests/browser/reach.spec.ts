// The app for everybody: on a phone, without a pointer, in the dark.
import { focusedName, tabTo } from "./support/keyboard";
import { demo, expect, test } from "./support/test";

const password = "vier Worte sind genug";

test("on a phone, opening and looking inside fits the screen", async ({ app, page, server }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await fits();
  await page.getByRole("link", { name: "Open", exact: true }).first().click();
  await app.unlock(password);
  await app.previewed();
  for (const name of ["Files", "Left out", "Tables"]) {
    await app.tab(name).click();
    await fits();
  }
  await page.getByRole("button", { name: "tickets", exact: true }).click();
  await expect(page.getByText(/^Rows 1 to 50/)).toBeVisible();
  await fits();
  await page.keyboard.press("Escape");
  await app.plan();
  await fits();

  /** Nothing makes the page itself scroll sideways. */
  async function fits() {
    const [inner, scroll] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth]);
    expect(scroll).toBeLessThanOrEqual(inner ?? 0);
  }
});

test("opening and looking inside works with the keyboard alone", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await page.reload();
  await expect(page.getByRole("heading", { name: "Stored backups" })).toBeVisible();

  await tabTo(page, /^Open$/);
  await page.keyboard.press("Enter");
  await expect(app.passwordField).toBeFocused();
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await app.previewed();

  await tabTo(page, /^Tables/);
  await page.keyboard.press("ArrowRight");
  await expect(app.tab("Files")).toBeFocused();
  await expect(app.tab("Files")).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("ArrowLeft");
  await tabTo(page, /^customers$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toContainText("Rows 1 to 41 of 41");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(await focusedName(page), "the focus is back where it was").toMatch(/^customers$/);
});

test("the first page is small", async ({ app, page, wire }) => {
  await page.goto(app.origin);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  const { gzipSync } = await import("node:zlib");
  let total = 0;
  for (const { url } of wire.exchanges.filter(({ url }) => /\.(js|css)$/.test(url))) {
    const text = await (await fetch(`${app.origin}${url}`)).arrayBuffer();
    total += gzipSync(Buffer.from(text)).length;
  }
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThanOrEqual(150_000);
});
