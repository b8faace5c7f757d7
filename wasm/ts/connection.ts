/** The page's end of a worker: calls that always end, also when the worker does not answer any more. */
import { type Remote, wrap } from "comlink";
import { ArchiveFailure, type CofferError, cancelled, closed, toCofferError } from "./failure.js";
import type { ArchiveService } from "./service.js";

export class Connection {
  readonly #worker: Worker;
  readonly #service: Remote<ArchiveService>;
  /** How to reject each call that is under way. */
  readonly #pending = new Set<(failure: ArchiveFailure) => void>();
  #ended: CofferError | undefined;
  #fail: (failure: ArchiveFailure) => void = () => undefined;
  /** Rejects when the worker ends, for whatever reason. */
  readonly failed = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  constructor() {
    // Whoever doesn't wait for it has other ways to hear of it.
    this.failed.catch(() => undefined);
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "coffer" });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#end(toCofferError(new Error(event.message || "it could not be loaded")));
    });
    this.#worker.addEventListener("messageerror", () => this.#end(toCofferError(new Error("an unreadable answer"))));
    this.#service = wrap<ArchiveService>(this.#worker);
  }

  /** Does something in the worker; rejects with an `ArchiveFailure` and nothing else. */
  call<T>(work: (service: Remote<ArchiveService>) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new ArchiveFailure(this.#ended));
        return;
      }
      this.#pending.add(reject);
      work(this.#service)
        .then(resolve, (thrown: unknown) => {
          const reason = toCofferError(thrown);
          reject(new ArchiveFailure(reason));
          // A trap leaves the module's memory in an unknown state: nothing that it says later can be trusted.
          if (reason.code === "worker_crashed") this.#end(reason);
        })
        .finally(() => this.#pending.delete(reject));
    });
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Ends the worker; what is under way is rejected with `closed`. */
  close(): void {
    this.#end(closed);
  }

  /** Ends the worker in the middle of its work; what is under way is rejected with `cancelled`. */
  cancel(): void {
    this.#end(cancelled);
  }

  #end(reason: CofferError): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#worker.terminate();
    this.#fail(new ArchiveFailure(reason));
    for (const reject of this.#pending) reject(new ArchiveFailure(reason));
    this.#pending.clear();
  }
}
