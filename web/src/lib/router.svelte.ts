/** Where the app is: the address' fragment, which a browser never sends anywhere. */

export type Route =
  | { readonly page: "home" }
  /** `backup` names one of the server's; without it, whatever is open, or the picker. */
  | { readonly page: "open"; readonly backup?: string }
  | { readonly page: "profiles" | "jobs" | "destinations" | "notifications" | "account" | "people" | "log" | "api" }
  | { readonly page: "job"; readonly job: string }
  /** `backup` names one of the server's; without it, whatever is open. */
  | { readonly page: "restore"; readonly backup?: string }
  /** `job` is the one to change; without it, a new one. */
  | { readonly page: "edit-job"; readonly job?: string }
  /** Of the source that is named. */
  | { readonly page: "undo"; readonly source: string };

export const paths = {
  home: "#/",
  open: "#/open",
  backup: (id: string) => `#/open/${encodeURIComponent(id)}`,
  restore: "#/restore",
  restoreBackup: (id: string) => `#/restore/${encodeURIComponent(id)}`,
  profiles: "#/profiles",
  jobs: "#/jobs",
  newJob: "#/jobs/new",
  job: (id: string) => `#/jobs/${encodeURIComponent(id)}`,
  editJob: (id: string) => `#/jobs/${encodeURIComponent(id)}/edit`,
  destinations: "#/destinations",
  notifications: "#/notifications",
  account: "#/account",
  people: "#/people",
  log: "#/log",
  api: "#/api",
  undo: (source: string) => `#/undo/${encodeURIComponent(source)}`,
};

function parse(hash: string): Route {
  const [, page, argument, action] = hash.split("/");
  if (page === "restore") return argument ? { page, backup: decodeURIComponent(argument) } : { page };
  if (page === "open") return argument ? { page, backup: decodeURIComponent(argument) } : { page };
  if (page === "undo" && argument) return { page, source: decodeURIComponent(argument) };
  if (page === "jobs" && argument === "new") return { page: "edit-job" };
  if (page === "jobs" && argument) return { page: action === "edit" ? "edit-job" : "job", job: decodeURIComponent(argument) };
  const plain = ["profiles", "jobs", "destinations", "notifications", "account", "people", "log", "api"] as const;
  const found = plain.find((known) => known === page);
  return { page: found ?? "home" };
}

let route = $state.raw(parse(location.hash));

window.addEventListener("hashchange", () => {
  route = parse(location.hash);
});

export const router = {
  get route(): Route {
    return route;
  },
  go(path: string): void {
    location.hash = path;
  },
};
