// People: the first administrator, another user by a one-time link, what that one may do, and the audit log.
import { administrator } from "./support/app";
import { demo, expect, test } from "./support/test";

const password = "another horse battery";

for (const viewport of [
  { width: 1280, height: 900 },
  { width: 390, height: 844 },
]) {
  test(`an administrator lets somebody in who may look, at ${viewport.width} pixels`, async ({ app, page, server }, info) => {
    await page.setViewportSize(viewport);
    await page.goto(`${app.origin}/#set-up=${server.token}`);
    await expect(page.getByText("It is not one that archives are sealed with")).toBeVisible();
    await page.screenshot({ path: info.outputPath("set-up.png"), fullPage: true });
    await app.signIn(server.token);
    await expect(page.getByRole("heading", { name: demo })).toBeVisible();

    await page.getByRole("link", { name: "Account" }).click();
    await expect(page.getByText(`You are ${administrator.name}.`)).toBeVisible();
    await page.screenshot({ path: info.outputPath("account.png"), fullPage: true });
    await page.getByRole("link", { name: "API" }).click();
    await page.getByLabel("Filter").fill("take_backup");
    await expect(page.getByRole("row")).toHaveCount(2);
    await expect(page.getByRole("row").nth(1)).toContainText("Back up, for the source");
    await page.getByRole("link", { name: "Account" }).first().click();
    await page.getByRole("link", { name: "People" }).click();
    const link = await app.letLookerIn("Lou");
    await page.screenshot({ path: info.outputPath("people.png"), fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wide).toBe(0);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.screenshot({ path: info.outputPath("sign-in.png"), fullPage: true });
    await page.goto(link);
    await app.chooseSignInPassword(password);
    await page.getByRole("button", { name: "Use this password" }).click();
    await expect(app.source(demo)).toBeVisible();
    await page.getByRole("link", { name: "Account" }).click();
    await expect(page.getByText("You may: View.")).toBeVisible();
    await expect(page.getByRole("link", { name: "People" })).toHaveCount(0);
    await app.goHome();
    await page.getByRole("button", { name: "Sign out" }).click();
    await app.signInAs({ name: "lou", password: "wrong wrong wrong" });
    await expect(page.getByRole("alert")).toContainText("Name or password is wrong");
    await app.signInAs(administrator);
    await page.getByRole("link", { name: "Account" }).click();
    await page.getByRole("link", { name: "Audit log" }).click();
    await expect(page.getByRole("row").filter({ hasText: "wrong_password" })).toContainText("lou");
    await expect(page.getByRole("row").filter({ hasText: "add_user" })).toContainText(administrator.name);
    await page.screenshot({ path: info.outputPath("log.png"), fullPage: true });
  });
}
