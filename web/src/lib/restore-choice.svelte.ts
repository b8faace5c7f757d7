/** What is to be restored out of an archive, and how: what the first step of a restore asks for. */
import type { Manifest, TableName } from "@coffer/archive";
import { SvelteSet } from "svelte/reactivity";
import type { Mode, RecordKey, RestoreSelection } from "./plan";

export type What = "everything" | "some" | "records";

export const keyOf = ({ schema, name }: TableName): string => `${schema}.${name}`;

/** A record that was chosen, with a few words of it to know it by. */
export interface ChosenRecord extends RecordKey {
  readonly excerpt: string;
}

/** Rows and files that are there, on one side or the other. */
export interface Amount {
  readonly rows: number;
  readonly files: number;
}

/** What a target holds of an archive's tables and file sets. */
export interface Standing {
  readonly rows: ReadonlyMap<string, number>;
  readonly files: ReadonlyMap<string, number>;
}

export class Choice {
  what = $state<What>("everything");
  mode = $state<Mode>("replace");
  readonly tables = new SvelteSet<string>();
  readonly sets = new SvelteSet<string>();
  records = $state.raw<readonly ChosenRecord[]>([]);
  /** Whether the files come along that chosen records name. */
  withFiles = $state(true);

  constructor(readonly manifest: Manifest) {}

  get isEmpty(): boolean {
    if (this.what === "some") return this.tables.size === 0 && this.sets.size === 0;
    return this.what === "records" && this.records.length === 0;
  }

  /** A record may belong to rows of any table, so all of them take part; the server picks what belongs to it. */
  get selection(): RestoreSelection {
    if (this.what === "everything") return { tables: null, file_sets: null };
    if (this.what === "records")
      return { tables: null, file_sets: this.withFiles ? null : [], records: this.records.map(({ table, key }) => ({ table, key })) };
    const { tables, file_sets: sets = [] } = this.manifest;
    return {
      tables: tables.map(({ table: { schema, name } }) => ({ schema, name })).filter((table) => this.tables.has(keyOf(table))),
      file_sets: sets.map(({ name }) => name).filter((name) => this.sets.has(name)),
    };
  }

  #hasTable = (table: string): boolean => this.what !== "some" || this.tables.has(table);
  #hasSet = (name: string): boolean => (this.what === "records" ? this.withFiles : this.what === "everything" || this.sets.has(name));

  /** What of the archive is chosen; of single records only the tables that they are in are known here. */
  get archived(): Amount {
    const { tables, file_sets: sets = [] } = this.manifest;
    return {
      rows: sum(tables.filter(({ table }) => this.#hasTable(keyOf(table))).map(({ rows }) => rows)),
      files: sum(sets.filter(({ name }) => this.#hasSet(name)).map(({ files }) => files)),
    };
  }

  /** What the target holds in their place. */
  standing({ rows, files }: Standing): Amount {
    return {
      rows: sum([...rows].filter(([table]) => this.#hasTable(table)).map(([, count]) => count)),
      files: sum([...files].filter(([name]) => this.#hasSet(name)).map(([, count]) => count)),
    };
  }

  add(record: ChosenRecord): void {
    if (!this.has(record)) this.records = [...this.records, record];
  }

  has(record: RecordKey): boolean {
    return this.records.some((chosen) => isSame(chosen, record));
  }

  remove(record: RecordKey): void {
    this.records = this.records.filter((chosen) => !isSame(chosen, record));
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

const isSame = (one: RecordKey, other: RecordKey): boolean =>
  keyOf(one.table) === keyOf(other.table) &&
  Object.keys(one.key).length === Object.keys(other.key).length &&
  Object.entries(one.key).every(([column, value]) => other.key[column] === value);
