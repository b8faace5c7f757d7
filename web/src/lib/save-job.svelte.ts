/** Something that is made piece by piece and saved on its way: how far it is, how it ended, and a way to give it up. */
import type { OnProgress } from "@coffer/archive";
import { isCancelled } from "./problem";
import { placeFor, type Savable } from "./save";

export interface Making {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

export class SaveJob {
  done = $state(0);
  /** 0 while it is not known. */
  total = $state(0);
  outcome = $state<"saved" | "cancelled">();
  failure = $state.raw<unknown>();
  /** What it was saved as. */
  name = $state("");
  #controller = $state.raw<AbortController>();

  get busy(): boolean {
    return this.#controller !== undefined;
  }

  /**
   * Asks for a place for about `size` bytes, and writes there what `make` gives. In answer to a click, without waiting for
   * anything before. Whether it was saved.
   */
  async run(name: string, size: number, make: (making: Making) => Promise<Savable> | Savable): Promise<boolean> {
    this.failure = this.outcome = undefined;
    this.done = 0;
    this.total = size;
    this.name = name;
    const controller = new AbortController();
    try {
      const place = await placeFor(name, size);
      this.#controller = controller;
      const onProgress = (done: number, total: number) => {
        this.done = done;
        this.total = total;
      };
      await place.write(await make({ signal: controller.signal, onProgress }));
      this.outcome = "saved";
      return true;
    } catch (thrown) {
      if (isCancelled(thrown)) this.outcome = "cancelled";
      else this.failure = thrown;
      return false;
    } finally {
      this.#controller = undefined;
    }
  }

  /** Gives it up. */
  stop(): void {
    this.#controller?.abort();
  }

  /** Back to its beginning. */
  reset(): void {
    this.failure = this.outcome = undefined;
  }
}
