//! Rows that come from elsewhere as JSON, read as if they were in a database: for archives of other products.
//!
//! Such an archive doesn't say what types its columns have, and it doesn't write values as the engine does. A database of the
//! product knows both: its catalogue gives the shape, and each value is written as that engine would write it.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_core::{foreign::Row, schema::TableName};
use tokio::sync::mpsc;

use super::{DatabaseUrl, EngineError, Snapshot, postgres, sqlite};

/// Rows of another product's archive.
#[async_trait]
pub trait Given: Send + Sync {
    /// The rows of each table, counted.
    fn counts(&self) -> Vec<(TableName, u64)>;

    /// Whether the rows of a table have a value of this name. Columns without one get their default.
    fn has(&self, table: &TableName, column: &str) -> bool;

    /// Sends all rows of a table. Blocks; ends early when the receiver is gone.
    ///
    /// # Errors
    /// [`EngineError::Given`].
    fn rows(&self, table: &TableName, to: &mpsc::Sender<Vec<Row>>) -> Result<(), EngineError>;
}

/// A view of `given` through the catalogue of a database, in which nothing is changed.
///
/// # Errors
/// [`EngineError`].
pub async fn converting(
    url: &DatabaseUrl,
    given: Arc<dyn Given>,
) -> Result<Box<dyn Snapshot>, EngineError> {
    Ok(match url {
        DatabaseUrl::Postgres(url) => Box::new(postgres::Converting::open(url, given).await?),
        DatabaseUrl::Sqlite(path) => {
            let database = sqlite::Sqlite::new(path.clone());
            let like = super::Engine::snapshot(&database).await?;
            Box::new(sqlite::Converting::new(like, given))
        }
    })
}

/// A reading of one table that goes on beside its conversion.
pub(super) struct Reading {
    pub(super) rows: mpsc::Receiver<Vec<Row>>,
    task: tokio::task::JoinHandle<Result<(), EngineError>>,
}

impl Reading {
    pub(super) fn begin(given: &Arc<dyn Given>, table: &TableName) -> Self {
        let (to, rows) = mpsc::channel(2);
        let (given, table) = (given.clone(), table.clone());
        Self {
            rows,
            task: tokio::task::spawn_blocking(move || given.rows(&table, &to)),
        }
    }

    /// Whether it came to its end.
    pub(super) async fn end(self) -> Result<(), EngineError> {
        drop(self.rows);
        self.task.await.unwrap_or_else(|_| {
            Err(EngineError::Given {
                message: "reading it stopped because of a defect of the program".into(),
            })
        })
    }
}
