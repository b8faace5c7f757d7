/** Messages are written to stand after a colon, too: here they stand alone. */
export function sentence(message: string): string {
  // An address begins as it does.
  const text = /^[a-z0-9]+:\/\//.test(message) ? message : message.charAt(0).toUpperCase() + message.slice(1);
  return text === "" || /[.!?]$/.test(text) ? text : `${text}.`;
}
