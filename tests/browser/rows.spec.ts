// Rows: found by a text wherever they stand, and all of them saved as the command line writes them.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "@playwright/test";
import { App } from "./support/app";
import { expectAccessible, expectFits } from "./support/axe";
import { backup } from "./support/cli";
import { environment } from "./support/environment";
import { execute } from "./support/python";
import { expect, test } from "./support/test";

const password = "Nadeln im Heuhaufen";

/** A table of several parts with some needles, and values that CSV and JSON have to take care of. */
function haystack(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const database = join(folder, "hay.sqlite");
  const numbers = (count: number) => `WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < ${count}) SELECT v FROM n`;
  execute(
    database,
    `CREATE TABLE hay (id INTEGER PRIMARY KEY, body TEXT, weight REAL, data BLOB, big INTEGER, "any");
     INSERT INTO hay SELECT v, 'straw ' || v || ' ' || hex(randomblob(60)), v / 4.0, x'00ff', 9007199254740993, CASE v % 3 WHEN 0 THEN 'text' WHEN 1 THEN 7 END FROM (${numbers(90_000)});
     UPDATE hay SET body = 'a NEEDLE, "sharp"' || char(10) || 'and <b>long</b>' WHERE id % 1000 = 999;
     UPDATE hay SET body = NULL WHERE id = 5; UPDATE hay SET body = '' WHERE id = 6;
     CREATE TABLE one (only TEXT); INSERT INTO one VALUES (''), (NULL), ('=1+1'), ('ünï"c,o' || char(13) || 'de');
     CREATE TABLE empty (id INTEGER PRIMARY KEY);`,
  );
  const out = join(folder, "hay.coffer");
  backup({ database, out, password });
  return out;
}

const extracted = (archive: string, table: string, format: string): Buffer => {
  const out = `${archive}.${table}.${format}`;
  execFileSync(environment.coffer, ["extract", archive, "--table", `main.${table}`, `--${format}`, "--out", out, "--password-env", "P"], {
    env: { ...process.env, P: password },
    stdio: "pipe",
  });
  return readFileSync(out);
};

async function exported(page: Page, format: string): Promise<Buffer> {
  const started = page.waitForEvent("download");
  await page.getByRole("button", { name: `Save all rows as ${format.toUpperCase()}` }).click();
  const download = await started;
  await expect(page.getByText(new RegExp(`saved as ${format.toUpperCase()}\\.`))).toBeVisible();
  return readFileSync(await download.path());
}

async function searchAndSave(page: Page, archive: string): Promise<void> {
  const app = new App(page, "");
  const dialog = page.getByRole("dialog");
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("button", { name: "hay", exact: true }).click();
  const field = dialog.getByRole("searchbox", { name: "Search the rows" });
  await field.fill("needle");
  await field.press("Enter");
  await expect(dialog.getByText("50 rows of those that hold “needle”")).toBeVisible();
  const rows = dialog.locator("tbody tr");
  await expect(rows).toHaveCount(50);
  await expect(rows.first().getByRole("rowheader")).toHaveText("999");
  await expect(rows.first()).toContainText('a NEEDLE, "sharp"');
  await dialog.getByRole("button", { name: "Next rows" }).click();
  await expect(rows).toHaveCount(40);
  await expect(rows.last().getByRole("rowheader")).toHaveText("89,999");
  await expect(dialog.getByRole("button", { name: "Next rows" })).toBeDisabled();
  await dialog.getByRole("button", { name: "Previous rows" }).click();
  await expect(rows).toHaveCount(50);
  await expectAccessible(page);

  await field.fill("straw 89998 ");
  await dialog.getByRole("button", { name: "Search", exact: true }).click();
  await expect(rows).toHaveCount(1);
  await field.fill("<script>");
  await field.press("Enter");
  await expect(dialog.getByText("No row holds “<script>”.")).toBeVisible();
  await expectAccessible(page);
  await field.fill("");
  await field.press("Enter");
  await expect(dialog.getByText("Rows 1 to 50 of 90,000")).toBeVisible();

  for (const format of ["csv", "json"]) expect((await exported(page, format)).equals(extracted(archive, "hay", format)), format).toBe(true);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "one", exact: true }).click();
  for (const format of ["csv", "json"]) expect(await exported(page, format)).toEqual(extracted(archive, "one", format));
  await page.keyboard.press("Escape");
}

test("rows are searched and saved, and what is saved is what the command line writes", async ({ app, page }, info) => {
  const archive = haystack(info.outputPath());
  await app.pick(archive);
  await searchAndSave(page, archive);

  // By the keyboard, on a small phone.
  await page.setViewportSize({ width: 360, height: 640 });
  await page.getByRole("button", { name: "hay", exact: true }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog.locator("tbody tr")).toHaveCount(50);
  await dialog.getByRole("searchbox").focus();
  await page.keyboard.type("straw 77777 ");
  await page.keyboard.press("Enter");
  await expect(dialog.locator("tbody tr")).toHaveCount(1);
  await expectFits(page);
  await expectAccessible(page);
  const frame = await dialog.locator(".frame").boundingBox();
  expect(frame?.height).toBeGreaterThan(60);
});

test("rows are searched and saved in the page as one file", async ({ page }, info) => {
  const archive = haystack(info.outputPath());
  await page.goto(pathToFileURL(join(environment.web, "coffer-open.html")).href);
  await page.locator("input[type=file]").first().setInputFiles(archive);
  await searchAndSave(page, archive);
});
