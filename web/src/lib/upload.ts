/**
 * Uploading by tus 1.0 bytes of which there is only one copy in passing. One piece is held until the server has it; when
 * the connection breaks, the server is asked how much it has, and the rest of the piece is sent.
 */
import { ApiFailure, type Id, send } from "./api";

const tus = { "tus-resumable": "1.0.0" };

export interface NewUpload {
  /** A sealed archive to be kept, or a restore bundle. */
  readonly purpose: "archive" | "bundle";
  /** Bytes; left out if they are not known before the end. */
  readonly length?: number;
  /** How people call it. */
  readonly name?: string;
}

/** Begins an upload, and returns its id. */
export async function startUpload({ purpose, length, name }: NewUpload, signal?: AbortSignal): Promise<Id> {
  const metadata = { purpose, ...(name === undefined ? {} : { filename: name }) };
  const pairs = Object.entries(metadata).map(([key, value]) => `${key} ${base64(value)}`);
  const size = length === undefined ? { "upload-defer-length": "1" } : { "upload-length": String(length) };
  const headers = { ...tus, ...size, "upload-metadata": pairs.join(",") };
  const response = await send("api/uploads", { method: "POST", headers, ...(signal ? { signal } : {}) });
  return ((await response.json()) as { id: Id }).id;
}

/** Gives an upload up. */
export async function removeUpload(id: Id): Promise<void> {
  await send(`api/uploads/${id}`, { method: "DELETE", headers: tus });
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Waits between tries after a failure, in milliseconds; then the upload is given up. */
const waits = [500, 1000, 2000, 4000, 8000, 15_000, 30_000];

export interface UploadOptions {
  readonly signal: AbortSignal;
  /** Bytes that the server had when it went on. */
  readonly from?: number;
  /** Says at the end how long it has become: it was begun without a length. */
  readonly sayLength?: boolean;
  /** Bytes that the server has. */
  readonly onProgress: (done: number) => void;
  /** The connection broke, and it will be tried again. */
  readonly onWait: () => void;
}

/** Appends all pieces to the upload `id`, and returns how many bytes it has then. */
export async function upload(id: Id, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>, options: UploadOptions): Promise<number> {
  let start = options.from ?? 0;
  for await (const piece of pieces) {
    await sendPiece(id, piece, start, options);
    start += piece.length;
    options.onProgress(start);
  }
  if (options.sayLength) await sendPiece(id, new Uint8Array(0), start, options, start);
  return start;
}

async function sendPiece(
  id: Id,
  piece: Uint8Array<ArrayBuffer>,
  start: number,
  { signal, onWait }: UploadOptions,
  length?: number,
): Promise<void> {
  let offset = start;
  for (let tries = 0; ; tries += 1) {
    signal.throwIfAborted();
    try {
      if (tries > 0) offset = await askOffset(id, signal);
      if (offset < start || offset > start + piece.length) throw new ApiFailure(409, "wrong_offset", "");
      // A length is sent in any case: saying it twice changes nothing.
      if (offset === start + piece.length && length === undefined) return;
      offset = await patch(id, piece.subarray(offset - start), offset, signal, length);
      if (offset === start + piece.length) return;
    } catch (thrown) {
      const wait = waits[tries];
      if (!isPassing(thrown) || wait === undefined) throw thrown;
      onWait();
      await pause(wait, signal);
    }
  }
}

/** Whether trying again can help: no answer came, or the server says that it is busy, failing or has no room just now. */
const isPassing = (thrown: unknown): boolean =>
  thrown instanceof ApiFailure && (thrown.status === 0 || thrown.status >= 500 || thrown.status === 423 || thrown.code === "wrong_offset");

const offsetOf = (response: Response): number => {
  const offset = Number(response.headers.get("upload-offset") ?? Number.NaN);
  if (!Number.isSafeInteger(offset)) throw new ApiFailure(response.status, "unexpected_answer", "");
  return offset;
};

async function askOffset(id: Id, signal: AbortSignal): Promise<number> {
  return offsetOf(await send(`api/uploads/${id}`, { method: "HEAD", headers: tus, signal }));
}

async function patch(id: Id, bytes: Uint8Array<ArrayBuffer>, offset: number, signal: AbortSignal, length?: number): Promise<number> {
  const said = length === undefined ? {} : { "upload-length": String(length) };
  const headers = { ...tus, ...said, "content-type": "application/offset+octet-stream", "upload-offset": String(offset) };
  return offsetOf(await send(`api/uploads/${id}`, { method: "PATCH", headers, body: bytes, signal }));
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
