//! Reading everything as of one moment.

use std::path::PathBuf;

use async_trait::async_trait;
use coffer_core::{
    plan::Reference,
    policy::{ColumnPolicy, TablePolicy},
    rows::{
        Part, PartCutter,
        sqlite::{Value, placeholder},
    },
    schema::{Column, TableName},
};
use rusqlite::{OptionalExtension, types::ValueRef};
use tokio::sync::mpsc;

use super::{
    blocking::Blocking,
    catalog::{self, Catalog},
    link::Link,
    rows::{self, Source},
    virtual_table::Kind,
};
use crate::engine::{Database, EngineError, Snapshot};

/// A read transaction.
pub(super) struct SqliteSnapshot {
    open: Blocking<Open>,
    database: Database,
}

struct Open {
    link: Link,
    catalog: Catalog,
}

impl SqliteSnapshot {
    pub(super) async fn open(path: PathBuf) -> Result<Self, EngineError> {
        let target = path.display().to_string();
        let mut open = Blocking::new(target, move || {
            let link = Link::open(&path)?;
            // The first thing that is read after BEGIN, here the schema, fixes the moment.
            link.run(&"beginning a snapshot", "PRAGMA query_only = ON; BEGIN")?;
            let catalog = catalog::read(&link)?;
            refuse_own_data(&catalog)?;
            Ok(Open { link, catalog })
        })
        .await?;
        let database = open.call(|open| Ok(open.catalog.database.clone())).await?;
        Ok(Self { open, database })
    }
}

fn refuse_own_data(catalog: &Catalog) -> Result<(), EngineError> {
    let own_data = catalog
        .virtual_tables
        .iter()
        .find(|(_, kind)| *kind == Kind::OwnData);
    match own_data {
        Some((name, _)) => Err(EngineError::Unsupported {
            kind: "virtual table",
            name: name.clone(),
            why: "it may hold data of its own in a form that only its module knows, and a backup without it would look complete",
        }),
        None => Ok(()),
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn database(&self) -> &Database {
        &self.database
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        self.open
            .call(|open| count_rows(&open.link, &open.catalog))
            .await
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        let tables = tables.to_vec();
        self.open
            .call(move |open| references_into(&open.link, &open.catalog, &tables))
            .await
    }

    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError> {
        // As a subquery, so that it can be nothing but a query.
        let query = format!("SELECT * FROM ({}\n)", query.trim().trim_end_matches(';'));
        self.open
            .call(move |open| {
                open.link
                    .connection
                    .query_row(&query, [], |row| Ok(text(row.get_ref(0)?)))
                    .optional()
                    .map(Option::flatten)
                    .map_err(|error| open.link.name(&"running a query of the preset", &error))
            })
            .await
    }

    /// Text is stored as it is, or as the number that its column's class makes of it each time.
    async fn printed(
        &mut self,
        _table: &TableName,
        _column: &str,
        text: &str,
    ) -> Result<String, EngineError> {
        Ok(text.to_owned())
    }

    async fn export(
        &mut self,
        policy: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let policy = policy.clone();
        self.open
            .call(move |open| export(&open.link, &open.catalog, &policy, &parts))
            .await
    }
}

/// The rows of every table, counted.
pub(super) fn count_rows(
    link: &Link,
    catalog: &Catalog,
) -> Result<Vec<(TableName, u64)>, EngineError> {
    let tables = &catalog.database.schema.tables;
    tables
        .iter()
        .map(|table| Ok((table.name.clone(), link.count(&table.name)?)))
        .collect()
}

/// The foreign keys from other tables into `tables`, each with the rows that refer to something.
pub(super) fn references_into(
    link: &Link,
    catalog: &Catalog,
    tables: &[TableName],
) -> Result<Vec<Reference>, EngineError> {
    let mut found = Vec::new();
    for table in &catalog.database.schema.tables {
        if tables.contains(&table.name) {
            continue;
        }
        for key in &table.foreign_keys {
            if tables.contains(&key.references) {
                found.push(Reference {
                    table: table.name.clone(),
                    columns: key.columns.clone(),
                    references: key.references.clone(),
                    rows: link.count_where_set(&table.name, &key.columns)?,
                });
            }
        }
    }
    Ok(found)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
    }
}

/// Sends the rows of one table as parts, through whatever transaction is open.
pub(super) fn export(
    link: &Link,
    catalog: &Catalog,
    policy: &TablePolicy,
    parts: &mpsc::Sender<Part>,
) -> Result<(), EngineError> {
    let table = catalog.table(&policy.table, &link.target)?;
    let columns: Vec<&Column> = table.stored_columns().collect();
    if columns.len() != policy.columns.len() {
        return Err(EngineError::NoColumn {
            target: link.target.clone(),
            table: policy.table.clone(),
            column: format!("number {}", columns.len().max(policy.columns.len())),
        });
    }
    let mut cutter = PartCutter::new(columns.iter().map(|column| column.name.as_str()));
    let sources: Vec<(&Column, Source)> = columns
        .into_iter()
        .zip(&policy.columns)
        .map(|(column, rule)| {
            let source = match rule {
                ColumnPolicy::Keep => Source::Stored,
                ColumnPolicy::Replace(None) => Source::Instead(Value::Null),
                ColumnPolicy::Replace(Some(text)) => {
                    Source::Instead(placeholder(rows::class(column), text))
                }
            };
            (column, source)
        })
        .collect();
    let mut wanted = true;
    rows::read(link, &policy.table, &sources, |line| {
        if let Some(part) = cutter.push(line) {
            wanted = parts.blocking_send(part).is_ok();
        }
        wanted
    })?;
    if !wanted {
        return Ok(());
    }
    let last = cutter.finish().map_err(|error| EngineError::BadRows {
        table: policy.table.clone(),
        error,
    })?;
    if let Some(part) = last {
        // Whoever has stopped listening doesn't want the last part either.
        let _ = parts.blocking_send(part);
    }
    Ok(())
}
