// Whether a licence expression (SPDX 2.3, annex D) can be met with licences from a list.
import { Problem } from "../lib/problem.mjs";

/** Old manifests write "MIT/Apache-2.0" where they mean OR. */
const tokensOf = (expression) => expression.replaceAll("/", " OR ").match(/[()]|[^\s()]+/g) ?? [];

/**
 * @param {string} expression such as `(MIT OR Apache-2.0) AND Unicode-3.0`
 * @param {Set<string>} allowed identifiers, with their exception if they have one: `Apache-2.0 WITH LLVM-exception`
 * @returns {boolean}
 */
export function isAllowed(expression, allowed) {
  const tokens = tokensOf(expression);
  const malformed = () => new Problem(`"${expression}" is not a licence expression.`);

  // OR binds weaker than AND, and AND weaker than WITH. Both sides are always parsed, so that an error behind
  // an acceptable half is seen too.
  const either = () => {
    let met = both();
    while (tokens[0] === "OR") {
      tokens.shift();
      met = both() || met;
    }
    return met;
  };
  const both = () => {
    let met = one();
    while (tokens[0] === "AND") {
      tokens.shift();
      met = one() && met;
    }
    return met;
  };
  const one = () => {
    const token = tokens.shift();
    if (token === undefined || ["AND", "OR", "WITH", ")"].includes(token)) throw malformed();
    if (token === "(") {
      const met = either();
      if (tokens.shift() !== ")") throw malformed();
      return met;
    }
    if (tokens[0] !== "WITH") return allowed.has(token);
    tokens.shift();
    const exception = tokens.shift();
    if (exception === undefined) throw malformed();
    return allowed.has(`${token} WITH ${exception}`);
  };

  const met = either();
  if (tokens.length > 0) throw malformed();
  return met;
}
