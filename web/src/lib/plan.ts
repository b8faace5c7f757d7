/** What a restore will do: the shapes of `core/src/plan.rs`. The core decides; here it is only shown. */
import type { Engine, Migration, Notice, SecretColumn, Selection, TableName } from "@coffer/archive";
import type { ConsentName, Decisions } from "./api";

export interface Plan {
  readonly mode: "replace";
  readonly target: string;
  readonly selection: Selection;
  readonly tables: readonly { readonly table: TableName; readonly delete: number; readonly insert: number }[];
  readonly file_sets: readonly { readonly name: string; readonly delete: number; readonly insert: number; readonly bytes: number }[];
  readonly findings: readonly Finding[];
  readonly blocked: boolean;
}

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
  if (finding.code === "not_empty") return "replace_existing";
  if (finding.code === "drift" && !isFinal(finding) && lost(finding).length > 0) return "drop_columns";
  return undefined;
}

/** Findings that no consent lifts. Values that take the place of others are given on the command line. */
export function isFinal(finding: Finding): boolean {
  if (finding.code !== "drift") return finding.code === "other_engine" || finding.code === "no_folder";
  const columns = lost(finding).map(({ column }) => column);
  return finding.differences.some(
    (difference) =>
      difference.outcome === "impossible" ||
      (difference.outcome === "needs_decision" && !("column" in difference && columns.includes(difference.column))),
  );
}
