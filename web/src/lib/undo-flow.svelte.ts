/** One undo: bringing back what a restore replaced. */
import { texts } from "../texts";
import { ApiFailure, api, type Changes, type ConsentName, type SafetyBackup, type Source, type UndoConsent } from "./api";
import { type Allowed, type Ask, Flow } from "./flow.svelte";
import { decisions, type Finding } from "./plan";

const noConsent = { discard_changes: false, drop_columns: false, no_safety_backup: false };

export class UndoFlow extends Flow {
  override readonly text = { ...texts.restore, ...texts.undo };
  override readonly origin: readonly Finding[] = [];
  override consent = $state.raw<Allowed>(noConsent);
  /** What the undo would lose. */
  changes = $state.raw<Changes>();

  #kept: SafetyBackup | undefined;

  override get asks(): readonly Ask[] {
    const { changes } = this;
    const lost = changes && changes.tables.length + changes.file_sets.length > 0 ? [texts.undo.changed(changes)] : [];
    // Replacing what is there is what an undo is asked for.
    const others = super.asks.filter(({ consent }) => consent !== "replace_existing");
    return [...others, ...lost.map((reason) => ({ consent: "discard_changes" as const, reason }))];
  }

  /** Asks the server what bringing it back would do. */
  async makePlan(target: Source, kept: SafetyBackup): Promise<void> {
    await this.attempt(async () => {
      this.target = target;
      this.#kept = kept;
      await this.#ask(noConsent);
      this.step = "plan";
    });
  }

  override async setConsent(name: ConsentName, given: boolean): Promise<void> {
    const consent = { ...this.consent, [name]: given };
    await this.attempt(() => this.#ask(consent));
  }

  /** What is ticked, as the server takes it. */
  #given({ discard_changes = false, drop_columns = false, no_safety_backup = false }: Allowed): UndoConsent {
    return { discard_changes, decisions: decisions(this.plan, drop_columns), no_safety_backup };
  }

  async #ask(consent: Allowed): Promise<void> {
    if (!this.#kept || !this.target) return;
    const answer = await api.planUndo(this.#kept.id, this.target.id, this.#given(consent));
    this.plan = answer.plan;
    this.changes = answer.changed_since;
    this.digest = answer.digest;
    this.consent = consent;
  }

  override async apply(): Promise<void> {
    const { target } = this;
    const kept = this.#kept;
    if (!kept || !target) return;
    this.failure = undefined;
    this.busy = true;
    try {
      const { run } = await api.startUndo(kept.id, target.id, this.digest, this.#given(this.consent));
      await this.follow(run);
    } catch (thrown) {
      this.failure = thrown;
      // Without an answer nobody knows here whether the server has begun.
      this.step = thrown instanceof ApiFailure && thrown.status === 0 ? "lost" : "failed";
    } finally {
      this.busy = false;
    }
  }
}
