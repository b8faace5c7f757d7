// What the tests of restores rely on: that a report which says anything else than the plan is noticed.
import { expect, test } from "@playwright/test";
import { differences, type Plan, type Report } from "./support/planned";

const table = { schema: "main", name: "notes" };
const counts = { insert: 2, update: 1, keep: 3, delete: 0 };
const files = { add: 1, replace: 0, keep: 2, remove: 0 };

const merge: [Plan, Report] = [
  { mode: "skip", tables: [{ table, insert: 2, merge: counts }], file_sets: [{ name: "uploads", insert: 1, merge: files }] },
  { tables: [{ ...table, rows: 6 }], merged: [{ ...table, ...counts }], file_sets: [{ name: "uploads", files: 1, ...files }] },
];
const replacement: [Plan, Report] = [
  { mode: "replace", tables: [{ table, insert: 2 }], file_sets: [{ name: "uploads", insert: 1 }] },
  { tables: [{ ...table, rows: 2 }], file_sets: [{ name: "uploads", files: 1 }] },
];

test("a report that lies is noticed", () => {
  for (const [plan, report] of [merge, replacement]) expect(differences(plan, report)).toEqual([]);
  const [plan, report] = merge;
  for (const lie of [
    { ...report, merged: [{ ...table, ...counts, update: 2 }] },
    { ...report, merged: [{ ...table, ...counts, skipped: { collision: 1 } }] },
    { ...report, merged: [] },
    { ...report, file_sets: [{ name: "uploads", files: 1, ...files, keep: 1 }] },
    { ...report, file_sets: [] },
  ])
    expect(differences(plan, lie)).toHaveLength(1);
  const [planned, done] = replacement;
  for (const lie of [
    { ...done, tables: [{ ...table, rows: 3 }] },
    { ...done, tables: [...done.tables, { schema: "main", name: "tags", rows: 0 }] },
    { ...done, file_sets: [{ name: "uploads", files: 0 }] },
  ])
    expect(differences(planned, lie)).toHaveLength(1);
});
