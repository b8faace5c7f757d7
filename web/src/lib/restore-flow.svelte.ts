/**
 * One restore, from the choice to its result. The steps follow one another and each can fail back to a place from
 * which the user can go on; nothing but `apply` changes anything outside of this page.
 */
import type { RestoreBundle, Selection } from "@coffer/archive";
import { ApiFailure, api, type Consent, type Id, type Job, type RestoreResult, type Source } from "./api";
import { follow } from "./job";
import type { Opened } from "./opened.svelte";
import type { Plan } from "./plan";
import { isCancelled } from "./problem";
import { upload } from "./upload";

export type Step = "choose" | "plan" | "upload" | "apply" | "done" | "cancelled" | "failed" | "lost";

/** The restore was asked for, and no answer came. */
class Unanswered extends Error {}

const noConsent: Consent = { replace_existing: false, schema_mismatch: false };

export class RestoreFlow {
  step = $state<Step>("choose");
  /** Something is being worked out. */
  busy = $state(false);
  /** Why the last attempt to go on did not work. */
  failure = $state.raw<unknown>();
  target = $state.raw<Source>();
  plan = $state.raw<Plan>();
  consent = $state.raw<Consent>(noConsent);
  uploaded = $state(0);
  uploadTotal = $state(0);
  waiting = $state(false);
  job = $state.raw<Job>();

  #bundle: RestoreBundle | undefined;
  #digest = "";
  #uploading: AbortController | undefined;

  constructor(readonly archive: Opened) {}

  get result(): RestoreResult | undefined {
    return this.job?.state === "done" ? (this.job.result as RestoreResult) : undefined;
  }

  /** Makes the bundle for the selection, and asks the server what restoring it would do. */
  async makePlan(target: Source, selection: Selection): Promise<void> {
    await this.#attempt(async () => {
      this.#bundle?.release();
      this.#bundle = undefined;
      this.target = target;
      this.consent = noConsent;
      this.#bundle = await this.archive.handle.bundle(selection);
      await this.#ask(noConsent);
      this.step = "plan";
    });
  }

  /** Plans again with another consent: the server decides what it lifts. */
  async setConsent(change: Partial<Consent>): Promise<void> {
    const consent = { ...this.consent, ...change };
    await this.#attempt(() => this.#ask(consent));
  }

  async #ask(consent: Consent): Promise<void> {
    if (!this.#bundle || !this.target) return;
    const answer = await api.plan({ target: this.target.id, manifest: this.#bundle.manifest, mode: "replace", consent });
    this.plan = answer.plan;
    this.#digest = answer.digest;
    this.consent = consent;
  }

  back(): void {
    this.#bundle?.release();
    this.#bundle = undefined;
    this.plan = undefined;
    this.failure = undefined;
    this.job = undefined;
    this.step = "choose";
  }

  /** Uploads the bundle and has the confirmed plan applied. */
  async apply(): Promise<void> {
    const { target } = this;
    const bundle = this.#bundle;
    if (!bundle || !target) return;
    // A bundle can be walked once.
    this.#bundle = undefined;
    this.failure = undefined;
    this.step = "upload";
    this.uploaded = 0;
    this.uploadTotal = bundle.total;
    try {
      const id = await this.#upload(bundle);
      const { job } = await this.#startOrDiscard(id, {
        target: target.id,
        plan_digest: this.#digest,
        consent: this.consent,
        mode: "replace",
        upload: id,
        key: bundle.key,
      });
      this.step = "apply";
      await this.#follow(job);
    } catch (thrown) {
      bundle.release();
      this.failure = thrown;
      this.step = isCancelled(thrown) ? "cancelled" : thrown instanceof Unanswered ? "lost" : "failed";
    }
  }

  async #upload(bundle: RestoreBundle): Promise<Id> {
    this.#uploading = new AbortController();
    const { id } = await api.startUpload();
    try {
      await upload(id, bundle, {
        signal: this.#uploading.signal,
        onProgress: (done) => {
          this.uploaded = done;
          this.waiting = false;
        },
        onWait: () => {
          this.waiting = true;
        },
      });
      return id;
    } catch (thrown) {
      discard(id);
      throw thrown;
    } finally {
      this.#uploading = undefined;
      this.waiting = false;
    }
  }

  async #startOrDiscard(id: Id, request: Parameters<typeof api.startRestore>[0]): Promise<{ job: Id }> {
    try {
      return await api.startRestore(request);
    } catch (thrown) {
      // Without an answer nobody knows here whether the server has begun: nothing may be taken from under it.
      if (thrown instanceof ApiFailure && thrown.status === 0) throw new Unanswered();
      discard(id);
      throw thrown;
    }
  }

  async #follow(id: Id): Promise<void> {
    try {
      const last = await follow(id, (job) => {
        this.job = job;
      });
      this.step = last.state === "done" ? "done" : last.state === "cancelled" ? "cancelled" : "failed";
    } catch (thrown) {
      // The job is the server's: that this page can't follow it says nothing about how it ends.
      this.failure = thrown;
      this.step = "lost";
    }
  }

  cancelUpload(): void {
    this.#uploading?.abort();
  }

  /** Gives up what is not yet the server's to finish. */
  dispose(): void {
    this.cancelUpload();
    this.#bundle?.release();
    this.#bundle = undefined;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.failure = undefined;
    try {
      await work();
    } catch (thrown) {
      if (!isCancelled(thrown)) this.failure = thrown;
    } finally {
      this.busy = false;
    }
  }
}

/** The server removes abandoned uploads itself; this only saves it the wait. */
function discard(upload: Id): void {
  api.removeUpload(upload).catch((thrown: unknown) => {
    if (!(thrown instanceof ApiFailure)) throw thrown;
  });
}
