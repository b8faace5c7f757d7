//! Why a preset doesn't fit a database.

use alloc::{string::String, vec::Vec};

use crate::schema::TableName;

/// Bytes that a placeholder has at most.
pub const MAX_PLACEHOLDER_BYTES: usize = 4096;

/// Why a preset doesn't fit a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A rule names a table that the database doesn't have.
    #[error(
        "the preset for {app} names the table {table:?}, which this database does not have; nothing was read or written"
    )]
    UnknownTable {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
    },
    /// A rule names a column that the table doesn't have.
    #[error(
        "the preset for {app} names the column {table}.{column}, which this database does not have; nothing was read or written"
    )]
    UnknownColumn {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A credential without a placeholder sits in a column that can't be NULL.
    #[error(
        "the preset for {app} gives no placeholder for {table}.{column}, which cannot be NULL; add one to the preset"
    )]
    PlaceholderNeeded {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A placeholder that could make an archive many times larger.
    #[error(
        "the placeholder for {table}.{column} has {bytes} bytes where {MAX_PLACEHOLDER_BYTES} are allowed; shorten it in \
         the preset"
    )]
    PlaceholderTooLong {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Bytes of the placeholder.
        bytes: usize,
    },
    /// Every row of a table would get the same value in a unique key, so that the archive could not be restored.
    #[error(
        "the rules for {table} put the same placeholder into every row of the unique key ({}), so the archive could \
         not be restored; use NULL where that is possible, or leave the table out",
        key.join(", ")
    )]
    PlaceholderNotUnique {
        /// The table.
        table: TableName,
        /// The key's columns.
        key: Vec<String>,
    },
    /// A rule that this version can read, but not apply: ignoring it would leave credentials in a standard archive.
    #[error(
        "the rule for {table}.{column} has a part that this version cannot apply; nothing was read or written, use a \
         newer version"
    )]
    NotApplied {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Credentials were asked for without a preset that says what they are.
    #[error("a sensitive archive needs a preset that says which columns are credentials")]
    NoPreset,
    /// A table to leave out by hand doesn't exist.
    #[error("there is no table {table:?} to leave out; nothing was read or written")]
    UnknownExclusion {
        /// The table as given.
        table: String,
    },
}
