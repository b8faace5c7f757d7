// npm start [-- arguments]: builds what is missing and runs Coffer with its demo application on 127.0.0.1.
import { buildServer } from "./build/server.mjs";
import { buildWeb } from "./build/web.mjs";
import { at, cofferProgram } from "./lib/paths.mjs";
import { main } from "./lib/problem.mjs";
import { become } from "./lib/run.mjs";

const help = `npm start [-- OPTIONS]

Builds what is missing and runs Coffer on 127.0.0.1, with a catalog and an archive store of its own and a small
demo application that is registered as a source. It prints the address and, the first time, a link that makes the first administrator.
The first start builds everything and takes some minutes; later ones start at once.

OPTIONS go to "coffer serve", after "--demo --web web/dist". What it says about them:
`;

main(async () => {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    await buildServer();
    console.log(help);
    return become(cofferProgram, ["serve", "--help"]);
  }
  await buildWeb();
  await buildServer();
  return become(cofferProgram, ["serve", "--demo", "--web", at("web", "dist"), ...args]);
});
