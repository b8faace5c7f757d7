/** Whether somebody is signed in to the server, and who. Archives can be opened without. */
import { api, type Id, onSignedOut, type Session } from "./api";
import type { Permission } from "./people";
import { isLink, type OneTimeLink, takeLink } from "./sign-in";

type State = "unknown" | "signed_in" | "signed_out";

let state = $state<State>("unknown");
let failure = $state.raw<unknown>();
let known = $state.raw<Session>();
let link = $state.raw<OneTimeLink>();

async function refresh(): Promise<void> {
  try {
    known = await api.session();
    state = known.signed_in ? "signed_in" : "signed_out";
  } catch (thrown) {
    failure ??= thrown;
    state = "signed_out";
  }
}

/** Takes a link out of the address if there is one, and asks who we are. */
async function begin(): Promise<void> {
  link = takeLink() ?? link;
  failure = undefined;
  await refresh();
}

onSignedOut((thrown) => {
  failure = thrown;
  state = "signed_out";
});

// A link that is pasted into the address bar of an open page changes only the fragment.
window.addEventListener("hashchange", () => {
  if (isLink(location.hash)) void begin();
});

export const session = {
  get state(): State {
    return state;
  },
  get version(): string {
    return known?.version ?? "";
  },
  /** By which name archives that this server has sealed are recognised, while somebody is signed in. */
  get sender(): string | null {
    return state === "signed_in" ? (known?.sender ?? null) : null;
  },
  /** Who is signed in. */
  get name(): string {
    return known?.user?.name ?? "";
  },
  get rights(): Session["rights"] {
    return known?.rights ?? null;
  },
  /** Whether this is allowed with everything. */
  may: (permission: Permission): boolean => known?.rights?.everywhere.includes(permission) ?? false,
  /** Whether this is allowed with one source; `null` for what belongs to none. */
  mayWith: (permission: Permission, source: Id | null): boolean =>
    session.may(permission) || (source !== null && (known?.rights?.sources[source]?.includes(permission) ?? false)),
  /** Whether this is allowed with each of several sources. */
  mayWithAll: (permission: Permission, sources: readonly Id[]): boolean =>
    sources.length > 0 && sources.every((source) => session.mayWith(permission, source)),
  /** Whether this is allowed with any source at all. */
  maySomewhere: (permission: Permission): boolean =>
    session.may(permission) || Object.values(known?.rights?.sources ?? {}).some((held) => held.includes(permission)),
  /** Whether somebody has to make the first administrator. */
  get setUp(): boolean {
    return known?.set_up ?? false;
  },
  /** The link that was followed, until it is used. */
  get link(): OneTimeLink | undefined {
    return link;
  },
  /** What failed, other than signing in. */
  get failure(): unknown {
    return failure;
  },
  begin,
  async signIn(name: string, password: string): Promise<void> {
    await api.signIn(name, password);
    await begin();
  },
  /** Signs in by the link that was followed, with a new password. */
  async useLink(name: string | null, password: string): Promise<void> {
    if (!link) return;
    await api.signInByLink(link.token, name, password);
    link = undefined;
    await begin();
  },
  /** Forgets the link that was followed. */
  leaveLink(): void {
    link = undefined;
  },
  async signOut(): Promise<void> {
    await api.signOut();
    failure = undefined;
    state = "signed_out";
  },
};
