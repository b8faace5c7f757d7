/** The one-time token of a sign-in link, `#sign-in=…`. */

const prefix = "#sign-in=";

/**
 * Takes the token out of the address. The address and its place in the history are replaced before anything else
 * happens, so that the token is not left where somebody could find it later.
 */
export function takeToken(): string | undefined {
  if (!location.hash.startsWith(prefix)) return undefined;
  const token = decodeURIComponent(location.hash.slice(prefix.length));
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  return token;
}
