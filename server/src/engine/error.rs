//! Why a database could not be read or written.
//!
//! An error holds names and numbers and never the value of a row: a value may be a credential, and errors end up in
//! logs. What databases report about single values (PostgreSQL's details and contexts) is therefore dropped.

use coffer_core::{rows::RowError, schema::TableName};

use super::url::UrlError;

/// Why a database could not be read or written.
///
/// Every write goes through one transaction, so an error means that the database is as it was before; the one
/// exception is [`EngineError::CommitUnknown`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The URL can't be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Rows from elsewhere can't be read.
    #[error("the rows can't be read: {message}; nothing was written")]
    Given {
        /// What is wrong.
        message: String,
    },
    /// The server can't be reached.
    #[error(
        "cannot reach the database {target}: {reason}; nothing was read or written; check host and port, and that the server runs"
    )]
    CannotConnect {
        /// The database and where it should be.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// The connection was lost in the middle.
    #[error(
        "the connection to {target} was lost while {doing}: {reason}; nothing was changed; try again"
    )]
    ConnectionLost {
        /// The database.
        target: String,
        /// What was being done.
        doing: String,
        /// What the system says.
        reason: String,
    },
    /// The connection was lost after the commit was sent and before it was answered.
    #[error(
        "the connection to {target} was lost while the restore was being committed: {reason}; it took effect either completely or not at all; look at the database before you try again"
    )]
    CommitUnknown {
        /// The database.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// Password or role is wrong.
    #[error(
        "{target} does not let {user:?} sign in: wrong password, unknown role, or not allowed from here; nothing was read or written; check the URL's user and the password"
    )]
    SignInRefused {
        /// The database.
        target: String,
        /// The role.
        user: String,
    },
    /// The server has no such database.
    #[error(
        "the server has no database {target}; nothing was read or written; create it first, or correct the name"
    )]
    NoDatabase {
        /// The database and its server.
        target: String,
    },
    /// There is no such file.
    #[error(
        "there is no file {path}; nothing was created; a restore needs a database that has its tables already"
    )]
    NoFile {
        /// The path.
        path: String,
    },
    /// The file is something else.
    #[error(
        "{path} is not an SQLite database, or is encrypted or damaged; nothing was read or written"
    )]
    NotADatabase {
        /// The path.
        path: String,
    },
    /// The server is too old.
    #[error(
        "{target} runs version {found}; Coffer needs {oldest} or later; nothing was read or written"
    )]
    Version {
        /// The database.
        target: String,
        /// Its version.
        found: String,
        /// The oldest version that is supported.
        oldest: &'static str,
    },
    /// The role may not do it.
    #[error(
        "{target} does not permit {doing}: {message}; nothing was changed; grant it, or sign in as the tables' owner"
    )]
    PermissionDenied {
        /// The database.
        target: String,
        /// What was being done.
        doing: String,
        /// The database's own words.
        message: String,
    },
    /// Row security would hide rows.
    #[error(
        "row security hides rows of {table} from this role, so a copy would silently lack them; nothing was changed; sign in as a role that row security does not apply to"
    )]
    RowSecurity {
        /// The table.
        table: String,
    },
    /// Large objects live outside of tables and aren't covered.
    #[error(
        "{target} holds {count} large objects, which Coffer does not cover yet; nothing was written, because a backup without them would look complete; use pg_dump for this database"
    )]
    LargeObjects {
        /// The database.
        target: String,
        /// How many.
        count: u64,
    },
    /// Something holds data that can't be covered.
    #[error("the {kind} {name} is not supported: {why}; nothing was read or written")]
    Unsupported {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why, and what can be done.
        why: &'static str,
    },
    /// Somebody else holds the tables.
    #[error(
        "{target} was in use by somebody else for longer than {seconds} s while {doing}; nothing was changed; stop the application or wait, and try again"
    )]
    Busy {
        /// The database.
        target: String,
        /// What was being done.
        doing: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The tables changed while they were being listed, again and again.
    #[error(
        "the tables of {target} kept changing while they were listed ({attempts} attempts); nothing was read or written; wait until the application's migration is through"
    )]
    Restless {
        /// The database.
        target: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Another restore is going on.
    #[error("another restore into {target} is going on; nothing was changed; wait until it ends")]
    AnotherRestore {
        /// The database.
        target: String,
    },
    /// The target can't be written at all.
    #[error(
        "{target} is read-only: {reason}; nothing was changed; restore into one that can be written"
    )]
    ReadOnly {
        /// The database.
        target: String,
        /// Why.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "there is no room left on the disk of {target} while {doing}: {message}; nothing was changed; a restore needs room for the new rows beside the old ones, so make some and try again"
    )]
    NoRoom {
        /// The database.
        target: String,
        /// What was being done.
        doing: String,
        /// The database's own words.
        message: String,
    },
    /// A table doesn't exist.
    #[error("{target} has no table {table}; nothing was changed")]
    NoTable {
        /// The database.
        target: String,
        /// The table.
        table: TableName,
    },
    /// A column doesn't exist, is generated, or the number of columns is not the table's.
    #[error(
        "the table {table} of {target} has no column {column:?} that could be written; nothing was changed"
    )]
    NoColumn {
        /// The database.
        target: String,
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A foreign key points at nothing.
    #[error(
        "the foreign key {key} of {table} would point at {} of {references} that do not exist; nothing was changed; restore both tables together", rows_of(*.rows)
    )]
    ForeignKey {
        /// The constraint's name; the columns where it has none.
        key: String,
        /// The table that it starts at.
        table: String,
        /// The table that it points at.
        references: String,
        /// Rows that point at nothing, where the engine counts them.
        rows: Option<u64>,
    },
    /// The database refuses a row.
    #[error("{table} refuses {}: {reason}; nothing was changed", row_number(*.row))]
    RowRefused {
        /// The table.
        table: TableName,
        /// Number of the row in the archive's table, from 1, where known.
        row: Option<u64>,
        /// Why, without the row's values.
        reason: String,
    },
    /// An index came back as another one.
    #[error(
        "the index {index} of {table} could not be built again as it was, so everything was undone and nothing was changed; please report how the index is defined"
    )]
    IndexDiffers {
        /// The index.
        index: TableName,
        /// Its table.
        table: TableName,
    },
    /// The row text can't be read.
    #[error("the rows for {table} cannot be read: {error}; nothing was changed")]
    BadRows {
        /// The table.
        table: TableName,
        /// What is wrong.
        error: RowError,
    },
    /// A sequence is not where it was put.
    #[error(
        "the sequence {sequence} is at {found} after it was set to {expected}; everything was undone; look for an event trigger or another session that sets it"
    )]
    SequenceNotSet {
        /// The sequence.
        sequence: TableName,
        /// The last value that it was set to.
        expected: i64,
        /// The last value that was read back.
        found: i64,
    },
    /// A new row would collide with one that was restored.
    #[error(
        "the table {table} could take no new row: the number that its column {column:?} gets by itself is taken; everything was undone; please report it"
    )]
    CanaryRefused {
        /// The table.
        table: TableName,
        /// The column that numbers its rows.
        column: String,
    },
    /// Rows name others by a key that several have.
    #[error(
        "rows for {table} refer to a key that the archive holds more than once, so that nobody can tell which row is meant; nothing was changed; use mode replace, which needs no such key"
    )]
    Ambiguous {
        /// The table.
        table: TableName,
    },
    /// A chosen record is not there.
    #[error("the archive holds no record {record} among {rows} rows of that table{}; nothing was changed", For(.examples))]
    NoRecord {
        /// The record.
        record: String,
        /// Rows of its table.
        rows: u64,
        /// Keys of some of them.
        examples: Vec<String>,
    },
    /// The database did something else than what was decided.
    #[error(
        "{found} rows of {table} were written where {expected} were to be; everything was undone; look for rules or partitions that send rows elsewhere"
    )]
    NotAsDecided {
        /// The table.
        table: TableName,
        /// Rows that were to be written or removed.
        expected: u64,
        /// Rows that were.
        found: u64,
    },
    /// A file gets another path, and what names it can't follow.
    #[error(
        "a file that {table} names in {column} has to get another path, and {column} is part of a key by which other rows know the row; nothing was changed; leave the file set out"
    )]
    PathInKey {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The database reports something else.
    #[error("{target} failed while {doing}: {message} ({code}); nothing was changed")]
    Database {
        /// The database.
        target: String,
        /// What was being done.
        doing: String,
        /// The database's own words.
        message: String,
        /// The database's own code, SQLSTATE in PostgreSQL.
        code: String,
    },
    /// A session was used after an error or out of order.
    #[error("the session with {target} has ended: {why}; nothing was changed; start again")]
    Ended {
        /// The database.
        target: String,
        /// What ended it.
        why: &'static str,
    },
}

fn rows_of(count: Option<u64>) -> String {
    match count {
        Some(1) => "1 row".into(),
        Some(count) => format!("{count} rows"),
        None => "rows".into(),
    }
}

fn row_number(row: Option<u64>) -> String {
    row.map_or_else(|| "a row".into(), |row| format!("row {row}"))
}

/// Some keys that are there, for people.
struct For<'a>(&'a [String]);

impl std::fmt::Display for For<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ", which has for example {}", self.0.join("; "))
    }
}
