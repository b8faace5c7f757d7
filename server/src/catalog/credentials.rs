//! What lets somebody in: sessions, tokens and one-time links, each by its digest; and wrong tries.

use sqlx::{FromRow, Row, any::AnyRow};

use super::{Catalog, CatalogError, Id, people::grant};
use crate::access::Grant;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SessionRecord {
    /// Its id, which lets nobody in.
    pub id: Id,
    /// SHA-256 of the cookie, in hexadecimal digits.
    pub digest: String,
    /// Whose it is.
    pub user_id: Id,
    /// When it began, RFC 3339.
    pub created_at: String,
    /// When it was last used, to the minute.
    pub used_at: String,
    /// When it ends even if it is used.
    pub expires_at: String,
    /// Where it began.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// A token for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id, which lets nobody in.
    pub id: Id,
    /// SHA-256 of the token, in hexadecimal digits.
    pub digest: String,
    /// Whose it is.
    pub user_id: Id,
    /// How the user calls it.
    pub name: String,
    /// What it allows, of what the user may.
    pub grant: Grant,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When it was last used, to the minute.
    pub used_at: Option<String>,
}

impl FromRow<'_, AnyRow> for TokenRecord {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            digest: row.try_get("digest")?,
            user_id: row.try_get("user_id")?,
            name: row.try_get("name")?,
            grant: grant(row)?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            used_at: row.try_get("used_at")?,
        })
    }
}

/// Wrong sign-ins of one name or address.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct TriesRecord {
    /// How many in a row.
    pub wrong: i64,
    /// When the last one was, RFC 3339.
    pub last_at: String,
    /// Until when no further one is looked at.
    pub locked_until: Option<String>,
}

impl Catalog {
    /// Begins a session.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_session(&self, session: &SessionRecord) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO sessions (id, digest, user_id, created_at, used_at, expires_at, address, agent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&session.id)
        .bind(&session.digest)
        .bind(&session.user_id)
        .bind(&session.created_at)
        .bind(&session.used_at)
        .bind(&session.expires_at)
        .bind(&session.address)
        .bind(&session.agent)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The session of a cookie.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn session(&self, digest: &str) -> Result<Option<SessionRecord>, CatalogError> {
        Ok(sqlx::query_as("SELECT * FROM sessions WHERE digest = $1")
            .bind(digest)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// A user's sessions, the latest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn sessions_of(&self, user: &Id) -> Result<Vec<SessionRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM sessions WHERE user_id = $1 ORDER BY used_at DESC, id")
                .bind(user)
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// Records that a session was used.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn session_used(&self, id: &Id, now: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE sessions SET used_at = $1 WHERE id = $2")
            .bind(now)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends a user's session. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_session(&self, user: &Id, id: &Id) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id = $2")
            .bind(user)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all of a user's sessions but one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_sessions(&self, user: &Id, kept: Option<&Id>) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
            .bind(user)
            .bind(kept.map_or("", Id::as_str))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Adds a token.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_token(&self, token: &TokenRecord) -> Result<(), CatalogError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO tokens (id, digest, user_id, name, permissions, all_sources, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&token.id)
        .bind(&token.digest)
        .bind(&token.user_id)
        .bind(&token.name)
        .bind(token.grant.permissions.to_string())
        .bind(i64::from(token.grant.sources.is_none()))
        .bind(&token.created_at)
        .bind(&token.expires_at)
        .execute(&mut *transaction)
        .await?;
        for source in token.grant.sources.iter().flatten() {
            sqlx::query("INSERT INTO token_sources (token_id, source_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(&token.id)
                .bind(source)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The token of a digest.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn token(&self, digest: &str) -> Result<Option<TokenRecord>, CatalogError> {
        let found = sqlx::query_as("SELECT * FROM tokens WHERE digest = $1")
            .bind(digest)
            .fetch_all(&self.pool)
            .await?;
        Ok(self.with_token_sources(found).await?.pop())
    }

    /// A user's tokens, the latest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn tokens_of(&self, user: &Id) -> Result<Vec<TokenRecord>, CatalogError> {
        let found =
            sqlx::query_as("SELECT * FROM tokens WHERE user_id = $1 ORDER BY created_at DESC, id")
                .bind(user)
                .fetch_all(&self.pool)
                .await?;
        self.with_token_sources(found).await
    }

    async fn with_token_sources(
        &self,
        mut tokens: Vec<TokenRecord>,
    ) -> Result<Vec<TokenRecord>, CatalogError> {
        for token in &mut tokens {
            if let Some(sources) = &mut token.grant.sources {
                *sources = sqlx::query_scalar(
                    "SELECT source_id FROM token_sources WHERE token_id = $1 ORDER BY 1",
                )
                .bind(&token.id)
                .fetch_all(&self.pool)
                .await?;
            }
        }
        Ok(tokens)
    }

    /// Records that a token was used.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn token_used(&self, id: &Id, now: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE tokens SET used_at = $1 WHERE id = $2")
            .bind(now)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Removes a user's token. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_token(&self, user: &Id, id: &Id) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM tokens WHERE user_id = $1 AND id = $2")
            .bind(user)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Adds a one-time link: for a user to choose a password, or, for nobody, to make the first administrator. An earlier
    /// one for the same user works no more.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_link(
        &self,
        digest: &str,
        user: Option<&Id>,
        expires_at: &str,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.pool.begin().await?;
        if let Some(user) = user {
            sqlx::query("DELETE FROM links WHERE user_id = $1")
                .bind(user)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("INSERT INTO links (digest, user_id, expires_at) VALUES ($1, $2, $3)")
            .bind(digest)
            .bind(user)
            .bind(expires_at)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whom a link that still works is for: outside, whether there is such a link; inside, the user.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn link(&self, digest: &str, now: &str) -> Result<Option<Option<Id>>, CatalogError> {
        let found: Option<(Option<Id>,)> =
            sqlx::query_as("SELECT user_id FROM links WHERE digest = $1 AND expires_at > $2")
                .bind(digest)
                .bind(now)
                .fetch_optional(&self.pool)
                .await?;
        Ok(found.map(|(user,)| user))
    }

    /// Uses a link up. Says whether it was still there: of two who come at once, one is told so.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn take_link(&self, digest: &str) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM links WHERE digest = $1")
            .bind(digest)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Wrong sign-ins of a name or an address.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn tries(&self, subject: &str) -> Result<Option<TriesRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT wrong, last_at, locked_until FROM sign_in_tries WHERE subject = $1",
        )
        .bind(subject)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Records a wrong sign-in.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn write_tries(
        &self,
        subject: &str,
        tries: &TriesRecord,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO sign_in_tries (subject, wrong, last_at, locked_until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (subject) DO UPDATE SET wrong = excluded.wrong, last_at = excluded.last_at,
                 locked_until = excluded.locked_until",
        )
        .bind(subject)
        .bind(tries.wrong)
        .bind(&tries.last_at)
        .bind(&tries.locked_until)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets the wrong sign-ins of a name.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_tries(&self, subject: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM sign_in_tries WHERE subject = $1")
            .bind(subject)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Removes sessions, tokens and links that have ended, and wrong sign-ins from before `tried`. Times are RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_ended(
        &self,
        now: &str,
        idle: &str,
        tried: &str,
    ) -> Result<(), CatalogError> {
        for (sql, moment) in [
            ("DELETE FROM sessions WHERE expires_at <= $1", now),
            ("DELETE FROM sessions WHERE used_at <= $1", idle),
            ("DELETE FROM tokens WHERE expires_at <= $1", now),
            ("DELETE FROM links WHERE expires_at <= $1", now),
            ("DELETE FROM sign_in_tries WHERE last_at <= $1", tried),
        ] {
            sqlx::query(sql).bind(moment).execute(&self.pool).await?;
        }
        Ok(())
    }
}
