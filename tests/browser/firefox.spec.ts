// Another browser: Firefox as Debian has it, driven by WebDriver BiDi. Opening, checking, saving and sealing work there too.
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { App } from "./support/app";
import { backup, noise, unseal } from "./support/cli";
import { environment } from "./support/environment";
import { execute } from "./support/python";
import { expect, test } from "./support/test";

/** Where the browser saves. It tells of no download that begins in the page itself. */
const downloads = mkdtempSync(join(tmpdir(), "coffer-downloads-"));

test.use({
  browserName: "firefox",
  channel: "moz-firefox",
  launchOptions: { executablePath: environment.firefox, args: [], downloadsPath: downloads },
});

test.afterAll(() => rmSync(downloads, { recursive: true, force: true }));

const password = "Füchse & Panda, zu zweit";

/** A sealed archive with a table and two files, one of them large enough for the workers that do cryptography. */
function makeArchive(folder: string) {
  const database = join(folder, "app.sqlite");
  const large = join(folder, "files", "large.bin");
  execute(database, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'one'), (2, 'zwei 🦊');");
  mkdirSync(join(folder, "files"));
  writeFileSync(large, randomBytes(6_000_000));
  writeFileSync(join(folder, "files", "note.txt"), "kept");
  const out = join(folder, "app.coffer");
  backup({ database, out, password, files: { uploads: join(folder, "files") } });
  return { archive: out, large: readFileSync(large) };
}

/** Opens it, looks at its rows, and checks everything. */
async function lookInto(app: App): Promise<void> {
  const { page } = app;
  await app.unlock(password);
  await app.previewed();
  expect(await app.tablesShown()).toEqual({ notes: 2 });
  await page.getByRole("button", { name: "notes", exact: true }).click();
  await expect(page.getByRole("dialog").locator("tbody tr").nth(1)).toContainText("zwei 🦊");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText(/^Everything is right: \d+ entries/)).toBeVisible({ timeout: 60_000 });
}

test("an archive is opened, checked, and a file saved from it", async ({ app }, info) => {
  mkdirSync(info.outputPath("app"), { recursive: true });
  const { archive, large } = makeArchive(info.outputPath("app"));
  await app.pick(archive);
  await app.unlock(`${password}!`);
  expect(await app.problem()).toContain("password");
  await lookInto(app);
  await app.tab("Files").click();
  await app.page.getByRole("button", { name: /^Save .*large/ }).click();
  await expect(app.page.getByText("its SHA-256 is the one that was archived")).toBeVisible();
  const saved = () => readdirSync(downloads).map((name) => join(downloads, name));
  await expect.poll(() => saved().map((path) => statSync(path).size)).toEqual([large.length]);
  expect(readFileSync(saved()[0] ?? "").equals(large)).toBe(true);
});

test("the page as one file opens an archive from a disk", async ({ page }, info) => {
  const folder = info.outputPath("stick");
  mkdirSync(folder, { recursive: true });
  const { archive } = makeArchive(folder);
  const file = join(folder, "coffer-open.html");
  copyFileSync(join(environment.web, "coffer-open.html"), file);
  await page.goto(pathToFileURL(file).href);
  await page.locator("input[type=file]").first().setInputFiles(archive);
  await lookInto(new App(page, ""));
});

test("a file is sealed here and uploaded", async ({ page, app, server }, info) => {
  const file = info.outputPath("Notes.zip");
  mkdirSync(info.outputPath(), { recursive: true });
  noise(file, 10_000_000);
  await app.signIn(server.token);
  await page.getByRole("button", { name: "Seal and upload…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("input[type=file]").setInputFiles(file);
  await dialog.getByLabel("Password", { exact: true }).fill(password);
  await dialog.getByLabel("Password again").fill(password);
  await dialog.getByRole("button", { name: "Seal and upload", exact: true }).click();
  await expect(dialog.getByText("is stored. Every stored byte was read again.")).toBeVisible({ timeout: 60_000 });
  await dialog.getByRole("button", { name: "Done" }).click();
  const started = page.waitForEvent("download");
  await page
    .getByRole("row")
    .filter({ hasText: "Notes.zip.coffer" })
    .getByRole("link", { name: /^Download/ })
    .click();
  const stored = info.outputPath("stored.coffer");
  await (await started).saveAs(stored);
  const out = info.outputPath("opened.zip");
  unseal({ file: stored, out, password });
  expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
});

test("a large file is sealed here and saved by the browser's own disk", async ({ page, app }, info) => {
  const file = info.outputPath("Attic.zip");
  mkdirSync(info.outputPath(), { recursive: true });
  noise(file, 70_000_000);
  expect(statSync(file).size).toBeGreaterThan(65_000_000);
  await page.goto(`${app.origin}/#/open`);
  await page.getByRole("button", { name: "Seal a file" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("input[type=file]").setInputFiles(file);
  await dialog.getByLabel("Password", { exact: true }).fill(password);
  await dialog.getByLabel("Password again").fill(password);
  await expect(dialog.locator("[data-score]")).toBeVisible();
  await dialog.getByRole("button", { name: "Seal and save" }).click();
  await expect(dialog.getByText("Attic.zip.coffer is sealed and saved.")).toBeVisible({ timeout: 60_000 });
  const used = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = (await root.getDirectoryHandle("coffer-saving")) as unknown as { values(): AsyncIterable<FileSystemFileHandle> };
    const sizes: number[] = [];
    for await (const kept of folder.values()) sizes.push((await kept.getFile()).size);
    return sizes;
  });
  expect(used).toEqual([expect.any(Number)]);
  const saved = join(downloads, "Attic.zip.coffer");
  await expect.poll(() => (existsSync(saved) ? statSync(saved).size : 0), { timeout: 30_000 }).toBe(used[0]);
  const out = info.outputPath("opened.zip");
  unseal({ file: saved, out, password });
  expect(readFileSync(out).equals(readFileSync(file))).toBe(true);
});
