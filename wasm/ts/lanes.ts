/**
 * The browser's cryptography, in workers of its own.
 *
 * WebCrypto works on the thread that calls it, at least in Chromium: more calls at once gain nothing there, a second
 * worker does.
 */
import type { Lanes as ModuleLanes, Worked } from "../generated/coffer_wasm.js";
import { type Batch, work } from "./aes.js";
import type { Answer, Digested, Done, Job } from "./lane.js";
import { forget } from "./memory.js";

/** Workers. Each may have a batch of 4 MiB in hand and another one waiting, so memory sets a limit of its own. */
const maxLanes = 3;
/** Jobs up to this many bytes are done where they are: a look into an archive starts no further workers. */
const smallBytes = 256 << 10;

/** Whether this browser offers WebCrypto here: it does so only in secure contexts. */
export const available = () => globalThis.crypto?.subtle !== undefined;

export class Lanes implements ModuleLanes {
  readonly #lanes: Lane[] = [];
  /** Memory in which bytes lay that were hashed. */
  readonly #spares: ArrayBuffer[] = [];

  importKey(key: Uint8Array): Promise<CryptoKey> {
    return crypto.subtle.importKey("raw", key as Uint8Array<ArrayBuffer>, "AES-GCM", false, ["encrypt", "decrypt"]);
  }

  open(key: CryptoKey, nonces: Uint8Array, sealed: Uint8Array, head?: number, whole?: number): Promise<Worked> {
    const cut = head === undefined || whole === undefined ? undefined : { head, whole };
    return this.#work({ kind: "open", key, nonces, bytes: sealed, cut } as Batch);
  }

  seal(key: CryptoKey, nonces: Uint8Array, plain: Uint8Array, head: number, whole: number): Promise<Worked> {
    return this.#work({ kind: "seal", key, nonces, bytes: plain, cut: { head, whole } } as Batch);
  }

  async digest(bytes: Uint8Array): Promise<ArrayBuffer> {
    if (here(bytes)) return crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
    const copy = this.#room(bytes.length);
    copy.set(bytes);
    const { digest, spare } = (await this.#lane().do({ kind: "digest", bytes: copy })) as Digested;
    this.#spares.push(spare);
    return digest;
  }

  /** Room for so many bytes: memory that a lane gave back costs less than new memory, which the system has to clear. */
  #room(length: number): Uint8Array<ArrayBuffer> {
    // The smaller ones first; of what is not large enough only one is kept.
    this.#spares.sort((one, other) => one.byteLength - other.byteLength);
    const at = this.#spares.findIndex(({ byteLength }) => byteLength >= length);
    if (at < 0) this.#spares.splice(1);
    const [spare] = at < 0 ? [] : this.#spares.splice(at, 1);
    return new Uint8Array(spare ?? new ArrayBuffer(length), 0, length);
  }

  forget(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) forget([bytes.buffer as ArrayBuffer]);
  }

  #work(batch: Batch): Promise<Worked> {
    return here(batch.bytes) ? work(batch) : (this.#lane().do(batch) as Promise<Worked>);
  }

  /** The one with the least to do: somebody waits for batches in their order, so none should stand behind a large file. */
  #lane(): Lane {
    const idle = this.#lanes.find((lane) => lane.waitingBytes === 0);
    if (idle) return idle;
    if (this.#lanes.length < Math.min(maxLanes, navigator.hardwareConcurrency || 2)) {
      const lane = new Lane();
      this.#lanes.push(lane);
      return lane;
    }
    return this.#lanes.reduce((least, lane) => (lane.waitingBytes < least.waitingBytes ? lane : least));
  }
}

/** Whether it is done in this worker: where that can't start workers, everything is. */
const here = ({ length }: Uint8Array) => length <= smallBytes || typeof Worker === "undefined";

interface Waiting {
  readonly bytes: number;
  readonly resolve: (done: Done) => void;
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
      if ("done" in data) first?.resolve(data.done);
      else first?.reject(new Error(data.failure));
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message || "a worker could not be loaded"));
    });
    this.#worker.addEventListener("messageerror", () => this.#fail(new Error("an unreadable answer")));
  }

  /** Bytes that it was given and has not answered for. */
  get waitingBytes(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The memory of the job's bytes goes to the worker. */
  do(job: Job): Promise<Done> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: job.bytes.length, resolve, reject });
      this.#worker.postMessage(job, [job.bytes.buffer]);
    });
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#worker.terminate();
    for (const { reject } of this.#waiting) reject(failure);
    this.#waiting = [];
  }
}
