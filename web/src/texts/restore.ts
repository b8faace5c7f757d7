/** Words about restoring, undoing that, and what a plan has to say. */
import type { SecretColumn, TableName } from "@coffer/archive";
import type { Changes } from "../lib/api";
import { count, number } from "../lib/format";
import type { Difference, FileCounts, Finding, Mode, Outcome, Reference, RowCounts, Skipped, SkippedRows } from "../lib/plan";
import type { Amount } from "../lib/restore-choice.svelte";
import { plain } from "../lib/visible";
import { engines, files, type ProblemText, rows, tableName, tableNames } from "./common";
import { openTexts } from "./open";

const onServer = "It stays on the server until five later ones have replaced it.";
const secretColumns = (columns: readonly SecretColumn[]) =>
  columns.map(({ table, column }) => `${tableName(table)}.${plain(column)}`).join(", ");

/** What a mode is explained on. */
interface Situation {
  /** The target's name, once it is chosen. */
  readonly target: string | undefined;
  /** What of the archive is chosen. */
  readonly archived: Amount;
  /** What the target holds in its place, where it is known. */
  readonly held: Amount | undefined;
  /** How many single records are chosen, if that is how one chooses. */
  readonly records: number | undefined;
}

const there = (target: string | undefined) => (target === undefined ? "the target" : plain(target));
const amount = ({ rows: some, files: with_ }: Amount) => (with_ > 0 ? `${rows(some)} and ${files(with_)}` : rows(some));

function explainAll(mode: Mode, target: string, archived: Amount, held: Amount | undefined): string {
  const one = !held || held.rows + held.files === 1;
  const holds = held ? `The ${amount(held)} that ${target} holds there now` : `What ${target} holds there now`;
  switch (mode) {
    case "replace":
      return `${holds} ${one ? "goes" : "go"}. The ${amount(archived)} of the archive come in their place.`;
    case "overwrite":
      return `Of the archive’s ${amount(archived)}, those that ${target} has too take the archive’s values, and the others are added. What belongs to an overwritten row and is not in the archive goes; whatever else ${target} holds stays.`;
    case "skip":
      return `${holds} ${one ? "stays as it is" : "stay as they are"}. Of the archive’s ${amount(archived)}, only those are added that are missing there, and nothing below rows that stay.`;
  }
}

function explainRecords(mode: Mode, target: string, chosen: number): string {
  const these = chosen === 1 ? "The record" : chosen === 0 ? "The records" : `The ${count(chosen, "record", "records")}`;
  const [them, become, take, are] = chosen === 1 ? ["it", "becomes", "takes", "is"] : ["them", "become", "take", "are"];
  switch (mode) {
    case "replace":
      return `${these} ${become} what the archive holds, with all that belongs to ${them}; what ${target} has below ${them} and the archive lacks goes. Everything else stays.`;
    case "overwrite":
      return `${these} ${take} the archive’s values, with what belongs to ${them}, or ${are} added; what belongs to ${them} there and is not in the archive goes. Nothing else of ${target} changes.`;
    case "skip":
      return `${these} ${are} added where ${target} lacks ${them}. What is there stays as it is.`;
  }
}

const skippedReasons: Record<Skipped, string> = {
  duplicate: "the same as an earlier row of the archive",
  unresolved_owner: "what they belong to is missing",
  with_parent: "what they belong to is there and stays as it is",
  no_identity: "nothing tells which rows they are",
  collision: "another row has their unique key",
  not_selected: "their table is not selected",
  not_chosen: "no part of the chosen records",
  left_out: "the preset leaves them out",
};

const skippedText = (skipped: SkippedRows): string =>
  Object.entries(skipped)
    .map(([reason, some]) => `${number(some)} (${skippedReasons[reason as Skipped]})`)
    .join(", ");

/** What is to be said of one table besides its numbers. */
function notes({ skipped, cleared = 0, detached = 0, remade = 0, remapped = 0 }: RowCounts): string[] {
  return [
    skipped && Object.keys(skipped).length > 0 ? `Left out: ${skippedText(skipped)}` : "",
    cleared > 0
      ? `${count(cleared, "reference becomes", "references become")} empty, since nothing is found for ${cleared === 1 ? "it" : "them"}`
      : "",
    detached > 0 ? `${rows(detached)} of the target no longer ${detached === 1 ? "points" : "point"} at a row that goes` : "",
    remade > 0 ? `${count(remade, "unique value is", "unique values are")} made anew` : "",
    remapped > 0 ? `${rows(remapped)} ${remapped === 1 ? "gets" : "get"} another number than in the archive` : "",
  ].filter((note) => note !== "");
}

function fileText({ add, replace, keep, remove, rename, skipped }: FileCounts): string {
  const parts: [number, string][] = [
    [add, "added"],
    [replace, "replaced"],
    [remove, "removed"],
    [rename, "under another path"],
    [keep, "there already"],
    [skipped, "left out"],
  ];
  return parts
    .filter(([some]) => some > 0)
    .map(([some, what]) => `${number(some)} ${what}`)
    .join(", ");
}

export const restoreTexts = {
  restore: {
    title: "Restore",
    lead: (app: string, when: string) => `From the backup of ${plain(app)}, taken ${when}.`,
    needsArchive: "Open the archive first that you want to restore from.",
    needsSignIn: "Restoring needs a sign-in to the server that reaches the target database.",
    nothingYet: "Nothing changes until you confirm the plan.",
    wayLabel: "Steps of a restore",
    way: ["Choose", "Plan", "Restore", "Result"],
    chooseTitle: "Where to, what, and how",
    target: "Target",
    targetHint: "The database that will be changed.",
    what: "What to restore",
    whats: {
      everything: "Everything in the archive",
      some: "Only some of it",
      records: "Single records, with what belongs to them",
    },
    tables: "Tables",
    fileSets: "File sets",
    all: "All",
    none: "None",
    filter: "Filter tables",
    nothingSelected: "Select at least one table or file set.",
    makePlan: "Make the plan",
    planning: "Comparing the archive with the target…",
    rehearse: "Rehearse it too",
    rehearseHint:
      "Goes through all rows in a transaction that is rolled back. What you selected is uploaded for that, and the target is locked as long as it takes.",
    rehearsing: (target: string) => `Rehearsing on ${plain(target)}`,
    rehearsingHint: "All of it is done in a transaction that is rolled back, so that every row is counted. Nothing is changed.",
    planTitle: "The plan",
    planLead: (target: string) => `This is what a restore into ${plain(target)} does. Nothing has been changed yet.`,
    columns: { table: "Table", goes: "Rows that go", comes: "Rows that come" },
    fileColumns: { set: "File set", goes: "Files that go", comes: "Files that come" },
    totals: "All tables",
    findings: "To know",
    blocked: "Not possible like this",
    needsConsent: "Needs your consent",
    cannot: "This can’t be restored into this target. Nothing was changed. Choose another target, or other tables.",
    change: "Change the choice",
    consent: {
      replace_existing: "Replace what the target holds now",
      drop_columns: "Lose what the target has no columns for",
      discard_changes: "Lose what changed since the restore",
      no_safety_backup: "Take no safety backup",
    },
    keep: "Keep what is replaced",
    kept: "A safety backup is taken first and read back, so that this can be undone.",
    notKept: "No safety backup is taken: what is replaced can’t be brought back.",
    confirmTitle: "Confirm",
    confirmLead: (target: string) =>
      `The rows listed as going are deleted from ${plain(target)}, in one transaction with the new ones: all of it happens, or nothing.`,
    confirmField: (target: string) => `Type ${plain(target)} to confirm`,
    confirm: (target: string) => `Restore into ${plain(target)}`,
    uploading: "Sealing again and uploading",
    uploadingHint: "What you selected goes to the server under a key made for this one restore. Nothing is changed in the target yet.",
    waiting: "The connection broke. Trying again; nothing is lost.",
    applying: (target: string) => `Restoring into ${plain(target)}`,
    applyingHint: "All in one transaction. If it is cancelled or fails, everything stays as it was.",
    doneTitle: (target: string) => `${plain(target)} is restored`,
    doneLead: (total: number) => `${rows(total)} were written and checked inside the transaction before it was made final.`,
    cancelledTitle: "The restore was cancelled",
    cancelledLead: (target: string) => `Nothing was changed in ${plain(target)}.`,
    outdatedTitle: "The plan is out of date",
    outdatedDetail: "Archive or target have changed since it was made, so it was not carried out.",
    filesFailedTitle: "The rows are restored, but not all of the files",
    failedTitle: "The restore was undone",
    failedNext: (target: string) => `Nothing was changed in ${plain(target)}.`,
    lost: {
      title: "The connection was lost during the restore",
      detail: "The server goes on without this page. It either finishes the whole restore or undoes all of it; nothing half is left.",
      next: "When the server answers again, look at the application, or plan the restore anew to see what the target holds.",
    } satisfies ProblemText,
    wasKept: (keptRows: number, keptFiles: number) =>
      `What was there before is kept as a safety backup: ${rows(keptRows)} and ${files(keptFiles)}. ${onServer}`,
    dangling: (table: TableName, key: string, references: string, pointing: number) =>
      `${rows(pointing)} of ${tableName(table)} still point by ${plain(key)} at nothing in ${plain(references)}, as they did where they were backed up.`,
    wasNotKept: "No safety backup was taken, so this can’t be undone.",
    undo: "Undo this…",
    planAnew: "Plan anew",
    another: "Restore something else",
    toBackups: "To the backups",
  },

  /** The ways to bring archive and target together. */
  modes: {
    legend: "How",
    titles: { replace: "Replace", overwrite: "Overwrite", skip: "Only add what is missing" } satisfies Record<Mode, string>,
    explain: (mode: Mode, { target, archived, held, records }: Situation): string =>
      records === undefined ? explainAll(mode, there(target), archived, held) : explainRecords(mode, there(target), records),
  },

  records: {
    lead: "Look for them by any value that they hold: a name, a number, some words. The page reads the archive for that; nothing is sent.",
    table: "Table",
    tableOption: (table: TableName, held: number) => `${tableName(table)} (${rows(held)})`,
    words: "Words to look for",
    look: "Look",
    looking: "Looking…",
    found: (shown: number, more: boolean) =>
      shown === 0 ? "No row holds that." : more ? `The first ${rows(shown)}.` : `${rows(shown)} found.`,
    results: "Rows that were found",
    more: "Look on",
    add: "Add",
    remove: "Take out",
    chosen: (records: number) => (records === 0 ? "No record is chosen yet" : `${count(records, "record is", "records are")} chosen`),
    withFiles: "With the files that they name",
    withFilesHint: "The whole archive is sealed again and uploaded for this; what belongs to the records is picked on the server.",
    nothingChosen: "Choose at least one record.",
    needsPreset: (target: string) => `${plain(target)} has no preset, so nobody can say what belongs to a record. Tables can be restored.`,
  },

  /** Where rows of archive and target are brought together. */
  merge: {
    rows: { insert: "New", update: "Changed", delete: "Gone", keep: "Same", skipped: "Left out" },
    rowHelp: {
      insert: "Rows that come from the archive",
      update: "Rows of the target that take the archive’s values",
      delete: "Rows of the target that go",
      keep: "Rows of the archive that the target has too, and that stay as they are there",
      skipped: "Rows of the archive that are not restored",
    },
    notes: (counts: RowCounts): string[] => notes(counts),
    sameTables: (tables: number, others: boolean) =>
      `${count(tables, others ? "other table stays" : "table stays", others ? "other tables stay" : "tables stay")} exactly as ${tables === 1 ? "it is" : "they are"}`,
    sameRows: (kept: number) => (kept === 0 ? "no rows in the archive" : `${rows(kept)} of the archive are there already`),
    files: (counts: FileCounts) => fileText(counts),
    rehearsed: "Rehearsed: all of this was done in a transaction and rolled back, so that the numbers are exact.",
    unchanged: (target: string, leavesOut: boolean) =>
      leavesOut
        ? `Nothing would change in ${plain(target)}: it has these rows already, or they are left out as listed here.`
        : `${plain(target)} has all of this already. There is nothing to restore.`,
    consent: "Change what the target holds now",
    confirmLead: (target: string) =>
      `What the plan lists is done in ${plain(target)} in one transaction: all of it happens, or nothing. Rows that it does not list stay as they are.`,
    doneLead: (all: readonly RowCounts[]) => {
      const sum = (of: (counts: RowCounts) => number) => all.reduce((total, counts) => total + of(counts), 0);
      return `${rows(sum(({ insert }) => insert))} added, ${number(sum(({ update }) => update))} changed, ${number(sum((counts) => counts.delete))} removed: as planned, counted and checked inside the transaction before it was made final.`;
    },
    samplesTitle: "Some of the rows that change",
    samplesLead: "As they are now, and as they would be: a few of each table. They are shown here and kept nowhere.",
    now: "Now:",
    later: "Afterwards:",
    hidden: "not shown",
  },

  /** An undo is a restore, and speaks like one but for these. */
  undo: {
    title: "Undo a restore",
    nothing: "Nothing of this source is kept that a restore replaced, so there is nothing to undo.",
    whichTitle: (source: string) => `Bring back ${plain(source)} as it was`,
    chooseLead: "Before a restore replaces anything, Coffer keeps what is there.",
    before: { restore: "Before a restore", undo: "Before an undo" },
    holds: (kept: { readonly tables: number; readonly rows: number; readonly files: number }) =>
      `${rows(kept.rows)} in ${count(kept.tables, "table", "tables")}, ${files(kept.files)}`,
    uncertain: "the restore was interrupted and may not have taken effect",
    planning: "Comparing with what is there now…",
    changed: ({ tables, file_sets: sets }: Changes) =>
      `Since the restore, this changed: ${[...tables.map(tableName), ...sets.map((set) => `the files of ${plain(set)}`)].join(", ")}.`,
    planLead: (target: string) => `This is what the undo does to ${plain(target)}. Nothing has been changed yet.`,
    confirm: (target: string) => `Undo the restore of ${plain(target)}`,
    applying: (target: string) => `Undoing the restore of ${plain(target)}`,
    doneTitle: (target: string) => `${plain(target)} is as it was before`,
    cancelledTitle: "The undo was cancelled",
    outdatedDetail: "The target has changed since the plan was made, so it was not carried out.",
    filesFailedTitle: "The rows are back, but not all of the files",
    failedTitle: "The undo did not happen",
    lost: {
      title: "The connection was lost during the undo",
      detail: "The server goes on without this page. It either finishes the whole undo or nothing of it; nothing half is left.",
      next: "When the server answers again, look at the application, or plan the undo anew to see what the target holds.",
    } satisfies ProblemText,
    another: "Undo something else",
  },

  finding(finding: Finding): string {
    switch (finding.code) {
      case "other_engine":
        return `The archive is of ${engines[finding.archive]}, the target is ${engines[finding.target]}.`;
      case "not_empty":
        return `The target is not empty: ${rows(finding.rows)} and ${files(finding.files)} would be replaced.`;
      case "drift":
        return `${tableName(finding.table)} ${outcomes[finding.outcome]}: ${finding.differences.map(differenceText).join("; ")}.`;
      case "not_needed":
        return `Nothing has to be decided about ${plain(finding.column)} of ${tableName(finding.table)}.`;
      case "migration_mismatch":
        return `The archive was taken at migration ${plain(finding.archive?.head ?? "none")}, the target is at ${plain(finding.target?.head ?? "none")}.`;
      case "referenced_from_outside":
        return `Tables that you did not select refer to selected ones and keep their rows: ${finding.references.map(referenceText).join(", ")}. If one of these would point at nothing, the restore is undone.`;
      case "references_outside":
        return `Selected tables refer to tables that you did not select: ${tableNames(finding.tables)}. The rows they need must be there already, or the restore is undone.`;
      case "signed_by":
        return `The archive was sealed and signed by ${plain(finding.sender)}.`;
      case "unsigned":
        return "Nobody signed this archive, and it is sealed to a public key: whoever knows that key may have made it. Go on only if you know where it comes from.";
      case "files_left_out":
        return `The archive was told to leave out files of ${plain(finding.set)} (${finding.patterns.map(plain).join(", ")}). Those that the folder holds now go, and do not come back.`;
      case "no_safety_backup":
        return "No safety backup is taken: what the restore replaces can’t be brought back.";
      case "placeholders":
        return `Credentials were left out of this archive: ${count(finding.columns, "column", "columns")} will hold placeholders, and new credentials have to be set.`;
      case "no_folder":
        return `The target has no folder for the file set ${plain(finding.set)}.`;
      case "other_secret":
        return `The target has another ${plain(finding.variable)} than the one that the archive depends on: the application won’t be able to read ${secretColumns(finding.columns)}. Start it with the ${plain(finding.variable)} of the source, or enter these values again.`;
      case "secret_not_compared":
        return `${secretColumns(finding.columns)} can be read only with the ${plain(finding.variable)} of the source, and nobody has compared it with the target’s.`;
      case "secret_needed":
        return `${secretColumns(finding.columns)} are in the archive without the application’s own secret, and have to be wrapped with the target’s ${plain(finding.variable)}, which the server doesn’t have.`;
      case "rows_change":
        return `Rows of the target would change: ${number(finding.update)} take other values, ${number(finding.delete)} go with what they belong to.`;
      case "rows_skipped":
        return `Rows of the archive are left out: ${skippedText(finding.skipped)}.`;
      case "files_change":
        return `Files of the target would change: ${number(finding.replace)} are replaced, ${number(finding.remove)} go with the rows that named them.`;
      case "paths_taken":
        return `${files(finding.files)} of ${plain(finding.set)} have no place in the target’s folder, which holds something else there: ${finding.paths.map(plain).join(", ")}${finding.files > finding.paths.length ? ", …" : ""}. Nothing was changed; move that away, and plan anew.`;
      case "notice":
        return openTexts.notice(finding.notice);
    }
  },
};

function referenceText({ table, columns, references, rows: referring }: Reference): string {
  return `${rows(referring)} of ${tableName(table)} by ${plain(columns.join(", "))} to ${tableName(references)}`;
}

const outcomes: Record<Outcome, string> = {
  fits: "fits",
  fits_with_default: "fits with the default",
  decided: "fits as decided",
  not_read_yet: "fits if its rows do",
  needs_decision: "needs a decision",
  impossible: "does not fit",
};

/** What becomes of the rows where a column's values have to fit into another one. */
function fitText({ outcome, rows: affected }: Difference): string {
  const which = affected === undefined ? "rows" : rows(affected);
  switch (outcome) {
    case "fits":
    case "fits_with_default":
      return ", and every row fits";
    case "decided":
      return `, and in ${which} another value takes the place of one that does not fit, as decided`;
    case "not_read_yet":
      return "; whether its rows fit is looked at before anything is changed";
    case "needs_decision":
      return `, and of ${which} the value does not fit. The command line takes a value to put in its place (coffer restore --fill)`;
    case "impossible":
      return ", and its values cannot become values of that";
  }
}

function lossText({ outcome, rows: affected }: Difference): string {
  const which = affected === undefined ? "rows" : rows(affected);
  if (outcome === "fits") return ", and no row holds a value in it";
  if (outcome === "impossible") return ", nor any other column of the archive’s table";
  return outcome === "decided" ? `, and what ${which} hold in it is lost, as decided` : `, and what ${which} hold in it would be lost`;
}

function differenceText(difference: Difference): string {
  switch (difference.kind) {
    case "table_missing":
      return "the target does not have it";
    case "table_added":
      return "the archive does not know it, so it stays as it is";
    case "keys_changed":
      return "its keys differ, and rows that violate them undo the restore";
    case "column_missing":
      return `the target has no column ${plain(difference.column)}${lossText(difference)}`;
    case "column_computed":
      return `the target computes the column ${plain(difference.column)} itself${lossText(difference)}`;
    case "column_added": {
      const { value } = difference;
      const takes =
        typeof value === "object"
          ? `takes its default ${plain(value.default)}`
          : {
              missing: "needs a value and has no default",
              null: "stays empty",
              number: "takes the next numbers",
              computed: "the target computes",
            }[value];
      return `the archive does not hold the column ${plain(difference.column)}, which ${takes}`;
    }
    case "column_changed":
      return `the column ${plain(difference.column)} is ${plain(difference.archive)} in the archive, ${plain(difference.target)} in the target${fitText(difference)}`;
    case "labels_missing":
      return `the target’s ${plain(difference.type)} lacks labels that the column ${plain(difference.column)} has in the archive${fitText(difference)}`;
  }
}
