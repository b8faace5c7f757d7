// an archive with entries and offsets of more than 4 GiB is read whole by zipfile, unzip, 7-Zip and bsdtar (10 GB of disk)
import { at } from "../../scripts/lib/paths.mjs";
import { main } from "../../scripts/lib/problem.mjs";
import { run } from "../../scripts/lib/run.mjs";

main(async () => {
  await run(process.env.COFFER_PYTHON, [at("tests", "interop", "large_zip.py")], {
    timeout: 3_600_000,
    failure: "Another program does not read a large archive; what it said is above.",
  });
  return 0;
});
