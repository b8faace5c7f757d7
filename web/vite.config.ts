import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { commonWords } from "./common-words.mjs";

export default defineConfig({
  // Relative addresses: the app works below any path that a reverse proxy gives it.
  base: "./",
  plugins: [svelte(), commonWords()],
  worker: { format: "es" },
  build: {
    target: "es2022",
    // The content security policy allows no data: addresses for anything that runs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
