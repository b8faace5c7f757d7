/** What a restore will do: the shapes of `core/src/plan.rs`. The core decides; here it is only shown. */
import type { Engine, Migration, Notice, SecretColumn, Selection, TableName } from "@coffer/archive";
import type { ConsentName, Decisions } from "./api";

/** How archive and target are brought together. */
export type Mode = "replace" | "overwrite" | "skip";

/** One row of an archive, known by a key of its table, which is restored with all that belongs to it. */
export interface RecordKey {
  readonly table: TableName;
  /** Column and value, as the archive's rows print it. */
  readonly key: Readonly<Record<string, string>>;
}

/** What is restored of a bundle; no records mean all rows of the tables. */
export interface RestoreSelection extends Selection {
  readonly records?: readonly RecordKey[];
}

/** Whether rows are brought together with the target's one by one, which only a rehearsal can count. */
export const merges = (mode: Mode, selection: RestoreSelection): boolean => mode !== "replace" || (selection.records ?? []).length > 0;

/** Why a row of the archive is left out. */
export type Skipped =
  | "duplicate"
  | "unresolved_owner"
  | "with_parent"
  | "no_identity"
  | "collision"
  | "not_selected"
  | "not_chosen"
  | "left_out";

export type SkippedRows = Readonly<Partial<Record<Skipped, number>>>;

/** What becomes of one table's rows. */
export interface RowCounts {
  readonly insert: number;
  readonly update: number;
  readonly keep: number;
  readonly delete: number;
  readonly skipped?: SkippedRows;
  /** References that become empty, of the archive's rows and of the target's. */
  readonly cleared?: number;
  readonly detached?: number;
  /** Unique values that were made anew. */
  readonly remade?: number;
  /** Rows that get another number than they have in the archive. */
  readonly remapped?: number;
}

/** What becomes of one file set's files. */
export interface FileCounts {
  readonly add: number;
  readonly replace: number;
  readonly keep: number;
  readonly remove: number;
  readonly rename: number;
  readonly skipped: number;
}

export interface TablePlan {
  readonly table: TableName;
  readonly delete: number;
  readonly insert: number;
  /** Absent where whole tables are replaced. */
  readonly merge?: RowCounts;
}

export interface FileSetPlan {
  readonly name: string;
  readonly delete: number;
  readonly insert: number;
  readonly bytes: number;
  readonly merge?: FileCounts;
}

export interface Plan {
  readonly mode: Mode;
  readonly target: string;
  readonly selection: RestoreSelection;
  readonly tables: readonly TablePlan[];
  readonly file_sets: readonly FileSetPlan[];
  readonly findings: readonly Finding[];
  readonly blocked: boolean;
}

/** A value of a row; the server hides what may be a credential. */
export type Shown = "null" | "hidden" | { readonly text: string };

/** Rows of one table that would change. */
export interface TableSamples {
  readonly table: TableName;
  readonly rows: readonly {
    readonly key: readonly (readonly [column: string, value: Shown])[];
    readonly changes: readonly { readonly column: string; readonly before: Shown; readonly after: Shown }[];
  }[];
}

/** Whether rows of this table come, change or go. */
export const changesRows = (counts: RowCounts): boolean => counts.insert + counts.update + counts.delete + (counts.detached ?? 0) > 0;

/** Whether files of this set come, change or go. */
export const changesFiles = (counts: FileCounts): boolean => counts.add + counts.replace + counts.remove > 0;

/** Rows of the archive that are left out. */
export const leftOut = ({ skipped = {} }: RowCounts): number => Object.values(skipped).reduce((sum, rows) => sum + rows, 0);

/** Whether a rehearsal found that the target has all of it already. */
export const isUnchanged = ({ tables, file_sets: sets }: Plan): boolean =>
  [...tables, ...sets].every(({ merge }) => merge !== undefined) &&
  !tables.some(({ merge }) => merge && changesRows(merge)) &&
  !sets.some(({ merge }) => merge && changesFiles(merge));

/** What becomes of rows, from harmless to impossible. */
export type Outcome = "fits" | "fits_with_default" | "decided" | "not_read_yet" | "needs_decision" | "impossible";

/** A difference between the archive's schema and the target's, with what becomes of the rows. */
export type Difference = { readonly outcome: Outcome; readonly rows?: number } & (
  | { readonly kind: "table_missing" | "table_added" | "keys_changed" }
  | { readonly kind: "column_missing" | "column_computed"; readonly column: string }
  | { readonly kind: "column_added"; readonly column: string; readonly value: Own }
  | { readonly kind: "column_changed"; readonly column: string; readonly archive: string; readonly target: string }
  | { readonly kind: "labels_missing"; readonly column: string; readonly type: string }
);

/** What a column holds in rows that bring no value for it. */
export type Own = "missing" | "null" | "number" | "computed" | { readonly default: string };

/** What becomes of one table that differs. */
export interface TableDrift {
  readonly table: TableName;
  readonly outcome: Outcome;
  readonly differences: readonly Difference[];
}

/** A foreign key from a table that keeps its rows into one whose rows are replaced. */
export interface Reference {
  readonly table: TableName;
  readonly columns: readonly string[];
  readonly references: TableName;
  /** Rows that refer to a row. */
  readonly rows: number;
}

export type Finding =
  | { readonly code: "other_engine"; readonly archive: Engine; readonly target: Engine }
  | { readonly code: "not_empty"; readonly rows: number; readonly files: number }
  | ({ readonly code: "drift" } & TableDrift)
  | { readonly code: "not_needed"; readonly table: TableName; readonly column: string }
  | { readonly code: "migration_mismatch"; readonly archive: Migration | null; readonly target: Migration | null }
  | { readonly code: "referenced_from_outside"; readonly references: readonly Reference[] }
  | { readonly code: "references_outside"; readonly tables: readonly TableName[] }
  | { readonly code: "placeholders"; readonly columns: number }
  | { readonly code: "no_folder"; readonly set: string }
  | { readonly code: "signed_by"; readonly sender: string }
  | { readonly code: "unsigned" | "no_safety_backup" }
  | { readonly code: "rows_change"; readonly update: number; readonly delete: number }
  | { readonly code: "rows_skipped"; readonly skipped: SkippedRows }
  | { readonly code: "files_change"; readonly replace: number; readonly remove: number }
  | { readonly code: "paths_taken"; readonly set: string; readonly files: number; readonly paths: readonly string[] }
  | { readonly code: "files_left_out"; readonly set: string; readonly patterns: readonly string[] }
  | {
      readonly code: "other_secret" | "secret_not_compared" | "secret_needed";
      readonly variable: string;
      readonly columns: readonly SecretColumn[];
    }
  | { readonly code: "notice"; readonly notice: Notice };

/** The columns of a difference whose values would be lost. */
function lost({ table, differences }: TableDrift): Decisions["drop_columns"] {
  return differences.flatMap((difference) =>
    (difference.kind === "column_missing" || difference.kind === "column_computed") &&
    (difference.outcome === "needs_decision" || difference.outcome === "decided")
      ? [{ table, column: difference.column }]
      : [],
  );
}

/** What is decided about rows that don't fit, if columns that are gone may be lost. */
export function decisions(plan: Plan | undefined, dropColumns: boolean): Decisions {
  const drifts = (plan?.findings ?? []).flatMap((finding) => (finding.code === "drift" ? [finding] : []));
  return { drop_columns: dropColumns ? drifts.flatMap(lost) : [], fill: [] };
}

/** The consent that lifts a finding, where one does. */
export function consentFor(finding: Finding): ConsentName | undefined {
  if (finding.code === "not_empty" || finding.code === "rows_change" || finding.code === "files_change") return "replace_existing";
  if (finding.code === "drift" && !isFinal(finding) && lost(finding).length > 0) return "drop_columns";
  return undefined;
}

const final: ReadonlySet<Finding["code"]> = new Set(["other_engine", "no_folder", "secret_needed", "paths_taken"]);

/** Findings that no consent lifts. Values that take the place of others are given on the command line. */
export function isFinal(finding: Finding): boolean {
  if (finding.code !== "drift") return final.has(finding.code);
  const columns = lost(finding).map(({ column }) => column);
  return finding.differences.some(
    (difference) =>
      difference.outcome === "impossible" ||
      (difference.outcome === "needs_decision" && !("column" in difference && columns.includes(difference.column))),
  );
}
