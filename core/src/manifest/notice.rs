//! What is not in the archive, and what the one who restores should know.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::TableName;

/// Why something was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// A credential, in a standard archive.
    Credential,
    /// Can be computed from the rest (search index, thumbnails, generated columns).
    Derived,
    /// Loses its meaning with time (sessions, queues).
    Transient,
    /// Belongs to the installation and makes no sense in another one (registrations, paths of its own).
    Local,
    /// The migration ledger: recorded as the migration head, not as data.
    Ledger,
    /// Left out by hand.
    Excluded,
    /// Not part of the selection that this archive was cut from.
    NotSelected,
    /// The engine does not keep it (unlogged tables, views).
    NotData,
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "a credential",
            Self::Derived => "can be derived from the rest",
            Self::Transient => "loses its meaning with time",
            Self::Local => "belongs to the installation it was taken from",
            Self::Ledger => "the migration ledger, recorded as the migration head",
            Self::Excluded => "left out by hand",
            Self::NotSelected => "not selected",
            Self::NotData => "not data of its own",
        })
    }
}

/// Something of the source that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum LeftOut {
    /// All rows of a table.
    Table {
        /// The table.
        table: TableName,
        /// Why.
        reason: LeftOutReason,
        /// How many rows it had, where counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        /// The preset's own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Some rows of a table that is otherwise in the archive.
    Rows {
        /// The table.
        table: TableName,
        /// Which of its rows, for people.
        condition: String,
        /// Why.
        reason: LeftOutReason,
        /// How many there were.
        rows: u64,
        /// The preset's own words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The values of one column.
    Column {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Why.
        reason: LeftOutReason,
        /// What stands in its place, e.g. `NULL`; `None` where the column itself is not in the rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        placeholder: Option<String>,
    },
    /// A whole file set.
    FileSet {
        /// Its name.
        name: String,
        /// Why.
        reason: LeftOutReason,
    },
    /// Files that a pattern leaves out.
    Files {
        /// The file set.
        set: String,
        /// The pattern, as it was given.
        pattern: String,
        /// Files and folders that it matched; what is below a folder is not counted.
        found: u64,
        /// Why.
        reason: LeftOutReason,
    },
    /// Something else of the database: a view, an unlogged table, a large object.
    Object {
        /// Its kind in the engine's words, e.g. `view`.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        reason: LeftOutReason,
    },
}

/// What the one who restores should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case", deny_unknown_fields)]
pub enum Notice {
    /// A column's name looks like a credential, and no preset says what it is.
    LooksLikeCredential {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A file changed while it was read; what was read first is in the archive.
    FileChanged {
        /// The file set.
        set: String,
        /// The file.
        path: String,
    },
    /// A file was listed, but gone when it was to be read.
    FileVanished {
        /// The file set.
        set: String,
        /// The file.
        path: String,
    },
    /// Something in a file set's folder that is no regular file, or has no usable name.
    FileSkipped {
        /// The file set.
        set: String,
        /// The file, with bytes that are not UTF-8 replaced.
        path: String,
        /// What it is, e.g. `a symbolic link`.
        why: String,
    },
    /// A file that a program was to make smaller is in the archive as it was.
    NotTransformed {
        /// The file set.
        set: String,
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LooksLikeCredential { table, column } => write!(
                f,
                "{table}.{column} looks like a credential, and no preset says what it is: treat this archive as secret"
            ),
            Self::FileChanged { set, path } => {
                write!(f, "{set}/{path} changed while it was being read")
            }
            Self::FileVanished { set, path } => {
                write!(
                    f,
                    "{set}/{path} vanished before it was read and is not in the archive"
                )
            }
            Self::FileSkipped { set, path, why } => {
                write!(f, "{set}/{path} is {why} and is not in the archive")
            }
            Self::NotTransformed { set, path, why } => {
                write!(f, "{set}/{path} is in the archive as it was: {why}")
            }
        }
    }
}
