// `kill -9` of backups and restores at 200 moments on each engine (COFFER_KILLS) and of PostgreSQL at 20 (COFFER_CRASHES)
import { locked } from "../../scripts/lib/cargo.mjs";
import { main } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

main(async () => {
  await run("cargo", ["test", "--release", "--workspace", ...locked, "--test", "kills", "--", "--nocapture", "--test-threads=1"], {
    env: { COFFER_KILLS: process.env.COFFER_KILLS ?? "200", COFFER_CRASHES: process.env.COFFER_CRASHES ?? "20" },
    timeout: 2 * 3_600_000,
    failure: "A kill left what is neither the old state nor the new one.",
  });
  return 0;
});
