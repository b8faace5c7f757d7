// npm run build [-- wasm|web|server]: sets up what is needed and builds what is missing.
import { buildServer } from "./build/server.mjs";
import { buildWasm } from "./build/wasm.mjs";
import { buildWeb } from "./build/web.mjs";
import { main, Problem } from "./lib/problem.mjs";

const parts = { wasm: buildWasm, web: buildWeb, server: buildServer };

main(async () => {
  const wanted = process.argv.slice(2);
  for (const name of wanted)
    if (!(name in parts)) throw new Problem(`There is no part "${name}" to build. Parts: ${Object.keys(parts).join(", ")}.`);
  for (const [name, build] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await build();
});
