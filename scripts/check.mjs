// npm run check [-- STEP…]: everything that can be said about the source without running it. CI runs the same.
import { check } from "./check/all.mjs";
import { main } from "./lib/problem.mjs";

main(async () => ((await check(process.argv.slice(2))) ? 0 : 1));
