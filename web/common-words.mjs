// The words that the strength meter knows, as two texts, a space between words: all of the package's lists would be half of coffer-open.html's budget.
import { dictionary } from "@zxcvbn-ts/language-common";

/** Passwords that are known, of those that people choose most often. What is rarer is found by its parts, or is a matter of length. */
const knownPasswords = 10_000;
const name = "virtual:common-words";

/** Makes `virtual:common-words` of the package's lists while the page is built. */
export function commonWords() {
  return {
    name: "common-words",
    resolveId: (id) => (id === name ? `\0${name}` : undefined),
    load(id) {
      if (id !== `\0${name}`) return undefined;
      const text = (words) => JSON.stringify(words.join(" "));
      return `export const passwords = ${text(dictionary["passwords-common"].slice(0, knownPasswords))};
export const words = ${text(dictionary["diceware-common"])};`;
    },
  };
}
