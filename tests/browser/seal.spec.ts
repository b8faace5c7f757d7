// Sealing in the page: any file, for a password, for keys or both, saved in whatever way the browser has, and opened by the command line.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "@playwright/test";
import { expectAccessible, expectFits } from "./support/axe";
import { backup, noise, unseal } from "./support/cli";
import { environment } from "./support/environment";
import { sha256 } from "./support/files";
import { execute } from "./support/python";
import { expect, test } from "./support/test";

const password = "vier Zebras tanzen um Mitternacht";

const dialog = (page: Page) => page.getByRole("dialog");

/** Opens the dialog and chooses a file. */
async function choose(page: Page, file: string): Promise<void> {
  await page.getByRole("button", { name: "Seal a file" }).click();
  await dialog(page).locator("input[type=file]").setInputFiles(file);
}

async function typePassword(page: Page, typed: string, again = typed): Promise<void> {
  await dialog(page).getByLabel("Password", { exact: true }).fill(typed);
  await dialog(page).getByLabel("Password again").fill(again);
}

/** Seals, and waits for the download. */
async function sealed(page: Page, out: string): Promise<string> {
  const started = page.waitForEvent("download");
  await dialog(page).getByRole("button", { name: "Seal and save" }).click();
  const download = await started;
  await download.saveAs(out);
  await expect(dialog(page).getByText(/is sealed and saved\./)).toBeVisible({ timeout: 60_000 });
  return download.suggestedFilename();
}

/** Opens in the page what was sealed there, and saves what is inside. */
async function savedAgain(page: Page, file: string): Promise<{ name: string; content: Buffer }> {
  await page.keyboard.press("Escape");
  await page.locator("input[type=file]").first().setInputFiles(file);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Open", exact: true }).click();
  const started = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save what is inside" }).click();
  const download = await started;
  await expect(page.getByText("Every byte is as it was sealed.")).toBeVisible();
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}

/** What the command line unseals. */
function opened(file: string, folder: string): Buffer {
  const out = join(folder, `${sha256(readFileSync(file)).slice(0, 8)}.opened`);
  unseal({ file, out, password });
  return readFileSync(out);
}

test("any file is sealed for a password, which the meter judges, and the command line opens it", async ({ app, page }, info) => {
  const file = info.outputPath("Diary <b>2026.txt");
  mkdirSync(info.outputPath(), { recursive: true });
  writeFileSync(file, "Dear diary,\n");
  await page.goto(`${app.origin}/#/open`);
  await choose(page, file);
  const strength = dialog(page).locator("[data-score]");
  await typePassword(page, "password", "passwort");
  await expect(strength).toHaveAttribute("data-score", "0");
  await expect(strength).toContainText("one of the ten most used");
  await expectAccessible(page);
  await dialog(page).getByRole("button", { name: "Seal and save" }).click();
  await expect(dialog(page).getByText("The two passwords differ.")).toBeVisible();
  await typePassword(page, password);
  await expect(strength).toHaveAttribute("data-score", "4");

  const out = info.outputPath("sealed.coffer");
  expect(await sealed(page, out)).toBe("Diary _b_2026.txt.coffer");
  await expectAccessible(page);
  // What is sealed already is not sealed twice.
  await dialog(page).getByRole("button", { name: "Seal another file" }).click();
  await dialog(page).locator("input[type=file]").setInputFiles(out);
  await expect(dialog(page).getByText("This file is sealed already.")).toBeVisible();
  await expect(dialog(page).getByRole("button", { name: "Seal and save" })).toHaveCount(0);

  // It is no archive, and comes out as it was.
  const named = info.outputPath("Diary.txt.coffer");
  copyFileSync(out, named);
  const inside = await savedAgain(page, named);
  expect(inside.name).toBe("Diary.txt");
  expect(inside.content.toString()).toBe("Dear diary,\n");
  await expectAccessible(page);
});

test("a plain archive that is open is sealed to a key and a password, on a small phone and by the keyboard", async ({
  app,
  page,
}, info) => {
  await page.setViewportSize({ width: 360, height: 640 });
  const database = info.outputPath("app.sqlite");
  mkdirSync(info.outputPath(), { recursive: true });
  execute(database, "CREATE TABLE notes (id INTEGER PRIMARY KEY); INSERT INTO notes VALUES (1);");
  const archive = info.outputPath("app.zip");
  backup({ database, out: archive });
  const key = info.outputPath("mine.key");
  execFileSync(environment.coffer, ["key", "new", "--out", key], { stdio: "pipe" });
  const recipient = execFileSync(environment.coffer, ["key", "show", key], { encoding: "utf8" }).trim();

  await app.pick(archive);
  await app.previewed();
  await page.getByRole("button", { name: "Seal it…" }).focus();
  await page.keyboard.press("Enter");
  await expect(dialog(page)).toBeVisible();
  await dialog(page).getByRole("checkbox", { name: "With a password" }).focus();
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  await page.keyboard.type("coffer1thisisnokey");
  await dialog(page).getByRole("button", { name: "Seal and save" }).press("Enter");
  await expect(dialog(page).getByRole("alert")).toContainText("One of these is not a public key");
  await expectAccessible(page);
  await expectFits(page);
  await dialog(page).getByRole("textbox", { name: "To keys" }).fill(`${recipient}\n`);
  await dialog(page).getByRole("checkbox", { name: "With a password" }).check();
  await typePassword(page, password);
  await page.screenshot({ path: info.outputPath("phone.png") });

  const out = info.outputPath("sealed.coffer");
  expect(await sealed(page, out)).toBe("app.zip.coffer");
  expect(opened(out, info.outputPath()).equals(readFileSync(archive))).toBe(true);
  execFileSync(environment.coffer, ["verify", out, "--identity", key], { stdio: "pipe" });
});

test("what is large is written as it is sealed: by a picked file, else by the browser's own disk", async ({ app, page }, info) => {
  const file = info.outputPath("large.zip");
  mkdirSync(info.outputPath(), { recursive: true });
  noise(file, 70_000_000);
  expect(statSync(file).size).toBeGreaterThan(65_000_000);
  const original = sha256(readFileSync(file));

  // A picker that answers at once, with a file of the browser's own file system.
  await page.addInitScript(() => {
    Object.assign(window, {
      showSaveFilePicker: async ({ suggestedName }: { suggestedName: string }) => {
        const root = await navigator.storage.getDirectory();
        return root.getFileHandle(suggestedName, { create: true });
      },
    });
  });
  await page.goto(`${app.origin}/#/open`);
  await choose(page, file);
  await typePassword(page, password);
  await dialog(page).getByRole("button", { name: "Seal and save" }).click();
  await expect(dialog(page).getByText("large.zip.coffer is sealed and saved.")).toBeVisible({ timeout: 60_000 });
  const download = page.waitForEvent("download");
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const saved = await (await root.getFileHandle("large.zip.coffer")).getFile();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(saved);
    link.download = "picked.coffer";
    link.click();
  });
  const picked = info.outputPath("picked.coffer");
  await (await download).saveAs(picked);
  expect(sha256(opened(picked, info.outputPath()))).toBe(original);

  // Given up in the middle, it leaves nothing behind.
  const second = info.outputPath("other.bin");
  writeFileSync(second, Buffer.concat([readFileSync(file), readFileSync(file), readFileSync(file)]));
  await dialog(page).getByRole("button", { name: "Seal another file" }).click();
  await dialog(page).locator("input[type=file]").setInputFiles(second);
  await typePassword(page, password);
  await dialog(page).getByRole("button", { name: "Seal and save" }).click();
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await expect(dialog(page).getByText("It was stopped. Nothing was saved")).toBeVisible();
  const left = () =>
    page.evaluate(async () => {
      const names: string[] = [];
      const root = (await navigator.storage.getDirectory()) as unknown as { keys(): AsyncIterable<string> };
      for await (const name of root.keys()) names.push(name);
      return names;
    });
  await expect.poll(left).toEqual(["large.zip.coffer"]);

  await page.reload();
  await page.evaluate(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  await choose(page, file);
  await typePassword(page, password);
  const own = info.outputPath("own.coffer");
  expect(await sealed(page, own)).toBe("large.zip.coffer");
  expect(statSync(own).size).toBe(statSync(picked).size);
  expect(sha256(opened(own, info.outputPath()))).toBe(original);

  // The next visit removes what this one left.
  const kept = () =>
    page.evaluate(async () => {
      const names: string[] = [];
      const root = await navigator.storage.getDirectory();
      const folder = (await root.getDirectoryHandle("coffer-saving")) as unknown as { keys(): AsyncIterable<string> };
      for await (const name of folder.keys()) names.push(name);
      return names.length;
    });
  expect(await kept()).toBe(1);
  await page.reload();
  await expect.poll(kept).toBe(0);
});

test("the page as one file seals without a network", async ({ page }, info) => {
  const file = info.outputPath("note.txt");
  mkdirSync(info.outputPath(), { recursive: true });
  writeFileSync(file, "offline");
  await page.goto(pathToFileURL(join(environment.web, "coffer-open.html")).href);
  await choose(page, file);
  await typePassword(page, password);
  await expect(dialog(page).locator("[data-score='4']")).toBeVisible();
  const out = info.outputPath("sealed.coffer");
  await sealed(page, out);
  expect((await savedAgain(page, out)).content.toString()).toBe("offline");
});
