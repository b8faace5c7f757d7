// Other files made of an open archive: under other passwords and keys, and without its credentials.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "@playwright/test";
import { App } from "./support/app";
import { expectAccessible, expectFits } from "./support/axe";
import { noise } from "./support/cli";
import { environment } from "./support/environment";
import { demo, expect, test } from "./support/test";

const password = "das alte Schloss";
const other = "ein ganz neues Schloss am Tor";

const dialog = (page: Page) => page.getByRole("dialog");

/** Runs the command line with a password in its environment. */
function coffer(typed: string, ...args: string[]): string {
  const env = { ...process.env, P: typed };
  return execFileSync(environment.coffer, args, { env, encoding: "utf8", stdio: "pipe", timeout: 120_000, maxBuffer: 64 << 20 });
}

async function saved(page: Page, button: string, out: string): Promise<string> {
  const started = page.waitForEvent("download");
  await dialog(page).getByRole("button", { name: button }).click();
  const download = await started;
  await download.saveAs(out);
  await expect(
    dialog(page)
      .getByText(/ is saved\./)
      .first(),
  ).toBeVisible({ timeout: 60_000 });
  return download.suggestedFilename();
}

async function typePassword(page: Page, typed: string): Promise<void> {
  await dialog(page).getByLabel("Password", { exact: true }).fill(typed);
  await dialog(page).getByLabel("Password again").fill(typed);
}

/** How many bytes at their end two files share. */
function sameTail(one: Buffer, two: Buffer): number {
  let length = 0;
  while (length < Math.min(one.length, two.length) && one[one.length - 1 - length] === two[two.length - 1 - length]) length += 1;
  return length;
}

/** Changes the password in the page, and shows that nothing but the header changed. */
async function rekeyed(page: Page, folder: string): Promise<{ archive: string; out: string }> {
  const archive = join(folder, "noise.coffer");
  noise(archive, 5_000_000, password);
  await page.locator("input[type=file]").first().setInputFiles(archive);
  const app = new App(page, "");
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("button", { name: "Who can open it…" }).click();
  await expect(dialog(page).getByRole("checkbox", { name: "A password", exact: true })).toBeChecked();
  await dialog(page).getByRole("button", { name: "Save the new file" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("There is nothing to change");
  await dialog(page).getByRole("checkbox", { name: "A password", exact: true }).uncheck();
  await dialog(page).getByRole("button", { name: "Save the new file" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("Nobody could open the archive");
  await dialog(page).getByRole("checkbox", { name: "A password", exact: true }).check();

  await dialog(page).getByRole("checkbox", { name: "Change the password that opened it" }).check();
  await typePassword(page, other);
  const out = join(folder, "rekeyed.coffer");
  expect(await saved(page, "Save the new file", out)).toBe("rekeyed-noise.coffer");
  expect(await dialog(page).getByTestId("content").innerText()).toMatch(/^[0-9a-f]{64}$/);

  const [before, after] = [readFileSync(archive), readFileSync(out)];
  expect(before.length - sameTail(before, after), "bytes that differ are the header's").toBeLessThanOrEqual(4096);
  coffer(other, "verify", out, "--password-env", "P");
  expect(() => coffer(password, "verify", out, "--password-env", "P")).toThrow(/password is wrong/);
  // The one that is open is as it was.
  coffer(password, "verify", archive, "--password-env", "P");
  return { archive, out };
}

test("the password of an archive is changed, and keys come and go, while its content stays", async ({ app, page }, info) => {
  mkdirSync(info.outputPath(), { recursive: true });
  await page.goto(`${app.origin}/#/open`);
  const { out } = await rekeyed(page, info.outputPath());
  await expectAccessible(page);
  await page.keyboard.press("Escape");

  const key = info.outputPath("mine.key");
  coffer("", "key", "new", "--out", key);
  const recipient = coffer("", "key", "show", key).trim();
  await page.getByRole("button", { name: "Close this archive" }).click();
  await page.setViewportSize({ width: 360, height: 640 });
  await app.pick(out);
  await app.unlock(other);
  await app.previewed();
  await page.getByRole("button", { name: "Who can open it…" }).press("Enter");
  await dialog(page).getByRole("checkbox", { name: "A password", exact: true }).press("Space");
  await dialog(page).getByRole("checkbox", { name: "Add keys" }).press("Space");
  await dialog(page).getByRole("textbox", { name: "Add keys" }).fill(recipient);
  await expectFits(page);
  await expectAccessible(page);
  const keyed = info.outputPath("keyed.coffer");
  await saved(page, "Save the new file", keyed);
  await expect(dialog(page).getByRole("listitem")).toHaveText([/^The key file of /]);
  coffer("", "verify", keyed, "--identity", key);
  expect(() => coffer(other, "verify", keyed, "--password-env", "P")).toThrow();

  // What is damaged behind its header is not copied as if it were whole.
  const damaged = readFileSync(out);
  damaged[damaged.length - 3_000_000] = (damaged[damaged.length - 3_000_000] ?? 0) ^ 1;
  writeFileSync(info.outputPath("damaged.coffer"), damaged);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Close this archive" }).click();
  await app.pick(info.outputPath("damaged.coffer"));
  await app.unlock(other);
  await app.previewed();
  await page.getByRole("button", { name: "Who can open it…" }).click();
  await dialog(page).getByRole("checkbox", { name: "Change the password that opened it" }).check();
  await typePassword(page, password);
  await dialog(page).getByRole("button", { name: "Save the new file" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("The content of this archive is damaged");
});

test("the page as one file changes the password too", async ({ page }, info) => {
  mkdirSync(info.outputPath(), { recursive: true });
  await page.goto(pathToFileURL(join(environment.web, "coffer-open.html")).href);
  await rekeyed(page, info.outputPath());
});

test("a sensitive archive becomes a standard one, sealed anew or not", async ({ app, page, server }, info) => {
  mkdirSync(info.outputPath(), { recursive: true });
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  await app.goHome();
  const original = info.outputPath("sensitive.coffer");
  const kept = page.waitForEvent("download");
  await page
    .getByRole("link", { name: /^Download/ })
    .first()
    .click();
  await (await kept).saveAs(original);
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  const rows = await app.tablesShown();

  const button = page.getByRole("button", { name: "Without credentials…" });
  await button.click();
  await expectAccessible(page);
  await typePassword(page, other);
  const sealed = info.outputPath("standard.coffer");
  expect(await saved(page, "Save the copy", sealed)).toMatch(/-standard\.coffer$/);
  await page.keyboard.press("Escape");
  await button.click();
  await dialog(page).getByRole("checkbox", { name: "Seal it" }).uncheck();
  await dialog(page).getByRole("checkbox", { name: "Leave all files out" }).check();
  const plain = info.outputPath("standard.zip");
  expect(await saved(page, "Save the copy", plain)).toMatch(/-standard\.zip$/);
  await page.keyboard.press("Escape");

  coffer(other, "verify", sealed, "--password-env", "P");
  coffer("", "verify", plain);
  // The same as the command line makes, but for fresh secrets, and no credential is left.
  const credentials = /\$argon2|hd_demo_|whsec_/;
  let before = "";
  for (const table of Object.keys(rows)) {
    const name = `main.${table}`;
    before += coffer(password, "extract", original, "--table", name, "--csv", "--password-env", "P");
    const text = coffer(other, "extract", sealed, "--table", name, "--csv", "--password-env", "P");
    expect(text, table).not.toMatch(credentials);
    expect(coffer("", "extract", plain, "--table", name, "--csv"), table).not.toMatch(credentials);
  }
  expect(before).toMatch(credentials);

  // It is a standard one when it is opened, and is not offered again.
  await page.getByRole("button", { name: "Close this archive" }).click();
  await app.pick(plain);
  await app.previewed();
  await expect(page.getByText("Standard", { exact: true })).toBeVisible();
  await expect(button).toHaveCount(0);
  expect(await app.tablesShown()).toEqual(rows);
});
