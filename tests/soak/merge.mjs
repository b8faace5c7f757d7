// 500 random schemas (COFFER_MERGE_SEEDS, from COFFER_MERGE_FIRST) with random rows are restored by both engines as a plain model says, and single records of them alike
import { locked } from "../../scripts/lib/cargo.mjs";
import { main } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

main(async () => {
  await run("cargo", ["test", "--release", "--workspace", ...locked, "--test", "merge", "--", "--nocapture", "random"], {
    env: {
      COFFER_MERGE_SEEDS: process.env.COFFER_MERGE_SEEDS ?? "500",
      COFFER_MERGE_FIRST: process.env.COFFER_MERGE_FIRST ?? "1000",
    },
    timeout: 14_400_000,
    failure: "A merge does not do what the model says.",
  });
  return 0;
});
