//! SQLite 3, through its own library on threads that may block.
//!
//! Values are kept exactly, whatever their storage class. The implicit row id of a table without an
//! `INTEGER PRIMARY KEY` is not kept: SQLite itself changes it at every VACUUM.

use std::path::PathBuf;

use async_trait::async_trait;
use coffer_core::schema::TableName;

use super::{Engine, EngineError, ReplaceSession, Snapshot};

mod catalog;
mod link;
mod replace;
mod rows;
mod snapshot;

/// One SQLite database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The engine for the database in this file.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(snapshot::SqliteSnapshot::open(&self.path).await?))
    }

    async fn begin_replace(
        &self,
        tables: &[TableName],
    ) -> Result<Box<dyn ReplaceSession>, EngineError> {
        Ok(Box::new(
            replace::SqliteReplace::begin(&self.path, tables).await?,
        ))
    }
}

/// A name quoted for SQL.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name quoted for SQL, with its schema.
fn quote_table(table: &TableName) -> String {
    format!("{}.{}", quote(&table.schema), quote(&table.name))
}
