/**
 * From a choice to its result: a plan, its confirmation, a run. A restore and an undo differ in where the rows come from.
 * The steps follow one another and each can fail back to a place from which the user can go on; nothing but `apply`
 * changes anything outside of this page.
 */
import { texts } from "../texts";
import type { ConsentName, Id, RestoreResult, Run, Source } from "./api";
import { consentFor, type Finding, merges, type Plan, type TableSamples } from "./plan";
import { isCancelled } from "./problem";
import { follow } from "./run";

export type Step = "choose" | "plan" | "upload" | "rehearse" | "apply" | "done" | "cancelled" | "failed" | "lost";

/** Something that the plan does not do without the user's word. */
export interface Ask {
  readonly consent: ConsentName;
  /** Why it is asked for. */
  readonly reason: string;
}

/** What is ticked. */
export type Allowed = Readonly<Partial<Record<ConsentName, boolean>>>;

export abstract class Flow {
  step = $state<Step>("choose");
  /** Something is being worked out. */
  busy = $state(false);
  /** Why the last attempt to go on did not work. */
  failure = $state.raw<unknown>();
  target = $state.raw<Source>();
  plan = $state.raw<Plan>();
  run = $state.raw<Run>();
  /** Whether the plan was found by going through the rows. */
  rehearsed = $state(false);
  /** Rows that would change, as a rehearsal found them. */
  samples = $state.raw<readonly TableSamples[]>([]);
  protected digest = "";

  /** What it says to people. */
  abstract readonly text: typeof texts.restore;
  /** What was allowed so far. */
  abstract readonly consent: Allowed;
  /** What is told besides the plan's own findings. */
  abstract readonly origin: readonly Finding[];

  get result(): RestoreResult | undefined {
    return this.run?.state === "done" ? (this.run.result as RestoreResult) : undefined;
  }

  /** What is asked for, whether given or not. */
  get asks(): readonly Ask[] {
    const asked = new Map<ConsentName, string[]>();
    for (const finding of this.plan?.findings ?? []) {
      const consent = consentFor(finding);
      if (consent) asked.set(consent, [...(asked.get(consent) ?? []), texts.finding(finding)]);
    }
    return [...asked].map(([consent, reasons]) => ({ consent, reason: reasons.join(" ") }));
  }

  /** Whether it could be confirmed now. */
  get allowed(): boolean {
    return this.plan?.blocked === false && this.asks.every(({ consent }) => this.consent[consent]);
  }

  /** Whether rows of archive and target are brought together one by one. */
  get merges(): boolean {
    return this.plan !== undefined && merges(this.plan.mode, this.plan.selection);
  }

  /** Whether the plan could be found more exactly, by going through the rows. */
  get canRehearse(): boolean {
    return false;
  }

  rehearse(): Promise<void> {
    return Promise.resolve();
  }

  /** Plans again with another consent: the server decides what it lifts. */
  abstract setConsent(name: ConsentName, given: boolean): Promise<void>;

  /** Has the confirmed plan carried out. */
  abstract apply(): Promise<void>;

  back(): void {
    this.plan = undefined;
    this.failure = undefined;
    this.run = undefined;
    this.step = "choose";
  }

  protected async follow(id: Id): Promise<void> {
    this.step = "apply";
    try {
      const last = await follow(id, (run) => {
        this.run = run;
      });
      this.step = last.state === "done" ? "done" : last.state === "cancelled" ? "cancelled" : "failed";
    } catch (thrown) {
      // The run is the server's: that this page can't follow it says nothing about how it ends.
      this.failure = thrown;
      this.step = "lost";
    }
  }

  protected async attempt(work: () => Promise<void>): Promise<void> {
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
