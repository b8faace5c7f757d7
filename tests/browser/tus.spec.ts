// Uploads by the tus client that others use, from Node: the server keeps what is sealed, and nothing else.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { DetailedError, Upload, type UploadOptions } from "tus-js-client";
import { administrator } from "./support/app";
import { noise } from "./support/cli";
import type { RecordingProxy } from "./support/proxy";
import { expect, test } from "./support/test";

const password = "a password of some length";

/** A session of the API's own. */
async function signIn(origin: string, token: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${origin}/api/session/link`, { method: "POST", headers, body: JSON.stringify({ token, ...administrator }) });
  expect(answer.status).toBe(204);
  return answer.headers.get("set-cookie")?.split(";")[0] ?? "";
}

function archiveOf(path: string, bytes: number, sealed = true): Buffer {
  noise(path, bytes, sealed ? password : undefined);
  return readFileSync(path);
}

interface Sent {
  readonly url: string;
  readonly error: Error | undefined;
}

/** Uploads with the real client, to its end. */
function send(data: Buffer | Readable, options: Omit<UploadOptions, "onSuccess" | "onError">): Promise<Sent> {
  return new Promise((resolve) => {
    const upload: Upload = new Upload(data, {
      retryDelays: [100, 200, 400, 800, 1600],
      ...options,
      onSuccess: () => resolve({ url: upload.url ?? "", error: undefined }),
      onError: (error) => resolve({ url: upload.url ?? "", error }),
    });
    upload.start();
  });
}

const problemOf = (error: Error | undefined): { status: number; code: string } => {
  if (!(error instanceof DetailedError)) throw error ?? new Error("it went through");
  const body = JSON.parse(error.originalResponse?.getBody() ?? "{}") as { code?: string };
  return { status: error.originalResponse?.getStatus() ?? 0, code: body.code ?? "" };
};

/** What the server says of an upload, once it is no longer looking at it. */
async function settled(url: string, cookie: string): Promise<{ state: string; backup: string }> {
  let state = { state: "checking", backup: "" };
  await expect
    .poll(async () => {
      state = (await (await fetch(url, { headers: { cookie } })).json()) as typeof state;
      return state.state;
    })
    .toMatch(/stored|refused/);
  return state;
}

const patches = (wire: RecordingProxy) => wire.exchanges.filter(({ method, url }) => method === "PATCH" && url.startsWith("/api/uploads/"));

test("an upload goes on after its connection broke, and gives back what was sent", async ({ server, wire }, info) => {
  const cookie = await signIn(wire.origin, server.token);
  const archive = archiveOf(info.outputPath("noise.coffer"), 3_000_000);
  let broke = false;
  const { url, error } = await send(archive, {
    endpoint: `${wire.origin}/api/uploads`,
    headers: { cookie },
    chunkSize: 500_000,
    metadata: { filename: "Sommer “2026”.coffer", purpose: "archive" },
    onChunkComplete: (_, accepted) => {
      if (broke || accepted < 1_000_000) return;
      broke = true;
      wire.broken = true;
      setTimeout(() => {
        wire.broken = false;
      }, 250);
    },
  });
  expect(error).toBeUndefined();
  expect(broke).toBe(true);
  expect(patches(wire).length).toBeGreaterThan(7);
  expect(wire.exchanges.some(({ method }) => method === "HEAD")).toBe(true);
  const { state, backup } = await settled(url, cookie);
  expect(state).toBe("stored");

  const address = `${wire.origin}/api/backups/${backup}/archive`;
  const whole = await fetch(address, { headers: { cookie } });
  expect(Buffer.from(await whole.arrayBuffer()).equals(archive)).toBe(true);
  const digest = createHash("sha256").update(archive).digest("hex");
  expect(whole.headers.get("etag")).toBe(`"${digest}"`);
  expect(whole.headers.get("content-disposition")).toMatch(/^attachment; filename="[a-z0-9.-]+\.coffer"$/i);
  expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
  expect(whole.headers.get("content-security-policy")).toContain("sandbox");
  const part = await fetch(address, { headers: { cookie, range: "bytes=1000000-1000999" } });
  expect(part.status).toBe(206);
  expect(Buffer.from(await part.arrayBuffer()).equals(archive.subarray(1_000_000, 1_001_000))).toBe(true);

  const listed = (await (await fetch(`${wire.origin}/api/backups`, { headers: { cookie } })).json()) as Record<string, unknown>[];
  expect(listed).toHaveLength(1);
  expect(listed[0]).toMatchObject({
    id: backup,
    origin: "uploaded",
    source: null,
    source_name: "Sommer “2026”.coffer",
    state: "verified",
    size: archive.length,
  });

  const scrub = await fetch(`${wire.origin}/api/backups/${backup}/scrub`, {
    method: "POST",
    headers: { cookie, "content-type": "application/json" },
    body: "{}",
  });
  expect(await scrub.json()).toMatchObject({ state: "verified", scrubbed_at: expect.any(String) });
});

test("every way that the protocol has to begin and to end", async ({ server, wire }, info) => {
  const cookie = await signIn(wire.origin, server.token);
  const endpoint = `${wire.origin}/api/uploads`;
  const archive = archiveOf(info.outputPath("noise.coffer"), 200_000);

  // Begun with its first bytes, and without its length.
  const whole = await send(archive, { endpoint, headers: { cookie }, uploadDataDuringCreation: true });
  expect((await settled(whole.url, cookie)).state).toBe("stored");
  const deferred = { endpoint, headers: { cookie }, uploadLengthDeferred: true, chunkSize: 64_000 };
  const stream = await send(Readable.from([archive.subarray(0, 100_000), archive.subarray(100_000)], { objectMode: false }), deferred);
  expect(stream.error).toBeUndefined();
  expect((await settled(stream.url, cookie)).state).toBe("stored");

  // What is not sealed is refused before much of it was sent.
  const plain = await send(archiveOf(info.outputPath("plain.zip"), 200_000, false), { endpoint, headers: { cookie }, chunkSize: 50_000 });
  expect(problemOf(plain.error)).toEqual({ status: 422, code: "not_sealed" });
  expect((await fetch(plain.url, { method: "HEAD", headers: { cookie, "tus-resumable": "1.0.0" } })).status).toBe(410);

  // What is damaged shows at its end, and is not kept.
  const damaged = Buffer.from(archive);
  damaged[100_000] = (damaged[100_000] ?? 0) ^ 1;
  expect(problemOf((await send(damaged, { endpoint, headers: { cookie } })).error)).toEqual({ status: 422, code: "damaged" });

  // Given up: nothing is left.
  const upload = new Upload(archive, { endpoint, headers: { cookie }, chunkSize: 50_000 });
  await new Promise<void>((resolve, reject) => {
    upload.options.onChunkComplete = () => resolve();
    upload.options.onError = reject;
    upload.start();
  });
  await upload.abort(true);
  const left = (await (await fetch(endpoint, { headers: { cookie } })).json()) as { state: string }[];
  expect(left.filter(({ state }) => state === "receiving")).toEqual([]);
});
