//! From an archive's manifest and facts about the live target to a plan: a pure function.
//!
//! A plan says exactly what a restore will do. Its digest binds the archive, the selection, the mode and the
//! target's state; a restore is given the digest and refuses when any of them has changed since.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    manifest::{Contents, LeftOut, Manifest, ManifestError, Selection},
    merge::{Counts, FileCounts, Skipped},
    rows::RowMap,
    schema::{self, ColumnName, Decisions, Outcome, TableName},
};

mod facts;
mod file;
mod finding;

pub use facts::{Archived, HeldSecret, Origin, Reference, SecretState, TargetFacts};
pub use file::{Change, PlanFile, PlanFileError};
pub use finding::Finding;

/// How archive and target are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The selected tables hold exactly what the archive holds.
    Replace,
    /// Rows that the target has too take the archive's values, the rest of the archive is inserted, everything else stays.
    Overwrite,
    /// Rows that the target has too stay as they are, with what belongs to them; only new ones are inserted.
    Skip,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "replace",
            Self::Overwrite => "overwrite",
            Self::Skip => "skip",
        })
    }
}

impl Mode {
    /// Whether rows of this selection are brought together with the target's one by one, rather than whole tables replaced.
    #[must_use]
    pub const fn merges(self, selection: &Selection) -> bool {
        !matches!(self, Self::Replace) || !selection.records.is_empty()
    }
}

/// What the user allows, knowingly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// Rows and files that the target holds now may be replaced.
    pub replace_existing: bool,
    /// What becomes of rows that don't fit into the target's tables.
    #[serde(skip_serializing_if = "Decisions::is_empty")]
    pub decisions: Decisions,
    /// No safety backup of what will be replaced is taken first.
    pub no_safety_backup: bool,
}

/// What happens to one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TablePlan {
    /// The table.
    pub table: TableName,
    /// Rows that are there now and go.
    pub delete: u64,
    /// Rows that come from the archive.
    pub insert: u64,
    /// What else happens where archive and target are brought together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Counts>,
}

/// What happens to one file set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSetPlan {
    /// The file set.
    pub name: String,
    /// Files that are there now and go.
    pub delete: u64,
    /// Files that come from the archive.
    pub insert: u64,
    /// Bytes that come from the archive.
    pub bytes: u64,
    /// What else happens where archive and target are brought together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<FileCounts>,
}

/// What a rehearsal found that a merge does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// For each table.
    pub tables: Vec<(TableName, Counts)>,
    /// For each file set, with the bytes that come.
    pub files: Vec<(String, FileCounts, u64)>,
    /// For file sets, paths at which no file can be put.
    pub blocked: Vec<(String, Vec<String>)>,
}

impl Counted {
    /// Whether nothing of the target changes.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let rows = self.tables.iter().all(|(_, counts)| counts.is_unchanged());
        rows && self
            .files
            .iter()
            .all(|(_, counts, _)| counts.is_unchanged())
    }
}

/// What a restore will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How archive and target are brought together.
    pub mode: Mode,
    /// The target's name for people.
    pub target: String,
    /// What of the archive is restored.
    pub selection: Selection,
    /// What the user allowed.
    pub consent: Consent,
    /// For each selected table what happens.
    pub tables: Vec<TablePlan>,
    /// For each selected file set what happens.
    pub file_sets: Vec<FileSetPlan>,
    /// What the user must know.
    pub findings: Vec<Finding>,
    /// Whether a finding forbids the restore.
    pub blocked: bool,
    /// SHA-256 of the manifest's bytes.
    pub archive: Digest,
    /// SHA-256 of the target's facts.
    pub target_state: Digest,
}

impl Plan {
    /// The digest that a confirmation carries.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Plain data has no way to fail when written to memory; the digest of nothing confirms no plan.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The plan with what a rehearsal of the merge counted.
    #[must_use]
    pub fn rehearsed(mut self, counted: &Counted) -> Self {
        let rows = &counted.tables;
        self.tables = rows
            .iter()
            .map(|(table, counts)| TablePlan {
                table: table.clone(),
                delete: counts.delete,
                insert: counts.insert,
                merge: Some(counts.clone()),
            })
            .collect();
        let sum = |of: fn(&Counts) -> u64| rows.iter().map(|(_, counts)| of(counts)).sum();
        let update = sum(|counts| counts.update + counts.detached);
        let delete = sum(|counts| counts.delete);
        if update > 0 || delete > 0 {
            self.findings.push(Finding::RowsChange { update, delete });
        }
        let mut skipped: BTreeMap<Skipped, u64> = BTreeMap::new();
        for (reason, rows) in rows.iter().flat_map(|(_, counts)| &counts.skipped) {
            *skipped.entry(*reason).or_default() += rows;
        }
        if !skipped.is_empty() {
            self.findings.push(Finding::RowsSkipped { skipped });
        }
        self.rehearsed_files(counted);
        let blocked = self.blocking().next().is_some();
        self.blocked = blocked;
        self
    }

    fn rehearsed_files(&mut self, counted: &Counted) {
        self.file_sets = counted
            .files
            .iter()
            .map(|(name, counts, bytes)| FileSetPlan {
                name: name.clone(),
                delete: counts.replace + counts.remove,
                insert: counts.add + counts.replace,
                bytes: *bytes,
                merge: Some(*counts),
            })
            .collect();
        let sum = |of: fn(&FileCounts) -> u64| -> u64 {
            let sets = counted.files.iter();
            sets.map(|(_, counts, _)| of(counts)).sum()
        };
        let (replace, remove) = (sum(|counts| counts.replace), sum(|counts| counts.remove));
        if replace > 0 || remove > 0 {
            self.findings.push(Finding::FilesChange { replace, remove });
        }
        let blocked = counted
            .blocked
            .iter()
            .filter(|(_, paths)| !paths.is_empty());
        self.findings
            .extend(blocked.map(|(set, paths)| Finding::PathsTaken {
                set: set.clone(),
                files: paths.len() as u64,
                paths: paths.iter().take(finding::PATHS).cloned().collect(),
            }));
    }

    /// Whether a rehearsed merge changes nothing: the target has all of it.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let rows = |table: &TablePlan| table.merge.as_ref().is_some_and(Counts::is_unchanged);
        let files = |set: &FileSetPlan| set.merge.is_some_and(|counts| counts.is_unchanged());
        self.merges() && self.tables.iter().all(rows) && self.file_sets.iter().all(files)
    }

    /// Findings that forbid the restore.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.blocks(&self.consent))
    }

    /// Whether its rows are brought together with the target's one by one, rather than whole tables replaced.
    #[must_use]
    pub const fn merges(&self) -> bool {
        self.mode.merges(&self.selection)
    }

    /// Rows that come from the archive.
    #[must_use]
    pub fn total_insert(&self) -> u64 {
        self.tables.iter().map(|table| table.insert).sum()
    }
}

/// How the rows of each selected table become rows of the target, where that has the table. `decisions` says what takes
/// the place of what doesn't fit.
#[must_use]
pub fn row_maps(
    manifest: &Manifest,
    target: &TargetFacts,
    selection: &Selection,
    decisions: &Decisions,
) -> Vec<(TableName, RowMap)> {
    let moved = is_moved(manifest, target);
    let selected = manifest.tables.iter().map(|data| &data.table);
    let selected = selected.filter(|table| selection.has_table(table));
    selected
        .filter_map(|name| {
            let (from, to) = manifest.schema.table(name).zip(target.schema.table(name))?;
            let engine = target.engine;
            let map = schema::row_map(engine, from, to, &target.labels, moved, decisions);
            Some((name.clone(), map))
        })
        .collect()
}

/// Whether the target is of another moment of the application than the archive, so that more may differ than shows.
fn is_moved(manifest: &Manifest, target: &TargetFacts) -> bool {
    manifest.schema_sha256 != target.schema.hash() || manifest.migration != target.migration
}

/// Plans the restore of what `selection` picks from an archive into a target.
///
/// # Errors
/// [`ManifestError::NotInArchive`] if the selection names what the archive doesn't hold.
pub fn plan(
    archive: Archived<'_>,
    target: &TargetFacts,
    selection: &Selection,
    mode: Mode,
    consent: Consent,
) -> Result<Plan, ManifestError> {
    let manifest = archive.manifest;
    let selected = manifest.select(selection)?;
    let current = |name: &TableName| {
        target
            .rows
            .iter()
            .find(|(table, _)| table == name)
            .map_or(0, |(_, rows)| *rows)
    };
    let tables: Vec<TablePlan> = selected
        .tables
        .iter()
        // What a merge does is counted by rehearsing it.
        .filter(|_| !mode.merges(selection))
        .map(|data| TablePlan {
            table: data.table.clone(),
            delete: current(&data.table),
            insert: data.rows,
            merge: None,
        })
        .collect();
    let mut findings = Vec::new();
    match archive.origin {
        Origin::Signed(sender) => findings.push(Finding::SignedBy {
            sender: sender.to_string(),
        }),
        Origin::Anybody => findings.push(Finding::Unsigned),
        Origin::Unsaid => {}
    }
    let mut file_sets = Vec::new();
    for set in &selected.file_sets {
        let folder = target
            .files
            .iter()
            .find(|(name, _)| *name == set.name)
            .and_then(|(_, files)| *files);
        if folder.is_none() {
            findings.push(Finding::NoFolder {
                set: set.name.clone(),
            });
        }
        let patterns: Vec<String> = selected
            .left_out
            .iter()
            .filter_map(|left_out| match left_out {
                LeftOut::Files {
                    set: of,
                    pattern,
                    found: 1..,
                    ..
                } if *of == set.name => Some(pattern.clone()),
                _ => None,
            })
            .collect();
        let merged = mode.merges(selection);
        if !merged && !patterns.is_empty() && folder.is_some_and(|files| files > 0) {
            findings.push(Finding::FilesLeftOut {
                set: set.name.clone(),
                patterns,
            });
        }
        file_sets.push(FileSetPlan {
            name: set.name.clone(),
            // What a merge does is counted by rehearsing it.
            delete: if merged { 0 } else { folder.unwrap_or(0) },
            insert: if merged { 0 } else { set.files },
            bytes: if merged { 0 } else { set.bytes },
            merge: None,
        });
    }
    let rows = tables.iter().map(|table| table.delete).sum();
    let files = file_sets.iter().map(|set| set.delete).sum();
    if rows > 0 || files > 0 {
        findings.push(Finding::NotEmpty { rows, files });
    }
    if consent.no_safety_backup {
        findings.push(Finding::NoSafetyBackup);
    }
    compare(
        archive,
        &selected,
        target,
        &consent.decisions,
        &mut findings,
    );
    secrets(&selected, target, &mut findings);
    if !mode.merges(selection) {
        closure(&selected, target, &mut findings);
    }
    let mut plan = Plan {
        mode,
        target: target.name.clone(),
        selection: selection.clone(),
        consent,
        tables,
        file_sets,
        blocked: false,
        findings,
        archive: archive.digest,
        target_state: target.digest(),
    };
    let blocked = plan.blocking().next().is_some();
    plan.blocked = blocked;
    Ok(plan)
}

/// What the application's own secrets mean for what is restored.
fn secrets(selected: &Manifest, target: &TargetFacts, findings: &mut Vec<Finding>) {
    for mark in &selected.app_secrets {
        let held = target.app_secrets.iter();
        let state = held
            .clone()
            .find(|held| held.variable == mark.variable)
            .map_or(SecretState::NotGiven, |held| held.state);
        let (variable, columns) = (mark.variable.clone(), mark.columns.clone());
        findings.extend(match (mark.unwrapped, state) {
            (true, SecretState::NotGiven) => Some(Finding::SecretNeeded { variable, columns }),
            (true, _) | (false, SecretState::Same) => None,
            (false, SecretState::Other) => Some(Finding::OtherSecret { variable, columns }),
            (false, SecretState::NotGiven | SecretState::NotComparable) => {
                Some(Finding::SecretNotCompared { variable, columns })
            }
        });
    }
}

fn compare(
    archived: Archived<'_>,
    selected: &Manifest,
    target: &TargetFacts,
    decisions: &Decisions,
    findings: &mut Vec<Finding>,
) {
    let archive = archived.manifest;
    if archive.engine != target.engine {
        findings.push(Finding::OtherEngine {
            archive: archive.engine,
            target: target.engine,
        });
        // Types have other names in another engine, so every further difference would be noise.
        return;
    }
    let moved = is_moved(archive, target);
    let (schema, labels) = (&target.schema, &target.labels);
    let drift = schema::assess(archive, schema, labels, moved, decisions, archived.survey);
    // What differs elsewhere is no concern of these rows, but new tables are worth knowing of.
    let concerns = |table: &TableName| {
        selected.table(table).is_some() || archive.schema.table(table).is_none()
    };
    findings.extend(
        drift
            .into_iter()
            .filter(|drift| concerns(&drift.table))
            .map(|drift| Finding::Drift { drift }),
    );
    let unneeded = unneeded(decisions, findings);
    findings.extend(
        unneeded
            .into_iter()
            .map(|column| Finding::NotNeeded { column }),
    );
    if archive.migration != target.migration {
        findings.push(Finding::MigrationMismatch {
            archive: archive.migration.clone(),
            target: target.migration.clone(),
        });
    }
    if archive.contents == Contents::Standard {
        let columns = selected
            .left_out
            .iter()
            .filter(|left_out| match left_out {
                LeftOut::Column {
                    table,
                    placeholder: Some(_),
                    ..
                } => selected.table(table).is_some(),
                _ => false,
            })
            .count() as u64;
        if columns > 0 {
            findings.push(Finding::Placeholders { columns });
        }
    }
    findings.extend(archive.notices.iter().map(|notice| Finding::Notice {
        notice: notice.clone(),
    }));
}

/// The columns that were decided upon without need.
fn unneeded(decisions: &Decisions, findings: &[Finding]) -> Vec<ColumnName> {
    let drops = decisions.drop_columns.iter().cloned();
    let fills = decisions.fill.iter().map(|fill| ColumnName {
        table: fill.table.clone(),
        column: fill.column.clone(),
    });
    let differs = |name: &ColumnName| {
        findings.iter().any(|finding| match finding {
            Finding::Drift { drift } if drift.table == name.table => {
                drift.differences.iter().any(|difference| {
                    difference.drift.column() == Some(&name.column)
                        && difference.outcome >= Outcome::Decided
                })
            }
            _ => false,
        })
    };
    drops.chain(fills).filter(|name| !differs(name)).collect()
}

/// The tables outside of the selection that foreign keys connect it with.
fn closure(selected: &Manifest, target: &TargetFacts, findings: &mut Vec<Finding>) {
    if !target.references.is_empty() {
        findings.push(Finding::ReferencedFromOutside {
            references: target.references.clone(),
        });
    }
    let inside: BTreeSet<&TableName> = selected.tables.iter().map(|data| &data.table).collect();
    let out_of: BTreeSet<&TableName> = target
        .schema
        .tables
        .iter()
        .filter(|table| inside.contains(&table.name))
        .flat_map(|table| &table.foreign_keys)
        .map(|key| &key.references)
        .filter(|references| !inside.contains(references))
        .collect();
    if !out_of.is_empty() {
        findings.push(Finding::ReferencesOutside {
            tables: out_of.into_iter().cloned().collect(),
        });
    }
}

#[cfg(test)]
mod tests;
