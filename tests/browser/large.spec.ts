// A sealed archive of two gibibytes opens to its preview after reading less than one percent of it.
import { randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { execute } from "./support/python";
import { expect, test } from "./support/test";

const password = "zwei Gibibyte und kein Byte weniger";
const gibibyte = 1 << 30;

/** Random bytes: nothing makes them smaller. */
function writeRandom(path: string, size: number): void {
  const block = Buffer.alloc(16 << 20);
  const file = openSync(path, "w");
  for (let written = 0; written < size; written += block.length) writeSync(file, randomFillSync(block));
  closeSync(file);
}

test("2 GiB: the preview is there after less than 1 % of the bytes", async ({ app, page, wire, server }, info) => {
  test.setTimeout(300_000);
  const folder = info.outputPath("files");
  mkdirSync(folder);
  for (const name of ["recording-1.bin", "recording-2.bin"]) writeRandom(`${folder}/${name}`, gibibyte);
  const database = info.outputPath("big.sqlite");
  execute(
    database,
    "CREATE TABLE recordings (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT);" +
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) " +
      "INSERT INTO recordings SELECT i, 'recording ' || i, hex(randomblob(200)) FROM n;",
  );

  await app.signIn(server.token);
  await page.getByRole("button", { name: "Add a source" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).first().fill("Recordings");
  await dialog.getByLabel("Database").fill(`sqlite:${database}`);
  await dialog.getByRole("button", { name: "Add a folder" }).click();
  await dialog.getByPlaceholder("Name").fill("recordings");
  await dialog.getByPlaceholder("Folder on the server").fill(folder);
  await dialog.getByRole("button", { name: "Connect and add" }).click();
  await expect(dialog).toBeHidden();
  await app.takeBackup("Recordings", { password, limit: 200_000, reload: true });

  const answeredBefore = archiveBytes();
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  expect(await app.tablesShown()).toEqual({ recordings: 20_000 });
  await app.tab("Files").click();
  await expect(page.getByText("recording-2.bin")).toBeVisible();

  const fetched = archiveBytes() - answeredBefore;
  const size = Number(/(\d+)$/.exec(sizeHeader())?.[1]);
  expect(size).toBeGreaterThanOrEqual(2 * gibibyte);
  expect(fetched).toBeGreaterThan(0);
  expect(fetched / size).toBeLessThan(0.01);
  console.log(`${fetched} of ${size} bytes fetched: ${((fetched / size) * 100).toFixed(4)} %`);

  // Some rows more, and still far below.
  await app.tab("Tables").click();
  await page.getByRole("button", { name: "recordings", exact: true }).click();
  await expect(page.getByText("Rows 1 to 50 of 20,000")).toBeVisible();
  expect((archiveBytes() - answeredBefore) / size).toBeLessThan(0.01);

  // A check of everything takes a while, and can be stopped.
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText(/^\d[\d.,]* MB of 2.2 GB$/)).toBeVisible();
  await page.getByRole("button", { name: "Stop checking" }).click();
  await expect(page.getByText("The check was stopped before its end")).toBeVisible();
  const stoppedAt = archiveBytes();
  expect(stoppedAt / size).toBeLessThan(0.9);
  await page.waitForTimeout(1000);
  expect(archiveBytes(), "nothing is read any more").toBe(stoppedAt);

  function archiveBytes(): number {
    return wire.exchanges.filter(({ url }) => url.endsWith("/archive")).reduce((sum, { answered }) => sum + answered, 0);
  }

  function sizeHeader(): string {
    return wire.exchanges.find(({ url, contentRange }) => url.endsWith("/archive") && contentRange)?.contentRange ?? "";
  }
});
