//! Reading everything as of one moment: a read transaction, which in WAL mode lets writers go on.

use std::path::Path;

use async_trait::async_trait;
use coffer_core::{
    policy::TablePolicy,
    rows::{Part, PartCutter},
    schema::{Column, TableName},
};
use rusqlite::OptionalExtension;
use tokio::sync::mpsc;

use super::{
    catalog,
    link::{Link, fail},
    quote_table,
    rows::{self, Reading},
};
use crate::engine::{Database, EngineError, Snapshot};

/// A read transaction.
pub(super) struct SqliteSnapshot {
    link: Link,
    database: Database,
}

impl SqliteSnapshot {
    pub(super) async fn open(path: &Path) -> Result<Self, EngineError> {
        let mut link = Link::open(path, false).await?;
        // The first read fixes the moment; reading the shape is that.
        link.run("beginning a snapshot", "BEGIN").await?;
        let path = path.to_path_buf();
        let database = link
            .with(move |connection| catalog::read(connection, &path))
            .await?;
        Ok(Self { link, database })
    }
}

/// The rows of each table, counted.
pub(super) async fn count_rows(
    link: &mut Link,
    database: &Database,
) -> Result<Vec<(TableName, u64)>, EngineError> {
    let tables: Vec<TableName> = database
        .schema
        .tables
        .iter()
        .map(|table| table.name.clone())
        .collect();
    let target = link.target().to_owned();
    link.with(move |connection| {
        tables
            .into_iter()
            .map(|table| {
                let sql = format!("SELECT count(*) FROM {}", quote_table(&table));
                let count: i64 = connection
                    .query_row(&sql, [], |row| row.get(0))
                    .map_err(|error| fail(&target, "counting rows", &error))?;
                Ok((table, count.unsigned_abs()))
            })
            .collect()
    })
    .await
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        count_rows(&mut self.link, &self.database).await
    }

    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError> {
        // As a subquery it can be only one statement, and the connection can only read.
        let query = format!(
            "SELECT CAST(value AS TEXT) FROM (WITH result (value) AS ({}\n) SELECT value FROM result)",
            query.trim().trim_end_matches(';')
        );
        let target = self.link.target().to_owned();
        self.link
            .with(move |connection| {
                connection
                    .query_row(&query, [], |row| row.get::<_, Option<String>>(0))
                    .optional()
                    .map(Option::flatten)
                    .map_err(|error| fail(&target, "running a query of the preset", &error))
            })
            .await
    }

    async fn export(
        &mut self,
        policy: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let target = self.link.target().to_owned();
        let name = policy.table.clone();
        let table = self
            .database
            .schema
            .table(&name)
            .ok_or_else(|| EngineError::NoTable {
                target: target.clone(),
                table: name.clone(),
            })?;
        let columns: Vec<&Column> = table.stored_columns().collect();
        if columns.len() != policy.columns.len() {
            return Err(EngineError::NoColumn {
                target,
                table: name,
                column: format!("number {}", columns.len().max(policy.columns.len())),
            });
        }
        let mut cutter = PartCutter::new(columns.iter().map(|column| column.name.as_str()));
        let reading: Vec<Reading> = columns
            .iter()
            .zip(&policy.columns)
            .map(|(column, policy)| Reading {
                column: column.name.clone(),
                class: coffer_core::rows::sqlite::Class::of_declared_type(&column.type_name),
                policy: policy.clone(),
            })
            .collect();
        self.link
            .with(move |connection| {
                let mut listening = true;
                rows::read(connection, &name, &reading, |text| {
                    if let Some(part) = cutter.push(text) {
                        listening = parts.blocking_send(part).is_ok();
                    }
                    listening
                })
                .map_err(|error| fail(&target, &format!("reading the rows of {name}"), &error))?;
                let last = cutter
                    .finish()
                    .map_err(|error| EngineError::BadRows { table: name, error })?;
                if let Some(part) = last.filter(|_| listening) {
                    // Whoever has stopped listening doesn't want the last part either.
                    let _ = parts.blocking_send(part);
                }
                Ok(())
            })
            .await
    }
}
