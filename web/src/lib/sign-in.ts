/** One-time links: `#set-up=…` makes the first administrator, `#link=…` leads a user to a password. */

export interface OneTimeLink {
  readonly token: string;
  readonly setUp: boolean;
}

const prefixes = { "#set-up=": true, "#link=": false };

export const isLink = (hash: string): boolean => Object.keys(prefixes).some((prefix) => hash.startsWith(prefix));

/**
 * Takes the token out of the address. The address and its place in the history are replaced before anything else
 * happens, so that the token is not left where somebody could find it later.
 */
export function takeLink(): OneTimeLink | undefined {
  for (const [prefix, setUp] of Object.entries(prefixes)) {
    if (!location.hash.startsWith(prefix)) continue;
    const token = decodeURIComponent(location.hash.slice(prefix.length));
    history.replaceState(null, "", `${location.pathname}${location.search}#/`);
    return { token, setUp };
  }
  return undefined;
}
