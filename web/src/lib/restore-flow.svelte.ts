/** One restore of what is selected in an open archive. */
import type { Manifest, RestoreBundle } from "@coffer/archive";
import { texts } from "../texts";
import { ApiFailure, api, type Consent, type ConsentName, type Id, type RestoreRequest, type Source } from "./api";
import { type Allowed, Flow } from "./flow.svelte";
import type { Opened } from "./opened.svelte";
import { decisions, type Finding, type Mode, merges, type RestoreSelection, type TableSamples } from "./plan";
import { isCancelled } from "./problem";
import { Choice, keyOf, type Standing } from "./restore-choice.svelte";
import { follow } from "./run";
import { removeUpload, startUpload, upload } from "./upload";

/** The restore was asked for, and no answer came. */
class Unanswered extends Error {}

/** A bundle that the server has, and what opens it. */
interface Uploaded {
  readonly id: Id;
  readonly key: string;
}

const noConsent = { replace_existing: false, drop_columns: false, no_safety_backup: false };

export class RestoreFlow extends Flow {
  override readonly text = texts.restore;
  override consent = $state.raw<Allowed>(noConsent);
  readonly choice: Choice;
  /** What the target holds now, where it is known. */
  standing = $state.raw<Standing>();
  uploaded = $state(0);
  uploadTotal = $state(0);
  waiting = $state(false);

  #selection: RestoreSelection = { tables: null, file_sets: null };
  #mode: Mode = "replace";
  #bundle: RestoreBundle | undefined;
  #held: Uploaded | undefined;
  #uploading: AbortController | undefined;
  #gone = false;

  constructor(
    readonly archive: Opened,
    manifest: Manifest,
  ) {
    super();
    this.choice = new Choice(manifest);
  }

  /** The server plans from the bundle that this page has sealed; who sealed the archive is known here. */
  override get origin(): readonly Finding[] {
    const { handle, anybody } = this.archive;
    if (handle.sender) return [{ code: "signed_by", sender: handle.sender.fingerprint }];
    return anybody ? [{ code: "unsigned" }] : [];
  }

  override get canRehearse(): boolean {
    return !this.rehearsed;
  }

  /** Asks how much the target holds of what the archive holds, to say what the modes mean. Nothing depends on the answer. */
  async look(target: Source): Promise<void> {
    this.standing = undefined;
    const bundle = await this.archive.handle.bundle({ tables: null, file_sets: null });
    bundle.release();
    const { manifest } = bundle;
    const { plan } = await api.plan({ target: target.id, manifest, mode: "replace", consent: this.#given(noConsent) });
    this.standing = {
      rows: new Map(plan.tables.map(({ table, delete: rows }) => [keyOf(table), rows])),
      files: new Map(plan.file_sets.map(({ name, delete: files }) => [name, files])),
    };
  }

  /** Makes the bundle for what is chosen, and has it found out what restoring it would do. */
  async makePlan(target: Source): Promise<void> {
    await this.attempt(async () => {
      this.#give();
      this.target = target;
      this.consent = noConsent;
      const { tables, file_sets, records } = this.choice.selection;
      // The bundle holds just what is selected.
      this.#selection = { tables: null, file_sets: null, ...(records ? { records } : {}) };
      this.#mode = this.choice.mode;
      this.#bundle = await this.archive.handle.bundle({ tables, file_sets });
      if (merges(this.#mode, this.#selection)) await this.#uploadAndRehearse(this.#bundle, "choose");
      else await this.#ask(noConsent);
      this.step = "plan";
    });
  }

  /** Goes through the rows in a transaction that is rolled back, for a plan that knows them. */
  override async rehearse(): Promise<void> {
    const bundle = this.#bundle;
    if (!bundle) return;
    await this.attempt(async () => {
      await this.#uploadAndRehearse(bundle, "plan");
      this.step = "plan";
    });
    // A bundle can be walked once.
    if (!this.#held && !this.#bundle) this.step = "choose";
  }

  override async setConsent(name: ConsentName, given: boolean): Promise<void> {
    const consent = { ...this.consent, [name]: given };
    await this.attempt(() => (this.#held ? this.#rehearse(this.#held, consent) : this.#ask(consent)));
  }

  /** What is ticked, as the server takes it. */
  #given({ replace_existing = false, drop_columns = false, no_safety_backup = false }: Allowed): Consent {
    return { replace_existing, decisions: decisions(this.plan, drop_columns), no_safety_backup };
  }

  /** Plans from the manifest alone. */
  async #ask(consent: Allowed): Promise<void> {
    if (!this.#bundle || !this.target) return;
    const { manifest } = this.#bundle;
    const answer = await api.plan({ target: this.target.id, manifest, mode: "replace", consent: this.#given(consent) });
    this.plan = answer.plan;
    this.digest = answer.digest;
    this.consent = consent;
  }

  async #uploadAndRehearse(bundle: RestoreBundle, before: "choose" | "plan"): Promise<void> {
    try {
      this.#held = await this.#send(bundle);
      this.step = "rehearse";
      await this.#rehearse(this.#held, this.consent);
    } catch (thrown) {
      this.step = before;
      throw thrown;
    }
  }

  async #rehearse(held: Uploaded, consent: Allowed): Promise<void> {
    if (!this.target) return;
    const request = { target: this.target.id, upload: held.id, key: held.key, mode: this.#mode, selection: this.#selection };
    this.run = undefined;
    const { run: id } = await api.startRehearsal({ ...request, consent: this.#given(consent) });
    const run = await follow(id, (state) => {
      this.run = state;
    });
    this.run = undefined;
    if (run.state === "cancelled") throw new DOMException("The rehearsal was cancelled.", "AbortError");
    if (run.state !== "done") throw new ApiFailure(422, run.error?.code ?? "unexpected_answer", run.error?.detail ?? "");
    const { plan, digest } = run.result as { plan: NonNullable<RestoreFlow["plan"]>; digest: string };
    this.plan = plan;
    this.digest = digest;
    this.consent = consent;
    this.rehearsed = true;
    this.samples = await shownRows(id);
  }

  override back(): void {
    this.#give();
    super.back();
  }

  /** Has the confirmed plan applied; uploads the bundle first where the server does not have it. */
  override async apply(): Promise<void> {
    const { target } = this;
    const held = this.#held;
    const bundle = this.#bundle;
    if (!target || !(held || bundle)) return;
    this.failure = undefined;
    try {
      const { id, key } = held ?? (await this.#send(bundle as RestoreBundle));
      this.#held = { id, key };
      this.step = "apply";
      const { run } = await this.#startOrDiscard({
        target: target.id,
        plan_digest: this.digest,
        consent: this.#given(this.consent),
        mode: this.#mode,
        selection: this.#selection,
        rehearsed: this.rehearsed,
        upload: id,
        key,
      });
      await this.follow(run);
    } catch (thrown) {
      this.failure = thrown;
      this.step = isCancelled(thrown) ? "cancelled" : thrown instanceof Unanswered ? "lost" : "failed";
    }
  }

  /** Uploads the bundle, which can be walked once. */
  async #send(bundle: RestoreBundle): Promise<Uploaded> {
    this.#bundle = undefined;
    this.step = "upload";
    this.uploaded = 0;
    this.uploadTotal = bundle.total;
    this.#uploading = new AbortController();
    let id: Id | undefined;
    try {
      id = await startUpload({ purpose: "bundle" });
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
      if (this.#gone) throw new DOMException("The page was left.", "AbortError");
      return { id, key: bundle.key };
    } catch (thrown) {
      bundle.release();
      if (id !== undefined) discard(id);
      throw thrown;
    } finally {
      this.#uploading = undefined;
      this.waiting = false;
    }
  }

  async #startOrDiscard(request: RestoreRequest): Promise<{ run: Id }> {
    // Whatever becomes of it: the server takes the bundle, or it is given up here.
    this.#held = undefined;
    try {
      return await api.startRestore(request);
    } catch (thrown) {
      // Without an answer nobody knows here whether the server has begun: nothing may be taken from under it.
      if (thrown instanceof ApiFailure && thrown.status === 0) throw new Unanswered();
      discard(request.upload);
      throw thrown;
    }
  }

  cancelUpload(): void {
    this.#uploading?.abort();
  }

  /** Gives up the bundle, wherever it is. */
  #give(): void {
    this.#bundle?.release();
    this.#bundle = undefined;
    if (this.#held) discard(this.#held.id);
    this.#held = undefined;
    this.rehearsed = false;
    this.samples = [];
  }

  /** Gives up what is not yet the server's to finish. */
  dispose(): void {
    this.#gone = true;
    this.cancelUpload();
    this.#give();
  }
}

/** The rows are a help to look at; a plan can be confirmed without. */
async function shownRows(rehearsal: Id): Promise<readonly TableSamples[]> {
  try {
    return (await api.samples(rehearsal)).samples;
  } catch (thrown) {
    if (!(thrown instanceof ApiFailure)) throw thrown;
    return [];
  }
}

/** The server removes abandoned uploads itself; this only saves it the wait. */
function discard(upload: Id): void {
  removeUpload(upload).catch((thrown: unknown) => {
    if (!(thrown instanceof ApiFailure)) throw thrown;
  });
}
