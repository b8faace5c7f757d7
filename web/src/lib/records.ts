/** Looking for single records of an archive, by any of their values. */
import type { ArchiveHandle, Manifest, RowsPage, TableName } from "@coffer/archive";
import { keyOf } from "./restore-choice.svelte";

/** Rows that are read at once: pages that are large enough that a part of a table is not unpacked again and again. */
const page = 10_000;
/** Columns whose values tell people which row it is, at most. */
const told = 4;
/** Characters of one value, and of all. */
const longestValue = 60;

/** A row that was found. */
export interface Found {
  readonly key: Readonly<Record<string, string>>;
  readonly excerpt: string;
}

export interface Search {
  readonly found: readonly Found[];
  /** Where to go on; `undefined` at the table's end. */
  readonly next: number | undefined;
}

/** The columns that a row of this table is known by: its primary key, else the first of its unique keys. */
export function keyColumns(manifest: Manifest, table: TableName): readonly string[] {
  const shape = manifest.schema.tables.find(({ name }) => keyOf(name) === keyOf(table));
  return shape?.primary_key ?? shape?.unique?.[0] ?? [];
}

/** Up to `limit` rows of a table in which `words` occur, after the first `from`. */
export async function findRecords(
  handle: Pick<ArchiveHandle, "rows">,
  table: TableName,
  columns: readonly string[],
  words: string,
  { from = 0, limit, signal }: { from?: number; limit: number; signal: AbortSignal },
): Promise<Search> {
  const wanted = words.trim().toLowerCase();
  const found: Found[] = [];
  for (let skip = from; ; skip += page) {
    const rows = await handle.rows(table, skip, page);
    signal.throwIfAborted();
    for (const [index, row] of rows.rows.entries()) {
      if (!row.some((value) => value?.toLowerCase().includes(wanted))) continue;
      const one = known(rows, index, columns);
      if (!one) continue;
      found.push(one);
      if (found.length === limit) return { found, next: skip + index + 1 };
    }
    if (rows.end) return { found, next: undefined };
  }
}

/** A row with what it is known by; nothing where that is not all there. */
function known(rows: RowsPage, index: number, columns: readonly string[]): Found | undefined {
  const row = rows.rows[index] ?? [];
  const key: Record<string, string> = {};
  for (const column of columns) {
    const at = rows.columns.indexOf(column);
    const value = row[at];
    if (value === undefined || value === null || rows.cut.some(([r, c]) => r === index && c === at)) return undefined;
    key[column] = value;
  }
  const words = row.flatMap((value, at) => (value === null || value === "" || columns.includes(rows.columns[at] ?? "") ? [] : [value]));
  const shown = words.slice(0, told).map((value) => (value.length > longestValue ? `${value.slice(0, longestValue)}…` : value));
  return { key, excerpt: shown.join(" · ") };
}
