/** Playwright's `test` with a server of its own behind a recording proxy. */
import { test as base } from "@playwright/test";
import { App } from "./app";
import { Planned } from "./planned";
import { RecordingProxy } from "./proxy";
import { Recorder } from "./recorder";
import { Server } from "./server";

interface Fixtures {
  server: Server;
  wire: RecordingProxy;
  recorder: Recorder;
  app: App;
}

export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what a fixture needs from its pattern
  server: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.stop();
  },

  wire: async ({ server }, use) => {
    const proxy = await RecordingProxy.start(server.origin);
    await use(proxy);
    await proxy.stop();
  },

  // Asked for by every test, so that each also shows that the page has no fault of its own, and that no plan lied to it.
  app: async ({ page, wire }, use) => {
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" && /Content Security Policy|Refused to/.test(message.text())) faults.push(message.text());
    });
    const planned = new Planned(page, wire.origin);
    await use(new App(page, wire.origin));
    await planned.check();
    if (faults.length > 0) throw new Error(`the page had faults:\n${faults.join("\n")}`);
  },

  recorder: async ({ page, wire }, use) => {
    await use(new Recorder(page, wire));
  },
});

export { expect } from "@playwright/test";

/** The demo application. */
export const demo = "Lindenhof IT Help Desk";
