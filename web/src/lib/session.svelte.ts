/** Whether somebody is signed in to the server. Archives can be opened without. */
import { api, onSignedOut } from "./api";
import { takeToken } from "./sign-in";

type State = "unknown" | "signed_in" | "signed_out";

let state = $state<State>("unknown");
let failure = $state.raw<{ readonly thrown: unknown; readonly link: boolean }>();
let version = $state("");
let sender = $state<string | null>(null);

async function refresh(): Promise<void> {
  try {
    const session = await api.session();
    version = session.version;
    sender = session.sender;
    state = session.signed_in ? "signed_in" : "signed_out";
  } catch (thrown) {
    failure ??= { thrown, link: false };
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
      failure = { thrown, link: true };
    }
  }
  await refresh();
}

onSignedOut((thrown) => {
  failure = { thrown, link: false };
  state = "signed_out";
});

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
  /** By which name archives that this server has sealed are recognised, while somebody is signed in. */
  get sender(): string | null {
    return state === "signed_in" ? sender : null;
  },
  /** What failed, and whether it was the sign-in link. */
  get failure(): { readonly thrown: unknown; readonly link: boolean } | undefined {
    return failure;
  },
  begin,
  async signOut(): Promise<void> {
    await api.signOut();
    failure = undefined;
    state = "signed_out";
  },
};
