// Looking inside: what is shown is what is there, and nothing of it can hide or steer.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { TestInfo } from "@playwright/test";
import { backup } from "./support/cli";
import { execute } from "./support/python";
import { expect, test } from "./support/test";

const password = "acht Wörter für einen Test";
/** U+202E turns what follows around: `photo<202E>gnp.exe` would be read as `photoexe.png`. */
const misleading = "photo\u202egnp.exe";

/** A small archive with everything that is awkward to show. */
function makeArchive(info: TestInfo, sealed: boolean): string {
  const database = info.outputPath("awkward.sqlite");
  const long = "Satz Nummer eins. ".repeat(40);
  execute(
    database,
    `CREATE TABLE notes (id INTEGER PRIMARY KEY, name TEXT, body TEXT, data BLOB, "any");
     INSERT INTO notes VALUES (1, NULL, '', x'00ff', 7);
     INSERT INTO notes VALUES (2, '', NULL, NULL, 'seven');
     INSERT INTO notes VALUES (3, '${misleading}', '<img src=x onerror=alert(1)>', x'', 7.5);
     INSERT INTO notes VALUES (4, 'مرحبا بالعالم', '${long}', NULL, NULL);
     INSERT INTO notes VALUES (5, 'tab' || char(9) || 'line' || char(10) || 'end', '👩‍👩‍👧 家族', NULL, NULL);
     CREATE TABLE numbers (n INTEGER PRIMARY KEY);
     WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1234) INSERT INTO numbers SELECT i FROM c;
     CREATE TABLE deserted (id INTEGER PRIMARY KEY);`,
  );
  const folder = info.outputPath("files");
  mkdirSync(`${folder}/déjà vu`, { recursive: true });
  for (let index = 0; index < 300; index += 1) writeFileSync(`${folder}/déjà vu/file ${index}.txt`, `number ${index}`);
  const out = info.outputPath(sealed ? "awkward.coffer" : "awkward.zip");
  backup({ database, out, files: { things: folder }, ...(sealed ? { password } : {}) });
  return out;
}

test("rows are shown as they are, without a sign-in", async ({ app, page }, info) => {
  await app.pick(makeArchive(info, true));
  await app.unlock(password);
  await app.previewed();
  expect(await app.tablesShown()).toEqual({ deserted: 0, notes: 5, numbers: 1234 });

  await page.getByRole("button", { name: "notes", exact: true }).click();
  const dialog = page.getByRole("dialog");
  const cell = (row: number, column: number) => dialog.locator("tbody tr").nth(row).locator("td").nth(column);
  await expect(cell(0, 1).getByTitle("No value")).toHaveText("NULL");
  await expect(cell(0, 2).getByTitle("A text without any characters")).toHaveText("empty");
  await expect(cell(1, 1).getByTitle("A text without any characters")).toBeVisible();
  await expect(cell(1, 2).getByTitle("No value")).toBeVisible();
  await expect(cell(2, 1)).toHaveText("photoU+202Egnp.exe");
  await expect(cell(2, 2)).toHaveText("<img src=x onerror=alert(1)>");
  expect(await page.locator("img").count()).toBe(0);
  await expect(cell(3, 1)).toHaveText("مرحبا بالعالم");
  await expect(cell(4, 1)).toHaveText("tab⇥line↵end");
  await expect(cell(4, 2)).toHaveText("👩‍👩‍👧 家族");

  const long = cell(3, 2);
  await expect(long).toContainText("…");
  const before = (await long.innerText()).length;
  await long.getByRole("button", { name: /^Show \d+ more characters$/ }).click();
  await expect(long.getByRole("button", { name: "Show less" })).toBeVisible();
  expect((await long.innerText()).length).toBeGreaterThan(before + 300);
  await page.keyboard.press("Escape");

  // Page by page, to the end
  await page.getByRole("button", { name: "numbers", exact: true }).click();
  await expect(dialog.getByText("Rows 1 to 50 of 1,234")).toBeVisible();
  await dialog.getByRole("button", { name: "Next rows" }).click();
  await expect(dialog.getByText("Rows 51 to 100 of 1,234")).toBeVisible();
  await expect(cell(0, 0)).toHaveText("51");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "deserted", exact: true }).click();
  await expect(dialog.getByText("This table has no rows.")).toBeVisible();
});

test("tables can be sorted and filtered, files too, and each saved", async ({ app, page }, info) => {
  await app.pick(makeArchive(info, true));
  await app.unlock(password);
  await app.previewed();
  const order = async () => Object.keys(await app.tablesShown());
  expect(await order()).toEqual(["deserted", "notes", "numbers"]);
  await page.getByRole("button", { name: "Rows", exact: true }).click();
  expect(await order()).toEqual(["numbers", "notes", "deserted"]);
  await expect(page.getByRole("columnheader", { name: "Rows" })).toHaveAttribute("aria-sort", "descending");
  await page.getByLabel("Filter tables").fill("NUM");
  expect(await order()).toEqual(["numbers"]);

  await app.tab("Files").click();
  await expect(page.getByText("300 files, ")).toBeVisible();
  await page.getByRole("button", { name: "déjà vu", exact: true }).click();
  expect(await page.getByRole("button", { name: /^Save / }).count(), "only what is in sight is in the page").toBeLessThan(60);
  expect((await app.saveFile("file 299.txt")).toString()).toBe("number 299");
});

test("a plain archive opens without a password, dropped on the page", async ({ app, page }, info) => {
  const path = makeArchive(info, false);
  await page.goto(`${app.origin}/#/open`);
  const bytes = readFileSync(path).toString("base64");
  const transfer = await page.evaluateHandle((base64) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], "awkward.zip"));
    return data;
  }, bytes);
  await page.getByRole("group", { name: "Choose a file" }).dispatchEvent("drop", { dataTransfer: transfer });
  await app.previewed();
  await expect(page.getByText("Not sealed")).toBeVisible();
  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText("Everything is right")).toBeVisible();
});
