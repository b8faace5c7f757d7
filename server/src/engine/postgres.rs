//! PostgreSQL 13 and later, through its own bulk path in both directions: COPY in text form.
//!
//! No superuser is assumed. Reading needs SELECT on the tables; replacing needs to be their owner.

use async_trait::async_trait;
use coffer_core::schema::TableName;

use super::{CommitMark, Engine, EngineError, Outcome, ReplaceSession, Snapshot, url::PostgresUrl};

mod aside;
mod canary;
mod catalog;
mod converting;
mod copy;
mod export;
mod indexes;
mod judge;
mod link;
mod mark;
mod merge;
mod others;
mod readers;
mod references;
mod replace;
mod sequence;
mod snapshot;
mod views;

pub(super) use converting::Converting;

/// One PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres {
    url: PostgresUrl,
    schemas: Vec<String>,
}

impl Postgres {
    /// The engine for the schemas of a database that its URL names. Others that hold tables are reported as left out.
    #[must_use]
    pub fn new(url: PostgresUrl) -> Self {
        let schemas = url.schemas();
        Self { url, schemas }
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let snapshot = snapshot::PostgresSnapshot::open(&self.url, &self.schemas).await?;
        Ok(Box::new(snapshot))
    }

    async fn begin_replace(
        &self,
        tables: &[TableName],
    ) -> Result<Box<dyn ReplaceSession>, EngineError> {
        let session = replace::PostgresReplace::begin(&self.url, &self.schemas, tables).await?;
        Ok(Box::new(session))
    }

    fn target(&self) -> String {
        self.url.target()
    }

    async fn outcome(&self, mark: &CommitMark) -> Result<Outcome, EngineError> {
        match mark {
            CommitMark::None => Ok(Outcome::Committed),
            CommitMark::Transaction { id } => mark::outcome(&self.url, id).await,
            CommitMark::Table { .. } => Ok(Outcome::Forgotten),
        }
    }

    async fn forget(&self, _mark: &CommitMark) -> Result<(), EngineError> {
        // A transaction's id leaves nothing behind.
        Ok(())
    }
}
