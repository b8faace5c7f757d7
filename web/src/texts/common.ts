/** What the words of several areas are made of. */
import type { Engine, TableName } from "@coffer/archive";
import { count } from "../lib/format";
import { plain } from "../lib/visible";

/** What happened; what it means and what is untouched; what to do next. */
export interface ProblemText {
  readonly title: string;
  readonly detail: string;
  readonly next: string;
}

export const rows = (value: number) => count(value, "row", "rows");
export const files = (value: number) => count(value, "file", "files");
export const tableName = ({ schema, name }: TableName) => plain(schema === "main" || schema === "public" ? name : `${schema}.${name}`);
export const tableNames = (tables: readonly TableName[]) => tables.map(tableName).join(", ");
export const engines: Record<Engine, string> = { postgres: "PostgreSQL", sqlite: "SQLite" };

export const onlyRead = "The file was only read and is unchanged.";
export const otherCopy = "If you have another copy of this backup, try that one.";
