/** What a person does to have backups taken by themselves, by the words that a person reads. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, type Locator, type Page } from "@playwright/test";
import type { App } from "./app";
import type { Server } from "./server";
import { demo } from "./test";

/** Milliseconds for a run of a job on the demo application. */
const runLimit = 60_000;

export class Console {
  constructor(
    readonly app: App,
    readonly page: Page,
    readonly server: Server,
  ) {}

  /** Goes to a page by the navigation. */
  async go(name: "Jobs" | "Destinations"): Promise<void> {
    await this.page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await expect(this.page.getByRole("heading", { name, level: 1 })).toBeVisible();
  }

  /** Makes a folder beside the server's own and adds it. Returns its path. */
  async addFolder(name: string): Promise<string> {
    const path = join(this.server.data, name);
    mkdirSync(path);
    await this.go("Destinations");
    await this.page.getByRole("button", { name: "New destination" }).click();
    const dialog = this.page.getByRole("dialog");
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByLabel("Folder", { exact: true }).fill(path);
    await dialog.getByRole("button", { name: "Test and add" }).click();
    await expect(this.destination(name)).toBeVisible();
    return path;
  }

  destination(name: string): Locator {
    return this.page.getByRole("region", { name, exact: true });
  }

  /** A source, a folder, and a key: what a job needs. The key comes with a first backup by hand. Returns the folder's path. */
  async prepare(password: string, folder = "Cellar"): Promise<string> {
    await this.app.signIn(this.server.token);
    await this.app.takeBackup(demo, { password });
    return this.addFolder(folder);
  }

  /** Opens the form for a new job. */
  async newJob(): Promise<void> {
    await this.go("Jobs");
    await this.page
      .getByRole("link", { name: "Make the first job" })
      .or(this.page.getByRole("link", { name: "New job" }))
      .click();
    await expect(this.page.getByRole("heading", { name: "New job" })).toBeVisible();
  }

  get nextRuns(): Locator {
    return this.page.getByRole("group", { name: "The next five runs" }).getByRole("listitem");
  }

  /** Saves the form, and waits for the job's own page. */
  async save(name: string): Promise<void> {
    await this.page.getByRole("button", { name: "Save the job" }).click();
    await expect(this.page.getByRole("heading", { name, level: 1, exact: true })).toBeVisible();
  }

  /** Starts the job whose page is open, and waits until it has been done `times` times. */
  async run(times: number): Promise<void> {
    await this.page.getByRole("button", { name: "Run now" }).click();
    await expect(this.page.getByRole("cell", { name: "Done" })).toHaveCount(times, { timeout: runLimit });
    await expect(this.page.getByRole("button", { name: "Run now" })).toBeVisible();
  }

  async tab(name: string): Promise<Locator> {
    await this.app.tab(name).click();
    return this.page.getByRole("tabpanel");
  }
}
