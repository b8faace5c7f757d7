/** Giving memory back before the browser looks for what can be collected. */

/** Nobody listens at its other end: what is sent there is gone. */
const nowhere = new MessageChannel();
nowhere.port2.close();

/**
 * Gives the memory of buffers back at once. What is made next then lies in the same memory, which is still near and need
 * not be found and cleared by the system: for WebCrypto's results that takes as long as the cryptography does. It also
 * keeps a worker small that has next to nothing to collect but large buffers.
 *
 * `transfer(0)` would not do: Chromium keeps the memory then, and forgets that there is so much of it to collect.
 */
export function forget(buffers: ArrayBuffer[]): void {
  nowhere.port1.postMessage(undefined, buffers);
}
