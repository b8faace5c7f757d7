/**
 * Makes visible what text can hide. Rows and file names come from somebody's database: characters that steer the
 * direction or the layout of text must be seen there, and must not act on the page.
 */

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  /** A character that is shown by a sign; `name` says which one it is. */
  | { readonly kind: "sign"; readonly text: string; readonly name: string };

/** The two that are everywhere in ordinary text have signs that do not disturb reading. */
const signs = new Map([
  ["\t", "⇥"],
  ["\n", "↵"],
]);

/**
 * C0 and C1 controls; soft hyphen; characters of no width and of direction; line and paragraph separators;
 * interlinear marks; tags. The joiners U+200C and U+200D stay: whole scripts and most emoji need them.
 */
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must be found
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function sign(character: string): Piece {
  const code = character.codePointAt(0) ?? 0;
  const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return { kind: "sign", text: signs.get(character) ?? name, name };
}

/** The text in pieces, in order; hidden characters as signs. */
export function visible(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(hidden)) {
    if (match.index > from) pieces.push({ kind: "text", text: text.slice(from, match.index) });
    pieces.push(sign(match[0]));
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ kind: "text", text: text.slice(from) });
  return pieces;
}

/** The same as one plain string, for names that go where no markup can. */
export const plain = (text: string): string =>
  visible(text)
    .map((piece) => piece.text)
    .join("");

/** At most `limit` characters as people count them, and whether some were cut off. */
export function cut(text: string, limit: number): { text: string; rest: number } {
  if (text.length <= limit) return { text, rest: 0 };
  let end = limit;
  // Never between the halves of a surrogate pair.
  if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end -= 1;
  return { text: text.slice(0, end), rest: text.length - end };
}

/** A name to save a file under: the last segment, without what a file system or a reader could be misled by. */
export function saveName(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name.replace(hidden, "_").replace(/[\\/:*?"<>|]/g, "_") || "file";
}
