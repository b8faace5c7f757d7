/** What the keys of a profile mean for whoever seals to it. */
import type { Profile, ProfileKey } from "./api";

/** Keys that new archives are sealed to. */
export const activeKeys = ({ keys }: Profile): readonly ProfileKey[] => keys.filter(({ state }) => state === "active");

/** What `seal` needs to seal for a profile. */
export function waysIn(profile: Profile): { recipients: string[]; lockedKeys: string[] } {
  const keys = activeKeys(profile);
  return {
    recipients: keys.map(({ recipient }) => recipient),
    lockedKeys: keys.flatMap(({ locked }) => (locked === null ? [] : [locked])),
  };
}

/** Profiles to choose from: those that somebody can open again, the newest first. */
export const ready = (profiles: readonly Profile[]): Profile[] =>
  profiles.filter((profile) => profile.ready).toSorted((a, b) => b.created_at.localeCompare(a.created_at));
