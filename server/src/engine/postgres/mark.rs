//! What became of a restore's transaction, asked by its id.

use super::link::{Link, Step};
use crate::engine::{CommitMark, EngineError, Outcome, url::PostgresUrl};

/// PostgreSQL's code for an id that no transaction has had yet.
const NOT_YET: &str = "22023";

/// The id of the transaction that is open, for which [`outcome`] can be asked whatever happens from now on.
///
/// A server that crashes forgets ids that were not on its disk, and gives them to other transactions. So this one is written
/// there first: a second transaction that is committed takes along all that was written before it.
pub(super) async fn take(link: &mut Link, url: &PostgresUrl) -> Result<CommitMark, EngineError> {
    let step = Step::new("asking for the transaction's id");
    let row = link
        .row(
            step,
            "SELECT pg_current_xact_id()::text, pg_logical_emit_message(true, 'coffer', '')",
        )
        .await?;
    let id = link.get(&row, 0)?;
    let mut second = Link::open(url).await?;
    let flush = "
        SET synchronous_commit = local;
        SELECT pg_logical_emit_message(true, 'coffer', '')";
    let step = Step::new("keeping the transaction's id");
    second.run(step, flush.into()).await?;
    Ok(CommitMark::Transaction { id })
}

/// What became of the transaction with this id.
pub(super) async fn outcome(url: &PostgresUrl, id: &str) -> Result<Outcome, EngineError> {
    // It goes into a statement's text, and comes from a file.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Outcome::Forgotten);
    }
    let mut link = Link::open(url).await?;
    let step = Step::new("asking what became of a restore");
    let sql = format!("SELECT pg_xact_status('{id}'::xid8)");
    let row = match link.attempt(step, sql).await {
        Ok(row) => row,
        // What the server has not come to yet, it has not committed: it was set back to an earlier state.
        Err(EngineError::Database { code, .. }) if code == NOT_YET => {
            return Ok(Outcome::RolledBack);
        }
        Err(error) => return Err(error),
    };
    let status = match &row {
        Some(row) => link.get::<Option<String>>(row, 0)?,
        None => None,
    };
    Ok(match status.as_deref() {
        Some("committed") => Outcome::Committed,
        Some("aborted") => Outcome::RolledBack,
        Some(_) => Outcome::Running,
        None => Outcome::Forgotten,
    })
}
