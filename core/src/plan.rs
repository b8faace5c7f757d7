//! From an archive's manifest and facts about the live target to a plan: a pure function.
//!
//! A plan says exactly what a restore will do. Its digest binds the archive, the selection, the mode and the
//! target's state; a restore is given the digest and refuses when any of them has changed since.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    manifest::{Contents, LeftOut, Manifest, ManifestError, Migration, Notice, Selection},
    schema::{self, Drift, Engine, Schema, TableName},
    seal::Fingerprint,
};

/// How archive and target are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The selected tables hold exactly what the archive holds.
    Replace,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace => f.write_str("replace"),
        }
    }
}

/// A foreign key from a table that keeps its rows into one whose rows are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The table that keeps its rows.
    pub table: TableName,
    /// The key's columns there.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub references: TableName,
    /// Rows that refer to a row, and would point at nothing if the archive lacked it.
    pub rows: u64,
}

/// What was read from the live target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFacts {
    /// The kind of database.
    pub engine: Engine,
    /// A name for people, without credentials, e.g. `shop on 127.0.0.1:5432`.
    pub name: String,
    /// Its shape.
    pub schema: Schema,
    /// Rows of every table of `schema`, counted.
    pub rows: Vec<(TableName, u64)>,
    /// Foreign keys from tables that keep their rows into those that are selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Its migration head.
    pub migration: Option<Migration>,
    /// For file sets, files that the target's folders hold now, by set name; `None` where no folder is known.
    pub files: Vec<(String, Option<u64>)>,
}

/// What is known of who made an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was sealed by the holder of this sender key, and what is restored is compared with what they signed.
    Signed(Fingerprint),
    /// It was opened by a key and nobody signed it. The public half is enough to seal, so anybody may have made it.
    Anybody,
    /// Whoever made it had the password or the one-time key, or it isn't sealed and says nothing.
    Unsaid,
}

/// What the user allows, knowingly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// Rows and files that the target holds now may be replaced.
    pub replace_existing: bool,
    /// The target's schema may differ from the archive's.
    pub schema_mismatch: bool,
    /// No safety backup of what will be replaced is taken first.
    pub no_safety_backup: bool,
}

/// Something about a restore that the user must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Finding {
    /// Archive and target are of different engines.
    OtherEngine {
        /// The archive's.
        archive: Engine,
        /// The target's.
        target: Engine,
    },
    /// The target holds rows or files that would be replaced, and consent is missing.
    NotEmpty {
        /// Rows of selected tables.
        rows: u64,
        /// Files of selected file sets.
        files: u64,
    },
    /// The schemas differ.
    SchemaMismatch {
        /// The archive's schema hash.
        archive: Digest,
        /// The target's schema hash.
        target: Digest,
        /// The differences found.
        drift: Vec<Drift>,
    },
    /// A selected table can't take the archive's rows, whatever is allowed.
    DoesNotFit {
        /// The difference that prevents it.
        drift: Drift,
    },
    /// The migration heads differ.
    MigrationMismatch {
        /// The archive's.
        archive: Option<Migration>,
        /// The target's.
        target: Option<Migration>,
    },
    /// Tables outside of the selection have foreign keys into it: they keep their rows, and the restore is
    /// undone if one of these would point at nothing.
    ReferencedFromOutside {
        /// The foreign keys of the tables outside.
        references: Vec<Reference>,
    },
    /// Selected tables point at tables outside of the selection, which must already hold the rows.
    ReferencesOutside {
        /// The tables outside.
        tables: Vec<TableName>,
    },
    /// The archive's credentials were left out; placeholders will stand in their place.
    Placeholders {
        /// Columns concerned.
        columns: u64,
    },
    /// The archive holds a file set for which the target has no folder.
    NoFolder {
        /// The file set.
        set: String,
    },
    /// Who sealed the archive; its content was compared with what they signed.
    SignedBy {
        /// The sender key's fingerprint.
        sender: String,
    },
    /// The archive was opened by a key and nobody signed it, so anybody who knows the public key may have made it.
    Unsigned,
    /// The archive leaves out files of a set by patterns. Those that the target holds now go, and nothing comes in their place.
    FilesLeftOut {
        /// The file set.
        set: String,
        /// The patterns that left out something.
        patterns: Vec<String>,
    },
    /// What will be replaced is not kept: by consent, no safety backup is taken.
    NoSafetyBackup,
    /// A notice of the archive.
    Notice {
        /// The notice.
        notice: Notice,
    },
}

impl Finding {
    /// Whether the restore is refused because of it.
    #[must_use]
    pub fn blocks(&self, consent: Consent) -> bool {
        match self {
            Self::OtherEngine { .. } | Self::DoesNotFit { .. } | Self::NoFolder { .. } => true,
            Self::NotEmpty { .. } => !consent.replace_existing,
            Self::SchemaMismatch { .. } => !consent.schema_mismatch,
            Self::MigrationMismatch { .. }
            | Self::ReferencedFromOutside { .. }
            | Self::ReferencesOutside { .. }
            | Self::Placeholders { .. }
            | Self::SignedBy { .. }
            | Self::Unsigned
            | Self::FilesLeftOut { .. }
            | Self::NoSafetyBackup
            | Self::Notice { .. } => false,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, s) = (self.rows, if self.rows == 1 { "" } else { "s" });
        write!(
            f,
            "{rows} row{s} of {} by {} to {}",
            self.table,
            self.columns.join(", "),
            self.references
        )
    }
}

struct List<'a>(&'a [TableName]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, table)| {
            if index > 0 {
                f.write_str(", ")?;
            }
            table.fmt(f)
        })
    }
}

struct Head<'a>(Option<&'a Migration>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("none", |migration| &migration.head))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherEngine { archive, target } => {
                write!(f, "the archive is of {archive}, the target is {target}")
            }
            Self::NotEmpty { rows, files } => write!(
                f,
                "the target is not empty: {rows} rows and {files} files would be replaced"
            ),
            Self::SchemaMismatch { drift, .. } if drift.is_empty() => f.write_str(
                "the target's schema differs from the archive's in its keys or column order",
            ),
            Self::SchemaMismatch { drift, .. } => {
                f.write_str("the target's schema differs from the archive's: ")?;
                drift.iter().enumerate().try_for_each(|(index, drift)| {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    drift.fmt(f)
                })
            }
            Self::DoesNotFit { drift } => write!(f, "the rows do not fit: {drift}"),
            Self::MigrationMismatch { archive, target } => write!(
                f,
                "the archive was taken at migration {}, the target is at {}",
                Head(archive.as_ref()),
                Head(target.as_ref())
            ),
            Self::ReferencedFromOutside { references } => {
                f.write_str(
                    "tables that are not selected refer to selected ones and keep their rows: ",
                )?;
                for (index, reference) in references.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    reference.fmt(f)?;
                }
                f.write_str("; if one of these would point at nothing, the restore is undone")
            }
            Self::ReferencesOutside { tables } => write!(
                f,
                "selected tables refer to tables that are not selected: {}; the rows they need must be there already, else the restore is undone",
                List(tables)
            ),
            Self::Placeholders { columns } => write!(
                f,
                "credentials were left out of the archive: {columns} columns will hold placeholders"
            ),
            Self::NoFolder { set } => write!(f, "the target has no folder for the file set {set}"),
            Self::SignedBy { sender } => write!(f, "the archive was sealed and signed by {sender}"),
            Self::Unsigned => f.write_str(
                "nobody signed the archive, and it is sealed to a public key: whoever knows that key may have made it; go on only if you know where it comes from",
            ),
            Self::FilesLeftOut { set, patterns } => write!(
                f,
                "the archive was told to leave files of {set} out ({}): those that the folder holds now go, and do not come back",
                patterns.join(", ")
            ),
            Self::NoSafetyBackup => f.write_str(
                "no safety backup is taken: what the restore replaces cannot be brought back by coffer undo",
            ),
            Self::Notice { notice } => notice.fmt(f),
        }
    }
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

    /// Findings that forbid the restore.
    pub fn blocking(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.blocks(self.consent))
    }

    /// Rows that come from the archive.
    #[must_use]
    pub fn total_insert(&self) -> u64 {
        self.tables.iter().map(|table| table.insert).sum()
    }
}

/// Plans the restore of what `selection` picks from an archive into a target.
///
/// `manifest_digest` is the SHA-256 of the manifest's bytes as they stand in the archive, `origin` what was found out
/// about who made it.
///
/// # Errors
/// [`ManifestError::NotInArchive`] if the selection names what the archive doesn't hold.
pub fn plan(
    manifest: &Manifest,
    manifest_digest: Digest,
    origin: Origin,
    target: &TargetFacts,
    selection: &Selection,
    mode: Mode,
    consent: Consent,
) -> Result<Plan, ManifestError> {
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
        .map(|data| TablePlan {
            table: data.table.clone(),
            delete: current(&data.table),
            insert: data.rows,
        })
        .collect();
    let mut findings = Vec::new();
    match origin {
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
        if !patterns.is_empty() && folder.is_some_and(|files| files > 0) {
            findings.push(Finding::FilesLeftOut {
                set: set.name.clone(),
                patterns,
            });
        }
        file_sets.push(FileSetPlan {
            name: set.name.clone(),
            delete: folder.unwrap_or(0),
            insert: set.files,
            bytes: set.bytes,
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
    compare(manifest, &selected, target, &mut findings);
    closure(&selected, target, &mut findings);
    let mut plan = Plan {
        mode,
        target: target.name.clone(),
        selection: selection.clone(),
        consent,
        tables,
        file_sets,
        blocked: false,
        findings,
        archive: manifest_digest,
        target_state: Digest::of(&serde_json::to_vec(target).unwrap_or_default()),
    };
    let blocked = plan.blocking().next().is_some();
    plan.blocked = blocked;
    Ok(plan)
}

fn compare(
    archive: &Manifest,
    selected: &Manifest,
    target: &TargetFacts,
    findings: &mut Vec<Finding>,
) {
    if archive.engine != target.engine {
        findings.push(Finding::OtherEngine {
            archive: archive.engine,
            target: target.engine,
        });
        // Types have other names in another engine, so every further difference would be noise.
        return;
    }
    let (archive_hash, target_hash) = (archive.schema_sha256, target.schema.hash());
    if archive_hash != target_hash {
        let drift = schema::drift(&archive.schema, &target.schema);
        for drift in &drift {
            let selected_table = selected.table(drift.table()).is_some();
            let fits = !matches!(
                drift,
                Drift::TableMissing { .. }
                    | Drift::ColumnMissing { .. }
                    | Drift::ColumnAdded { fits: false, .. }
            );
            if selected_table && !fits {
                findings.push(Finding::DoesNotFit {
                    drift: drift.clone(),
                });
            }
        }
        findings.push(Finding::SchemaMismatch {
            archive: archive_hash,
            target: target_hash,
            drift,
        });
    }
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
