// The console: destinations, jobs with their schedules, runs and what stays of them, notices, and how all of it stands.
import { createHmac } from "node:crypto";
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expectAccessible, expectFits } from "./support/axe";
import { Console } from "./support/console";
import { focusedName, tabTo } from "./support/keyboard";
import { mailSink, webSink } from "./support/sinks";
import { test as base, demo, expect } from "./support/test";

const password = "sechs Worte sind hier wohl genug";

/** The archives in a folder; there is a file besides that marks it. */
const archivesIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".coffer"));

const test = base.extend<{ console: Console }>({
  console: async ({ app, page, server }, use) => {
    await use(new Console(app, page, server));
  },
});

test("from nothing to a job that runs by itself, and to what stays of it", async ({ app, console, page }) => {
  await app.signIn(console.server.token);
  const health = page.getByRole("region", { name: "How things stand" });
  await expect(health).toContainText(`${demo} has no verified backup`);
  await expect(health).toContainText(`No schedule backs up ${demo}`);

  // What is missing is said, with the way there.
  await console.go("Jobs");
  await expect(page.getByText("No job yet")).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "A source" })).toContainText("There is one");
  await expect(page.getByRole("link", { name: "Make the first job" })).toHaveCount(0);
  await page.getByRole("link", { name: "Add a destination" }).click();
  await expect(page.getByText("No destination yet")).toBeVisible();

  // A folder that is not there is refused, and nothing is kept.
  await page.getByRole("button", { name: "New destination" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Nowhere");
  await dialog.getByLabel("Folder", { exact: true }).fill(join(console.server.data, "nowhere"));
  await dialog.getByRole("button", { name: "Test and add" }).click();
  await expect(dialog.getByRole("alert")).toContainText("nothing was written");
  await page.keyboard.press("Escape");
  await expect(page.getByText("No destination yet")).toBeVisible();
  await app.goHome();
  await app.takeBackup(demo, { password });
  const folder = await console.addFolder("Cellar");
  await console.destination("Cellar").getByRole("button", { name: "Test", exact: true }).click();
  await expect(console.destination("Cellar").getByRole("status")).toContainText(/0 archives are there, and [\d.,]+ .B are free/);
  await expect(console.destination("Cellar")).toContainText("No copy is stored here yet.");

  await console.newJob();
  await page.getByLabel("Name").fill("Nightly");
  await expect(console.nextRuns).toHaveCount(5);
  await expect(console.nextRuns.first()).toContainText("03:30");
  await page.getByLabel("Repeats").selectOption("pattern");
  await page.getByLabel("Cron pattern").fill("61 3 * * *");
  await expect(page.getByText(/"61 3 \* \* \*" is no schedule/i)).toBeVisible();
  await page.getByLabel("Repeats").selectOption("weekly");
  await page.getByLabel("Time", { exact: true }).fill("22:15");
  await page.getByLabel("Sunday").uncheck();
  await page.getByRole("button", { name: "Save the job" }).click();
  await expect(page.getByRole("alert")).toContainText("Choose at least one day");
  await page.getByLabel("Saturday").check();
  await page.getByLabel("Time zone").selectOption("America/New_York");
  await expect(console.nextRuns.first()).toContainText("22:15 (America/New_York)");
  // On this machine's clock it is Sunday morning then, whatever the season.
  await expect(console.nextRuns.first()).toContainText(/0[3-5]:15/);
  await page.getByLabel("What one of these rules keeps").check();
  await page.getByLabel("The last", { exact: true }).fill("2");
  for (const rule of ["Days", "Weeks", "Months"]) await page.getByLabel(rule, { exact: true }).fill("");
  await console.save("Nightly");
  await expect(page.getByText("It has not run yet")).toBeVisible();

  // Run by hand, with a log; every copy verified.
  await console.run(1);
  await page.getByRole("button", { name: /^Log of the run/ }).click();
  await expect(page.getByRole("region", { name: "Log" })).toContainText("Cellar: stored and verified");
  await page.keyboard.press("Escape");
  expect(archivesIn(folder)).toHaveLength(1);
  await console.run(2);
  const stays = await console.tab("Rules");
  await expect(stays.getByRole("status")).toHaveText("All 2 backups stay.");
  await expect(stays.getByRole("row").nth(1)).toContainText("It is the 1st of the last 2.");

  // A locked backup takes nobody's place.
  const backups = await console.tab("Backups");
  const oldest = backups.getByRole("row").last();
  await expect(oldest).toContainText(/Cellar: verified (just now|\d+ minutes? ago)/);
  await oldest.getByRole("button", { name: /^Lock/ }).click();
  await expect(oldest.getByText("Locked", { exact: true })).toBeVisible();
  await console.tab("Runs");
  await console.run(3);
  await console.run(4);
  expect(archivesIn(folder), "the locked one and the last two").toHaveLength(3);
  await console.tab("Rules");
  await expect(stays.getByRole("row").last()).toContainText("Somebody locked it");

  // Rules that keep less: what would go is said before anything does.
  await page.getByRole("link", { name: "Change…" }).click();
  await page.getByLabel("The last", { exact: true }).fill("1");
  await page.getByRole("button", { name: "See what would go" }).click();
  await expect(page.getByRole("region", { name: "Cellar" }).getByRole("status")).toHaveText("1 of 3 backups would go after the next run.");
  await console.save("Nightly");
  await console.tab("Rules");
  await expect(stays.getByRole("status")).toHaveText("1 of 3 backups would go after the next run.");
  await expect(stays.getByRole("row").filter({ hasText: "It is not the last one" })).toContainText("go");
  expect(archivesIn(folder)).toHaveLength(3);
  await console.tab("Backups");
  await backups.getByRole("button", { name: /^Unlock/ }).click();
  await expect(backups.getByText("Locked", { exact: true })).toHaveCount(0);

  // What was done can be seen from home, with its curve.
  await app.goHome();
  await expect(health).toContainText("Nobody is told when a run fails.");
  await expect(app.source(demo)).toContainText("Nightly");
  const curve = page.getByRole("img", { name: /^Duration of Nightly: 4 values/ });
  await expect(curve.locator("canvas")).toBeVisible();

  // Switched off, nothing is planned, and home says so.
  await app.source(demo).getByRole("link", { name: "Nightly" }).click();
  await page.getByRole("button", { name: "Switch off" }).click();
  await expect(page.getByText("Nothing runs by its schedule")).toBeVisible();
  await app.goHome();
  await expect(health).toContainText(`No schedule backs up ${demo}`);

  await console.go("Jobs");
  await page.getByRole("link", { name: "Runs and backups" }).click();
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText("No job yet")).toBeVisible();
  expect(archivesIn(folder), "its backups stay").toHaveLength(3);
});

test("a run that fails says why, and is told by mail and webhook", async ({ app, console, page }) => {
  const [web, mail] = [await webSink(), await mailSink()];
  try {
    const folder = await console.prepare(password);
    await console.go("Jobs");
    await page.getByRole("link", { name: "Notifications" }).click();
    await expect(page.getByText("Nobody is told yet")).toBeVisible();

    await page.getByRole("button", { name: "New channel" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: true }).fill("Hook");
    await dialog.getByLabel("Webhook").check();
    await dialog.getByLabel("Address", { exact: true }).fill(web.url);
    await dialog.getByRole("button", { name: "Add the channel" }).click();
    const secret = await dialog.getByLabel("The secret").inputValue();
    await dialog.getByRole("button", { name: "Done" }).click();
    const hook = page.getByRole("region", { name: "Hook" });
    await expect(hook).not.toContainText(secret);
    await hook.getByRole("button", { name: "Send a test" }).click();
    await expect(hook.getByRole("status")).toContainText("took the test message");
    const [first] = web.told;
    const signed = `${first?.headers["webhook-id"]}.${first?.headers["webhook-timestamp"]}.${first?.body}`;
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    expect(first?.headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);

    await page.getByRole("button", { name: "New channel" }).click();
    await dialog.getByLabel("Name", { exact: true }).fill("Mail");
    await dialog.getByLabel("To", { exact: true }).fill("ada@example.org, lou@example.org");
    await dialog.getByLabel("From", { exact: true }).fill("coffer@example.org");
    await dialog.getByLabel("Mail server", { exact: true }).fill("127.0.0.1");
    await dialog.getByLabel("Encryption").selectOption("none");
    await expect(dialog.getByLabel("Port")).toHaveValue("25");
    await expect(dialog.getByLabel("User name at the mail server"), "no password goes in the open").toHaveCount(0);
    await dialog.getByLabel("Port").fill(String(mail.port));
    await dialog.getByRole("button", { name: "Add the channel" }).click();
    const card = page.getByRole("region", { name: "Mail" });
    await card.getByRole("button", { name: "Send a test" }).click();
    await expect(card.getByRole("status")).toContainText("The mail server took the test message");
    expect(mail.messages[0]).toContain("To: ada@example.org, lou@example.org");

    // Switched off and on again, with its secret as it was.
    await hook.getByRole("button", { name: "Switch off" }).click();
    await expect(hook.getByText("Switched off")).toBeVisible();
    await hook.getByRole("button", { name: "Switch on" }).click();
    await expect(hook.getByText("Switched off")).toHaveCount(0);

    // The disk is gone when the job runs.
    await console.newJob();
    await page.getByLabel("Name").fill("By hand");
    // So that none is due while the messages are counted.
    await page.getByLabel("Repeats").selectOption("by_hand");
    await page.getByLabel("Try again after a failure").fill("0");
    await console.save("By hand");
    rmSync(folder, { recursive: true });
    await page.getByRole("button", { name: "Run now" }).click();
    await expect(page.getByRole("cell", { name: "Failed" })).toBeVisible({ timeout: 60_000 });
    await page.getByRole("button", { name: /^Log of the run/ }).click();
    await expect(page.getByRole("alert")).toContainText(folder);
    await page.keyboard.press("Escape");
    await expect.poll(() => web.told.some(({ body }) => JSON.parse(body).type === "job.failed"), { timeout: 30_000 }).toBe(true);
    await expect.poll(() => mail.messages.length, { timeout: 30_000 }).toBe(2);
    await app.goHome();
    const health = page.getByRole("region", { name: "How things stand" });
    await expect(health).toContainText("The last run of By hand failed");
    await expect(health.getByRole("link", { name: "To the job", exact: true })).toBeVisible();

    // An empty folder is not the disk that was there, unless somebody says so.
    mkdirSync(folder);
    await console.go("Destinations");
    const cellar = console.destination("Cellar");
    await cellar.getByRole("button", { name: "Test", exact: true }).click();
    await expect(cellar.getByRole("alert")).toContainText("this is not the disk that was added");
    await cellar.getByRole("button", { name: "It is a new disk: use it" }).click();
    await expect(cellar.getByRole("status")).toContainText("0 archives are there");
  } finally {
    web.stop();
    mail.stop();
  }
});

test("archives that the catalog does not know are found and adopted, and buckets fail clearly", async ({ app, console, page }) => {
  const folder = await console.prepare(password);
  await page.getByRole("button", { name: "New destination" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Bucket");
  await dialog.getByLabel("A bucket (S3)").check();
  await dialog.getByLabel("Bucket", { exact: true }).fill("backups");
  await dialog.getByLabel("Server’s address").fill("http://127.0.0.1:1");
  await dialog.getByLabel("Access key", { exact: true }).fill("AKIATEST");
  await dialog.getByLabel("Secret access key", { exact: true }).fill("never shown again");
  await dialog.getByRole("button", { name: "Test and add" }).click();
  await expect(dialog.getByRole("alert")).toBeVisible({ timeout: 60_000 });
  await expect(dialog.getByRole("alert")).not.toContainText("never shown again");
  await page.keyboard.press("Escape");

  const cellar = console.destination("Cellar");
  await cellar.getByRole("button", { name: "Look for unknown archives" }).click();
  await expect(dialog).toContainText("Every archive that is there is known.");
  await page.keyboard.press("Escape");
  const own = join(console.server.data, "archives");
  const [name = ""] = archivesIn(own);
  copyFileSync(join(own, name), join(folder, "other-2025-01-02T030405Z.coffer"));
  copyFileSync(join(own, name), join(folder, "spoilt-2025-02-02T030405Z.coffer"));
  appendFileSync(join(folder, "spoilt-2025-02-02T030405Z.coffer"), "more than there was");
  await cellar.getByRole("button", { name: "Look for unknown archives" }).click();
  await expect(dialog.getByLabel("other-2025-01-02T030405Z.coffer")).toBeChecked();
  await dialog.getByRole("button", { name: "Adopt 2 archives" }).click();
  await expect(dialog.getByText("other-2025-01-02T030405Z.coffer: adopted and verified")).toBeVisible({ timeout: 60_000 });
  await expect(dialog).toContainText("1 archive could not be adopted");
  await dialog.getByRole("button", { name: "Done" }).click();
  await expect(cellar).toContainText("1 copy");
  await app.goHome();
  await expect(page.getByRole("row").filter({ hasText: "2 Jan 2025" })).toContainText("Cellar: verified");
});

test("who may only look sees no button that would be refused", async ({ app, console, page }) => {
  await console.prepare(password);
  await console.newJob();
  await page.getByLabel("Name").fill("Nightly");
  await console.save("Nightly");
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("link", { name: "People" }).click();
  const link = await app.letLookerIn("Lou");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(link);
  await app.chooseSignInPassword("another horse battery");
  await page.getByRole("button", { name: "Use this password" }).click();
  const refused: string[] = [];
  page.on("response", (response) => {
    if (response.status() === 403) refused.push(response.url());
  });

  await expect(app.source(demo)).toBeVisible();
  const main = page.getByRole("main");
  /** The buttons of a page, but for those that only show something. */
  const buttons = async () => (await main.getByRole("button").allInnerTexts()).map((text) => text.trim()).filter((text) => text !== "");
  expect(await buttons()).toEqual([]);
  await console.go("Jobs");
  await expect(page.getByRole("region", { name: "Nightly" })).toBeVisible();
  expect(await buttons()).toEqual([]);
  await expect(main.getByRole("link")).toHaveText(["Runs and backups"]);
  await main.getByRole("link").click();
  await expect(page.getByText("It has not run yet")).toBeVisible();
  expect(await buttons()).toEqual([]);
  for (const name of ["Backups", "Rules", "Settings"]) await console.tab(name);
  await console.go("Destinations");
  await expect(console.destination("Cellar")).toBeVisible();
  expect(await buttons()).toEqual([]);
  await page.getByRole("navigation").getByRole("link", { name: "Keys" }).click();
  await expect(page.getByText("In use")).toBeVisible();
  expect(await buttons()).toEqual([]);
  await page.goto(`${app.origin}/#/notifications`);
  await expect(main).toContainText("This needs the permission “Configure”");
  expect(refused).toEqual([]);
});

test("Coffer's own configuration is backed up by a job like any other source", async ({ app, console, page }) => {
  const folder = await console.prepare(password);
  await console.newJob();
  await expect(page.getByLabel(demo), "an application is chosen first").toBeChecked();
  await page.getByLabel(demo).uncheck();
  const own = page.getByLabel("Coffer's own configuration");
  await expect(own).not.toBeChecked();
  await own.check();
  await page.getByLabel("Name").fill("Ourselves");
  await page.getByLabel("Repeats").selectOption("by_hand");
  await console.save("Ourselves");
  await console.run(1);
  expect(archivesIn(folder)).toHaveLength(1);
  await expect(await console.tab("Settings")).toContainText("Coffer's own configuration");
  await expectAccessible(page);
  // It is not one of the applications.
  await app.goHome();
  await expect(app.source("Coffer's own configuration")).toHaveCount(0);
});

test("a job is made, run and looked into with the keyboard alone", async ({ app, console, page }) => {
  await console.prepare(password);
  await app.goHome();
  await tabTo(page, /^Jobs$/);
  await page.keyboard.press("Enter");
  await tabTo(page, /^Make the first job$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "New job" })).toBeVisible();
  await tabTo(page, /^Name$/);
  await page.keyboard.type("By hand");
  await tabTo(page, /^Repeats$/);
  await page.keyboard.type("Never");
  await expect(page.getByText("Nothing runs by itself.")).toBeVisible();
  await tabTo(page, /^Save the job$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "By hand", exact: true })).toBeVisible();
  await tabTo(page, /^Run now$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("cell", { name: "Done" })).toBeVisible({ timeout: 60_000 });
  await tabTo(page, /^Log of the run/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toContainText("stored and verified");
  await tabTo(page, /^Log$/);
  await page.keyboard.press("Escape");
  expect(await focusedName(page), "the focus is back where it was").toMatch(/^Log of the run/);
});

test("every page of the console can be used by everybody, small or large, light or dark", async ({ app, console, page }) => {
  await console.prepare(password);
  await console.newJob();
  await page.getByLabel("Name").fill("Nightly");
  await console.save("Nightly");
  await console.run(1);
  await console.run(2);
  const job = new URL(page.url()).hash;
  const dialogs = { destinations: "New destination", notifications: "New channel" };
  const pages = ["#/", "#/jobs", "#/jobs/new", job, `${job}/edit`, "#/destinations", "#/notifications"];
  for (const { width, colorScheme } of [
    { width: 1280, colorScheme: "light" as const },
    // As a phone shows it, and what a screen of 750 pixels leaves at 200 %.
    { width: 375, colorScheme: "dark" as const },
  ]) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const hash of pages) {
      await page.goto(`${app.origin}/${hash}`);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(page.getByText("One moment…")).toHaveCount(0);
      await expectAccessible(page);
      await expectFits(page);
    }
    await page.goto(`${app.origin}/${job}`);
    for (const tab of ["Backups", "Rules", "Settings"]) {
      await console.tab(tab);
      await expectAccessible(page);
      await expectFits(page);
    }
    for (const [name, button] of Object.entries(dialogs)) {
      await page.goto(`${app.origin}/#/${name}`);
      await page.getByRole("button", { name: button }).click();
      await expectAccessible(page);
      await page.keyboard.press("Escape");
    }
  }
});
