/** Asking the server again from time to time, as long as somebody can see the answer. */

/**
 * Calls `load` after each of the pauses that `pause` names, in milliseconds, until the returned function is called. Pages in the
 * background are not asked for, and are asked for at once when they come back.
 */
export function poll(load: () => Promise<unknown>, pause: () => number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let ended = false;

  const plan = () => {
    timer = setTimeout(ask, pause());
  };
  const ask = async () => {
    timer = undefined;
    if (!document.hidden) await load();
    if (!ended) plan();
  };
  const back = () => {
    if (document.hidden || timer === undefined) return;
    clearTimeout(timer);
    void ask();
  };

  document.addEventListener("visibilitychange", back);
  plan();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", back);
  };
}
