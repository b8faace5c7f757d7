//! SQLite 3 files, by SQLite itself, which is built in.
//!
//! A row's values are kept exactly, each with its storage class. What isn't kept is the implicit rowid of a table
//! that has no `INTEGER PRIMARY KEY`: SQLite itself renumbers those on VACUUM, so nothing may depend on them.
//!
//! In WAL mode readers and writers don't disturb each other. In the other journal modes a snapshot keeps writers
//! waiting while it lasts, and a replace keeps everybody waiting; that is how SQLite works there.

use std::path::PathBuf;

use async_trait::async_trait;
use coffer_core::schema::TableName;

use super::{CommitMark, Engine, EngineError, Outcome, ReplaceSession, Snapshot};

mod blocking;
mod canary;
mod catalog;
mod converting;
mod judge;
mod link;
mod mark;
mod merge;
mod replace;
mod rows;
mod snapshot;
mod utf16;
mod virtual_table;

pub(super) use converting::Converting;

/// One SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The engine for one file, which has to exist when it is used.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = snapshot::SqliteSnapshot::open(self.path.clone()).await?;
        Ok(Box::new(snapshot))
    }

    async fn begin_replace(
        &self,
        tables: &[TableName],
    ) -> Result<Box<dyn ReplaceSession>, EngineError> {
        let session = replace::SqliteReplace::begin(self.path.clone(), tables.to_vec()).await?;
        Ok(Box::new(session))
    }

    fn target(&self) -> String {
        // The same for every way to the file, as far as they can be told to be the same.
        std::fs::canonicalize(&self.path)
            .unwrap_or_else(|_| self.path.clone())
            .display()
            .to_string()
    }

    async fn outcome(&self, mark: &CommitMark) -> Result<Outcome, EngineError> {
        match mark {
            CommitMark::None => Ok(Outcome::Committed),
            CommitMark::Table { name } => mark::outcome(self.path.clone(), name.clone()).await,
            CommitMark::Transaction { .. } => Ok(Outcome::Forgotten),
        }
    }

    async fn forget(&self, mark: &CommitMark) -> Result<(), EngineError> {
        match mark {
            CommitMark::Table { name } => mark::forget(self.path.clone(), name.clone()).await,
            CommitMark::None | CommitMark::Transaction { .. } => Ok(()),
        }
    }
}
