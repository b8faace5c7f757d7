// Files that are not what they should be: each gets its own clear message, and stays as it was.
import { closeSync, copyFileSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { backup } from "./support/cli";
import { sha256 } from "./support/files";
import { dump, execute, runPython } from "./support/python";
import { demo, expect, test } from "./support/test";

const password = "eine lange Reihe von Worten";

/** Turns over one bit. */
function flip(path: string, offset: number): void {
  const file = openSync(path, "r+");
  const byte = readFileSync(path)[offset] ?? 0;
  writeSync(file, Buffer.from([byte ^ 1]), 0, 1, offset);
  closeSync(file);
}

test("every wrong file gets its own message and stays as it was", async ({ app, server, page }, info) => {
  const good = info.outputPath("good.coffer");
  backup({ database: server.database, out: good, password });
  const at = (name: string) => info.outputPath(name);

  copyFileSync(good, at("truncated.coffer"));
  truncateSync(at("truncated.coffer"), Math.floor(statSync(good).size * 0.7));
  copyFileSync(good, at("flipped-header.coffer"));
  flip(at("flipped-header.coffer"), 0x0b);
  copyFileSync(good, at("flipped-payload.coffer"));
  flip(at("flipped-payload.coffer"), Math.floor(statSync(good).size / 2));
  runPython(["-c", "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z: z.writestr('a.txt', 'hello')", at("ordinary.zip")]);
  writeFileSync(at("empty.coffer"), "");
  writeFileSync(at("letter.coffer"), "Dear reader,\nthis is a text.\n".repeat(50));

  const files = [
    "good.coffer",
    "truncated.coffer",
    "flipped-header.coffer",
    "flipped-payload.coffer",
    "ordinary.zip",
    "empty.coffer",
    "letter.coffer",
  ];
  const before = files.map((name) => sha256(readFileSync(at(name))));
  const said: Record<string, string> = {};

  // At once, without any password
  for (const name of ["truncated.coffer", "ordinary.zip", "empty.coffer", "letter.coffer", "flipped-header.coffer"]) {
    await app.pick(at(name));
    said[name] = await app.problem();
    await page.reload();
  }

  // After the password
  await app.pick(at("good.coffer"));
  await app.unlock("not this one");
  said["wrong password"] = await app.problem();
  await expect(app.passwordField, "it can be tried again").toBeEnabled();
  await expect(app.passwordField).toHaveValue("");
  await expect(app.passwordField).toBeFocused();
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("button", { name: "Close" }).click();

  // Where the damage is found when it is read
  await app.pick(at("flipped-payload.coffer"));
  await app.unlock(password);
  await app.previewed();
  await page.getByRole("button", { name: "Check everything" }).click();
  said["flipped-payload.coffer"] = await app.problem();

  const expected: Record<string, RegExp> = {
    "truncated.coffer": /cut short/,
    "ordinary.zip": /ordinary ZIP file/,
    "empty.coffer": /file is empty/,
    "letter.coffer": /not a Coffer archive/,
    "flipped-header.coffer": /beginning of this archive is damaged/,
    "wrong password": /not the password of this archive/,
    "flipped-payload.coffer": /part of this archive is damaged/,
  };
  for (const [name, words] of Object.entries(expected)) expect(said[name], name).toMatch(words);
  expect(new Set(Object.values(said)).size, "all are different").toBe(Object.keys(expected).length);
  for (const [name, words] of Object.entries(said))
    expect(words, `${name} says what is untouched`).toMatch(/unchanged|not changed|nothing was changed/i);
  expect(files.map((name) => sha256(readFileSync(at(name))))).toEqual(before);
});

test("a worker that ends unexpectedly is told, and nothing hangs", async ({ app, page }) => {
  await page.route(/\/assets\/worker-.*\.js$/, (route) =>
    route.fulfill({ contentType: "text/javascript", body: "throw new Error('gone');" }),
  );
  await app.pick({ name: "a.coffer", mimeType: "", buffer: Buffer.from("x") });
  expect(await app.problem()).toContain("The part of this page that reads archives stopped");
});

test("the link for the first administrator works once, and says so", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(`${app.origin}/#set-up=${server.token}`);
  await page.getByLabel("Name").fill("Eve");
  await app.chooseSignInPassword("another horse battery");
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await expect(page.getByRole("alert")).toContainText("The link did not work");
  await expect(page.getByText(demo)).toHaveCount(0);
});

test("a broken connection during the upload is waited out", async ({ app, page, wire, server }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await app.plan();

  // The first piece is cut off on its way; the next try finds the connection whole.
  let cut = false;
  await page.route("**/api/uploads/*", async (route) => {
    if (route.request().method() !== "PATCH" || cut) return route.continue();
    cut = true;
    wire.broken = true;
    setTimeout(() => {
      wire.broken = false;
    }, 1200);
    return route.continue();
  });
  await app.confirm(demo);
  expect(cut).toBe(true);
  expect(wire.exchanges.filter(({ method, url }) => method === "HEAD" && url.startsWith("/api/uploads/")).length).toBeGreaterThan(0);
});

test("a plan that is out of date is refused, and nothing changes", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await app.plan();
  await page.getByLabel("Replace what the target holds now").check();
  const field = page.getByLabel(`Type ${demo} to confirm`);
  await expect(field).toBeEnabled();
  await field.fill(demo);

  // Meanwhile somebody works in the application.
  execute(server.database, "INSERT INTO tags (id, name, colour) VALUES (4711, 'meanwhile', '#123456')");
  const before = dump(server.database);
  await page.getByRole("button", { name: `Restore into ${demo}` }).click();
  const said = await app.problem();
  expect(said).toContain(`Nothing was changed in ${demo}`);
  expect(dump(server.database)).toEqual(before);

  await page.getByRole("button", { name: "Plan anew" }).click();
  await page.getByRole("button", { name: "Make the plan" }).click();
  await app.confirm(demo);
  expect(dump(server.database)).not.toEqual(before);
});

test("a restore is not offered what it can't do", async ({ app, page, server }, info) => {
  const database = info.outputPath("other.sqlite");
  execute(database, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO things VALUES (1, 'one');");
  const archive = info.outputPath("other.coffer");
  backup({ database, out: archive, password });
  await app.signIn(server.token);
  await app.pick(archive);
  await app.unlock(password);
  await app.previewed();
  await app.plan();
  const said = await app.problem();
  expect(said).toContain("Not possible like this");
  expect(said).toContain("things does not fit: the target does not have it.");
  await expect(page.getByLabel(`Type ${demo} to confirm`)).toBeDisabled();
});
