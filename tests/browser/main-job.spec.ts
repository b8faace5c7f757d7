// The main job, from the first click to restored rows, and what left the page meanwhile.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { App } from "./support/app";
import { digests } from "./support/files";
import { bech32Core, keysOf } from "./support/keys";
import type { Exchange } from "./support/proxy";
import { type Dump, dump, execute } from "./support/python";
import { type Form, formsOfBytes, formsOfText, leaks } from "./support/secrets";
import { demo, expect, test } from "./support/test";

/** With characters that every encoding writes in its own way. */
const password = "Früh übt sich & 4% Rabatt? ~ 東京";

test.setTimeout(240_000);

/** What the demo's preset calls credentials, and what a standard archive holds in their place. */
const credentials: Record<string, Record<string, string>> = {
  agents: { password_hash: "str:'!'", totp_secret: "null", recovery_codes: "null", api_token: "null" },
  customers: { portal_password_hash: "null" },
  tickets: { access_token: "null" },
  mailboxes: { imap_password: "str:'set-again-after-restore'" },
  webhooks: { signing_secret: "str:'set-again-after-restore'" },
};
/** What the preset leaves out, and the migration ledger. */
const leftOut = ["sessions", "search_words", "_sqlx_migrations"];

/** What a standard archive brings back: placeholders in place of credentials. */
function withPlaceholders(all: Dump): Dump {
  const masked = Object.entries(all).map(([table, { columns, rows }]) => {
    const mask = (row: readonly string[]) =>
      row.map((value, index) => (value === "null" ? value : (credentials[table]?.[columns[index] ?? ""] ?? value)));
    return [table, { columns, rows: rows.map(mask).toSorted(compareRows) }] as const;
  });
  return Object.fromEntries(masked);
}

const compareRows = (a: readonly string[], b: readonly string[]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const sorted = (all: Dump): Dump =>
  Object.fromEntries(Object.entries(all).map(([table, { columns, rows }]) => [table, { columns, rows: rows.toSorted(compareRows) }]));

/** What an accident does to the application. */
function damage(database: string, uploads: string): void {
  execute(database, "DELETE FROM messages WHERE id % 2 = 0; DELETE FROM tickets WHERE id > 100; UPDATE customers SET name = 'lost';");
  const [first, second] = Object.keys(digests(uploads));
  rmSync(join(uploads, first ?? ""));
  writeFileSync(join(uploads, second ?? ""), "overwritten");
  writeFileSync(join(uploads, "stray.txt"), "was not there");
}

/** Every secret of the job, in every form. */
function secretForms(archive: string): Form[] {
  const keys = keysOf(archive, password);
  // What the archive was sealed with: none of these may be missing, or the search would be for nothing.
  for (const name of ["derived_key", "wrapping_key", "secret_key", "file_key", "payload_key"]) expect(keys[name], name).toHaveLength(32);
  const secretKey = bech32Core(keys.secret_key ?? Buffer.alloc(0));
  return [
    ...formsOfText("password", password),
    ...Object.entries(keys).flatMap(([name, bytes]) => formsOfBytes(name, bytes)),
    ...formsOfText("secret key's text", secretKey),
    ...formsOfText("secret key's text in upper case", secretKey.toUpperCase()),
  ];
}

test("backup, look inside, damage, restore; nothing secret leaves the page", async ({ page, app, server, wire, recorder }, info) => {
  const before = dump(server.database);
  const filesBefore = digests(server.uploads);

  await app.signIn(server.token);
  expect(page.url(), "the token is gone from the address").not.toContain(server.token);
  await app.takeBackup(demo, { password });
  const archive = await downloadNewest(app, info.outputPath("standard.coffer"));

  // Looked into
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await expect(page.getByTestId("sender")).toHaveText("this server");
  const shown = await app.tablesShown();
  for (const [table, rows] of Object.entries(shown)) expect(rows, table).toBe(before[table]?.rows.length);
  for (const table of leftOut) expect(shown, `${table} is left out`).not.toHaveProperty(table);
  const tables = Object.keys(before).filter((name) => name !== "sqlite_sequence" && !leftOut.includes(name));
  expect(Object.keys(shown).toSorted()).toEqual(tables.toSorted());

  await page.getByRole("button", { name: "customers", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.locator("tbody tr").first()).toBeVisible();
  const names = await dialog.locator("thead th").allInnerTexts();
  expect(names.map((name) => name.split("\n")[0])).toEqual(before.customers?.columns);
  await expect(dialog.locator("tbody tr")).toHaveCount(Math.min(50, before.customers?.rows.length ?? 0));
  await page.keyboard.press("Escape");

  const path = Object.keys(filesBefore).find((name) => name.endsWith(".png")) ?? "";
  expect(await app.saveFile(path)).toEqual(readFileSync(join(server.uploads, path)));

  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText("Everything is right")).toBeVisible({ timeout: 60_000 });

  // Damaged and restored
  damage(server.database, server.uploads);
  expect(dump(server.database)).not.toEqual(before);
  await app.plan();
  await expect(page.getByText("was sealed and signed by")).toBeVisible();
  await app.confirm(demo);
  const after = dump(server.database);
  expect(withPlaceholders(before), "the demo has credentials").not.toEqual(sorted(before));
  expect(sorted(after)).toEqual(withPlaceholders(before));
  expect(digests(server.uploads)).toEqual(filesBefore);

  // Nothing secret left the page
  const forms = secretForms(archive);
  expect(forms.length).toBeGreaterThan(60);
  const sent = await recorder.sent();
  expect(leaks(sent, forms)).toEqual([]);
  expect(recorder.foreign(), "every request went to the proxy").toEqual([]);
  // The records are of the whole job: the browser told of the worker's reads too, and nothing went around the proxy.
  expect(
    recorder.urls.some((url) => url.endsWith("/archive")),
    "the worker's requests are recorded",
  ).toBe(true);
  for (const part of ["/api/profiles", "/api/plans", "/api/uploads", "/api/restores"])
    expect(
      wire.exchanges.some(({ method, url }) => method !== "GET" && url.startsWith(part)),
      part,
    ).toBe(true);
  expect(recorder.counts.proxy).toBeGreaterThanOrEqual(recorder.urls.filter((url) => url.startsWith("http")).length);
  const uploaded = wire.exchanges.filter(({ method }) => method === "PATCH").reduce((sum, { body }) => sum + body.length, 0);
  expect(uploaded, "the bundle was seen whole").toBeGreaterThan(100_000);
  // The bundle's own one-time key goes where it is needed, and nowhere else.
  const restore = confirmation(wire.exchanges);
  const oneTime = Buffer.from(restore.key, "base64");
  expect(oneTime).toHaveLength(32);
  const places = leaks(sent, formsOfBytes("one-time key", oneTime)).map(({ where }) => where);
  expect(new Set(places)).toEqual(
    new Set(["body of POST /api/restores, as the browser told it", "body of POST /api/restores, at the proxy"]),
  );
  // Nothing stays in the browser either.
  const kept = await page.evaluate(async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]);
  expect(kept).toEqual([0, 0, 0]);
  // And none of it is in what the server printed.
  expect(leaks([{ where: "the server's output", bytes: Buffer.from(server.printed) }], forms)).toEqual([]);
});

test("a sensitive backup brings everything back byte for byte, and some tables alone", async ({ page, app, server }) => {
  const before = dump(server.database);
  const filesBefore = digests(server.uploads);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await expect(page.getByText("Credentials are inside")).toBeVisible();

  damage(server.database, server.uploads);
  await app.plan();
  await app.confirm(demo);
  expect(dump(server.database)).toEqual(before);
  expect(digests(server.uploads)).toEqual(filesBefore);

  // Only one table: the other damage stays.
  execute(server.database, "UPDATE kb_articles SET title = 'lost'; UPDATE customers SET name = 'lost';");
  const damaged = dump(server.database);
  await page.getByRole("button", { name: "Restore something else" }).click();
  await page.getByLabel("Only some of it").check();
  await page.getByRole("checkbox", { name: /^kb_articles\b/ }).check();
  await page.getByRole("button", { name: "Make the plan" }).click();
  await app.confirm(demo);
  expect(dump(server.database)).toEqual({ ...damaged, kb_articles: before.kb_articles });
});

test("what a restore replaced is brought back, and that too is undone", async ({ page, app, server }) => {
  const restored = dump(server.database);
  await app.signIn(server.token);
  await app.takeBackup(demo, { password, sensitive: true });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  execute(server.database, "UPDATE customers SET name = 'lost'; UPDATE kb_articles SET title = 'lost too';");
  writeFileSync(join(server.uploads, "stray.txt"), "was not there");
  const damaged = dump(server.database);
  const damagedFiles = digests(server.uploads);
  await app.plan();
  await app.confirm(demo);
  expect(dump(server.database)).toEqual(restored);

  await page.getByRole("link", { name: "Undo this…" }).click();
  await app.confirmUndo(demo);
  expect(dump(server.database)).toEqual(damaged);
  expect(digests(server.uploads)).toEqual(damagedFiles);

  // From the sources this time; and somebody worked in the application meanwhile.
  execute(server.database, "INSERT INTO tags (id, name, colour) VALUES (4711, 'meanwhile', '#123456')");
  await app.goHome();
  await app.source(demo).getByRole("link", { name: "Undo a restore…" }).click();
  await expect(page.getByLabel("Before an undo")).toBeChecked();
  await expect(page.getByLabel("Before a restore")).not.toBeChecked();
  await app.confirmUndo(demo, { changed: "Since the restore, this changed: tags.", keep: false });
  expect(dump(server.database)).toEqual(restored);
  await expect(page.getByText("No safety backup was taken, so this can’t be undone.")).toBeVisible();
});

test("the check finds every form of every secret that is sent", async ({ page, app, server, recorder }, info) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  const archive = await downloadNewest(app, info.outputPath("standard.coffer"));
  const forms = secretForms(archive);
  expect(leaks(await recorder.sent(), forms)).toEqual([]);

  // Each in a body, from the page itself; half of them surrounded by other bytes.
  const bodies = forms.map(({ bytes }, index) => [
    ...(index % 2 === 0 ? Buffer.concat([Buffer.from("x="), bytes, Buffer.from("&")]) : bytes),
  ]);
  await page.evaluate(async (all) => {
    for (const body of all) await fetch("/api/leak", { method: "POST", body: new Uint8Array(body) });
  }, bodies);
  const inBodies = new Set(leaks(await recorder.sent(), forms).map(({ form }) => form));
  expect(forms.map(({ name }) => name).filter((name) => !inBodies.has(name))).toEqual([]);

  // In an address, in a header, and from a worker.
  const marks = await page.evaluate(async (secret) => {
    const hex = [...new TextEncoder().encode(secret)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    await fetch(`/api/leak-in-address?q=${encodeURIComponent(secret)}`);
    await fetch("/api/leak-in-header", { headers: { "x-note": hex } });
    return [hex];
  }, password);
  expect(marks).toHaveLength(1);
  const places = leaks(await recorder.sent(), formsOfText("password", password)).map(({ where }) => where);
  for (const place of ["URL of GET /api/leak-in-address, at the proxy", "URL of GET /api/leak-in-address, as the browser told it"])
    expect(places).toContain(place);
  for (const place of ["headers of GET /api/leak-in-header, at the proxy", "headers of GET /api/leak-in-header, as the browser told it"])
    expect(places).toContain(place);
});

/** What confirmed the restore. */
function confirmation(exchanges: readonly Exchange[]): { key: string } {
  const bodies = exchanges.filter(({ method, url }) => method === "POST" && url === "/api/restores").map(({ body }) => body);
  expect(bodies).toHaveLength(1);
  return JSON.parse(String(bodies[0])) as { key: string };
}

/** Downloads the newest backup through the page, and returns where it is. */
async function downloadNewest(app: App, to: string): Promise<string> {
  await app.goHome();
  const started = app.page.waitForEvent("download");
  await app.page
    .getByRole("link", { name: /^Download/ })
    .first()
    .click();
  await (await started).saveAs(to);
  return to;
}
