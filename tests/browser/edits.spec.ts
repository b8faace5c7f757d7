// What is there already is changed in place: groups, mail channels, the keys of a profile. And what begins a run can be asked for again.
import { execFileSync } from "node:child_process";
import { expectAccessible } from "./support/axe";
import { environment } from "./support/environment";
import { mailSink } from "./support/sinks";
import { demo, expect, test } from "./support/test";

const coffer = (...args: string[]) => execFileSync(environment.coffer, args, { stdio: "pipe", timeout: 60_000 }).toString();

const password = "drei Haken an der Wand";

test("a group is changed, and a member may do what it says now", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("link", { name: "People" }).click();
  const link = await app.letLookerIn("Lou");
  const groups = page.getByRole("region", { name: "Groups" });
  await groups.getByRole("button", { name: "Change the group Lookers" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByLabel("Name of the group")).toHaveValue("Lookers");
  await expect(dialog.getByLabel("View")).toBeChecked();
  await expect(dialog.getByLabel("Back up")).not.toBeChecked();
  await expectAccessible(page);
  await dialog.getByLabel("Name of the group").fill("Keepers");
  await dialog.getByLabel("Back up").check();
  await dialog.getByRole("button", { name: "Save the group" }).click();
  await expect(dialog).toHaveCount(0);
  await expect(groups.getByRole("row").filter({ hasText: "Keepers" })).toContainText("Back up");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(link.startsWith("http") ? link.replace(/^https?:\/\/[^/]+/, app.origin) : `${app.origin}/#link=${link}`);
  await app.chooseSignInPassword("another horse battery");
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(app.source(demo).getByRole("button", { name: "Take a backup" })).toBeEnabled();
});

test("a mail channel is changed and tells other people, and its password goes nowhere else", async ({ app, page, server }) => {
  const mail = await mailSink();
  try {
    await app.signIn(server.token);
    await app.goHome();
    await page.getByRole("navigation").getByRole("link", { name: "Jobs", exact: true }).click();
    await page.getByRole("link", { name: "Notifications" }).click();
    await page.getByRole("button", { name: "New channel" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: true }).fill("On call");
    await dialog.getByLabel("To", { exact: true }).fill("ada@example.org");
    await dialog.getByLabel("From").fill("coffer@example.org");
    await dialog.getByLabel("Mail server", { exact: true }).fill("127.0.0.1");
    await dialog.getByLabel("Encryption").selectOption("none");
    await dialog.getByLabel("Port").fill(String(mail.port));
    await dialog.getByRole("button", { name: "Add the channel" }).click();
    const card = page.getByRole("region", { name: "On call" });
    await card.getByRole("button", { name: "Change…" }).click();
    await expect(dialog.getByLabel("Port")).toHaveValue(String(mail.port));
    await expectAccessible(page);
    await dialog.getByLabel("To", { exact: true }).fill("lou@example.org, mia@example.org");
    await dialog.getByRole("button", { name: "Save the channel" }).click();
    await expect(dialog).toHaveCount(0);
    await card.getByRole("button", { name: "Send a test" }).click();
    await expect(card.getByRole("status")).toContainText("The mail server took the test message");
    expect(mail.messages[0]).toContain("To: lou@example.org, mia@example.org");
    expect(mail.messages[0]).not.toContain("ada@example.org");
  } finally {
    mail.stop();
  }
});

test("somebody's public key is added to a profile, and used once its owner has opened the key file", async ({
  app,
  page,
  server,
}, info) => {
  const file = info.outputPath("theirs.key");
  coffer("key", "new", "--out", file);
  const recipient = coffer("key", "show", file).trim();
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await page.getByRole("button", { name: "Add somebody’s public key…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Public key").fill("coffer1nonsense");
  await dialog.getByRole("button", { name: "Add the public key" }).click();
  await expect(dialog.getByRole("alert")).toBeVisible();
  await dialog.getByLabel("Public key").fill(`  ${recipient.slice(0, 40)}\n${recipient.slice(40)} `);
  await dialog.getByRole("button", { name: "Add the public key" }).click();
  await expect(dialog.getByRole("status")).toContainText("The public key is added.");
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(page.getByRole("heading", { name: "Waiting for their kit to be checked" })).toBeVisible();
  await page.getByRole("button", { name: "Check the kit…" }).click();
  await dialog.locator("input[type=file]").setInputFiles(file);
  await expect(page.getByRole("heading", { name: "Waiting for their kit to be checked" })).toHaveCount(0);
  await app.goHome();
  await app.takeBackup(demo);
  await app.openNewestBackup();
  await page.locator("form input[type=file]").setInputFiles(file);
  await app.previewed();
});

test("a lost answer is asked for again by the same key, and nothing is begun twice", async ({ app, page, server, wire }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  const begun = () => wire.exchanges.filter(({ method, url }) => method === "POST" && /^\/api\/sources\/[^/]+\/backups$/.test(url)).length;
  const before = begun();
  const keys: string[] = [];
  await page.route("**/api/sources/*/backups", async (route) => {
    keys.push((await route.request().allHeaders())["idempotency-key"] ?? "");
    if (keys.length > 1) return route.continue();
    // The server begins, and its answer is lost.
    await route.fetch();
    return route.abort("connectionreset");
  });
  await app.takeBackup(demo);
  expect(begun() - before).toBe(2);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys[1]).toBe(keys[0]);
  await app.goHome();
  await page.reload();
  await expect(page.getByRole("link", { name: "Open", exact: true })).toHaveCount(2);
});
