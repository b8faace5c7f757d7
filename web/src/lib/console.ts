/** What jobs are made of, asked for together. */
import { api, type Id, type Profile } from "./api";
import { type Destination, destinations } from "./destinations";
import { session } from "./session.svelte";

/** A source, as far as a job's pages tell of it. */
export interface NamedSource {
  readonly id: Id;
  readonly name: string;
  readonly database: string;
}

export interface Surroundings {
  readonly sources: readonly NamedSource[];
  /** Which of them is Coffer's own configuration, for those who may back it up. */
  readonly system: Id | undefined;
  readonly destinations: readonly Destination[];
  readonly profiles: readonly Profile[];
}

export async function surroundings(): Promise<Surroundings> {
  // Who may see only some sources is not told where copies lie.
  const places = session.may("view") ? destinations.list() : [];
  const own = session.may("administer") ? api.system() : undefined;
  const [sources, listed, profiles, system] = await Promise.all([api.sources(), places, api.profiles(), own]);
  const all = system ? [...sources, { id: system.source, name: system.name, database: system.database }] : sources;
  return { sources: all, system: system?.source, destinations: listed, profiles };
}

/** The names of what is listed by id; `gone` stands for what is not there any more. */
export const namesOf = (ids: readonly Id[], all: readonly { readonly id: Id; readonly name: string }[], gone: string): string[] =>
  ids.map((id) => all.find((one) => one.id === id)?.name ?? gone);
