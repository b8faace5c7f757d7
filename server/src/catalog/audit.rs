//! The audit log: what was done, by whom, when, from where, and how it ended. Nothing here changes or removes a line.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Id};

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AuditRecord {
    /// Its number; later lines have higher ones.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Who; nobody known for a sign-in that failed.
    pub user_id: Option<Id>,
    /// The name by then, or the one that was tried.
    pub who: String,
    /// `session`, `token`, `link`, `console` (on the server's machine) or `none`.
    pub via: String,
    /// What, by the name that the operation has in the API's description.
    pub action: String,
    /// With what: the request's path.
    pub target: String,
    /// From where.
    pub address: String,
    /// How it ended: HTTP's status.
    pub status: i64,
    /// Why it failed, for programs.
    pub code: Option<String>,
}

impl Catalog {
    /// Adds a line; its number is given.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_audit(&self, line: &AuditRecord) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO audit_log (at, user_id, who, via, action, target, address, status, code)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&line.at)
        .bind(&line.user_id)
        .bind(&line.who)
        .bind(&line.via)
        .bind(&line.action)
        .bind(&line.target)
        .bind(&line.address)
        .bind(line.status)
        .bind(&line.code)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// At most `limit` lines from before the one of this number, the latest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn audit(&self, before: i64, limit: i64) -> Result<Vec<AuditRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM audit_log WHERE seq < $1 ORDER BY seq DESC LIMIT $2")
                .bind(before)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?,
        )
    }
}
