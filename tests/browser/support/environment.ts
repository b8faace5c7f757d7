/** What the tests are given: the programs to run, found by the set-up. */

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set. Run these tests with "npm test -- browser".`);
  return value;
}

export const environment = {
  /** The `coffer` program. */
  coffer: required("COFFER_BIN"),
  /** Firefox. */
  firefox: required("COFFER_FIREFOX"),
  /** The built web app. */
  web: required("COFFER_WEB"),
  /** A Python with `cryptography` and `argon2-cffi`. */
  python: required("COFFER_PYTHON"),
};
