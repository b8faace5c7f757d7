//! Replacing rows in one write transaction.
//!
//! Foreign keys are off while rows are loaded and are checked as a whole before the commit; triggers are off for
//! this connection. SQLite knows one writer at a time, so others are shut out from the start.

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use coffer_core::{
    manifest::Sequence,
    policy::ColumnPolicy,
    rows::{RowError, RowSet, sqlite::Class},
    schema::{Table, TableName},
};
use rusqlite::{Connection, ErrorCode, config::DbConfig};
use tokio::sync::mpsc;

use super::{
    catalog,
    link::{Link, fail, message},
    quote, quote_table,
    rows::{self, LoadError, Reading, class_of},
    snapshot::count_rows,
};
use crate::engine::{Database, EngineError, ReplaceSession};

/// A write transaction. Dropping it undoes everything.
pub(super) struct SqliteReplace {
    link: Link,
    database: Database,
    tables: Vec<TableName>,
}

impl SqliteReplace {
    pub(super) async fn begin(path: &Path, tables: &[TableName]) -> Result<Self, EngineError> {
        let mut link = Link::open(path, true).await?;
        let (target, path) = (link.target().to_owned(), path.to_path_buf());
        let database = link
            .with(move |connection| {
                let failed =
                    |error: rusqlite::Error| fail(&target, "beginning the restore", &error);
                connection
                    .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
                    .map_err(failed)?;
                // Both can be set only outside of a transaction. 64 MiB of cache, what is beyond goes to disk.
                connection
                    .execute_batch(
                        "PRAGMA foreign_keys = OFF; PRAGMA cache_size = -65536; BEGIN IMMEDIATE;",
                    )
                    .map_err(failed)?;
                catalog::read(connection, &path)
            })
            .await?;
        if let Some(table) = tables
            .iter()
            .find(|table| database.schema.table(table).is_none())
        {
            return Err(EngineError::NoTable {
                target: link.target().to_owned(),
                table: table.clone(),
            });
        }
        Ok(Self {
            link,
            database,
            tables: tables.to_vec(),
        })
    }

    fn table(&self, name: &TableName) -> Result<&Table, EngineError> {
        self.database
            .schema
            .table(name)
            .filter(|_| self.tables.contains(name))
            .ok_or_else(|| EngineError::NoTable {
                target: self.link.target().to_owned(),
                table: name.clone(),
            })
    }

    /// The class of each column.
    fn classes(&self, name: &TableName, columns: &[String]) -> Result<Vec<Class>, EngineError> {
        let table = self.table(name)?;
        columns
            .iter()
            .map(|column| {
                class_of(table, column).ok_or_else(|| EngineError::NoColumn {
                    target: self.link.target().to_owned(),
                    table: name.clone(),
                    column: column.clone(),
                })
            })
            .collect()
    }
}

#[async_trait]
impl ReplaceSession for SqliteReplace {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        count_rows(&mut self.link, &self.database).await
    }

    async fn clear(&mut self) -> Result<(), EngineError> {
        let (tables, target) = (self.tables.clone(), self.link.target().to_owned());
        self.link
            .with(move |connection| {
                for table in &tables {
                    connection
                        .execute(&format!("DELETE FROM {}", quote_table(table)), [])
                        .map_err(|error| fail(&target, &format!("clearing {table}"), &error))?;
                }
                Ok(())
            })
            .await
    }

    async fn load(
        &mut self,
        table: &TableName,
        columns: &[String],
        mut rows: mpsc::Receiver<Bytes>,
    ) -> Result<u64, EngineError> {
        let classes = self.classes(table, columns)?;
        let (table, columns, target) = (
            table.clone(),
            columns.to_vec(),
            self.link.target().to_owned(),
        );
        self.link
            .with(move |connection| {
                let mut loader = Loader::new(connection, table, &columns, classes, target)?;
                while let Some(text) = rows.blocking_recv() {
                    loader.push(&text)?;
                }
                loader.finish()
            })
            .await
    }

    async fn settle(&mut self, sequences: &[Sequence]) -> Result<(), EngineError> {
        let (tables, sequences) = (self.tables.clone(), sequences.to_vec());
        let (schema, target) = (self.database.schema.clone(), self.link.target().to_owned());
        self.link
            .with(move |connection| {
                for sequence in sequences
                    .iter()
                    .filter(|sequence| tables.contains(&sequence.name))
                {
                    set_counter(connection, sequence)
                        .map_err(|error| fail(&target, "setting counters", &error))?;
                }
                let dangling = dangling(connection)
                    .map_err(|error| fail(&target, "checking foreign keys", &error))?;
                // What dangled before in tables that this restore doesn't touch is not its concern.
                let touched = |name: &str| {
                    tables
                        .iter()
                        .any(|table| table.name.eq_ignore_ascii_case(name))
                };
                match dangling
                    .into_iter()
                    .find(|((table, references, _), _)| touched(table) || touched(references))
                {
                    None => Ok(()),
                    Some(((table, references, number), rows)) => Err(EngineError::ForeignKey {
                        key: schema
                            .tables
                            .iter()
                            .find(|own| own.name.name == table)
                            .and_then(|own| own.foreign_keys.get(usize::try_from(number).ok()?))
                            .map_or_else(|| number.to_string(), |key| key.columns.join(", ")),
                        table,
                        references,
                        rows: Some(rows),
                    }),
                }
            })
            .await
    }

    async fn read_back(
        &mut self,
        table: &TableName,
        columns: &[String],
    ) -> Result<(u64, RowSet), EngineError> {
        let classes = self.classes(table, columns)?;
        let reading: Vec<Reading> = columns
            .iter()
            .zip(classes)
            .map(|(column, class)| Reading {
                column: column.clone(),
                class,
                policy: ColumnPolicy::Keep,
            })
            .collect();
        let (table, target) = (table.clone(), self.link.target().to_owned());
        self.link
            .with(move |connection| {
                let (mut count, mut set) = (0, RowSet::new());
                rows::read(connection, &table, &reading, |text| {
                    count += text.iter().filter(|byte| **byte == b'\n').count() as u64;
                    set.add_rows(text);
                    true
                })
                .map_err(|error| fail(&target, &format!("reading back {table}"), &error))?;
                Ok((count, set))
            })
            .await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), EngineError> {
        self.link.run("committing", "COMMIT").await
    }
}

/// Inserts rows that come in pieces of any size.
struct Loader<'c> {
    statement: rusqlite::Statement<'c>,
    classes: Vec<Class>,
    table: TableName,
    target: String,
    /// The start of a row that has not ended yet.
    pending: Vec<u8>,
    count: u64,
}

impl<'c> Loader<'c> {
    fn new(
        connection: &'c Connection,
        table: TableName,
        columns: &[String],
        classes: Vec<Class>,
        target: String,
    ) -> Result<Self, EngineError> {
        let statement = rows::insert_statement(connection, &table, columns)
            .map_err(|error| fail(&target, &format!("loading {table}"), &error))?;
        Ok(Self {
            statement,
            classes,
            table,
            target,
            pending: Vec::new(),
            count: 0,
        })
    }

    fn push(&mut self, text: &[u8]) -> Result<(), EngineError> {
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        if !self.pending.is_empty() {
            self.pending
                .extend_from_slice(lines.next().unwrap_or_default());
            if self.pending.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                self.insert(&line)?;
            }
        }
        for line in lines {
            if line.ends_with(b"\n") {
                self.insert(line)?;
            } else {
                self.pending.extend_from_slice(line);
            }
        }
        Ok(())
    }

    /// Inserts one row, given with its line feed.
    fn insert(&mut self, line: &[u8]) -> Result<(), EngineError> {
        self.count += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        rows::insert(&mut self.statement, &self.classes, self.count, line).map_err(|error| {
            match error {
                LoadError::Text(error) => EngineError::BadRows {
                    table: self.table.clone(),
                    error,
                },
                LoadError::Sqlite(error) => match error.sqlite_error_code() {
                    Some(
                        ErrorCode::ConstraintViolation
                        | ErrorCode::TypeMismatch
                        | ErrorCode::TooBig,
                    ) => EngineError::RowRefused {
                        table: self.table.clone(),
                        row: Some(self.count),
                        reason: message(&error),
                    },
                    _ => fail(&self.target, &format!("loading {}", self.table), &error),
                },
            }
        })
    }

    fn finish(self) -> Result<u64, EngineError> {
        if self.pending.is_empty() {
            Ok(self.count)
        } else {
            let error = RowError::Unfinished {
                length: self.pending.len(),
            };
            Err(EngineError::BadRows {
                table: self.table,
                error,
            })
        }
    }
}

/// Sets an AUTOINCREMENT counter where the archive had it, or at its column's greatest value if that is more.
fn set_counter(connection: &Connection, sequence: &Sequence) -> rusqlite::Result<()> {
    let Some(owner) = &sequence.owned_by else {
        return Ok(());
    };
    // A target whose table doesn't count this way needs no counter.
    if !catalog::has_counters(connection)? {
        return Ok(());
    }
    let greatest: Option<i64> = connection.query_row(
        &format!(
            "SELECT max({}) FROM {}",
            quote(&owner.column),
            quote_table(&owner.table)
        ),
        [],
        |row| row.get(0),
    )?;
    let value = greatest.unwrap_or(0).max(sequence.last_value);
    let name = &owner.table.name;
    if connection.execute(
        "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1",
        (name, value),
    )? == 0
    {
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
            (name, value),
        )?;
    }
    Ok(())
}

/// Rows that point at nothing, counted by table, table referenced and number of the foreign key.
fn dangling(connection: &Connection) -> rusqlite::Result<BTreeMap<(String, String, i64), u64>> {
    let mut statement =
        connection.prepare("SELECT \"table\", parent, fkid FROM pragma_foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let key = (
            row.get(0)?,
            row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            row.get(2)?,
        );
        *counts.entry(key).or_insert(0) += 1;
    }
    Ok(counts)
}
