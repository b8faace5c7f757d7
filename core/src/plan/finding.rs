//! What a plan tells the user.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Consent, Reference};
use crate::{
    app_secret::{SecretColumn, listed},
    manifest::{Migration, Notice},
    merge::Skipped,
    schema::{ColumnName, Engine, Outcome, TableDrift, TableName},
};

/// Paths that a finding names at most.
pub(super) const PATHS: usize = 10;

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
    /// A table differs from the archive's, with what becomes of its rows.
    Drift {
        /// The differences.
        #[serde(flatten)]
        drift: TableDrift,
    },
    /// A decision was given about a column that needs none.
    NotNeeded {
        /// The column.
        #[serde(flatten)]
        column: ColumnName,
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
    /// Rows of the target would change or go, and consent is missing.
    RowsChange {
        /// Rows that take the archive's values, or lose a reference to a row that goes.
        update: u64,
        /// Rows that go with what they belong to.
        delete: u64,
    },
    /// Rows of the archive are left out, by reason.
    RowsSkipped {
        /// How many, by reason.
        skipped: BTreeMap<Skipped, u64>,
    },
    /// Files of the target would be replaced or go, and consent is missing.
    FilesChange {
        /// Files in whose place others come.
        replace: u64,
        /// Files that go, since no row names them any more.
        remove: u64,
    },
    /// Files of the archive have nowhere to go.
    PathsTaken {
        /// The file set.
        set: String,
        /// How many.
        files: u64,
        /// The paths of the first ones.
        paths: Vec<String>,
    },
    /// What will be replaced is not kept: by consent, no safety backup is taken.
    NoSafetyBackup,
    /// The target has another secret than the one that values in the archive are wrapped with.
    OtherSecret {
        /// The environment variable that the application reads it from.
        variable: String,
        /// The columns that the application will not be able to read.
        columns: Vec<SecretColumn>,
    },
    /// Values in the archive are wrapped with a secret, and nobody could compare it with the target's.
    SecretNotCompared {
        /// The environment variable that the application reads it from.
        variable: String,
        /// The columns that depend on it.
        columns: Vec<SecretColumn>,
    },
    /// Values in the archive have to be wrapped with the target's secret, and nobody gave it.
    SecretNeeded {
        /// The environment variable that the application reads it from.
        variable: String,
        /// The columns that depend on it.
        columns: Vec<SecretColumn>,
    },
    /// A notice of the archive.
    Notice {
        /// The notice.
        notice: Notice,
    },
}

impl Finding {
    /// Whether the restore is refused because of it.
    #[must_use]
    pub fn blocks(&self, consent: &Consent) -> bool {
        match self {
            Self::OtherEngine { .. }
            | Self::NoFolder { .. }
            | Self::SecretNeeded { .. }
            | Self::PathsTaken { .. } => true,
            Self::NotEmpty { .. } | Self::RowsChange { .. } | Self::FilesChange { .. } => {
                !consent.replace_existing
            }
            Self::Drift { drift } => drift.outcome >= Outcome::NeedsDecision,
            Self::MigrationMismatch { .. }
            | Self::NotNeeded { .. }
            | Self::ReferencedFromOutside { .. }
            | Self::ReferencesOutside { .. }
            | Self::Placeholders { .. }
            | Self::SignedBy { .. }
            | Self::Unsigned
            | Self::FilesLeftOut { .. }
            | Self::RowsSkipped { .. }
            | Self::NoSafetyBackup
            | Self::OtherSecret { .. }
            | Self::SecretNotCompared { .. }
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

pub(super) struct List<'a>(pub(super) &'a [TableName]);

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

pub(super) struct Head<'a>(pub(super) Option<&'a Migration>);

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
            Self::Drift { drift } => drift.fmt(f),
            Self::NotNeeded { column } => {
                write!(f, "nothing has to be decided about {column}")
            }
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
            Self::RowsChange { update, delete } => write!(
                f,
                "rows of the target would change: {update} take other values, {delete} go with what they belong to"
            ),
            Self::RowsSkipped { skipped } => {
                f.write_str("rows of the archive are left out: ")?;
                skipped
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, (reason, rows))| {
                        let comma = if index > 0 { ", " } else { "" };
                        write!(f, "{comma}{rows} ({reason})")
                    })
            }
            Self::FilesChange { replace, remove } => write!(
                f,
                "files of the target would change: {replace} are replaced, {remove} go with the rows that named them"
            ),
            Self::PathsTaken { set, files, paths } => write!(
                f,
                "{files} files of {set} have no place in the target's folder, which holds a folder, a link or something else there: {}{}",
                paths.join(", "),
                if *files > paths.len() as u64 { ", …" } else { "" }
            ),
            Self::NoSafetyBackup => f.write_str(
                "no safety backup is taken: what the restore replaces cannot be brought back by coffer undo",
            ),
            Self::OtherSecret { variable, columns } => write!(
                f,
                "the target has another {variable} than the one that the archive depends on: the application will not be able to read {}; \
                 start it with the {variable} of the source, or enter these values again",
                listed(columns)
            ),
            Self::SecretNotCompared { variable, columns } => write!(
                f,
                "{} can be read only with the {variable} of the source, and nobody has compared it with the target's",
                listed(columns)
            ),
            Self::SecretNeeded { variable, columns } => write!(
                f,
                "{} are in the archive without the application's own secret, and have to be wrapped with the target's {variable}: set \
                 that variable, or give a file with --app-secret",
                listed(columns)
            ),
            Self::Notice { notice } => notice.fmt(f),
        }
    }
}
