/** Destinations, as the server answers about them. */
import { begin, type Id, json, remove } from "./api";

export type DestinationConfig =
  | { readonly kind: "folder"; readonly path: string }
  | {
      readonly kind: "s3";
      readonly bucket: string;
      readonly endpoint?: string | null;
      readonly region?: string | null;
      readonly prefix?: string;
      readonly virtual_host?: boolean;
    };

export interface Destination {
  readonly id: Id;
  readonly name: string;
  /** Where it is, for people. */
  readonly place: string;
  readonly config: DestinationConfig;
  /** Names the key of a bucket; its secret is never told. */
  readonly access_key_id: string | null;
  readonly created_at: string;
}

export interface NewDestination {
  readonly name: string;
  readonly config: DestinationConfig;
  /** Without it, one that is changed keeps what it has. */
  readonly key?: { readonly access_key_id: string; readonly secret_access_key: string };
  /** Take a folder without this destination's mark for it, such as a new disk. */
  readonly mark?: boolean;
}

/** What trying a destination out has found. */
export interface Probed {
  /** How many archives are there. */
  readonly archives: number;
  /** Bytes that are free; `null` where nobody can know. */
  readonly free: number | null;
}

/** An archive that is there and that the catalog does not know. */
export interface FoundArchive {
  readonly name: string;
  readonly size: number;
  /** When it was taken, if its name tells. */
  readonly created_at: string | null;
}

/** What became of an archive: the backup that it is now and what it tells of itself, or why not. */
export interface Adopted {
  readonly name: string;
  readonly backup: Id | null;
  readonly archive: { readonly verified: boolean } | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

export const destinations = {
  list: () => json<Destination[]>("api/destinations"),
  add: (destination: NewDestination) => json<Destination>("api/destinations", "POST", destination),
  change: (id: Id, destination: NewDestination) => json<Destination>(`api/destinations/${id}`, "PUT", destination),
  remove: (id: Id) => remove(`api/destinations/${id}`),
  test: (id: Id) => json<Probed>(`api/destinations/${id}/test`, "POST", {}),
  found: async (id: Id) => (await json<{ found: FoundArchive[] }>(`api/destinations/${id}/found`)).found,
  /** Starts a run whose result is `{ adopted: Adopted[] }`. */
  adopt: (id: Id, names: readonly string[]) => begin(`api/destinations/${id}/adopt`, { names }),
};
