/** What a person does with the app, by the words that a person reads. */
import { readFileSync } from "node:fs";
import { type Download, expect, type Locator, type Page } from "@playwright/test";

/** Milliseconds for a job on the demo application, or for anything that derives a key. */
const jobLimit = 60_000;

/** The first administrator. The password has nothing to do with those of archives. */
export const administrator = { name: "Ada", password: "correct horse battery" };

export class App {
  constructor(
    readonly page: Page,
    readonly origin: string,
  ) {}

  /** Follows the link that the server printed, which makes the first administrator. */
  async signIn(token: string): Promise<void> {
    await this.page.goto(`${this.origin}/#set-up=${token}`);
    await this.page.getByLabel("Name").fill(administrator.name);
    await this.chooseSignInPassword(administrator.password);
    await this.page.getByRole("button", { name: "Make the administrator" }).click();
    await expect(this.page.getByRole("button", { name: "Sign out" })).toBeVisible();
  }

  /** Types a new password for signing in, twice. */
  async chooseSignInPassword(password: string): Promise<void> {
    await this.page.getByLabel("Password for signing in", { exact: true }).fill(password);
    await this.page.getByLabel("Password for signing in, again").fill(password);
  }

  /** Signs in by name and password. */
  async signInAs({ name, password }: { name: string; password: string }): Promise<void> {
    await this.page.goto(`${this.origin}/#/`);
    await this.page.getByLabel("Name").fill(name);
    await this.page.getByLabel("Password for signing in").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  /** On the page of people: adds somebody who may only look. Returns the link by which they choose a password. */
  async letLookerIn(name: string): Promise<string> {
    const groups = this.page.getByRole("region", { name: "Groups" });
    await groups.getByLabel("Name of the group").fill("Lookers");
    await groups.getByLabel("View").check();
    await groups.getByRole("button", { name: "Add a group" }).click();
    const users = this.page.getByRole("region", { name: "Users" });
    await users.getByLabel("Name").fill(name);
    await users.getByLabel("Lookers").check();
    await users.getByRole("button", { name: "Add", exact: true }).click();
    await expect(users.getByRole("row").filter({ hasText: name })).toContainText("Has not chosen a password");
    return users.getByLabel("The link").inputValue();
  }

  /** One source's card. */
  source(name: string): Locator {
    return this.page.getByRole("region", { name });
  }

  /**
   * Presses "Take a backup" and, where none was chosen yet, chooses the password. With `reload` the page is loaded
   * again in the middle, and must show the backup that is under way.
   */
  async takeBackup(
    source: string,
    {
      password,
      sensitive = false,
      limit = jobLimit,
      reload = false,
    }: { password?: string; sensitive?: boolean; limit?: number; reload?: boolean } = {},
  ): Promise<void> {
    const card = this.source(source);
    await card.getByRole("button", { name: "Take a backup" }).click();
    const dialog = this.page.getByRole("dialog");
    if (password !== undefined) {
      await expect(dialog).toContainText("Choose the password for your backups");
      await dialog.getByLabel("Password", { exact: true }).fill(password);
      await dialog.getByLabel("Password again").fill(password);
      await dialog.getByRole("checkbox").check();
      await dialog.getByRole("button", { name: "Use this password" }).click();
    }
    await expect(dialog).toContainText(`Back up ${source}`, { timeout: jobLimit });
    if (sensitive) await dialog.getByLabel("Include credentials").check();
    await dialog.getByRole("button", { name: "Take the backup" }).click();
    if (reload) {
      await expect(card.getByRole("progressbar")).toBeVisible();
      await this.page.reload();
      await expect(card.getByRole("progressbar")).toBeVisible();
    }
    await expect(card.getByText("the stored copy was verified")).toBeVisible({ timeout: limit });
  }

  /** Opens the newest of the stored backups, up to its password. */
  async openNewestBackup(): Promise<void> {
    await this.goHome();
    await this.page.getByRole("row").nth(1).getByRole("link", { name: "Open" }).click();
    await expect(this.passwordField).toBeVisible();
  }

  async goHome(): Promise<void> {
    await this.page.getByRole("link", { name: "Backups", exact: true }).click();
    await expect(this.page.getByRole("heading", { name: "Stored backups" })).toBeVisible();
  }

  /** Picks a file, as if from this machine. */
  async pick(file: string | { name: string; mimeType: string; buffer: Buffer }): Promise<void> {
    await this.page.goto(`${this.origin}/#/open`);
    await this.page.getByLabel("Choose a file", { exact: true }).and(this.page.locator("input")).setInputFiles(file);
  }

  get passwordField(): Locator {
    return this.page.getByLabel("Password", { exact: true });
  }

  async unlock(password: string): Promise<void> {
    await this.passwordField.fill(password);
    await this.page.getByRole("button", { name: "Open", exact: true }).click();
  }

  /** Waits for the preview. */
  async previewed(): Promise<void> {
    await expect(this.tab("Tables")).toBeVisible({ timeout: jobLimit });
  }

  tab(name: string): Locator {
    return this.page.getByRole("tab", { name });
  }

  /** Rows by table, as the preview shows them. */
  async tablesShown(): Promise<Record<string, number>> {
    await this.tab("Tables").click();
    const rows = await this.page.getByRole("tabpanel").locator("tbody tr").all();
    const cells = await Promise.all(rows.map((row) => row.locator("th, td").allInnerTexts()));
    return Object.fromEntries(cells.map(([name = "", count = ""]) => [name.trim(), Number(count.replaceAll(/\D/g, ""))]));
  }

  /** Saves one file out of the open archive, and returns its bytes. */
  async saveFile(path: string): Promise<Buffer> {
    await this.tab("Files").click();
    await this.page.getByLabel("Filter files").fill(path);
    const started = this.page.waitForEvent("download");
    await this.page
      .getByRole("button", { name: /^Save / })
      .first()
      .click();
    const download: Download = await started;
    await expect(this.page.getByText("its SHA-256 is the one that was archived")).toBeVisible();
    return readFileSync(await download.path());
  }

  /** From an open archive to the plan. */
  async plan({ tables, fileSets = [] }: { tables?: readonly string[]; fileSets?: readonly string[] } = {}): Promise<void> {
    await this.page.getByRole("link", { name: "Restore…" }).click();
    if (tables) {
      await this.page.getByLabel("Only some of it").check();
      for (const name of [...tables, ...fileSets]) await this.page.getByRole("checkbox", { name: new RegExp(`^${name}\\b`) }).check();
    }
    await this.page.getByRole("button", { name: "Make the plan" }).click();
    await expect(this.page.getByRole("heading", { name: "The plan" })).toBeVisible();
  }

  /** Gives the consent that is asked for, confirms, and waits for the result. */
  async confirm(target: string): Promise<void> {
    await this.page.getByLabel("Replace what the target holds now").check();
    const button = this.page.getByRole("button", { name: `Restore into ${target}` });
    const field = this.page.getByLabel(`Type ${target} to confirm`);
    await expect(field).toBeEnabled();
    await expect(button).toBeDisabled();
    await field.fill(target);
    await button.click();
    await expect(this.page.getByRole("heading", { name: `${target} is restored` })).toBeVisible({ timeout: jobLimit });
  }

  /**
   * From the choice of what comes back to the result. `changed` is what the undo is said to lose, which is allowed then;
   * without `keep`, no safety backup is taken.
   */
  async confirmUndo(target: string, { changed, keep = true }: { changed?: string; keep?: boolean } = {}): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "Make the plan" }).click();
    const button = page.getByRole("button", { name: `Undo the restore of ${target}` });
    const field = page.getByLabel(`Type ${target} to confirm`);
    await expect(button).toBeDisabled();
    if (changed !== undefined) {
      await expect(field).toBeDisabled();
      await expect(page.getByText(changed)).toBeVisible();
      await page.getByLabel("Lose what changed since the restore").check();
    }
    if (!keep) await page.getByLabel("Keep what is replaced").uncheck();
    await expect(field).toBeEnabled();
    await field.fill(target);
    await button.click();
    await expect(page.getByRole("heading", { name: `${target} is as it was before` })).toBeVisible({ timeout: jobLimit });
  }

  /** What a problem on the screen says. */
  async problem(): Promise<string> {
    const alert = this.page.getByRole("alert");
    await expect(alert).toHaveCount(1, { timeout: jobLimit });
    return alert.innerText();
  }
}
