//! Database engines: one interface, an implementation a kind of database.
//!
//! A [`Snapshot`] reads everything at one moment. A [`ReplaceSession`] is one write transaction: nothing of it is
//! visible before [`ReplaceSession::commit`], and dropping it undoes everything.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_core::{
    manifest::{LeftOut, Migration, Sequence},
    merge::{Counts, Program, Sample, Standing},
    plan::Reference,
    policy::TablePolicy,
    rows::{Part, RowSet},
    schema::{ColumnName, Engine as EngineKind, Labels, Schema, TableName},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

mod error;
pub mod given;
mod ledger;
mod merge;
pub mod postgres;
pub(crate) mod sql;
pub mod sqlite;
mod url;

pub use error::EngineError;
pub use url::{DatabaseUrl, PostgresUrl, UrlError};

/// What a database says about itself at one moment.
#[derive(Clone, Debug)]
pub struct Database {
    /// The kind of database.
    pub engine: EngineKind,
    /// The server's or library's own version.
    pub engine_version: String,
    /// A name for people, without credentials, e.g. `shop on 127.0.0.1:5432` or `helpdesk.sqlite`.
    pub name: String,
    /// Base tables that hold data, ledgers left out.
    pub schema: Schema,
    /// State of the sequences that feed columns.
    pub sequences: Vec<Sequence>,
    /// The labels of the enumerations that its columns have.
    pub labels: Vec<Labels>,
    /// The last migration that a known ledger records.
    pub migration: Option<Migration>,
    /// What is no data of its own: views, unlogged tables, …
    pub left_out: Vec<LeftOut>,
}

/// What tells, after an interruption, whether one transaction was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CommitMark {
    /// There was no transaction: what was to be done besides it may always be finished.
    None,
    /// PostgreSQL's id of the transaction, whose status the server remembers.
    Transaction {
        /// The id, of 64 bits, in decimal.
        id: String,
    },
    /// A table that the transaction made: it is there if, and only if, the transaction was committed.
    Table {
        /// Its name.
        name: String,
    },
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Committed,
    /// It had no effect.
    RolledBack,
    /// It is still going on.
    Running,
    /// The database doesn't know any more.
    Forgotten,
}

/// One database that can be read and written.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Opens a read-only snapshot: everything read through it is of one moment.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;

    /// Begins one write transaction that will replace the rows of `tables`, and shuts other writers out of them.
    /// Nothing is removed yet.
    async fn begin_replace(
        &self,
        tables: &[TableName],
    ) -> Result<Box<dyn ReplaceSession>, EngineError>;

    /// A name for the database, without credentials, that is the same for all ways to it, as far as they can be told
    /// to be the same.
    fn target(&self) -> String;

    /// What became of the transaction that a mark was made in.
    async fn outcome(&self, mark: &CommitMark) -> Result<Outcome, EngineError>;

    /// Removes what a mark left in the database, if anything.
    async fn forget(&self, mark: &CommitMark) -> Result<(), EngineError>;
}

/// A consistent view of a database.
#[async_trait]
pub trait Snapshot: Send {
    /// What the database says about itself.
    fn database(&self) -> &Database;

    /// The rows of each table of the schema, counted.
    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError>;

    /// The foreign keys from other tables into `tables`, which need not all exist, with the rows that refer to something.
    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError>;

    /// The single text value that a query gives, `None` if it gives no row or NULL.
    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError>;

    /// How `text`, read as a value of this column, comes out of the database again.
    async fn printed(
        &mut self,
        table: &TableName,
        column: &str,
        text: &str,
    ) -> Result<String, EngineError>;

    /// Sends the rows of one table as parts, in the stored columns' order. Ends early when the receiver is gone;
    /// the snapshot may not be usable after that.
    async fn export(
        &mut self,
        table: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError>;
}

/// What was done besides the rows, once they were loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What became of the tables' indexes.
    pub indexes: IndexesBuilt,
    /// What was computed anew: materialised views, full-text indexes.
    pub refreshed: Vec<TableName>,
    /// New rows that were tried, and undone.
    pub canaries: Canaries,
    /// Rows that point at nothing, as they did where they were backed up.
    pub dangling: Vec<Dangling>,
}

/// Rows of one table whose foreign key points at rows that the archive doesn't hold either, though it holds the other
/// table: SQLite keeps such rows where an application doesn't ask for foreign keys, so an exact restore has them too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dangling {
    /// The table that they are in.
    pub table: TableName,
    /// The columns of the foreign key.
    pub key: String,
    /// The table that they should point at.
    pub references: String,
    /// How many.
    pub rows: u64,
}

/// What became of indexes that could be taken off their tables while rows were loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexesBuilt {
    /// Built from all rows at once, and proven to be as they were.
    pub built: u64,
    /// Left in place, which takes longer.
    pub filled: Vec<FilledIndex>,
}

/// An index that was filled row by row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledIndex {
    /// Its name, with its schema.
    pub name: String,
    /// The table.
    pub table: String,
    /// Why it was not built from all rows at once.
    pub why: RowByRow,
}

/// Why an index was filled row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowByRow {
    /// The role may not create indexes in its schema or tablespace.
    NotPermitted,
    /// It belongs to an index of a partitioned table.
    PartOfPartitioned,
    /// It is not valid, as after building it concurrently has failed.
    Invalid,
    /// Something else depends on it, or an extension has made it.
    DependedOn,
}

impl fmt::Display for RowByRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPermitted => {
                "the role may not create indexes in its schema; grant CREATE on the schema to make the next restore faster"
            }
            Self::PartOfPartitioned => "it belongs to an index of a partitioned table",
            Self::Invalid => "it is not valid; drop it, or build it again with REINDEX",
            Self::DependedOn => "something else in the database depends on it",
        })
    }
}

/// What a merge did to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Its rows, counted.
    pub counts: Counts,
    /// A few of those that changed.
    pub samples: Vec<Sample>,
}

/// The rows that name files in one column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedFiles {
    /// The archive's rows that have a value there.
    pub archived: Vec<NamedFile>,
    /// Values of rows of the target that stay as they are.
    pub held: Vec<String>,
    /// Values of rows of the target that change or go.
    pub former: Vec<String>,
}

/// A row of the archive that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Its number.
    pub row: i64,
    /// What becomes of it.
    pub standing: Standing,
    /// Its value in the archive.
    pub archived: String,
    /// The value that it will have in the target.
    pub after: Option<String>,
    /// The value of the target's row that is the same, where that changes.
    pub before: Option<String>,
}

/// In how many tables a new row of defaults was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Canaries {
    /// Tables that took one.
    pub made: u64,
    /// Tables in which none could be made: they are empty and need values, their keys need other values than a row of
    /// theirs has, or a rule stands before them.
    pub impossible: u64,
}

/// One write transaction that replaces the rows of some tables, or brings others together with them.
#[async_trait]
pub trait ReplaceSession: Send {
    /// What the database says about itself inside of the transaction, with the tables locked.
    fn database(&self) -> &Database;

    /// The rows of each table of the schema, counted inside of the transaction.
    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError>;

    /// As [`Snapshot::references_into`], inside of the transaction.
    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError>;

    /// Sends the rows of one table as this transaction sees them, as [`Snapshot::export`] does.
    async fn export(
        &mut self,
        table: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError>;

    /// Removes all rows of the tables, with triggers, foreign keys and plain indexes out of the way.
    async fn clear(&mut self) -> Result<(), EngineError>;

    /// Instead of [`Self::clear`]: makes room beside the tables of a program for the archive's rows, with triggers and
    /// foreign keys out of the way. The session must have been begun for all of these tables.
    async fn stage(&mut self, program: &Program) -> Result<(), EngineError>;

    /// Decides what becomes of the staged rows, as the program says. Nothing of the tables changes.
    async fn decide(&mut self) -> Result<(), EngineError>;

    /// After [`Self::decide`]: the rows of the archive and of the target that name files in a column.
    async fn named_files(&mut self, column: &ColumnName) -> Result<NamedFiles, EngineError>;

    /// After [`Self::decide`]: gives rows of the archive, by their numbers, other values in a column that names files.
    async fn rename_files(
        &mut self,
        column: &ColumnName,
        values: &[(i64, String)],
    ) -> Result<(), EngineError>;

    /// After [`Self::decide`]: says for each of the program's tables what will be done. Nothing of the tables changes.
    async fn compose(&mut self) -> Result<Vec<Merged>, EngineError>;

    /// Does what was composed. Gives for each table how many references to rows that went became NULL.
    async fn write(&mut self) -> Result<Vec<u64>, EngineError>;

    /// Loads row text (whole rows, no header lines, any piece size) into one table, or into the room beside it. Its values
    /// are those of `columns` in order. Returns the rows loaded.
    async fn load(
        &mut self,
        table: &TableName,
        columns: &[String],
        rows: mpsc::Receiver<Bytes>,
    ) -> Result<u64, EngineError>;

    /// Puts indexes, foreign keys and triggers back, validates every foreign key that touches the tables, and sets the
    /// sequences: each at least where the archive had it and ahead of every value of its column. What is computed from
    /// the tables is computed anew, and a new row is tried in each.
    async fn settle(&mut self, sequences: &[Sequence]) -> Result<Settled, EngineError>;

    /// Reads one table back: its rows, counted, and their set, over `columns` in order.
    async fn read_back(
        &mut self,
        table: &TableName,
        columns: &[String],
    ) -> Result<(u64, RowSet), EngineError>;

    /// Runs a statement of Coffer's own that concerns one table, inside of the transaction, and gives the rows that it touched.
    async fn run(&mut self, table: &TableName, sql: String) -> Result<u64, EngineError>;

    /// Rows of so many texts that a query gives, inside of the transaction.
    async fn texts(
        &mut self,
        table: &TableName,
        sql: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, EngineError>;

    /// What tells whether a row of the table was changed since, whatever became of their number.
    async fn state(&mut self, table: &TableName) -> Result<String, EngineError>;

    /// Makes a mark by which it can be told later whether this transaction was committed. `id` is 16 hexadecimal
    /// digits that no other restore has.
    async fn mark(&mut self, id: &str) -> Result<CommitMark, EngineError>;

    /// Makes everything visible at once.
    async fn commit(self: Box<Self>) -> Result<(), EngineError>;

    /// Undoes everything, and waits until that is done.
    async fn roll_back(self: Box<Self>) -> Result<(), EngineError>;
}

/// The engine for a database URL.
#[must_use]
pub fn open(url: &DatabaseUrl) -> Box<dyn Engine> {
    match url {
        DatabaseUrl::Postgres(url) => Box::new(postgres::Postgres::new(url.clone())),
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::Sqlite::new(path.clone())),
    }
}
