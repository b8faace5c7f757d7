// The page as one file: it opens archives from a disk, and has no way to send anything anywhere.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "@playwright/test";
import { App } from "./support/app";
import { backup } from "./support/cli";
import { execute } from "./support/python";

const password = "ohne Netz und ohne Server";
const name = "coffer-open.html";
const built = join(process.env.COFFER_WEB ?? "", name);

test("one file opens, shows and checks an archive without a network", async ({ page }, info) => {
  const folder = info.outputPath("stick");
  mkdirSync(join(folder, "files"), { recursive: true });
  copyFileSync(built, join(folder, name));
  const database = join(folder, "app.sqlite");
  execute(database, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'one'), (2, 'two');");
  // Enough for the workers that do cryptography to be started too.
  writeFileSync(join(folder, "files", "large.bin"), Buffer.alloc(6_000_000, "large"));
  const archive = join(folder, "app.coffer");
  backup({ database, out: archive, password, files: { uploads: join(folder, "files") } });

  const asked: string[] = [];
  const problems: string[] = [];
  page.context().on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  let workers = 0;
  page.on("worker", () => {
    workers += 1;
  });

  const address = pathToFileURL(join(folder, name)).href;
  await page.goto(address);
  const app = new App(page, "");
  await page.locator("input[type=file]").first().setInputFiles(archive);
  await app.unlock(password);
  await app.previewed();
  expect(await app.tablesShown()).toEqual({ notes: 2 });
  await page.getByRole("button", { name: "notes", exact: true }).click();
  await expect(page.getByRole("dialog").locator("tbody tr")).toHaveCount(2);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Check everything" }).click();
  await expect(page.getByText(/^Everything is right: \d+ entries/)).toBeVisible({ timeout: 60_000 });
  await page.screenshot({ path: info.outputPath("offline.png"), fullPage: true });
  // What needs a server is not offered.
  await expect(page.getByRole("link", { name: "Restore" })).toHaveCount(0);

  expect(problems).toEqual([]);
  expect(workers).toBeGreaterThan(0);
  expect(asked.filter((url) => url !== address && !url.startsWith("blob:") && !url.startsWith("data:"))).toEqual([]);
});

test("its policy forbids every connection, and lets no other script in", async ({ page }) => {
  const reached: string[] = [];
  const server = createServer((request, response) => {
    reached.push(request.url ?? "");
    response.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/javascript" }).end("globalThis.reached = true;");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const there = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await page.goto(pathToFileURL(built).href);
    const outcomes = await page.evaluate(async (there) => {
      const end = (work: Promise<unknown>) =>
        work.then(
          () => "reached",
          () => "refused",
        );
      const loaded = (element: HTMLElement & { src: string }, path: string) =>
        new Promise((resolve, reject) => {
          element.onload = resolve;
          element.onerror = reject;
          element.src = `${there}/${path}`;
          document.body.append(element);
        });
      const inWorker = new Worker(
        URL.createObjectURL(new Blob([`fetch("${there}/worker").then(() => postMessage("reached"), () => postMessage("refused"));`])),
      );
      const worker = new Promise((resolve) => inWorker.addEventListener("message", ({ data }) => resolve(data)));
      const inline = document.createElement("script");
      inline.textContent = "globalThis.inline = true;";
      document.body.append(inline);
      return {
        fetch: await end(fetch(`${there}/fetch`)),
        image: await end(loaded(document.createElement("img"), "image")),
        script: await end(loaded(document.createElement("script"), "script")),
        worker: await worker,
        beacon: navigator.sendBeacon(`${there}/beacon`, "x")
          ? await new Promise((resolve) => setTimeout(() => resolve("sent"), 500))
          : "refused",
        inline: "inline" in globalThis,
      };
    }, there);
    expect(outcomes).toMatchObject({ fetch: "refused", image: "refused", script: "refused", worker: "refused", inline: false });
    expect(reached).toEqual([]);
  } finally {
    server.close();
  }
});

test("its digest is published beside it", () => {
  const digest = createHash("sha256").update(readFileSync(built)).digest("hex");
  expect(readFileSync(`${built}.sha256`, "utf8")).toBe(`${digest}  ${name}\n`);
});
