//! Encryption profiles: whom backups are sealed to. The server can seal with one, and never open.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, taken};

/// An encryption profile.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ProfileRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// The name of the key pair.
    pub fingerprint: String,
    /// The public half, as text.
    pub recipient: String,
    /// The secret half, locked with a password, as text.
    pub locked: String,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

impl Catalog {
    /// All profiles, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn profiles(&self) -> Result<Vec<ProfileRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM profiles ORDER BY created_at, name")
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// One profile; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn profile(&self, id: &Id) -> Result<Option<ProfileRecord>, CatalogError> {
        Ok(sqlx::query_as("SELECT * FROM profiles WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Adds a profile.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has its name or its key, [`CatalogError::Database`].
    pub async fn add_profile(&self, profile: &ProfileRecord) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO profiles (id, name, fingerprint, recipient, locked, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&profile.id)
        .bind(&profile.name)
        .bind(&profile.fingerprint)
        .bind(&profile.recipient)
        .bind(&profile.locked)
        .bind(&profile.created_at)
        .execute(&self.pool)
        .await
        .map_err(|error| {
            let constraints = [("profiles.name", "name"), ("profiles.fingerprint", "key")];
            taken(error, "a profile", &constraints)
        })?;
        Ok(())
    }
}
