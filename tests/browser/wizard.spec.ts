// The restore wizard: what, how, the rehearsed plan, the confirmation, the result, and undoing it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expectAccessible, expectFits } from "./support/axe";
import { Console } from "./support/console";
import { tabTo } from "./support/keyboard";
import { dump, execute } from "./support/python";
import { formsOfBytes, formsOfText, leaks } from "./support/secrets";
import { demo, expect, test } from "./support/test";

const password = "neun Brücken über den Fluss";

/** Milliseconds for a rehearsal or a restore of the demo application. */
const limit = 60_000;

test.setTimeout(180_000);

const plan = async (page: Page) => {
  await page.getByRole("button", { name: "Make the plan" }).click();
  await expect(page.getByRole("heading", { name: "The plan" })).toBeVisible({ timeout: limit });
};

/** The numbers of one table's row in a plan or a result. */
async function counts(page: Page, table: string): Promise<Record<string, number>> {
  const row = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${table}\\b`) }) });
  const cells = await row.locator("td").all();
  const pairs = await Promise.all(
    cells.map(async (cell) => [await cell.getAttribute("data-label"), Number((await cell.innerText()).replaceAll(/\D/g, ""))] as const),
  );
  return Object.fromEntries(pairs.map(([name, value]) => [name ?? "", value]));
}

async function confirm(page: Page, target: string): Promise<void> {
  await page.getByLabel(`Type ${target} to confirm`).fill(target);
  await page.getByRole("button", { name: `Restore into ${target}` }).click();
  await expect(page.getByRole("heading", { name: `${target} is restored` })).toBeVisible({ timeout: limit });
}

test("missing rows are added and changed ones kept, by a rehearsed plan, and that is undone", async ({ app, page, server, wire }) => {
  const before = dump(server.database);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  execute(
    server.database,
    "DELETE FROM settings WHERE key = (SELECT max(key) FROM settings WHERE key <> 'app.version'); UPDATE customers SET name = 'lost';",
  );
  const damaged = dump(server.database);

  // From the list straight into the wizard: the sealed archive is opened here, by ranges.
  await app.goHome();
  await page
    .getByRole("link", { name: /^Restore…/ })
    .first()
    .click();
  await app.unlock(password);
  await expect(page.getByRole("heading", { name: "Where to, what, and how" })).toBeVisible({ timeout: limit });
  const held = damaged.settings?.rows.length ?? 0;
  await expect(page.getByText(/The [\d,]+ rows and \d+ files that .+ holds there now go\./)).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Only some of it").check();
  await page.getByRole("checkbox", { name: /^settings\b/ }).check();
  await page.getByRole("checkbox", { name: /^customers\b/ }).check();
  const skip = page.getByLabel("Only add what is missing");
  await skip.check();
  await expect(skip).toHaveAccessibleDescription(new RegExp(`The ${held + (before.customers?.rows.length ?? 0)} rows`));
  await plan(page);
  await expect(page.getByText("Rehearsed: all of this was done in a transaction and rolled back")).toBeVisible();
  expect(await counts(page, "settings")).toMatchObject({ New: 1, Changed: 0, Gone: 0, Same: held });
  await expect(page.getByText("1 other table stays exactly as it is")).toBeVisible();
  expect(dump(server.database), "a rehearsal changes nothing").toEqual(damaged);
  await expectAccessible(page);
  await confirm(page, demo);
  expect(await counts(page, "settings")).toMatchObject({ New: 1 });
  await expectAccessible(page);
  expect(dump(server.database)).toEqual({ ...damaged, settings: before.settings });
  expect(
    wire.exchanges.filter(({ method, url }) => method === "POST" && /^\/api\/(rehearsals|restores)$/.test(url)).map(({ url }) => url),
  ).toEqual(["/api/rehearsals", "/api/restores"]);
  expect(readdirSync(join(server.data, "uploads")), "the bundle is gone from the server").toEqual([]);

  await page.getByRole("link", { name: "Undo this…" }).click();
  await app.confirmUndo(demo);
  expect(dump(server.database)).toEqual(damaged);
});

test("rows take the archive's values after their change was shown and allowed", async ({ app, page, server }) => {
  const before = dump(server.database);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  execute(server.database, "UPDATE customers SET name = 'lost <b>' WHERE id <= 3; DELETE FROM messages WHERE id % 2 = 0;");
  const damaged = dump(server.database);
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("link", { name: "Restore…" }).click();
  await page.getByLabel("Overwrite").check();
  await plan(page);
  const lost = (before.messages?.rows.length ?? 0) - (damaged.messages?.rows.length ?? 0);
  expect(await counts(page, "messages")).toMatchObject({ New: lost, Changed: 0, Gone: 0 });
  expect(await counts(page, "customers")).toMatchObject({ New: 0, Changed: 3, Gone: 0 });
  const samples = page.locator("section").filter({ has: page.getByRole("heading", { name: "Some of the rows that change" }) });
  await expect(samples).toContainText("lost <b>");
  await expect(samples.getByRole("listitem")).toHaveCount(3);
  const field = page.getByLabel(`Type ${demo} to confirm`);
  await expect(field).toBeDisabled();
  await page.getByLabel("Change what the target holds now").check();
  await expect(field).toBeEnabled({ timeout: limit });
  await page.setViewportSize({ width: 375, height: 800 });
  await expectFits(page);
  await expectAccessible(page);
  expect(dump(server.database)).toEqual(damaged);
  await confirm(page, demo);
  await expectFits(page);
  expect(dump(server.database)).toEqual(before);

  // Once more, there is nothing to do, and nothing to confirm.
  await page.getByRole("button", { name: "Restore something else" }).click();
  await expect(page.getByLabel("Overwrite")).toBeChecked();
  await plan(page);
  await expect(page.getByText(`Nothing would change in ${demo}`)).toBeVisible();
  await expect(page.getByLabel(`Type ${demo} to confirm`)).toHaveCount(0);
});

test("single records are found by their words and restored with what belongs to them", async ({ app, page, server }) => {
  const before = dump(server.database);
  const column = (table: string, name: string) => before[table]?.columns.indexOf(name) ?? -1;
  const ticket = (before.tickets?.rows ?? []).find((row) =>
    (before.messages?.rows ?? []).some((message) => message[column("messages", "ticket_id")] === row[column("tickets", "id")]),
  );
  const id = Number(ticket?.[column("tickets", "id")]?.replaceAll(/\D/g, ""));
  const subject = (ticket?.[column("tickets", "subject")] ?? "").replace(/^str:'(.*)'$/, "$1");
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  execute(server.database, `DELETE FROM messages WHERE ticket_id = ${id}; UPDATE kb_articles SET title = 'stays';`);
  const damaged = dump(server.database);
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("link", { name: "Restore…" }).click();
  await page.getByLabel("Single records").check();
  await page.getByRole("button", { name: "Make the plan" }).click();
  await expect(page.getByText("Choose at least one record.")).toBeVisible();
  await page.getByLabel("Table", { exact: true }).selectOption({ label: `tickets (${before.tickets?.rows.length} rows)` });
  await page.getByLabel("Words to look for").fill("no ticket says this");
  await page.getByRole("button", { name: "Look", exact: true }).click();
  await expect(page.getByText("No row holds that.")).toBeVisible();
  await page.getByLabel("Words to look for").fill(subject.toUpperCase());
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: `Add id ${id}`, exact: true }).click();
  await expect(page.getByText("1 record is chosen")).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Overwrite").check();
  await plan(page);
  const lost = (before.messages?.rows.length ?? 0) - (damaged.messages?.rows.length ?? 0);
  expect(await counts(page, "messages")).toMatchObject({ New: lost, Changed: 0, Gone: 0 });
  const consent = page.getByLabel("Change what the target holds now");
  if (await consent.count()) await consent.check();
  await expect(page.getByLabel(`Type ${demo} to confirm`)).toBeEnabled({ timeout: limit });
  await confirm(page, demo);
  const after = dump(server.database);
  expect(after.messages).toEqual(before.messages);
  expect(after.kb_articles).toEqual(damaged.kb_articles);
});

test("a replacing plan can be rehearsed before it is confirmed", async ({ app, page, server }) => {
  const before = dump(server.database);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  execute(server.database, "DELETE FROM messages");
  const damaged = dump(server.database);
  await app.plan();
  await page.getByRole("button", { name: "Rehearse it too" }).click();
  await expect(page.getByText("Rehearsed: all of this was done")).toBeVisible({ timeout: limit });
  await expect(page.getByRole("button", { name: "Rehearse it too" })).toHaveCount(0);
  expect(dump(server.database)).toEqual(damaged);
  await app.confirm(demo);
  expect(dump(server.database)).toEqual(before);
});

test("the whole way works with the keyboard alone", async ({ app, page, server }) => {
  const before = dump(server.database);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  execute(server.database, "UPDATE customers SET name = 'lost'");
  await page.reload();
  await expect(page.getByRole("heading", { name: "Stored backups" })).toBeVisible();
  await tabTo(page, /^Restore… /);
  await page.keyboard.press("Enter");
  await expect(app.passwordField).toBeFocused();
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Where to, what, and how" })).toBeVisible({ timeout: limit });
  await tabTo(page, /^Replace/);
  await page.keyboard.press("ArrowDown");
  await expect(page.getByLabel("Overwrite")).toBeChecked();
  await tabTo(page, /^Make the plan$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "The plan" })).toBeVisible({ timeout: limit });
  await tabTo(page, /^Change what the target holds now/);
  await page.keyboard.press("Space");
  await expect(page.getByLabel(`Type ${demo} to confirm`)).toBeEnabled({ timeout: limit });
  await tabTo(page, /to confirm$/);
  await page.keyboard.type(demo);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: `${demo} is restored` })).toBeVisible({ timeout: limit });
  expect(dump(server.database)).toEqual(before);
});

test("a job's backup is restored with the recovery kit, and neither bundle nor keys stay with the server", async ({
  app,
  page,
  server,
  wire,
}, info) => {
  const before = dump(server.database);
  const kit = info.outputPath("kit.html");
  const console = new Console(app, page, server);
  await app.signIn(server.token);
  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await page.getByRole("button", { name: "New profile" }).click();
  await page.getByLabel("Name of the profile").fill("Vault");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Make the key" }).click();
  const started = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Save the recovery kit" }).click();
  await (await started).saveAs(kit);
  await dialog.locator("input[type=file]").setInputFiles(kit);
  await dialog.getByRole("button", { name: "Done" }).click();
  await app.goHome();
  await console.addFolder("Cellar");
  await console.newJob();
  await page.getByLabel("Name").fill("Nightly");
  await console.save("Nightly");
  await console.run(1);
  execute(server.database, "DELETE FROM messages; DELETE FROM tickets WHERE id > 5;");

  await app.goHome();
  await page
    .getByRole("link", { name: /^Restore…/ })
    .first()
    .click();
  await page.locator("form input[type=file]").setInputFiles(kit);
  await plan(page);
  await page.getByLabel("Replace what the target holds now").check();
  await expect(page.getByLabel(`Type ${demo} to confirm`)).toBeEnabled();
  const ranges = wire.exchanges.filter(({ method, url }) => method === "GET" && url.endsWith("/archive"));
  expect(ranges.length, "the stored archive was read by ranges").toBeGreaterThan(1);
  await confirm(page, demo);
  const after = dump(server.database);
  expect(after.messages).toEqual(before.messages);
  expect(Object.fromEntries(Object.entries(after).map(([name, { rows }]) => [name, rows.length]))).toMatchObject(
    Object.fromEntries(["tickets", "messages", "customers"].map((name) => [name, before[name]?.rows.length])),
  );

  const bodies = wire.exchanges.filter(({ url }) => url === "/api/restores").map(({ body }) => String(body));
  expect(bodies).toHaveLength(1);
  const { key } = JSON.parse(bodies[0] ?? "{}") as { key: string };
  const secret = /COFFER-SECRET-KEY-1[0-9A-Z]+/.exec(readFileSync(kit, "utf8"))?.[0] ?? "";
  const forms = [...formsOfBytes("one-time key", Buffer.from(key, "base64")), ...formsOfText("secret key", secret)];
  expect(forms.length).toBeGreaterThan(5);
  expect(readdirSync(join(server.data, "uploads")), "the bundle is gone").toEqual([]);
  const kept = readdirSync(server.data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => ({ where: join(parentPath, name), bytes: readFileSync(join(parentPath, name)) }));
  expect(kept.length).toBeGreaterThan(5);
  expect(leaks([...kept, { where: "what the server printed", bytes: Buffer.from(server.printed) }], forms)).toEqual([]);
});
