//! Drives a database engine directly: everything out of one database, into another.

use bytes::Bytes;
use coffer_core::{
    manifest::Sequence,
    policy::{self, ColumnPolicy, Policy, TablePolicy},
    rows::{Part, RowSet, Rows},
    schema::TableName,
};
use coffer_server::engine::{Database, Engine, EngineError, ReplaceSession, Snapshot};
use tokio::sync::mpsc;

/// The rows of one table as they were exported.
#[derive(Clone, Debug)]
pub struct ExportedTable {
    /// The table.
    pub name: TableName,
    /// Its stored columns in order.
    pub columns: Vec<String>,
    /// Its parts.
    pub parts: Vec<Part>,
}

impl ExportedTable {
    /// Rows in all parts.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// Row text of one part, its header line checked and removed.
    #[must_use]
    pub fn text<'a>(&self, part: &'a Part) -> &'a [u8] {
        Rows::new(&part.text, self.columns.iter().map(String::as_str))
            .unwrap()
            .remaining()
    }

    /// The set of all rows.
    #[must_use]
    pub fn row_set(&self) -> RowSet {
        let mut set = RowSet::new();
        for part in &self.parts {
            set.add_rows(self.text(part));
        }
        set
    }
}

/// A whole database as it was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What the database says about itself.
    pub database: Database,
    /// All of its tables.
    pub tables: Vec<ExportedTable>,
}

impl Exported {
    /// The names of all tables.
    #[must_use]
    pub fn names(&self) -> Vec<TableName> {
        self.tables.iter().map(|table| table.name.clone()).collect()
    }

    /// The table called `name`, whatever its schema.
    #[must_use]
    pub fn table(&self, name: &str) -> &ExportedTable {
        self.tables
            .iter()
            .find(|table| table.name.name == name)
            .unwrap()
    }
}

/// Exports one table through an open snapshot.
///
/// # Errors
/// As [`Snapshot::export`].
pub async fn export_table(
    snapshot: &mut dyn Snapshot,
    table: &TablePolicy,
) -> Result<Vec<Part>, EngineError> {
    let (sender, mut receiver) = mpsc::channel(1);
    let collect = async {
        let mut parts = Vec::new();
        while let Some(part) = receiver.recv().await {
            parts.push(part);
        }
        parts
    };
    let (result, parts) = tokio::join!(snapshot.export(table, sender), collect);
    result.map(|()| parts)
}

/// What a backup without a preset takes.
#[must_use]
pub fn everything(database: &Database) -> Policy {
    policy::decide(&database.schema, None, false, &[]).unwrap()
}

/// Exports everything.
///
/// # Errors
/// As the engine.
pub async fn export(engine: &dyn Engine) -> Result<Exported, EngineError> {
    let mut snapshot = engine.snapshot().await?;
    let database = snapshot.database().clone();
    let mut tables = Vec::new();
    for table in everything(&database).tables {
        assert!(table.columns.iter().all(|rule| *rule == ColumnPolicy::Keep));
        let shape = database.schema.table(&table.table).unwrap();
        tables.push(ExportedTable {
            name: table.table.clone(),
            columns: shape
                .stored_columns()
                .map(|column| column.name.clone())
                .collect(),
            parts: export_table(&mut *snapshot, &table).await?,
        });
    }
    Ok(Exported { database, tables })
}

/// Loads one exported table into a session, in small pieces.
///
/// # Errors
/// As [`ReplaceSession::load`].
pub async fn load(
    session: &mut dyn ReplaceSession,
    table: &ExportedTable,
) -> Result<u64, EngineError> {
    let (sender, receiver) = mpsc::channel(1);
    let feed = async move {
        for part in &table.parts {
            for piece in table.text(part).chunks(50_000) {
                // The session's own error says why it stopped listening.
                if sender.send(Bytes::copy_from_slice(piece)).await.is_err() {
                    return;
                }
            }
        }
    };
    let (loaded, ()) = tokio::join!(session.load(&table.name, &table.columns, receiver), feed);
    loaded
}

/// Replaces the rows of `tables` with the exported ones up to the point where only the commit is missing, and
/// checks what the session reads back.
///
/// # Errors
/// As the engine.
pub async fn replace_uncommitted(
    engine: &dyn Engine,
    exported: &Exported,
    tables: &[TableName],
) -> Result<Box<dyn ReplaceSession>, EngineError> {
    let mut session = engine.begin_replace(tables).await?;
    session.clear().await?;
    let chosen: Vec<&ExportedTable> = exported
        .tables
        .iter()
        .filter(|table| tables.contains(&table.name))
        .collect();
    for table in &chosen {
        assert_eq!(load(&mut *session, table).await?, table.rows());
    }
    let sequences: Vec<Sequence> = exported.database.sequences.clone();
    session.settle(&sequences).await?;
    for table in &chosen {
        let back = session.read_back(&table.name, &table.columns).await?;
        assert_eq!(back, (table.rows(), table.row_set()), "{}", table.name);
    }
    Ok(session)
}

/// Replaces the rows of `tables` with the exported ones.
///
/// # Errors
/// As the engine.
pub async fn replace(
    engine: &dyn Engine,
    exported: &Exported,
    tables: &[TableName],
) -> Result<(), EngineError> {
    replace_uncommitted(engine, exported, tables)
        .await?
        .commit()
        .await
}
