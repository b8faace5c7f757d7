//! Keys that clients give to what they ask for, so that asking again does nothing twice.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Id};

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct KeyRecord {
    /// SHA-256 of what was asked for with it first.
    pub request: String,
    /// HTTP's status of the answer; `None` if there is none yet.
    pub status: Option<i64>,
    /// The answer's body.
    pub body: Option<String>,
}

impl Catalog {
    /// Takes a key of a user for a request, by its SHA-256. `None` if it is taken now; what is known of it if it was before.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn take_key(
        &self,
        user: &Id,
        key: &str,
        request: &str,
        now: &str,
    ) -> Result<Option<KeyRecord>, CatalogError> {
        let taken = sqlx::query(
            "INSERT INTO idempotency_keys (user_id, key, request, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, key) DO NOTHING",
        )
        .bind(user)
        .bind(key)
        .bind(request)
        .bind(now)
        .execute(&self.pool)
        .await?;
        if taken.rows_affected() > 0 {
            return Ok(None);
        }
        let known: Option<KeyRecord> = sqlx::query_as(
            "SELECT request, status, body FROM idempotency_keys WHERE user_id = $1 AND key = $2",
        )
        .bind(user)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        // Between the two, it can only have been given back, or forgotten for its age; then whoever comes again gets it.
        Ok(Some(known.unwrap_or_else(|| KeyRecord {
            request: request.to_owned(),
            status: None,
            body: None,
        })))
    }

    /// Records what was answered to the request that a key was taken for.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn key_answered(
        &self,
        user: &Id,
        key: &str,
        status: u16,
        body: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "UPDATE idempotency_keys SET status = $1, body = $2 WHERE user_id = $3 AND key = $4",
        )
        .bind(i64::from(status))
        .bind(body)
        .bind(user)
        .bind(key)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives a key back, since nothing was done.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn give_key_back(&self, user: &Id, key: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM idempotency_keys WHERE user_id = $1 AND key = $2")
            .bind(user)
            .bind(key)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets the keys that were taken before a moment, RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_keys_before(&self, moment: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(moment)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
