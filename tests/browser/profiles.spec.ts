// Encryption profiles with a recovery kit: made in the page, proven by opening the saved kit again, changed, and used.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Page } from "@playwright/test";
import decodeQR from "qr/decode.js";
import type { App } from "./support/app";
import { environment } from "./support/environment";
import { formsOfText, leaks } from "./support/secrets";
import { demo, expect, test } from "./support/test";

test.setTimeout(180_000);

const secretOf = (kit: string): string => /COFFER-SECRET-KEY-1[0-9A-Z]+/.exec(kit)?.[0] ?? "";

/** Makes a key in the dialog that is open, and saves its kit. */
async function saveKit(page: Page, to: string): Promise<string> {
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Make the key" }).click();
  const started = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Save the recovery kit" }).click();
  const download = await started;
  expect(download.suggestedFilename()).toMatch(/^coffer-recovery-kit-[0-9a-f]{8}\.html$/);
  await download.saveAs(to);
  return readFileSync(to, "utf8");
}

const chooseKit = (page: Page, path: string) => page.getByRole("dialog").locator("input[type=file]").setInputFiles(path);

async function openProfiles(app: App): Promise<void> {
  await app.page.getByRole("link", { name: "Keys", exact: true }).click();
  await expect(app.page.getByRole("heading", { name: "Encryption profiles" })).toBeVisible();
}

async function newProfile(app: App, name: string, to: string): Promise<string> {
  await openProfiles(app);
  await app.page.getByRole("button", { name: "New profile" }).click();
  await app.page.getByLabel("Name of the profile").fill(name);
  return saveKit(app.page, to);
}

async function downloadNewest(app: App, to: string): Promise<void> {
  await app.goHome();
  const started = app.page.waitForEvent("download");
  await app.page
    .getByRole("link", { name: /^Download/ })
    .first()
    .click();
  await (await started).saveAs(to);
}

test("a kit is made, proven and used, and its key never leaves the page", async ({ page, app, server, recorder }, info) => {
  const [kitPath, otherPath, archive] = ["kit.html", "other.html", "backup.coffer"].map((name) => info.outputPath(name)) as [
    string,
    string,
    string,
  ];
  await app.signIn(server.token);
  const kit = await newProfile(app, "Office <safe>", kitPath);
  const secret = secretOf(kit);
  expect(secret).toHaveLength("COFFER-SECRET-KEY-1".length + 53 + 6);

  // Another kit, and what is no kit, prove nothing.
  writeFileSync(otherPath, "<!doctype html><p>a page</p>");
  await chooseKit(page, otherPath);
  await expect(page.getByRole("dialog").getByRole("alert")).toBeVisible();
  await chooseKit(page, kitPath);
  await expect(page.getByText("The kit fits.")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  const card = page.getByRole("region", { name: "Office <safe>" });
  await expect(card.getByText("Ready", { exact: true })).toBeVisible();

  // A backup that is sealed to it, opened with the kit in the page and on the command line.
  await app.goHome();
  await app.takeBackup(demo);
  await downloadNewest(app, archive);
  await app.pick(archive);
  await page.locator("form input[type=file]").setInputFiles(kitPath);
  await app.previewed();
  execFileSync(environment.coffer, ["verify", archive, "--identity", kitPath], { stdio: "pipe", timeout: 60_000 });

  // The key changes: what was sealed stays with the old kit, what comes is of the new one.
  await openProfiles(app);
  await expect(card.getByText("opens 1 stored archive", { exact: false })).toBeVisible();
  await card.getByRole("button", { name: "Change the key…" }).click();
  const second = secretOf(await saveKit(page, otherPath));
  expect(second).not.toBe(secret);
  await chooseKit(page, kitPath);
  await expect(page.getByText("This is the kit of another key")).toBeVisible();
  await chooseKit(page, otherPath);
  await expect(page.getByText("New backups are sealed to the new key")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  await expect(card.getByRole("heading", { name: "Of the past" })).toBeVisible();
  await app.goHome();
  await app.takeBackup(demo);
  await app.goHome();
  await page.getByRole("row").nth(1).getByRole("link", { name: "Open" }).click();
  await page.locator("form input[type=file]").setInputFiles(otherPath);
  await app.previewed();

  // Neither of the secret keys left the page, in any form.
  const forms = [secret, second].flatMap((key) => [
    ...formsOfText("secret key", key),
    ...formsOfText("secret key without its checksum", key.slice("COFFER-SECRET-KEY-1".length, -6)),
    ...formsOfText("secret key in lower case", key.slice("COFFER-SECRET-KEY-1".length, -6).toLowerCase()),
  ]);
  expect(leaks(await recorder.sent(), forms)).toEqual([]);
  expect(recorder.foreign()).toEqual([]);
});

test("a kit is a page that runs nothing, asks nobody, and shows its key as a code", async ({ page, app, server }, info) => {
  const path = info.outputPath("kit.html");
  await app.signIn(server.token);
  const kit = await newProfile(app, "Paper", path);
  expect(kit).toContain(`content="default-src 'none'; style-src 'sha256-`);
  expect(kit).not.toMatch(/<script|<link|<img|https?:\/\/(?!127\.0\.0\.1|www\.w3\.org)/);

  const asked: string[] = [];
  const faults: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  const address = pathToFileURL(path).href;
  await page.goto(address);
  await expect(page.getByRole("heading", { name: "Recovery kit: Paper" })).toBeVisible();
  await expect(page.locator("#coffer-key-file")).toContainText(secretOf(kit));
  expect(asked).toEqual([address]);
  expect(faults).toEqual([]);
  await page.screenshot({ path: info.outputPath("kit.png"), fullPage: true });

  // What a camera would read.
  const svg = /<svg[\s\S]*<\/svg>/.exec(kit)?.[0] ?? "";
  await page.goto(app.origin);
  const pixels = await page.evaluate(async (drawn) => {
    const image = new Image(400, 400);
    image.src = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
    await image.decode();
    const canvas = new OffscreenCanvas(400, 400);
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    context.fillStyle = "white";
    context.fillRect(0, 0, 400, 400);
    context.drawImage(image, 0, 0, 400, 400);
    return [...context.getImageData(0, 0, 400, 400).data];
  }, svg);
  expect(decodeQR({ width: 400, height: 400, data: Uint8Array.from(pixels) })).toBe(secretOf(kit));
});
