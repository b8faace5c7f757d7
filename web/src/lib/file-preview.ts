/**
 * How a file out of an archive is shown. What it is shown as is said by its name; what it may do is said here: pictures,
 * sound and PDF go to the browser's own viewers as that type and no other, and everything else is text that is never
 * anything but text.
 */

export type PreviewKind = "image" | "audio" | "pdf" | "text";

export interface Preview {
  readonly kind: PreviewKind;
  /** What the browser is told that it is. */
  readonly type: string;
}

const types: Record<string, string> = {
  // A picture in an image element runs no script and loads nothing, an SVG neither.
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
  mp3: "audio/mpeg",
  m4a: "audio/mp4",
  aac: "audio/aac",
  ogg: "audio/ogg",
  oga: "audio/ogg",
  opus: "audio/ogg",
  wav: "audio/wav",
  flac: "audio/flac",
  weba: "audio/webm",
  pdf: "application/pdf",
};

const texts = new Set(
  "txt md csv tsv json jsonl log xml html htm xhtml css js mjs ts yml yaml toml ini conf cfg env sql sh py rb rs go java c h eml ics vcf srt vtt".split(
    " ",
  ),
);

/** Bytes of a text that are shown. */
export const textShown = 64 << 10;
/** Larger files are not taken into memory to be shown. */
export const mostBytes = 64 << 20;

export function previewOf(path: string): Preview | undefined {
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  const type = types[ending];
  if (type) return { kind: type === "application/pdf" ? "pdf" : type.startsWith("audio/") ? "audio" : "image", type };
  return texts.has(ending) ? { kind: "text", type: "text/plain" } : undefined;
}

/** Whether bytes begin like a PDF: anything else is not given to the browser's viewer. */
export async function isPdf(content: Blob): Promise<boolean> {
  return (await content.slice(0, 5).text()) === "%PDF-";
}

/** The beginning of a text, and whether there is more. Bytes that are no UTF-8 are replaced. */
export async function textOf(content: Blob): Promise<{ text: string; more: boolean }> {
  const bytes = await content.slice(0, textShown).arrayBuffer();
  return { text: new TextDecoder().decode(bytes, { stream: content.size > textShown }), more: content.size > textShown };
}
