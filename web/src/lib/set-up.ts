/** Setting a new installation up from a backup of another one's configuration. */
import { ApiFailure, json } from "./api";
import type { Opened } from "./opened.svelte";

/** What is there after it. */
export interface Restored {
  readonly rows: number;
  readonly administrators: readonly { readonly name: string; readonly has_password: boolean }[];
  /** Names of what was restored without its credentials. */
  readonly needs: Readonly<Record<Needed, readonly string[]>>;
}

export const needed = ["sources", "destinations", "channels", "users"] as const;
export type Needed = (typeof needed)[number];

/** What people look for in it, with the table that holds one row for each. */
export const held = [
  ["sources", "sources"],
  ["destinations", "destinations"],
  ["jobs", "jobs"],
  ["profiles", "profiles"],
  ["channels", "channels"],
  ["users", "users"],
  ["groups", "user_groups"],
] as const;

/** The most bytes that the server takes: a configuration is small. */
const largest = 20 << 20;

/** Whether an archive is of Coffer's own configuration; the server looks again. */
export const isConfiguration = ({ manifest }: Opened): boolean =>
  manifest?.app.name === "Coffer" && held.every(([, table]) => manifest.tables.some(({ table: { name } }) => name === table));

export const rowsOf = ({ manifest }: Opened, table: string): number =>
  manifest?.tables.find(({ table: { name } }) => name === table)?.rows ?? 0;

/** Seals the configuration again under a one-time key, and has it restored by the one-time link. */
export async function setUpFrom(archive: Opened, token: string): Promise<Restored> {
  const bundle = await archive.handle.bundle({ tables: null, file_sets: null });
  if (bundle.total > largest) {
    bundle.release();
    throw new ApiFailure(
      413,
      "bundle_too_large",
      "the configuration is larger than this page may send; nothing was changed; restore it on the server by coffer system restore",
    );
  }
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of bundle) pieces.push(piece);
  return json("api/system/restore", "POST", { token, bundle: await base64(new Blob(pieces)), key: bundle.key });
}

/** By the browser's own encoder, which takes any size. */
function base64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
