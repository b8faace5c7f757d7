/** Whether somebody is signed in to the server. Archives can be opened without. */
import { ApiFailure, api } from "./api";
import { takeToken } from "./sign-in";

type State = "unknown" | "signed_in" | "signed_out";

let state = $state<State>("unknown");
let failure = $state.raw<unknown>();
let version = $state("");

async function refresh(): Promise<void> {
  try {
    const session = await api.session();
    version = session.version;
    state = session.signed_in ? "signed_in" : "signed_out";
  } catch (thrown) {
    failure ??= thrown;
    state = "signed_out";
  }
}

/** Uses the link's token if there is one, then asks who we are. */
async function begin(): Promise<void> {
  const token = takeToken();
  failure = undefined;
  if (token) {
    try {
      await api.signIn(token);
    } catch (thrown) {
      failure = thrown;
    }
  }
  await refresh();
}

// A link that is pasted into the address bar of an open page changes only the fragment.
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#sign-in=")) void begin();
});

export const session = {
  get state(): State {
    return state;
  },
  get version(): string {
    return version;
  },
  /** Why signing in, or asking, failed. */
  get failure(): unknown {
    return failure;
  },
  begin,
  async signOut(): Promise<void> {
    await api.signOut();
    state = "signed_out";
  },
  /** Takes note of answers that say that the session ended. */
  noticeEnd(thrown: unknown): void {
    if (thrown instanceof ApiFailure && thrown.code === "not_signed_in") state = "signed_out";
  },
};
