// Keys in the page: one made here opens with the command line, one made there opens here, and none leaves the page.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { environment } from "./support/environment";
import { formsOfText, leaks } from "./support/secrets";
import { expect, test } from "./support/test";

const password = "Schlüssel unter der Fußmatte";
const other = "an archive's own password";

/** Runs the command line with both passwords in its environment; what it printed. */
function coffer(...args: string[]): string {
  return execFileSync(environment.coffer, args, {
    env: { ...process.env, KEY_PASSWORD: password, ARCHIVE_PASSWORD: other },
    encoding: "utf8",
    stdio: "pipe",
    timeout: 120_000,
  });
}

interface Made {
  readonly recipient: string;
  readonly file: string;
}

/** Makes a key in the page, and saves its file. */
async function makeKey(page: Page, path: string, type: string, lock?: string): Promise<Made> {
  await page.getByRole("button", { name: "Make a key to seal archives to" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(type).check();
  await dialog.getByLabel("Lock the key file with a password").setChecked(lock !== undefined);
  if (lock !== undefined) {
    await dialog.getByLabel("Password", { exact: true }).fill(lock);
    await dialog.getByLabel("Password again").fill(lock);
  }
  await dialog.getByRole("button", { name: "Make the key" }).click();
  const field = dialog.getByLabel("Public half", { exact: true });
  await expect(field).toHaveValue(/^coffer1/, { timeout: 60_000 });
  const started = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Save the key file" }).click();
  const download = await started;
  expect(download.suggestedFilename()).toMatch(/^coffer-[0-9a-f]{8}\.key$/);
  await download.saveAs(path);
  const made = { recipient: await field.inputValue(), file: readFileSync(path, "utf8") };
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(dialog).toHaveCount(0);
  return made;
}

const chooseKey = (page: Page, name: string, file: string) =>
  page.getByLabel(name, { exact: true }).and(page.locator("input")).setInputFiles(file);

test("a key made in the page opens with the command line and in the page, and never leaves it", async ({
  app,
  page,
  server,
  recorder,
}, info) => {
  const at = (name: string) => info.outputPath(name);
  await page.goto(`${app.origin}/#/open`);
  const short = await makeKey(page, at("short.key"), "Short");
  const locked = await makeKey(page, at("locked.key"), "Made to last", password);
  expect(short.file).toContain("COFFER-SECRET-KEY-1");
  expect(locked.file).toContain("coffer-locked-key-1");
  expect(locked.file).not.toContain("COFFER-SECRET-KEY");

  // The command line knows them for what they are, seals to both and opens with either.
  expect(coffer("key", "show", at("short.key")).trim()).toBe(short.recipient);
  expect(coffer("key", "show", at("locked.key"), "--password-env", "KEY_PASSWORD").trim()).toBe(locked.recipient);
  const to = ["--sealed", "--recipient", short.recipient, "--recipient", locked.recipient];
  coffer("backup", "--source", `sqlite:${server.database}`, "--out", at("keys.coffer"), ...to);
  coffer("verify", at("keys.coffer"), "--identity", at("short.key"));
  coffer("verify", at("keys.coffer"), "--identity", at("locked.key"), "--password-env", "KEY_PASSWORD");

  // So does the page.
  await app.pick(at("keys.coffer"));
  await expect(app.passwordField).toHaveCount(0);
  await chooseKey(page, "Choose the key file", at("short.key"));
  await app.previewed();
  const shown = await app.tablesShown();
  expect(Object.keys(shown).length).toBeGreaterThan(0);

  await page.reload();
  await app.pick(at("keys.coffer"));
  await chooseKey(page, "Choose the key file", at("locked.key"));
  const field = page.getByLabel("Password of the key file");
  await expect(field).toBeFocused();
  await field.fill("not this one");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  expect(await app.problem()).toContain("This is not the password of the key file");
  await field.fill(password);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await app.previewed();
  expect(await app.tablesShown()).toEqual(shown);

  const secret = (file: string) =>
    file
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .join("\n");
  const forms = [
    ...formsOfText("password", password),
    ...formsOfText("short key", secret(short.file)),
    // However it is cut into pieces or written in small letters.
    ...formsOfText("part of the short key", secret(short.file).slice(25, 60)),
    ...formsOfText("part of the short key", secret(short.file).slice(25, 60).toLowerCase()),
    ...formsOfText("locked key", secret(locked.file)),
  ];
  expect(leaks(await recorder.sent(), forms)).toEqual([]);
  expect(recorder.foreign()).toEqual([]);
});

test("a key made by the command line opens an archive in the page, and wrong ones say what they are", async ({
  app,
  page,
  server,
}, info) => {
  const at = (name: string) => info.outputPath(name);
  coffer("key", "new", "--out", at("mine.key"), "--type", "x25519");
  coffer("key", "new", "--out", at("stranger.key"));
  const recipient = coffer("key", "show", at("mine.key")).trim();
  const to = ["--sealed", "--recipient", recipient, "--password-env", "ARCHIVE_PASSWORD"];
  coffer("backup", "--source", `sqlite:${server.database}`, "--out", at("both.coffer"), ...to);
  writeFileSync(at("letter.txt"), "Dear reader,\nthis is a text.\n");

  await app.pick(at("both.coffer"));
  await expect(app.passwordField, "a password opens it too").toBeFocused();
  await chooseKey(page, "Use a key file instead", at("letter.txt"));
  expect(await app.problem()).toContain("This is not a key file");
  await chooseKey(page, "Use a key file instead", at("stranger.key"));
  expect(await app.problem()).toContain("This is not what opens this archive");
  await chooseKey(page, "Use a key file instead", at("mine.key"));
  await app.previewed();

  // Rekeyed, the page tells what opens it now.
  const replace = ["--replace-all", "--new-password-env", "KEY_PASSWORD"];
  coffer("rekey", at("both.coffer"), "--identity", at("mine.key"), ...replace);
  await page.reload();
  await app.pick(at("both.coffer"));
  await expect(page.getByRole("button", { name: "Use a key file instead" })).toHaveCount(0);
  await app.unlock(password);
  await app.previewed();
});

test("a key file that is dropped opens the archive", async ({ app, page, server }, info) => {
  const at = (name: string) => info.outputPath(name);
  coffer("key", "new", "--out", at("mine.key"));
  const recipient = coffer("key", "show", at("mine.key")).trim();
  coffer("backup", "--source", `sqlite:${server.database}`, "--out", at("key.coffer"), "--sealed", "--recipient", recipient);
  await app.pick(at("key.coffer"));
  await expect(page.getByRole("button", { name: "Choose the key file" })).toBeVisible();
  const transfer = await page.evaluateHandle(
    (text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "mine.key"));
      return data;
    },
    readFileSync(at("mine.key"), "utf8"),
  );
  await page.locator("form").dispatchEvent("drop", { dataTransfer: transfer });
  await app.previewed();
});
