/** What jobs are made of, asked for together. */
import { api, type Id, type Profile, type Source } from "./api";
import { type Destination, destinations } from "./destinations";
import { session } from "./session.svelte";

export interface Surroundings {
  readonly sources: readonly Source[];
  readonly destinations: readonly Destination[];
  readonly profiles: readonly Profile[];
}

export async function surroundings(): Promise<Surroundings> {
  // Who may see only some sources is not told where copies lie.
  const places = session.may("view") ? destinations.list() : [];
  const [sources, listed, profiles] = await Promise.all([api.sources(), places, api.profiles()]);
  return { sources, destinations: listed, profiles };
}

/** The names of what is listed by id; `gone` stands for what is not there any more. */
export const namesOf = (ids: readonly Id[], all: readonly { readonly id: Id; readonly name: string }[], gone: string): string[] =>
  ids.map((id) => all.find((one) => one.id === id)?.name ?? gone);
