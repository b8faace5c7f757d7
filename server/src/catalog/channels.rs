//! Channels: who is told; and what is still to be told.

use sqlx::FromRow;

use super::{
    Catalog, CatalogError, Id,
    destinations::{read, written},
    taken,
};
use crate::notify::{ChannelConfig, ChannelSecret};

/// A channel.
#[derive(Clone, Debug)]
pub struct ChannelRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// What it is.
    pub config: ChannelConfig,
    /// A mail server's password, or what webhooks are signed with. The catalog holds it wrapped.
    pub secret: Option<ChannelSecret>,
    /// Whether it is used.
    pub enabled: bool,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct NoticeRecord {
    /// Its id.
    pub id: Id,
    /// For whom.
    pub channel: Id,
    /// What happened, JSON.
    pub event: String,
    /// The how manieth attempt is next, from 1 on.
    pub attempt: i64,
}

#[derive(FromRow)]
struct Stored {
    id: Id,
    name: String,
    config: String,
    secret: Option<String>,
    enabled: i64,
    created_at: String,
}

/// What a channel's secret is wrapped for.
pub(super) fn channel_place(id: &Id) -> String {
    format!("channels/{id}/secret")
}

impl Catalog {
    fn channel_of(&self, stored: Stored) -> Result<ChannelRecord, CatalogError> {
        let secret = match &stored.secret {
            Some(wrapped) => {
                let plain = self.vault.unwrap(&channel_place(&stored.id), wrapped)?;
                Some(ChannelSecret::new(&plain))
            }
            None => None,
        };
        Ok(ChannelRecord {
            config: read(&stored.config)?,
            id: stored.id,
            name: stored.name,
            secret,
            enabled: stored.enabled != 0,
            created_at: stored.created_at,
        })
    }

    /// All channels, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`], [`CatalogError::Vault`], [`CatalogError::Content`].
    pub async fn channels(&self) -> Result<Vec<ChannelRecord>, CatalogError> {
        let stored: Vec<Stored> =
            sqlx::query_as("SELECT * FROM channels ORDER BY created_at, name")
                .fetch_all(&self.pool)
                .await?;
        stored
            .into_iter()
            .map(|stored| self.channel_of(stored))
            .collect()
    }

    /// One channel; `None` if there is none of this id.
    ///
    /// # Errors
    /// As [`Catalog::channels`].
    pub async fn channel(&self, id: &Id) -> Result<Option<ChannelRecord>, CatalogError> {
        let stored: Option<Stored> = sqlx::query_as("SELECT * FROM channels WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        stored.map(|stored| self.channel_of(stored)).transpose()
    }

    /// The ids of the channels that are used.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn channels_to_tell(&self) -> Result<Vec<Id>, CatalogError> {
        Ok(
            sqlx::query_scalar("SELECT id FROM channels WHERE enabled = 1")
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// Adds a channel, or records anew what is known of the one that has its id.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if another has its name, [`CatalogError::Database`].
    pub async fn put_channel(&self, record: &ChannelRecord) -> Result<(), CatalogError> {
        let secret = match &record.secret {
            Some(secret) => Some(
                self.vault
                    .wrap(&channel_place(&record.id), secret.expose())?,
            ),
            None => None,
        };
        sqlx::query(
            "INSERT INTO channels (id, name, config, secret, enabled, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, config = excluded.config, secret = excluded.secret,
                 enabled = excluded.enabled",
        )
        .bind(&record.id)
        .bind(&record.name)
        .bind(written(&record.config)?)
        .bind(secret)
        .bind(i64::from(record.enabled))
        .bind(&record.created_at)
        .execute(&self.pool)
        .await
        .map_err(|error| taken(error, "a channel", &[("channels.name", "name")]))?;
        Ok(())
    }

    /// Forgets a channel and what it was to be told. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_channel(&self, id: &Id) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM channels WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Messages that may be sent now.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn open_notices(&self, now: &str) -> Result<Vec<NoticeRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT id, channel, event, attempt FROM notices WHERE not_before <= $1 ORDER BY not_before, id LIMIT 50",
        )
        .bind(now)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Takes a message for one attempt, after which it may be tried again at `again`, RFC 3339. Says whether nobody else did.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn take_notice(
        &self,
        notice: &NoticeRecord,
        again: &str,
    ) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "UPDATE notices SET attempt = attempt + 1, not_before = $1 WHERE id = $2 AND attempt = $3",
        )
        .bind(again)
        .bind(&notice.id)
        .bind(notice.attempt)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets a message that was sent or given up.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_notice(&self, id: &Id) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM notices WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
