/** What time it is, for words such as "5 minutes ago": a page that stays open must not go on saying them. */

/** Milliseconds between two looks at the clock. */
const every = 20_000;

let looks = $state(0);

setInterval(() => {
  looks += 1;
}, every);

export const clock = {
  /** Now, in milliseconds since 1970; what depends on it is looked at again from time to time. */
  get now(): number {
    void looks;
    return Date.now();
  },
};
