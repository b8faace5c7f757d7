// A new installation: its first administrator, or the configuration of a server that there was before.
import type { Page } from "@playwright/test";
import { type App, administrator } from "./support/app";
import { expectAccessible, expectFits } from "./support/axe";
import { Server } from "./support/server";
import { test as base, demo, expect } from "./support/test";

const password = "zwölf Schlüssel an einem Bund";
const system = "c0ffe2c0ffe2c0ffe2c0ffe2c0ffe2c0";

/** `other` is a server that nobody has set up yet. */
const test = base.extend<{ other: Server }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a fixture needs from its pattern
  other: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.stop();
  },
});

test.setTimeout(180_000);

/** Backs the server's configuration up, and saves the archive. Gives what its webhook's messages are signed with. */
async function systemBackup(app: App, token: string, to: string, sensitive: boolean): Promise<string> {
  const { page } = app;
  await app.signIn(token);
  await app.takeBackup(demo, { password });
  const secret = await page.evaluate(
    async ({ source, credentials }) => {
      const post = async (path: string, body: object) => {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
        if (!answer.ok) throw new Error(await answer.text());
        return await answer.json();
      };
      const [profile] = (await (await fetch("/api/profiles")).json()) as { id: string }[];
      const config = { kind: "webhook", url: "http://127.0.0.1:1/hook" };
      const { secret } = (await post("/api/channels", { name: "Hook", config })) as { secret: string };
      await post(`/api/sources/${source}/backups`, { profile: profile?.id, sensitive: credentials });
      return secret;
    },
    { source: system, credentials: sensitive },
  );
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole("rowheader", { name: "Coffer's own configuration" })).toBeVisible({ timeout: 2000 });
  }).toPass({ timeout: 60_000 });
  const row = page.getByRole("row").filter({ hasText: "Coffer's own configuration" });
  const started = page.waitForEvent("download");
  await row.getByRole("link", { name: /^Download/ }).click();
  await (await started).saveAs(to);
  return secret;
}

/** Follows the link of a new server, and chooses the archive. */
async function chooseBackup(page: Page, other: Server, archive: string): Promise<void> {
  await page.goto(`${other.origin}/#set-up=${other.token}`);
  await expect(page.getByRole("heading", { name: "Set up this server" })).toBeVisible();
  expect(page.url(), "the token is gone from the address").not.toContain(other.token);
  await expectAccessible(page);
  await page.getByLabel("From a system backup").check();
  await page.locator("input[type=file]").setInputFiles(archive);
  await expect(page.getByLabel("Password", { exact: true })).toBeVisible();
}

async function unlock(page: Page): Promise<void> {
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Open", exact: true }).click();
}

test("a new server takes over the configuration of another one, and its administrator signs in", async ({
  app,
  page,
  server,
  other,
}, info) => {
  const archive = info.outputPath("system.coffer");
  await systemBackup(app, server.token, archive, true);
  await chooseBackup(page, other, archive);
  await page.getByLabel("Password", { exact: true }).fill("not this one");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("not the password");
  await unlock(page);
  await expect(page.getByRole("heading", { name: "What this backup holds" })).toBeVisible({ timeout: 60_000 });
  const held = (what: string) => page.locator("dl > div").filter({ hasText: what }).locator("dd");
  await expect(held("Sources")).toHaveText("1");
  await expect(held("Users")).toHaveText("1");
  await expect(held("Encryption profiles")).toHaveText("1");
  await expect(page.getByText("was sealed and signed by")).toBeVisible();
  await page.setViewportSize({ width: 375, height: 800 });
  await expectFits(page);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Restore this configuration" }).click();
  await expect(page.getByRole("heading", { name: "This server is set up" })).toBeVisible({ timeout: 60_000 });
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole("button", { name: "Go to the sign-in" }).click();
  await page.getByLabel("Name").fill(administrator.name);
  await page.getByLabel("Password for signing in").fill(administrator.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
  await expect(page.getByRole("region", { name: demo })).toBeVisible();
});

test("without credentials an administrator chooses a password, and what is missing is said", async ({ app, page, server, other }, info) => {
  const archive = info.outputPath("system.coffer");
  const secret = await systemBackup(app, server.token, archive, false);
  await chooseBackup(page, other, archive);
  await unlock(page);
  await expect(page.getByText("Credentials were left out of this backup")).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: "Restore this configuration" }).click();
  await expect(page.getByRole("heading", { name: "This server is set up" })).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("listitem").filter({ hasText: "Addresses of databases" })).toContainText(demo);
  await expect(page.getByLabel("Administrator")).toHaveValue(administrator.name);
  await expectAccessible(page);
  await app.chooseSignInPassword("another horse battery");
  await page.getByRole("button", { name: "Use this password" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();

  await page.getByRole("link", { name: "Jobs", exact: true }).click();
  await page.getByRole("link", { name: "Notifications" }).click();
  const hook = page.getByRole("region", { name: "Hook" });
  await expect(hook).toContainText("its secret was not in the backup");
  const enter = async (known: string) => {
    await hook.getByRole("button", { name: "Change" }).click();
    const dialog = page.getByRole("dialog");
    await expectAccessible(page);
    await dialog.getByLabel("The secret", { exact: true }).fill(known);
    await dialog.getByRole("button", { name: "Save the channel" }).click();
    return dialog;
  };
  const refused = await enter("no secret of a webhook");
  await expect(refused.getByRole("alert")).toBeVisible();
  await refused.getByRole("button", { name: "Cancel" }).click();
  await enter(secret);
  await expect(hook).toContainText("signed");
});

test("an application's archive is no configuration, and nothing is restored from it", async ({ app, page, server, other }, info) => {
  const archive = info.outputPath("demo.coffer");
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await app.goHome();
  const started = page.waitForEvent("download");
  await page
    .getByRole("link", { name: /^Download/ })
    .first()
    .click();
  await (await started).saveAs(archive);
  await chooseBackup(page, other, archive);
  await unlock(page);
  await expect(page.getByRole("alert")).toContainText("This is no system backup", { timeout: 60_000 });
  await expect(page.getByRole("button", { name: "Restore this configuration" })).toHaveCount(0);
  await page.getByLabel("From nothing").check();
  await page.getByLabel("Name").fill("Eve");
  await app.chooseSignInPassword("another horse battery");
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
});
