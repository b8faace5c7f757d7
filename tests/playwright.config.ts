import { defineConfig } from "@playwright/test";

const executablePath = process.env.COFFER_CHROMIUM;
if (!executablePath) throw new Error('COFFER_CHROMIUM names no browser. Run these tests with "npm test -- browser", which finds one.');

export default defineConfig({
  testDir: "browser",
  outputDir: "results",
  // Each test starts its own server on a free port; two cores carry one browser and one server.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  timeout: 120_000,
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath,
      // Chromium refuses its sandbox to root; the pages are Coffer's own. Its services of Google's have no place in a test.
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
      ],
    },
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
});
