// Writes docs/preview.png, the picture in the README: the preview of a backup of the demo application.
// "npm run screenshot -w tests" runs it.
import { join } from "node:path";
import { demo, test } from "./support/test";

const password = "ein Bild für die Anleitung";

test.use({ viewport: { width: 1280, height: 900 }, colorScheme: "light", contextOptions: { reducedMotion: "reduce" } });

test("the picture for the README", async ({ app, page, server }) => {
  await app.signIn(server.token);
  await app.takeBackup(demo, { password });
  await app.openNewestBackup();
  await app.unlock(password);
  await app.previewed();
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(import.meta.dirname, "..", "..", "docs", "preview.png") });
});
