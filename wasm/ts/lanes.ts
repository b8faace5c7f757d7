/**
 * The browser's cryptography, in workers of its own.
 *
 * WebCrypto works on the thread that calls it, at least in Chromium: more calls at once gain nothing there, a second
 * worker does.
 */
import type { Lanes as ModuleLanes, Worked } from "../generated/coffer_wasm.js";
import { type Job, load, Unread, work } from "./aes.js";
import type { Answer } from "./lane.js";

/** Workers. Each may have a batch of 4 MiB in hand and another one waiting, so memory sets a limit of its own. */
const maxLanes = 3;
/** Batches up to this many bytes are done where they are: a look into an archive starts no further workers. */
const smallBytes = 256 << 10;

/** Whether this browser offers WebCrypto here: it does so only in secure contexts. */
export const available = () => globalThis.crypto?.subtle !== undefined;

export class Lanes implements ModuleLanes {
  readonly #lanes: Lane[] = [];

  importKey(key: Uint8Array): Promise<CryptoKey> {
    return crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, "AES-GCM", false, ["encrypt", "decrypt"]);
  }

  open(key: CryptoKey, nonces: Uint8Array, sealed: Uint8Array | Blob, head?: number, whole?: number): Promise<Worked> {
    const cut = head === undefined || whole === undefined ? undefined : { head, whole };
    return this.#do({ kind: "open", key, nonces, bytes: sealed, cut } as Job);
  }

  seal(key: CryptoKey, nonces: Uint8Array, plain: Uint8Array | Blob, head: number, whole: number): Promise<Worked> {
    return this.#do({ kind: "seal", key, nonces, bytes: plain, cut: { head, whole } } as Job);
  }

  digest(bytes: Uint8Array): Promise<ArrayBuffer> {
    return crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  }

  async #do(job: Job): Promise<Worked> {
    const size = job.bytes instanceof Blob ? job.bytes.size : job.bytes.length;
    // Where a worker can't start workers, this one does all.
    if (size <= smallBytes || typeof Worker === "undefined") return work(job, await load(job.bytes));
    return this.#lane().do(job);
  }

  /** The one with the least to do. */
  #lane(): Lane {
    const idle = this.#lanes.find((lane) => lane.waiting === 0);
    if (idle) return idle;
    if (this.#lanes.length < Math.min(maxLanes, navigator.hardwareConcurrency || 2)) {
      const lane = new Lane();
      this.#lanes.push(lane);
      return lane;
    }
    return this.#lanes.reduce((least, lane) => (lane.waiting < least.waiting ? lane : least));
  }
}

interface Waiting {
  readonly resolve: (worked: Worked) => void;
  readonly reject: (failure: Error) => void;
}

/** The near end of one worker. It answers in the order in which it was asked. */
class Lane {
  readonly #worker = new Worker(new URL("./lane.js", import.meta.url), { type: "module", name: "coffer-lane" });
  #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      const first = this.#waiting.shift();
      if ("worked" in data) first?.resolve(data.worked);
      else first?.reject(data.unread ? new Unread(data.failure) : new Error(data.failure));
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message || "a worker could not be loaded"));
    });
    this.#worker.addEventListener("messageerror", () => this.#fail(new Error("an unreadable answer")));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  do(job: Job): Promise<Worked> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(job, job.bytes instanceof Blob ? [] : [job.bytes.buffer]);
    });
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#worker.terminate();
    for (const { reject } of this.#waiting) reject(failure);
    this.#waiting = [];
  }
}
