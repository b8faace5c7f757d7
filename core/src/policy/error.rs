//! Why a preset doesn't fit a database.

use alloc::{string::String, vec::Vec};

use crate::schema::{Engine, TableName};

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
    /// The preset is for another kind of database.
    #[error(
        "the preset for {app} is for {preset}, and this database is {database}; nothing was read or written"
    )]
    OtherEngine {
        /// The preset's application.
        app: String,
        /// What the preset is for.
        preset: Engine,
        /// What the database is.
        database: Engine,
    },
    /// A rule says several things where only one can be.
    #[error("{what}; leave all but one out")]
    Several {
        /// What it says.
        what: &'static str,
    },
    /// A rule says nothing where something is needed.
    #[error("{what}")]
    Missing {
        /// What is needed.
        what: &'static str,
    },
    /// Two rules are about the same thing.
    #[error("there are two rules for {what}; leave one out")]
    Twice {
        /// What both are about.
        what: String,
    },
    /// A rule sets a column to NULL that can't be.
    #[error("{table}.{column} cannot be NULL; give it a value")]
    NotNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A fresh secret is text, and the column holds something else.
    #[error(
        "{table}.{column} is of type {type_name}, which holds no text, so that no fresh secret fits; use NULL or a placeholder"
    )]
    NotText {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        type_name: String,
    },
    /// A rule names a key that the table doesn't have.
    #[error("{table} has no {kind} over ({}), which the preset for {app} names", columns.join(", "))]
    NoKey {
        /// The preset's application.
        app: String,
        /// The table.
        table: String,
        /// `foreign key` or `unique key`.
        kind: &'static str,
        /// The columns.
        columns: Vec<String>,
    },
    /// Rows can't be restored without others, which a rule leaves out.
    #[error(
        "{table} ({}) cannot be NULL and points at {references}, which the preset leaves out: its rows could not be restored; \
         leave {table} out too", columns.join(", ")
    )]
    OwnerLeftOut {
        /// The table.
        table: String,
        /// The columns of its foreign key.
        columns: Vec<String>,
        /// The table that is left out.
        references: String,
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
