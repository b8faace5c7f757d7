/**
 * One file on its way to the server as ciphertext: sealed in a worker as it is sent, or sent as it is if it is sealed
 * already. No more of it is in memory than a few pieces.
 */
import { seal } from "@coffer/archive";
import { ApiFailure, api, type Backup, type Id, type Profile, type UploadState } from "./api";
import { isCancelled } from "./problem";
import { waysIn } from "./profile-keys";
import { removeUpload, startUpload, upload } from "./upload";

/** Bytes of a file that are sent at once. */
const pieceBytes = 4 << 20;
/** Milliseconds between questions while the server reads again what it has stored. */
const askEvery = 400;

export type SealFor = { readonly profile: Profile } | { readonly password: string };

/** The upload that stopped in the middle of this very file. Every sealed file begins in its own way. */
export async function begunWith(file: Blob, uploads: readonly UploadState[]): Promise<UploadState | undefined> {
  for (const candidate of uploads) {
    if (candidate.state !== "receiving" || candidate.length !== file.size || !candidate.start) continue;
    const { length, sha256 } = candidate.start;
    // Fewer bytes are the same in many files.
    if (length >= 4096 && (await digest(file.slice(0, length))) === sha256) return candidate;
  }
  return undefined;
}

async function digest(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function* pieces(file: Blob, from: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = from; at < file.size; at += pieceBytes) yield new Uint8Array(await file.slice(at, at + pieceBytes).arrayBuffer());
}

export class SealUpload {
  step = $state<"choose" | "sending" | "checking" | "done" | "cancelled">("choose");
  /** Bytes of the file that are sealed or sent, and in all. */
  done = $state(0);
  total = $state(0);
  /** It goes on where an earlier one stopped. */
  resumed = $state(false);
  /** The connection broke, and it is tried again. */
  waiting = $state(false);
  failure = $state.raw<unknown>();
  backup = $state.raw<Backup>();

  #stop: AbortController | undefined;

  /** Sends a file; `how` is left out if it is sealed already. */
  async send(file: File, how?: SealFor): Promise<void> {
    this.failure = this.backup = undefined;
    this.done = 0;
    this.total = file.size;
    this.resumed = false;
    this.step = "sending";
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    let id: Id | undefined;
    try {
      const begun = how ? undefined : await begunWith(file, await api.uploads());
      this.resumed = begun !== undefined;
      const name = how ? `${file.name}.coffer` : file.name;
      id = begun?.id ?? (await startUpload({ purpose: "archive", name, ...(how ? {} : { length: file.size }) }, signal));
      const from = begun?.size ?? 0;
      const content = how ? this.#sealed(file, how, signal) : pieces(file, from);
      await upload(id, content, {
        signal,
        from,
        // What is sealed is a little longer than it was; nobody could say so before.
        sayLength: how !== undefined,
        onProgress: (sent) => {
          this.waiting = false;
          if (!how) this.done = sent;
        },
        onWait: () => {
          this.waiting = true;
        },
      });
      this.step = "checking";
      this.backup = await kept(id, signal);
      this.step = "done";
    } catch (thrown) {
      const cancelled = isCancelled(thrown);
      this.failure = cancelled ? undefined : thrown;
      this.step = cancelled ? "cancelled" : "choose";
      // What was sealed on its way can't go on: its key is gone with it. What was sealed before waits to be chosen again.
      if (id !== undefined && (cancelled || how)) void discard(id);
    } finally {
      this.waiting = false;
      this.#stop = undefined;
    }
  }

  #sealed(file: File, how: SealFor, signal: AbortSignal): AsyncIterable<Uint8Array<ArrayBuffer>> {
    const ways = "profile" in how ? waysIn(how.profile) : { passwords: [how.password] };
    return seal(file, {
      ...ways,
      signal,
      onProgress: (done) => {
        this.done = done;
      },
    });
  }

  cancel(): void {
    this.#stop?.abort();
  }
}

/** Waits until the server has stored it and read it again. */
async function kept(id: Id, signal: AbortSignal): Promise<Backup | undefined> {
  for (;;) {
    signal.throwIfAborted();
    const { state, error, backup } = await api.upload(id);
    if (state === "refused") throw new ApiFailure(422, error?.code ?? "", error?.detail ?? "");
    if (state === "stored") return (await api.backups()).find((stored) => stored.id === backup);
    await new Promise((resolve) => setTimeout(resolve, askEvery));
  }
}

/** The server gives abandoned uploads up by itself; this only saves it the wait. */
export async function discard(id: Id): Promise<void> {
  await removeUpload(id).catch((thrown: unknown) => {
    if (!(thrown instanceof ApiFailure)) throw thrown;
  });
}
