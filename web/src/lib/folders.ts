/** The files of an archive as the folders that they lie in. */
import type { FileEntry } from "@coffer/archive";

/** A file set or a folder in one, and what lies in it at any depth. */
export interface Folder {
  readonly kind: "folder";
  readonly name: string;
  /** File set and folders, each followed by `/`. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
}

export interface ListedFile {
  readonly kind: "file";
  readonly file: FileEntry;
}

export type Listed = Folder | ListedFile;

/** A file's place among the sets and folders. */
export const placeOf = ({ set, path }: FileEntry): string => `${set}/${path}`;

const byName = new Intl.Collator("en", { numeric: true }).compare;

/** What lies directly in a folder (`""` for the sets themselves): folders first, each group by name. */
export function listing(files: readonly FileEntry[], folder: string): Listed[] {
  const folders = new Map<string, { files: number; bytes: number }>();
  const here: FileEntry[] = [];
  for (const file of files) {
    const place = placeOf(file);
    if (!place.startsWith(folder)) continue;
    const end = place.indexOf("/", folder.length);
    if (end < 0) {
      here.push(file);
      continue;
    }
    const name = place.slice(folder.length, end);
    const sum = folders.get(name) ?? { files: 0, bytes: 0 };
    folders.set(name, { files: sum.files + 1, bytes: sum.bytes + file.size });
  }
  return [
    ...[...folders]
      .toSorted(([one], [other]) => byName(one, other))
      .map(([name, sum]): Folder => ({ kind: "folder", name, path: `${folder}${name}/`, ...sum })),
    ...here.toSorted((one, other) => byName(one.path, other.path)).map((file): ListedFile => ({ kind: "file", file })),
  ];
}

/** The files whose place holds a text, whatever its capital letters. */
export function found(files: readonly FileEntry[], folder: string, text: string): ListedFile[] {
  const wanted = text.toLowerCase();
  return files
    .filter((file) => placeOf(file).startsWith(folder) && file.path.toLowerCase().includes(wanted))
    .map((file) => ({ kind: "file", file }));
}

/** The folders on the way to one, the outermost first. */
export function wayTo(folder: string): { name: string; path: string }[] {
  const names = folder.split("/").slice(0, -1);
  return names.map((name, index) => ({ name, path: `${names.slice(0, index + 1).join("/")}/` }));
}
