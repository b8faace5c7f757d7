/** What a restore will do: the shapes of `core/src/plan.rs`. The core decides; here it is only shown. */
import type { Engine, Migration, Notice, Selection, TableName } from "@coffer/archive";
import type { Consent } from "./api";

export interface Plan {
  readonly mode: "replace";
  readonly target: string;
  readonly selection: Selection;
  readonly consent: Consent;
  readonly tables: readonly { readonly table: TableName; readonly delete: number; readonly insert: number }[];
  readonly file_sets: readonly { readonly name: string; readonly delete: number; readonly insert: number; readonly bytes: number }[];
  readonly findings: readonly Finding[];
  readonly blocked: boolean;
}

export type Drift =
  | { readonly kind: "table_missing" | "table_added" | "keys_changed"; readonly table: TableName }
  | { readonly kind: "column_missing"; readonly table: TableName; readonly column: string }
  | { readonly kind: "column_added"; readonly table: TableName; readonly column: string; readonly fits: boolean }
  | {
      readonly kind: "column_changed";
      readonly table: TableName;
      readonly column: string;
      readonly archive: string;
      readonly target: string;
    };

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
  | { readonly code: "schema_mismatch"; readonly drift: readonly Drift[] }
  | { readonly code: "does_not_fit"; readonly drift: Drift }
  | { readonly code: "migration_mismatch"; readonly archive: Migration | null; readonly target: Migration | null }
  | { readonly code: "referenced_from_outside"; readonly references: readonly Reference[] }
  | { readonly code: "references_outside"; readonly tables: readonly TableName[] }
  | { readonly code: "placeholders"; readonly columns: number }
  | { readonly code: "no_folder"; readonly set: string }
  | { readonly code: "signed_by"; readonly sender: string }
  | { readonly code: "unsigned" | "no_safety_backup" }
  | { readonly code: "files_left_out"; readonly set: string; readonly patterns: readonly string[] }
  | { readonly code: "notice"; readonly notice: Notice };

/** The consent that lifts a finding, where one does. */
export function consentFor(finding: Finding): keyof Consent | undefined {
  if (finding.code === "not_empty") return "replace_existing";
  if (finding.code === "schema_mismatch") return "schema_mismatch";
  return undefined;
}

/** Findings that no consent lifts. */
export const isFinal = ({ code }: Finding): boolean => code === "other_engine" || code === "does_not_fit" || code === "no_folder";
