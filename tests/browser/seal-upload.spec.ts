// A file that is sealed in the page and uploaded: what the server has of it opens nothing.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { noise, unseal } from "./support/cli";
import { keysOf } from "./support/keys";
import type { Sent } from "./support/recorder";
import { formsOfBytes, formsOfText, leaks } from "./support/secrets";
import { expect, test } from "./support/test";

test.setTimeout(180_000);

const password = "Früh übt sich & 4% Rabatt? ~ 東京";

/** Every byte on the server's disk. */
function onDisk(folder: string): Sent[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  return files.filter((path) => statSync(path).isFile()).map((path) => ({ where: path, bytes: readFileSync(path) }));
}

test("with every byte that reached the server, what was sealed here stays closed", async ({ page, app, server, wire, recorder }, info) => {
  const file = info.outputPath("Notes of the summer.zip");
  noise(file, 10_000_000);
  const content = readFileSync(file);
  await app.signIn(server.token);
  await page.getByRole("button", { name: "Seal and upload…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("input[type=file]").setInputFiles(file);
  await dialog.getByLabel("Password", { exact: true }).fill(password);
  await dialog.getByLabel("Password again").fill(password);
  await dialog.getByRole("button", { name: "Seal and upload", exact: true }).click();
  await expect(dialog.getByText("is stored. Every stored byte was read again.")).toBeVisible({ timeout: 60_000 });
  await dialog.getByRole("button", { name: "Done" }).click();
  const row = page.getByRole("row").filter({ hasText: "Notes of the summer.zip.coffer" });
  await expect(row.getByText("Whole")).toBeVisible();
  await row.getByRole("button", { name: /^Check the stored bytes/ }).click();
  await expect(page.getByText("was read, and is what was stored")).toBeVisible();

  // What is stored is what was sealed, and opens with the password.
  const archive = info.outputPath("stored.coffer");
  const started = page.waitForEvent("download");
  await row.getByRole("link", { name: /^Download/ }).click();
  await (await started).saveAs(archive);
  const out = info.outputPath("opened.zip");
  unseal({ file: archive, out, password });
  expect(readFileSync(out).equals(content)).toBe(true);

  // Requests, disk, catalog and log hold neither the password, nor a key, nor a line of the content.
  const keys = keysOf(archive, password);
  expect(keys.file_key).toHaveLength(32);
  const forms = [
    ...formsOfText("password", password),
    ...Object.entries(keys).flatMap(([name, bytes]) => formsOfBytes(name, bytes)),
    ...formsOfText("name of a part", "tables/main.noise/"),
  ];
  expect(content.includes("tables/main.noise/")).toBe(true);
  const disk = onDisk(server.data);
  expect(disk.some(({ bytes }) => bytes.equals(readFileSync(archive)))).toBe(true);
  const log = { where: "the server's output", bytes: Buffer.from(server.printed) };
  expect(leaks([...(await recorder.sent()), ...disk, log], forms)).toEqual([]);
  expect(recorder.foreign()).toEqual([]);
  const sent = wire.exchanges.filter(({ method }) => method === "PATCH").reduce((sum, { body }) => sum + body.length, 0);
  expect(sent).toBe(readFileSync(archive).length);
});

test("what was sealed before goes on after the page was loaded again", async ({ page, app, server, wire }, info) => {
  const file = info.outputPath("noise.coffer");
  noise(file, 12_000_000, password);
  await app.signIn(server.token);
  const dialog = page.getByRole("dialog");
  const choose = async () => {
    await page.getByRole("button", { name: "Seal and upload…" }).click();
    await dialog.locator("input[type=file]").setInputFiles(file);
    await expect(dialog.getByText("It is sealed already")).toBeVisible();
    await dialog.getByRole("button", { name: "Upload", exact: true }).click();
  };
  // The second piece never arrives.
  let patches = 0;
  await page.route("**/api/uploads/*", (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    patches += 1;
    return patches > 1 ? route.abort() : route.continue();
  });
  await choose();
  await expect(dialog.getByText("Trying again…")).toBeVisible();
  await page.unroute("**/api/uploads/*");
  await page.reload();
  const before = wire.exchanges.length;
  await choose();
  await expect(dialog.getByText("is stored. Every stored byte was read again.")).toBeVisible({ timeout: 60_000 });
  const sent = wire.exchanges.slice(before).filter(({ method }) => method === "PATCH");
  const bytes = sent.reduce((sum, { body }) => sum + body.length, 0);
  expect(bytes).toBeLessThan(statSync(file).size - 4_000_000);
});
