import { defineConfig } from "@playwright/test";

const executablePath = process.env.COFFER_CHROMIUM;
if (!executablePath) throw new Error('COFFER_CHROMIUM names no browser. Run these tests with "npm test -- browser", which finds one.');

export default defineConfig({
  testDir: "browser",
  // Making the picture for the README is no test; "npm run screenshot -w tests" asks for it.
  testMatch: process.env.COFFER_SCREENSHOT ? "screenshot.ts" : "*.spec.ts",
  outputDir: "results",
  // Some make archives of gigabytes.
  preserveOutput: "failures-only",
  // Each test starts its own server on a free port; two cores carry one browser and one server.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    launchOptions: {
      executablePath,
      // Chromium refuses its sandbox to root; the pages are Coffer's own. Its services of Google's have no place in a test.
      args: [
        ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        // Whatever would look for another host finds none.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      ],
    },
    trace: "off",
    screenshot: "only-on-failure",
  },
});
