//! A table that a transaction makes, so that after an interruption its presence tells whether the transaction was
//! committed. SQLite gives transactions no ids.

use std::path::PathBuf;

use super::{blocking::Blocking, link::Link};
use crate::engine::{EngineError, Outcome, sql};

const PREFIX: &str = "coffer_restore_";

/// The table's name for the restore `id`.
pub(super) fn name(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Whether a table is such a mark.
pub(super) fn is_mark(table: &str) -> bool {
    table
        .strip_prefix(PREFIX)
        .is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Makes the table, in the transaction that is open.
pub(super) fn make(link: &Link, name: &str) -> Result<(), EngineError> {
    let create = format!("CREATE TABLE {} (committed)", sql::name(name));
    link.run(&"marking the restore", &create)
}

/// What became of the transaction that made the table.
pub(super) async fn outcome(path: PathBuf, name: String) -> Result<Outcome, EngineError> {
    work(path, move |link| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?";
        let found: i64 = link
            .connection
            .query_row(sql, [&name], |row| row.get(0))
            .map_err(|error| link.name(&"asking what became of a restore", &error))?;
        Ok(if found > 0 {
            Outcome::Committed
        } else {
            Outcome::RolledBack
        })
    })
    .await
}

/// Removes the table.
pub(super) async fn forget(path: PathBuf, name: String) -> Result<(), EngineError> {
    if !is_mark(&name) {
        // The name comes from a file: no other table is ever dropped.
        return Ok(());
    }
    work(path, move |link| {
        let drop = format!("DROP TABLE IF EXISTS {}", sql::name(&name));
        link.run(&"removing the mark of a restore", &drop)
    })
    .await
}

async fn work<R: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(Link) -> Result<R, EngineError> + Send + 'static,
) -> Result<R, EngineError> {
    let target = path.display().to_string();
    Blocking::new(target, move || Link::open(&path))
        .await?
        .finish(work)
        .await
}
