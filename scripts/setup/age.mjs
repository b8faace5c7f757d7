// age, which Coffer's sealing is measured against. For benches only.
import { canInstall, install, whyNot } from "../lib/apt.mjs";
import { findProgram } from "../lib/find.mjs";
import { Problem } from "../lib/problem.mjs";

/** @returns {Promise<{ age: string, keygen: string }>} its programs */
export async function age() {
  const find = () => ({ age: findProgram(["age"]), keygen: findProgram(["age-keygen"]) });
  const found = find();
  if (found.age && found.keygen) return found;
  if (!canInstall()) throw new Problem(`The bench needs age and age-keygen, and ${whyNot()}. Install age, then run this command again.`);
  await install(["age"], "the bench against it");
  const installed = find();
  if (!installed.age || !installed.keygen) throw new Problem("Debian's age was installed, but age and age-keygen are not in PATH.");
  return installed;
}
