/** What can be told of a file before it is opened. */

/** What a sealed file begins with. */
const magic = [0x89, 0x43, 0x46, 0x52, 0x0d, 0x0a, 0x1a, 0x0a];

export async function isSealed(file: Blob): Promise<boolean> {
  const start = new Uint8Array(await file.slice(0, magic.length).arrayBuffer());
  return magic.every((byte, index) => start[index] === byte);
}
