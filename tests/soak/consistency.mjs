// 60 backups (COFFER_BACKUPS) of each engine under load are each of one moment: totals exact, foreign keys resolve
import { locked } from "../../scripts/lib/cargo.mjs";
import { main } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

main(async () => {
  await run("cargo", ["test", "--release", "--workspace", ...locked, "--test", "consistency", "--", "--nocapture"], {
    env: { COFFER_BACKUPS: process.env.COFFER_BACKUPS ?? "60" },
    timeout: 3_600_000,
    failure: "A backup that was taken under load is not of one moment.",
  });
  return 0;
});
