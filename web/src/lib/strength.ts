/**
 * How easily a password could be guessed. An estimate, for advice: nothing is refused for it. Fetched when somebody first
 * chooses a password.
 */

import { passwords, words } from "virtual:common-words";
import { ZxcvbnFactory } from "@zxcvbn-ts/core";
import { adjacencyGraphs } from "@zxcvbn-ts/language-common";

/** 0 is found at once, 4 by nobody. */
export type Score = 0 | 1 | 2 | 3 | 4;

/** What makes it easy to guess. */
export type Weakness =
  | "straightRow"
  | "keyPattern"
  | "simpleRepeat"
  | "extendedRepeat"
  | "sequences"
  | "recentYears"
  | "dates"
  | "topTen"
  | "topHundred"
  | "common"
  | "similarToCommon"
  | "wordByItself"
  | "namesByThemselves"
  | "commonNames"
  | "userInputs"
  | "pwned";

export interface Strength {
  readonly score: Score;
  readonly weakness: Weakness | undefined;
}

const meter = new ZxcvbnFactory({
  dictionary: { "passwords-common": passwords.split(" "), "diceware-common": words.split(" ") },
  graphs: adjacencyGraphs,
  // What is longer is not weaker for it, and looking through all of it would hold the page up.
  maxLength: 48,
});

/** What is no secret here, and no part of a good password. */
const known = ["coffer", "backup", "archive"];

export function strengthOf(password: string): Strength {
  const { score, feedback } = meter.check(password, known);
  // Without words of its own the library gives the names of its warnings.
  return { score, weakness: (feedback.warning as Weakness | "" | null) || undefined };
}
