//! Sqlite: under construction; every call says so.

use async_trait::async_trait;
use coffer_core::schema::TableName;

use super::{Engine, EngineError, ReplaceSession, Snapshot};

/// One database.
#[derive(Clone, Debug)]
pub struct Sqlite {
    target: std::path::PathBuf,
}

impl Sqlite {
    /// The engine for one database.
    #[must_use]
    pub const fn new(target: std::path::PathBuf) -> Self {
        Self { target }
    }

    fn unsupported(&self) -> EngineError {
        EngineError::Unsupported {
            kind: "engine",
            name: format!("{:?}", self.target),
            why: "it is being written",
        }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Err(self.unsupported())
    }

    async fn begin_replace(
        &self,
        _tables: &[TableName],
    ) -> Result<Box<dyn ReplaceSession>, EngineError> {
        Err(self.unsupported())
    }
}
