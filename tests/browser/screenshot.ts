// Writes the pictures of the documentation, of a backup of the demo application: docs/preview.png, looking into it; docs/wizard.png, what
// of it to restore and how; docs/plan.png, what that would do, once something was lost; and docs/home.png, how things stand once a job takes it.
// "npm run screenshot -w tests" runs it.
import { join } from "node:path";
import { Console } from "./support/console";
import { execute } from "./support/python";
import { demo, expect, test } from "./support/test";

const password = "ein Bild für die Anleitung";

test.use({ viewport: { width: 1280, height: 900 }, colorScheme: "light", contextOptions: { reducedMotion: "reduce" } });

const picture = (name: string) => join(import.meta.dirname, "..", "..", "docs", `${name}.png`);

test("the pictures of the documentation", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await page.mouse.move(0, 0);
  await page.screenshot({ path: picture("preview") });

  execute(
    server.database,
    "DELETE FROM messages WHERE ticket_id % 7 = 0; UPDATE customers SET name = 'unknown' WHERE id IN (4, 9); UPDATE kb_articles SET title = '' WHERE id = 2;",
  );
  await page.getByRole("link", { name: "Restore…" }).click();
  await page.getByLabel("Overwrite").check();
  // The numbers of the target are there.
  await expect(page.getByText(/rows and [\d,]+ files that .+ holds there now go\./)).toBeVisible();
  await page.mouse.move(0, 0);
  await page.screenshot({ path: picture("wizard") });
  await page.getByRole("button", { name: "Make the plan" }).click();
  await expect(page.getByRole("heading", { name: "The plan" })).toBeVisible({ timeout: 60_000 });
  await page.mouse.move(0, 0);
  await page.screenshot({ path: picture("plan") });

  const console = new Console(app, page, server);
  await app.goHome();
  await console.addFolder("Disk in the cellar");
  await console.newJob();
  await page.getByLabel("Name").fill("Nightly");
  await console.save("Nightly");
  for (const times of [1, 2, 3]) await console.run(times);
  await app.goHome();
  await page.locator("canvas").nth(1).waitFor();
  await page.mouse.move(0, 0);
  await page.screenshot({ path: picture("home") });
});
