/** People, as the server answers about them. */
import { type Id, json, remove } from "./api";

export const allPermissions = ["view", "back_up", "restore", "configure", "administer"] as const;
export type Permission = (typeof allPermissions)[number];

export interface Rights {
  readonly everywhere: readonly Permission[];
  /** By the ids of sources. */
  readonly sources: Readonly<Record<Id, readonly Permission[]>>;
}

export interface User {
  readonly id: Id;
  readonly name: string;
  readonly groups: readonly Id[];
  readonly disabled: boolean;
  readonly has_password: boolean;
}

export interface Group {
  readonly id: Id;
  readonly name: string;
  readonly permissions: readonly Permission[];
  /** `null`: with everything. */
  readonly sources: readonly Id[] | null;
}

export interface OneTimeLink {
  readonly token: string;
  readonly expires_at: string;
}

export interface ListedSession {
  readonly id: Id;
  readonly this: boolean;
  readonly used_at: string;
  readonly address: string;
  readonly agent: string;
}

export interface Token {
  readonly id: Id;
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly expires_at: string;
  readonly used_at: string | null;
}

export interface NewToken {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly days: number;
}

export interface LogLine {
  readonly at: string;
  readonly who: string;
  readonly via: string;
  readonly action: string;
  readonly target: string;
  readonly address: string;
  readonly status: number;
  readonly code: string | null;
}

type GroupContent = Pick<Group, "name" | "permissions" | "sources">;

export const people = {
  users: () => json<User[]>("api/users"),
  addUser: (name: string, groups: readonly Id[]) => json<{ user: User; link: OneTimeLink }>("api/users", "POST", { name, groups }),
  changeUser: (id: Id, change: { disabled?: boolean; groups?: readonly Id[] }) => json<User>(`api/users/${id}`, "PATCH", change),
  removeUser: (id: Id) => remove(`api/users/${id}`),
  makeLink: (id: Id) => json<OneTimeLink>(`api/users/${id}/link`, "POST", {}),

  groups: () => json<Group[]>("api/groups"),
  addGroup: (group: GroupContent) => json<Group>("api/groups", "POST", group),
  changeGroup: (id: Id, group: GroupContent) => json<Group>(`api/groups/${id}`, "PUT", group),
  removeGroup: (id: Id) => remove(`api/groups/${id}`),

  changePassword: (old: string, changed: string) => json<void>("api/account/password", "PUT", { old, new: changed }),
  sessions: () => json<ListedSession[]>("api/account/sessions"),
  endSession: (id: Id) => remove(`api/account/sessions/${id}`),
  tokens: () => json<Token[]>("api/account/tokens"),
  addToken: (token: NewToken) => json<Token & { secret: string }>("api/account/tokens", "POST", token),
  removeToken: (id: Id) => remove(`api/account/tokens/${id}`),

  log: (cursor?: string) =>
    json<{ items: LogLine[]; next: string | null }>(`api/audit-log?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`),
};
