//! Destinations: where jobs store their backups.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, taken};
use crate::destination::{DestinationConfig, S3Key};

/// A destination.
#[derive(Clone, Debug)]
pub struct DestinationRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// Where it is.
    pub config: DestinationConfig,
    /// What opens it. The catalog holds it wrapped.
    pub key: Option<S3Key>,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

#[derive(FromRow)]
struct Stored {
    id: Id,
    name: String,
    config: String,
    secret: Option<String>,
    created_at: String,
}

/// What a destination's key is wrapped for.
pub(super) fn destination_place(id: &Id) -> String {
    format!("destinations/{id}/secret")
}

impl Catalog {
    fn destination_of(&self, stored: Stored) -> Result<DestinationRecord, CatalogError> {
        let key = match &stored.secret {
            Some(wrapped) => {
                let plain = self.vault.unwrap(&destination_place(&stored.id), wrapped)?;
                Some(read(&plain)?)
            }
            None => None,
        };
        Ok(DestinationRecord {
            config: read(&stored.config)?,
            id: stored.id,
            name: stored.name,
            key,
            created_at: stored.created_at,
        })
    }

    /// All destinations, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`], [`CatalogError::Vault`], [`CatalogError::Content`].
    pub async fn destinations(&self) -> Result<Vec<DestinationRecord>, CatalogError> {
        let stored: Vec<Stored> =
            sqlx::query_as("SELECT * FROM destinations ORDER BY created_at, name")
                .fetch_all(&self.pool)
                .await?;
        stored
            .into_iter()
            .map(|stored| self.destination_of(stored))
            .collect()
    }

    /// One destination; `None` if there is none of this id.
    ///
    /// # Errors
    /// As [`Catalog::destinations`].
    pub async fn destination(&self, id: &Id) -> Result<Option<DestinationRecord>, CatalogError> {
        let stored: Option<Stored> = sqlx::query_as("SELECT * FROM destinations WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        stored.map(|stored| self.destination_of(stored)).transpose()
    }

    /// Adds a destination, or records anew what is known of the one that has its id.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if another has its name, [`CatalogError::Database`].
    pub async fn put_destination(&self, record: &DestinationRecord) -> Result<(), CatalogError> {
        let secret = match &record.key {
            Some(key) => {
                let plain = zeroize::Zeroizing::new(written(key)?);
                Some(self.vault.wrap(&destination_place(&record.id), &plain)?)
            }
            None => None,
        };
        sqlx::query(
            "INSERT INTO destinations (id, name, config, secret, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, config = excluded.config, secret = excluded.secret",
        )
        .bind(&record.id)
        .bind(&record.name)
        .bind(written(&record.config)?)
        .bind(secret)
        .bind(&record.created_at)
        .execute(&self.pool)
        .await
        .map_err(|error| taken(error, "a destination", &[("destinations.name", "name")]))?;
        Ok(())
    }

    /// Forgets a destination that no job and no backup uses; what is stored there stays. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::InUse`], [`CatalogError::Database`].
    pub async fn remove_destination(&self, id: &Id) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM destinations WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|error| {
                let used = error
                    .as_database_error()
                    .is_some_and(|error| error.is_foreign_key_violation());
                match used {
                    true => CatalogError::InUse {
                        what: "this destination",
                        by: "a job, or backups that are stored there",
                    },
                    false => error.into(),
                }
            })?;
        Ok(done.rows_affected() > 0)
    }
}

/// JSON that this program wrote.
pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, CatalogError> {
    serde_json::from_str(text).map_err(CatalogError::Content)
}

/// JSON for the catalog.
pub(super) fn written(value: &impl serde::Serialize) -> Result<String, CatalogError> {
    serde_json::to_string(value).map_err(CatalogError::Content)
}
