/** The server, as the page sees it: one function a resource, and one kind of failure. */
import type { Contents, TableName } from "@coffer/archive";
import type { Rights } from "./people";
import type { Mode, Plan, RestoreSelection, RowCounts, TableSamples } from "./plan";

export type Id = string;

export interface Session {
  readonly signed_in: boolean;
  readonly version: string;
  /** Fingerprint of the key that this server signs its backups with; told to who is signed in. */
  readonly sender: string | null;
  /** Somebody has to make the first administrator. */
  readonly set_up: boolean;
  readonly user: { readonly id: Id; readonly name: string } | null;
  readonly rights: Rights | null;
}

export interface Source {
  readonly id: Id;
  readonly name: string;
  readonly engine: "sqlite" | "postgres";
  /** Where it is, without credentials. */
  readonly database: string;
  readonly app: string | null;
  readonly file_sets: readonly { readonly name: string }[];
  /** The preset's TOML; without one nobody can say what is a credential. */
  readonly preset: string | null;
  readonly created_at: string;
}

/** Coffer's own configuration, which is a source that lists of sources don't have. */
export interface System {
  readonly source: Id;
  readonly name: string;
  readonly engine: "sqlite" | "postgres";
  readonly database: string;
}

export interface NewSource {
  readonly name: string;
  readonly url: string;
  readonly file_sets: readonly { readonly name: string; readonly folder: string }[];
  readonly preset: string | null;
}

/** One key of a profile. Its secret half is nowhere on the server, unless locked with a password. */
export interface ProfileKey {
  readonly fingerprint: string;
  readonly type: string;
  readonly recipient: string;
  /** The secret half, locked: archives carry it along, and its password opens them. */
  readonly locked: string | null;
  readonly state: "pending" | "active" | "retired";
  /** When its saved recovery kit was opened again. */
  readonly kit_verified_at: string | null;
  readonly created_at: string;
  readonly retired_at: string | null;
  /** Stored archives that are sealed to it. */
  readonly opens: number;
}

/** An encryption profile: whom the server seals backups to. It can't open what it sealed. */
export interface Profile {
  readonly id: Id;
  readonly name: string;
  /** Somebody is known to have what opens archives of its. */
  readonly ready: boolean;
  readonly created_at: string;
  readonly keys: readonly ProfileKey[];
}

export interface NewKey {
  readonly recipient: string;
  readonly locked?: string;
}

/** An upload as it stands. */
export interface UploadState {
  readonly id: Id;
  readonly purpose: "archive" | "bundle";
  readonly name: string;
  /** Bytes that are there. */
  readonly size: number;
  readonly length: number | null;
  readonly state: "receiving" | "checking" | "stored" | "refused";
  /** Digest of its first bytes. */
  readonly start?: { readonly length: number; readonly sha256: string };
  readonly backup?: Id;
  readonly error?: { readonly code: string; readonly detail: string };
  readonly created_at: string;
  readonly expires_at: string;
}

export interface Backup {
  readonly id: Id;
  /** Taken by this server, uploaded, or found in a destination. */
  readonly origin: "taken" | "uploaded" | "adopted";
  readonly uploaded_by: string | null;
  /** `null` for one that this server did not take. */
  readonly source: Id | null;
  readonly source_name: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly created_at: string;
  /** `unverified` is one that was found and that nobody here can say to be whole. */
  readonly state: "verified" | "unverified" | "damaged";
  /** The keys that it is sealed to; none if only a password opens it. */
  readonly fingerprints: readonly string[];
  /** When all of it was last compared with its scrub table. */
  readonly scrubbed_at: string | null;
  /** Fingerprint of the sender key that signed it; `null` if nobody did. */
  readonly sender: string | null;
  readonly contents?: Contents;
  /** The job that took it, which may be gone by now. */
  readonly job: Id | null;
  /** Retention leaves it alone. */
  readonly locked: boolean;
  /** Where its archive is; none if it is in the server's own store. */
  readonly copies: readonly Copy[];
}

/** A backup's bytes in one destination. */
export interface Copy {
  readonly destination: Id;
  readonly state: "storing" | "verified" | "unverified" | "damaged";
  /** When they were last read to their end. */
  readonly checked_at: string;
}

/** What a run is doing. */
export type Phase =
  | "waiting"
  | "hooks"
  | "reading"
  | "rows"
  | "files"
  | "finishing"
  | "verifying"
  | "planning"
  | "loading"
  | "proving"
  | "committing";

/** A total of 0 means that it is not known. */
export interface Progress {
  readonly phase: Phase;
  readonly rows: number;
  readonly rows_total: number;
  readonly bytes: number;
  readonly bytes_total: number;
}

export interface RestoreResult {
  readonly tables: readonly (TableName & { readonly rows: number })[];
  readonly file_sets: readonly { readonly name: string; readonly files: number }[];
  readonly rows: number;
  /** What became of rows, where archive and target were brought together. */
  readonly merged?: readonly (TableName & RowCounts)[];
  /** Rows that point at nothing, as they did where they were backed up. */
  readonly dangling: readonly { readonly table: TableName; readonly key: string; readonly references: string; readonly rows: number }[];
  /** What was replaced; `null` if it was not kept. */
  readonly safety_backup: {
    readonly id: string;
    readonly rows: number;
    readonly files: number;
    /** What of the folders it can't hold, in sentences. */
    readonly lacks: readonly string[];
  } | null;
}

/** What a restore replaced, kept so that it can be undone. */
export interface SafetyBackup {
  readonly id: string;
  readonly created_at: string;
  /** What it was taken before. */
  readonly before: "restore" | "undo";
  /** What became of that. */
  readonly restore: "begun" | "committing" | "committed";
  readonly restored_app: string;
  /** When the archive was taken that was restored. */
  readonly restored_created_at: string;
  readonly tables: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  /** The sources whose database it is of. */
  readonly sources: readonly Id[];
}

export interface SafetyBackups {
  /** The latest first. */
  readonly safety_backups: readonly SafetyBackup[];
  /** Why others can't be read. */
  readonly unreadable: readonly string[];
}

/** What differs from what a restore left. */
export interface Changes {
  readonly tables: readonly TableName[];
  readonly file_sets: readonly string[];
}

export interface Run {
  readonly id: Id;
  readonly kind: "backup" | "restore" | "rehearsal" | "adopt";
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly progress: Progress;
  readonly result: unknown;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

/** A run that is at work, with the source that is backed up or restored into. */
export interface ActiveRun {
  readonly source: Id;
  readonly started_at: string;
  readonly run: Run;
}

/** What becomes of rows that don't fit into the target's tables. */
export interface Decisions {
  /** Columns whose values may be lost. */
  readonly drop_columns: readonly { readonly table: TableName; readonly column: string }[];
  /** What takes the place of values that don't fit. */
  readonly fill: readonly { readonly table: TableName; readonly column: string; readonly value: string | null }[];
}

/** What the user allows, knowingly. */
export interface Consent {
  readonly replace_existing: boolean;
  readonly decisions: Decisions;
  readonly no_safety_backup: boolean;
}

/** What the user allows in an undo, which replaces in any case. */
export interface UndoConsent {
  readonly discard_changes: boolean;
  readonly decisions: Decisions;
  readonly no_safety_backup: boolean;
}

/** Everything that can be ticked. */
export type ConsentName = "replace_existing" | "discard_changes" | "drop_columns" | "no_safety_backup";

export interface PlanRequest {
  readonly target: Id;
  /** The bundle's manifest, exactly. */
  readonly manifest: string;
  readonly mode: "replace";
  readonly consent: Consent;
}

/** What is to be done with an uploaded bundle. */
export interface BundleRequest {
  readonly target: Id;
  readonly upload: Id;
  /** The bundle's one-time key, base64. */
  readonly key: string;
  readonly mode: Mode;
  readonly selection: RestoreSelection;
  readonly consent: Consent;
}

export interface RestoreRequest extends BundleRequest {
  readonly plan_digest: string;
  /** Whether the plan is a rehearsal's. */
  readonly rehearsed: boolean;
}

/** What a request to the server failed with; `detail` is a sentence for people. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";

  constructor(
    /** HTTP's status; 0 if no answer came. */
    readonly status: number,
    readonly code: string,
    readonly detail: string,
  ) {
    super(detail);
  }
}

let signedOut: (failure: ApiFailure) => void = () => undefined;

/** Says what to do when the server answers that nobody is signed in (any more). */
export function onSignedOut(handler: typeof signedOut): void {
  signedOut = handler;
}

/** The address of something on the server, wherever the app is mounted. */
export const address = (path: string): string => new URL(path, document.baseURI).href;

/** Sends a request; a response that is not a success is thrown as an `ApiFailure`. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address(path), { credentials: "same-origin", cache: "no-store", redirect: "error", ...init });
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "AbortError") throw thrown;
    throw new ApiFailure(0, "unreachable", "");
  }
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (failure.code === "not_signed_in") signedOut(failure);
  throw failure;
}

async function failureOf(response: Response): Promise<ApiFailure> {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
  if (!isProblem) return new ApiFailure(response.status, "unexpected_answer", "");
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  return new ApiFailure(response.status, problem.code ?? "unexpected_answer", problem.detail ?? "");
}

export async function json<T>(path: string, method = "GET", body?: unknown): Promise<T> {
  const init = body === undefined ? { method } : { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await send(path, init);
  return (response.status === 204 ? undefined : await response.json().catch(() => undefined)) as T;
}

/** 128 random bits. `randomUUID` is there only where the page came by TLS or from this machine. */
const randomKey = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Waits before what begins a run is asked for again, in milliseconds. */
const askAgain = [500, 2000, 5000];

/**
 * Begins a run. If the answer is lost, it is asked for again by the same key, so that nothing is begun twice; only if no answer
 * comes at all, nobody knows here whether it was begun (`status` 0).
 */
export async function begin(path: string, body: unknown): Promise<{ run: Id }> {
  const headers = { "content-type": "application/json", "idempotency-key": randomKey() };
  for (let tries = 0; ; tries += 1) {
    try {
      return (await (await send(path, { method: "POST", headers, body: JSON.stringify(body) })).json()) as { run: Id };
    } catch (thrown) {
      const wait = askAgain[tries];
      const unanswered = thrown instanceof ApiFailure && (thrown.status === 0 || thrown.code === "not_answered_yet");
      if (!unanswered || wait === undefined) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

export const remove = (path: string): Promise<void> => json(path, "DELETE", {});

const safetyBackup = (id: string): string => `api/safety-backups/${encodeURIComponent(id)}`;

export const api = {
  session: () => json<Session>("api/session"),
  signIn: (name: string, password: string) => json<void>("api/session", "POST", { name, password }),
  signInByLink: (token: string, name: string | null, password: string) => json<void>("api/session/link", "POST", { token, name, password }),
  signOut: () => remove("api/session"),

  sources: () => json<Source[]>("api/sources"),
  system: () => json<System>("api/system"),
  addSource: (source: NewSource) => json<Source>("api/sources", "POST", source),
  removeSource: (id: Id) => remove(`api/sources/${id}`),

  profiles: () => json<Profile[]>("api/profiles"),
  addProfile: (profile: { name: string; keys: readonly NewKey[] }) => json<Profile>("api/profiles", "POST", profile),
  addKey: (profile: Id, key: NewKey) => json<Profile>(`api/profiles/${profile}/keys`, "POST", key),
  /** The saved kit of a key was opened again; it takes the place of the keys `retire`. */
  keyVerified: (profile: Id, fingerprint: string, retire: readonly string[]) =>
    json<Profile>(`api/profiles/${profile}/keys/${fingerprint}/verified`, "POST", { retire }),
  retireKey: (profile: Id, fingerprint: string) => json<Profile>(`api/profiles/${profile}/keys/${fingerprint}/retire`, "POST", {}),
  discardKey: (profile: Id, fingerprint: string) => remove(`api/profiles/${profile}/keys/${fingerprint}`),

  startBackup: (source: Id, profile: Id, sensitive: boolean) => begin(`api/sources/${source}/backups`, { profile, sensitive }),
  backups: () => json<Backup[]>("api/backups"),
  removeBackup: (id: Id) => remove(`api/backups/${id}`),
  setLock: (id: Id, locked: boolean) => json<void>(`api/backups/${id}/${locked ? "lock" : "unlock"}`, "POST", {}),
  scrub: (id: Id) => json<Backup>(`api/backups/${id}/scrub`, "POST", {}),
  uploads: () => json<UploadState[]>("api/uploads"),
  upload: (id: Id) => json<UploadState>(`api/uploads/${id}`),
  archiveAddress: (id: Id) => address(`api/backups/${id}/archive`),

  activeRuns: () => json<ActiveRun[]>("api/runs"),
  run: (id: Id) => json<Run>(`api/runs/${id}`),
  cancelRun: (id: Id) => json<void>(`api/runs/${id}/cancel`, "POST", {}),

  plan: (request: PlanRequest) => json<{ plan: Plan; digest: string }>("api/plans", "POST", request),
  startRehearsal: (request: BundleRequest) => begin("api/rehearsals", request),
  /** Rows that a rehearsal found to change: remembered for a while, by this server only. */
  samples: (rehearsal: Id) => json<{ samples: TableSamples[] }>(`api/rehearsals/${rehearsal}/samples`),
  startRestore: (request: RestoreRequest) => begin("api/restores", request),

  safetyBackups: () => json<SafetyBackups>("api/safety-backups"),
  planUndo: (id: string, target: Id, consent: UndoConsent) =>
    json<{ plan: Plan; digest: string; changed_since: Changes }>(`${safetyBackup(id)}/plan`, "POST", { target, consent }),
  startUndo: (id: string, target: Id, plan_digest: string, consent: UndoConsent) =>
    begin(`${safetyBackup(id)}/undo`, { target, plan_digest, consent }),
};
