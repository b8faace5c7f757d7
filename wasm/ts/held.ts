/**
 * Objects that must stay while something is waited for.
 *
 * Chromium counts a stream of a Blob's bytes as garbage as soon as only those who wait for it know it, and collects it
 * together with them: the read never ends, and nobody is told. Whatever stands in this list is known to the module.
 */
const held = new Set<{ readonly object: object }>();

/** Waits for `work`, and holds `object` meanwhile. */
export async function holding<T>(object: object, work: Promise<T>): Promise<T> {
  const hold = { object };
  held.add(hold);
  try {
    return await work;
  } finally {
    held.delete(hold);
  }
}
