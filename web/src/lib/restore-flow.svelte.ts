/** One restore of what is selected in an open archive. */
import type { RestoreBundle, Selection } from "@coffer/archive";
import { texts } from "../texts";
import { ApiFailure, api, type Consent, type ConsentName, type Id, type Source } from "./api";
import { type Allowed, Flow } from "./flow.svelte";
import type { Opened } from "./opened.svelte";
import { decisions, type Finding } from "./plan";
import { isCancelled } from "./problem";
import { removeUpload, startUpload, upload } from "./upload";

/** The restore was asked for, and no answer came. */
class Unanswered extends Error {}

const noConsent = { replace_existing: false, drop_columns: false, no_safety_backup: false };

export class RestoreFlow extends Flow {
  override readonly text = texts.restore;
  override consent = $state.raw<Allowed>(noConsent);
  uploaded = $state(0);
  uploadTotal = $state(0);
  waiting = $state(false);

  #bundle: RestoreBundle | undefined;
  #uploading: AbortController | undefined;

  constructor(readonly archive: Opened) {
    super();
  }

  /** The server plans from the bundle that this page has sealed; who sealed the archive is known here. */
  override get origin(): readonly Finding[] {
    const { handle, anybody } = this.archive;
    if (handle.sender) return [{ code: "signed_by", sender: handle.sender.fingerprint }];
    return anybody ? [{ code: "unsigned" }] : [];
  }

  /** Makes the bundle for the selection, and asks the server what restoring it would do. */
  async makePlan(target: Source, selection: Selection): Promise<void> {
    await this.attempt(async () => {
      this.#bundle?.release();
      this.#bundle = undefined;
      this.target = target;
      this.consent = noConsent;
      this.#bundle = await this.archive.handle.bundle(selection);
      await this.#ask(noConsent);
      this.step = "plan";
    });
  }

  override async setConsent(name: ConsentName, given: boolean): Promise<void> {
    const consent = { ...this.consent, [name]: given };
    await this.attempt(() => this.#ask(consent));
  }

  /** What is ticked, as the server takes it. */
  #given({ replace_existing = false, drop_columns = false, no_safety_backup = false }: Allowed): Consent {
    return { replace_existing, decisions: decisions(this.plan, drop_columns), no_safety_backup };
  }

  async #ask(consent: Allowed): Promise<void> {
    if (!this.#bundle || !this.target) return;
    const { manifest } = this.#bundle;
    const answer = await api.plan({ target: this.target.id, manifest, mode: "replace", consent: this.#given(consent) });
    this.plan = answer.plan;
    this.digest = answer.digest;
    this.consent = consent;
  }

  override back(): void {
    this.#bundle?.release();
    this.#bundle = undefined;
    super.back();
  }

  /** Uploads the bundle and has the confirmed plan applied. */
  override async apply(): Promise<void> {
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
      const { run } = await this.#startOrDiscard(id, {
        target: target.id,
        plan_digest: this.digest,
        consent: this.#given(this.consent),
        mode: "replace",
        upload: id,
        key: bundle.key,
      });
      await this.follow(run);
    } catch (thrown) {
      bundle.release();
      this.failure = thrown;
      this.step = isCancelled(thrown) ? "cancelled" : thrown instanceof Unanswered ? "lost" : "failed";
    }
  }

  async #upload(bundle: RestoreBundle): Promise<Id> {
    this.#uploading = new AbortController();
    const id = await startUpload({ purpose: "bundle" });
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

  async #startOrDiscard(id: Id, request: Parameters<typeof api.startRestore>[0]): Promise<{ run: Id }> {
    try {
      return await api.startRestore(request);
    } catch (thrown) {
      // Without an answer nobody knows here whether the server has begun: nothing may be taken from under it.
      if (thrown instanceof ApiFailure && thrown.status === 0) throw new Unanswered();
      discard(id);
      throw thrown;
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
}

/** The server removes abandoned uploads itself; this only saves it the wait. */
function discard(upload: Id): void {
  removeUpload(upload).catch((thrown: unknown) => {
    if (!(thrown instanceof ApiFailure)) throw thrown;
  });
}
