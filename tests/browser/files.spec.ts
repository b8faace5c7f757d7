// Files of an archive: found in their folders, looked at where nothing of them can act, and saved one by one or with their folder.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { App } from "./support/app";
import { expectAccessible, expectFits } from "./support/axe";
import { backup } from "./support/cli";
import { environment } from "./support/environment";
import { digests } from "./support/files";
import { execute, runPython } from "./support/python";
import { expect, test } from "./support/test";

const password = "Ordnung ist das halbe Leben";
/** Runs in no page: it would leave a mark in the one that shows it. */
const attack = "globalThis.attacked = true; top.attacked = true; parent.attacked = true; alert(1)";

/** A PNG of one colour, 2 by 2. */
function png(): Buffer {
  const crc = (bytes: Buffer) => {
    let value = ~0;
    for (const byte of bytes) {
      value ^= byte;
      for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    return ~value >>> 0;
  };
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  const rows = Buffer.from([0, 9, 99, 66, 9, 99, 66, 0, 9, 99, 66, 9, 99, 66]);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A tenth of a second of silence. */
function wav(): Buffer {
  const samples = 800;
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(8000, 24);
  header.writeUInt32LE(8000, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples, 40);
  return Buffer.concat([header, Buffer.alloc(samples, 128)]);
}

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="${attack}">
<script>${attack}</script><image href="http://127.0.0.1:9/leak.png"/><rect width="40" height="40" fill="teal"/>
<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" srcdoc="&lt;script&gt;${attack}&lt;/script&gt;"/></foreignObject></svg>`;

const pdf = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(${attack.replaceAll("(", "\\(").replaceAll(")", "\\)")})>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
%%EOF`;

const content: Record<string, Buffer | string> = {
  "photos/2025/garden.png": png(),
  "photos/2026/roof.png": png(),
  "photos/fake.png": `<html><script>${attack}</script></html>`,
  "sound.wav": wav(),
  "hostile.svg": svg,
  "hostile.html": `<!doctype html><script>${attack}</script><img src=x onerror="${attack}"><iframe src="javascript:${attack}"></iframe>`,
  "leaflet.pdf": pdf,
  "fake.pdf": `<html><script>${attack}</script></html>`,
  "notes/read me.txt": "Grüße\n<b>not bold</b>\nphoto\u202egnp.exe\n",
  "notes/program.bin": Buffer.from([0, 1, 2, 255]),
  "notes/empty.md": "",
};

/** @returns the folder of the files, and the archive */
function make(folder: string): { files: string; archive: string } {
  const files = join(folder, "files");
  for (const [path, bytes] of Object.entries(content)) {
    mkdirSync(join(files, path, ".."), { recursive: true });
    writeFileSync(join(files, path), bytes);
  }
  const database = join(folder, "app.sqlite");
  execute(database, "CREATE TABLE notes (id INTEGER PRIMARY KEY);");
  const archive = join(folder, "app.coffer");
  backup({ database, out: archive, password, files: { uploads: files } });
  return { files, archive };
}

const dialog = (page: Page) => page.getByRole("dialog");

async function openFiles(page: Page, archive: string): Promise<void> {
  await page.locator("input[type=file]").first().setInputFiles(archive);
  const app = new App(page, "");
  await app.unlock(password);
  await app.previewed();
  await app.tab("Files").click();
}

/** Looks at each of the files that would act if they could. */
async function lookAtHostile(page: Page): Promise<void> {
  const asked: string[] = [];
  // The browser's viewer for PDF fetches its own parts, from the browser.
  page.on("request", (request) => asked.push(request.url()));
  page.on("dialog", () => asked.push("alert"));
  const look = (path: string) => page.getByRole("button", { name: path, exact: true }).click();

  await look("hostile.svg");
  const picture = dialog(page).getByRole("img", { name: "hostile.svg" });
  await expect(picture).toBeVisible();
  expect(await picture.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth))).toBe(40);
  await page.keyboard.press("Escape");
  await look("hostile.html");
  await expect(dialog(page).getByText("<!doctype html><script>")).toBeVisible();
  await page.keyboard.press("Escape");
  await look("fake.pdf");
  await expect(dialog(page).getByText("its content is something else")).toBeVisible();
  await expect(page.locator("iframe")).toHaveCount(0);
  await page.keyboard.press("Escape");
  // Its own script runs in the browser's viewer, if anywhere.
  await look("leaflet.pdf");
  await expect(page.locator("iframe[title='leaflet.pdf']")).toHaveAttribute("src", /^blob:/);
  await page.waitForTimeout(500);
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await expect(dialog(page)).toHaveCount(0);
  await page.waitForTimeout(300);
  expect(await page.evaluate(() => "attacked" in globalThis)).toBe(false);
  expect(asked.filter((asked) => asked === "alert" || (/^https?:/.test(asked) && !asked.includes("/assets/")))).toEqual([]);
}

/** What a ZIP holds, unpacked by another program. */
function unpacked(zip: string, into: string): Record<string, string> {
  runPython([
    "-c",
    "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nz.extractall(sys.argv[2])",
    zip,
    into,
  ]);
  return digests(into);
}

async function saveFolder(page: Page, button: string, out: string): Promise<string> {
  const started = page.waitForEvent("download");
  await page.getByRole("button", { name: button }).click();
  const download = await started;
  await download.saveAs(out);
  await expect(page.getByText("the SHA-256 of each is the one that was archived")).toBeVisible();
  return download.suggestedFilename();
}

test("folders are walked and searched, and files shown by their kind", async ({ app, page }, info) => {
  const { archive } = make(info.outputPath());
  await page.goto(`${app.origin}/#/open`);
  await openFiles(page, archive);
  const list = page.getByRole("group", { name: "Files" });
  const names = () => list.locator("li .name").evaluateAll((found) => found.map((name) => name.querySelector(".line")?.textContent));
  expect(await names()).toEqual(["notes", "photos", "fake.pdf", "hostile.html", "hostile.svg", "leaflet.pdf", "sound.wav"]);
  await expectAccessible(page);
  await lookAtHostile(page);

  // By the keyboard.
  await page.getByRole("button", { name: "photos", exact: true }).press("Enter");
  const way = page.getByRole("navigation", { name: "Folder" });
  await expect(way.getByRole("button", { name: "photos" })).toBeFocused();
  expect(await names()).toEqual(["2025", "2026", "fake.png"]);
  await page.getByRole("button", { name: "2025", exact: true }).press("Enter");
  await page.getByRole("button", { name: "garden.png", exact: true }).press("Enter");
  await expect(dialog(page).getByRole("img", { name: "garden.png" })).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "garden.png", exact: true })).toBeFocused();
  await way.getByRole("button", { name: "uploads" }).press("Enter");
  await page.getByLabel("Filter files").fill("FAKE");
  expect(await names()).toEqual(["fake.pdf", "fake.png"]);
  await page.getByRole("button", { name: "fake.png photos/", exact: true }).click();
  await expect(dialog(page).getByText("This browser can’t show it.")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByLabel("Filter files").fill("");

  await page.getByRole("button", { name: "sound.wav", exact: true }).click();
  const audio = dialog(page).locator("audio");
  await expect.poll(() => audio.evaluate((sound: HTMLAudioElement) => sound.duration)).toBeCloseTo(0.1);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "notes", exact: true }).click();
  await page.getByRole("button", { name: "read me.txt", exact: true }).click();
  await expect(dialog(page).locator("pre")).toContainText("Grüße\n<b>");
  await expect(dialog(page).locator("pre")).toContainText("<b>not bold</b>");
  await expect(dialog(page).locator("pre")).toContainText("photoU+202Egnp.exe");
  await expectAccessible(page);
  const started = page.waitForEvent("download");
  await dialog(page).getByRole("button", { name: "Save this file" }).click();
  expect(readFileSync(await (await started).path(), "utf8")).toBe(content["notes/read me.txt"]);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "program.bin", exact: true }).click();
  await expect(dialog(page).getByText("A file of this kind is not shown here.")).toBeVisible();
  await page.keyboard.press("Escape");

  await page.setViewportSize({ width: 360, height: 640 });
  await expectFits(page);
  await expectAccessible(page);
});

test("a folder is saved as a ZIP, in which every file is what was archived", async ({ app, page }, info) => {
  const { files, archive } = make(info.outputPath());
  await page.goto(`${app.origin}/#/open`);
  await openFiles(page, archive);
  const out = info.outputPath("photos.zip");
  expect(await saveFolder(page, "Save the folder photos as a ZIP", out)).toBe("photos.zip");
  const expected = digests(join(files, "photos"));
  expect(unpacked(out, info.outputPath("photos"))).toEqual(
    Object.fromEntries(Object.entries(expected).map(([path, digest]) => [`photos/${path}`, digest])),
  );
  const whole = info.outputPath("uploads.zip");
  expect(await saveFolder(page, "Save this folder", whole)).toBe("uploads.zip");
  expect(unpacked(whole, info.outputPath("uploads"))).toEqual(
    Object.fromEntries(Object.entries(digests(files)).map(([path, digest]) => [`uploads/${path}`, digest])),
  );

  // One file that is not what was archived, and there is no ZIP.
  const plain = info.outputPath("plain.zip");
  execFileSync(environment.coffer, ["unseal", archive, "--out", plain, "--allow-credentials", "--password-env", "P"], {
    env: { ...process.env, P: password },
    stdio: "pipe",
  });
  const bytes = readFileSync(plain);
  const at = bytes.indexOf("Grüße");
  if (at > 0) bytes.write("X", at);
  else throw new Error("the note is not stored as it is");
  const damaged = info.outputPath("damaged.zip");
  writeFileSync(damaged, bytes);
  await page.getByRole("button", { name: "Close this archive" }).click();
  await page.locator("input[type=file]").first().setInputFiles(damaged);
  await app.previewed();
  await app.tab("Files").click();
  await page.getByRole("button", { name: "Save the folder notes as a ZIP" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page.getByText("the SHA-256 of each")).toHaveCount(0);
});

test("the page as one file shows files too, and hostile ones do nothing", async ({ page }, info) => {
  const { archive } = make(info.outputPath());
  await page.goto(pathToFileURL(join(environment.web, "coffer-open.html")).href);
  await openFiles(page, archive);
  await lookAtHostile(page);
  expect(await saveFolder(page, "Save the folder photos as a ZIP", info.outputPath("photos.zip"))).toBe("photos.zip");
  await page.getByRole("button", { name: "sound.wav", exact: true }).click();
  await expect
    .poll(() =>
      dialog(page)
        .locator("audio")
        .evaluate((sound: HTMLAudioElement) => sound.duration),
    )
    .toBeCloseTo(0.1);
});
