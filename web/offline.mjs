// coffer-open.html: the part of the web app that opens archives, as one file that works from a disk, without any server.
//
// The npm package loads its workers and its module from files beside it. Here each is built for itself and put into the
// one that starts it, from the inside out: the lanes and the module into the worker, the worker into the page. Its content
// security policy forbids every connection, so that nothing can leave the page, whatever is wrong with it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build } from "vite";
import { commonWords } from "./common-words.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const archive = (...parts) => fileURLToPath(new URL(join("../wasm", ...parts), import.meta.url));
const name = "coffer-open.html";

/**
 * Puts something into one of the package's scripts, in place of the address that it is loaded from. Workers become ones
 * without modules: a page on a disk has no origin, and Chromium starts no other kind from its own memory then.
 */
function within(script, file, value) {
  const address = `new URL("${file}", import.meta.url)`;
  const kind = ', { type: "module", ';
  let found = false;
  return {
    name: `within-${script}`,
    enforce: "pre",
    transform(code, id) {
      if (id !== archive("dist", script)) return;
      found = code.split(address).length === 2;
      return found ? `const part = ${value};\n${code.replace(address + kind, "part, { ").replace(address, "part")}` : undefined;
    },
    buildEnd(error) {
      if (!error && !found) this.error(`${script} does not load ${file} from ${address} any more`);
    },
  };
}

const text = (code) => `URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: "text/javascript" }))`;
/** The bytes come as a promise; every browser that runs the module can decompress. */
function compressed(content) {
  const packed = `Uint8Array.from(atob("${gzipSync(content, { level: 9 }).toString("base64")}"), (character) => character.charCodeAt(0))`;
  return `new Response(new Blob([${packed}]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()`;
}

/** One script with all that it imports, and the styles. */
async function bundle(entry, format, plugins) {
  const [{ output }] = await build({
    root: here,
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    plugins,
    build: {
      write: false,
      target: "es2022",
      lib: { entry, formats: [format], fileName: "part", name: "part" },
      minify: true,
      // What the page fetches later is in the one script too.
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const scripts = output.filter(({ type }) => type === "chunk");
  const styles = output.filter(({ fileName }) => fileName.endsWith(".css"));
  if (scripts.length !== 1 || scripts.length + styles.length !== output.length)
    throw new Error(`${entry} is not one script: ${output.map(({ fileName }) => fileName).join(", ")}`);
  const [{ code }] = scripts;
  if (code.includes("import.meta")) throw new Error(`${entry} still looks for files beside it`);
  return { code, style: styles.map(({ source }) => String(source)).join("") };
}

const digest = (content, encoding) => createHash("sha256").update(content).digest(encoding);

const lane = await bundle(archive("dist", "lane.js"), "iife", []);
const worker = await bundle(archive("dist", "worker.js"), "iife", [
  within("lanes.js", "./lane.js", text(lane.code)),
  within("worker.js", "../generated/coffer_wasm_bg.wasm", compressed(readFileSync(archive("generated", "coffer_wasm_bg.wasm")))),
]);
const page = await bundle(join(here, "src/offline/main.ts"), "iife", [
  svelte(),
  commonWords(),
  within("connection.js", "./worker.js", text(worker.code)),
]);

// Within a script element a closing tag would end it, also in the middle of a text.
const script = page.code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const icon = `data:image/svg+xml;base64,${readFileSync(join(here, "public/icon.svg")).toString("base64")}`;
const policy = [
  "default-src 'none'",
  `script-src 'sha256-${digest(script, "base64")}' 'wasm-unsafe-eval'`,
  "worker-src blob:",
  `style-src 'sha256-${digest(page.style, "base64")}'`,
  "img-src blob: data:",
  "media-src blob:",
  "frame-src blob:",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const html = `<!doctype html>
<html lang="en" data-offline>
  <head>
    <meta charset="utf-8">
    <meta http-equiv="content-security-policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>Coffer</title>
    <link rel="icon" type="image/svg+xml" href="${icon}">
    <style>${page.style}</style>
  </head>
  <body>
    <div id="app"></div>
    <noscript>Coffer opens archives on your own machine, and needs JavaScript for it.</noscript>
    <script type="module">${script}</script>
  </body>
</html>
`;
writeFileSync(join(here, "dist", name), html);
writeFileSync(join(here, "dist", `${name}.sha256`), `${digest(html, "hex")}  ${name}\n`);
console.log(`dist/${name} ${(html.length / 1e6).toFixed(2)} MB, SHA-256 ${digest(html, "hex")}`);
