/** Puts the npm package, and what it is measured against, where Playwright's `page.evaluate` finds them. */

declare global {
  var coffer: typeof import("@coffer/archive");
  var rivals: { age: typeof import("age-encryption"); zip: typeof import("@zip.js/zip.js") };
}

globalThis.coffer = await import("@coffer/archive");
if (new URLSearchParams(location.search).has("rivals"))
  globalThis.rivals = { age: await import("age-encryption"), zip: await import("@zip.js/zip.js") };
document.documentElement.dataset.ready = "";

export {};
