// The page of main.ts: built by Vite as any user of the package would, and served on a free port of this machine.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const built = fileURLToPath(new URL("../../target/test-page", import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** Builds the page. */
export async function buildPage() {
  await build({
    root: here,
    base: "./",
    configFile: false,
    logLevel: "warn",
    worker: { format: "es" },
    build: { outDir: built, emptyOutDir: true, target: "es2022", chunkSizeWarningLimit: 4000 },
  });
}

/**
 * Serves the page, and what is in `folders` below `/NAME/`.
 *
 * @param {Record<string, string>} folders
 * @returns {Promise<{ origin: string, stop: () => Promise<void> }>}
 */
export async function servePage(folders = {}) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname)).slice(1) || "index.html";
    const [first, ...rest] = path.split("/");
    const file = first in folders ? join(folders[first], ...rest) : join(built, path);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    // Isolated from other origins: a condition for measuring the page's memory.
    response.writeHead(200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
