//! Encryption profiles: named sets of keys that backups are sealed to. The server can seal with them, and never open.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, taken, words::words};

/// What a key of a profile is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Nothing yet: nobody has shown that they can find its secret half again.
    Pending,
    /// New archives are sealed to it.
    Active,
    /// Archives of the past are sealed to it.
    Retired,
}

words!(KeyState {
    Pending = "pending",
    Active = "active",
    Retired = "retired",
});

/// An encryption profile.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ProfileRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

/// A key of a profile.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ProfileKeyRecord {
    /// The profile.
    pub profile: Id,
    /// The name of the key pair.
    pub fingerprint: String,
    /// The public half, as text.
    pub recipient: String,
    /// The secret half locked with a password, as text, if archives are to carry it along.
    pub locked: Option<String>,
    /// What it is used for.
    pub state: KeyState,
    /// When somebody opened its saved recovery kit again, RFC 3339.
    pub kit_verified_at: Option<String>,
    /// When it was added, RFC 3339.
    pub created_at: String,
    /// Since when nothing is sealed to it any more, RFC 3339.
    pub retired_at: Option<String>,
}

/// A profile with its keys, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The profile.
    pub record: ProfileRecord,
    /// Its keys.
    pub keys: Vec<ProfileKeyRecord>,
}

impl ProfileKeyRecord {
    /// Whether somebody has what opens archives that are sealed to it: its kit, or the password of the locked key that they
    /// carry along.
    #[must_use]
    pub const fn proven(&self) -> bool {
        self.kit_verified_at.is_some() || self.locked.is_some()
    }
}

impl Profile {
    /// The keys that new archives are sealed to.
    pub fn active(&self) -> impl Iterator<Item = &ProfileKeyRecord> {
        self.keys.iter().filter(|key| key.state == KeyState::Active)
    }

    /// Whether archives may be sealed with it: one of the active keys is known to be kept.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.active().any(ProfileKeyRecord::proven)
    }
}

const KEYS: &str = "SELECT profile, fingerprint, recipient, locked, state, kit_verified_at, created_at, retired_at FROM profile_keys";

impl Catalog {
    /// All profiles, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn profiles(&self) -> Result<Vec<Profile>, CatalogError> {
        let records: Vec<ProfileRecord> =
            sqlx::query_as("SELECT id, name, created_at FROM profiles ORDER BY created_at, name")
                .fetch_all(&self.pool)
                .await?;
        let mut profiles = Vec::with_capacity(records.len());
        for record in records {
            let keys = self.keys(&record.id).await?;
            profiles.push(Profile { record, keys });
        }
        Ok(profiles)
    }

    /// One profile; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn profile(&self, id: &Id) -> Result<Option<Profile>, CatalogError> {
        let record: Option<ProfileRecord> =
            sqlx::query_as("SELECT id, name, created_at FROM profiles WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(match record {
            Some(record) => Some(Profile {
                keys: self.keys(&record.id).await?,
                record,
            }),
            None => None,
        })
    }

    async fn keys(&self, profile: &Id) -> Result<Vec<ProfileKeyRecord>, CatalogError> {
        let all = format!("{KEYS} WHERE profile = $1 ORDER BY created_at, fingerprint");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(all))
            .bind(profile)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Adds a profile with its first keys.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has its name or one of its keys, [`CatalogError::Database`].
    pub async fn add_profile(&self, profile: &Profile) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        sqlx::query("INSERT INTO profiles (id, name, created_at) VALUES ($1, $2, $3)")
            .bind(&profile.record.id)
            .bind(&profile.record.name)
            .bind(&profile.record.created_at)
            .execute(&mut *transaction)
            .await
            .map_err(|error| taken(error, "a profile", &[("profiles.name", "name")]))?;
        for key in &profile.keys {
            insert_key(&mut transaction, key).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Adds a key to a profile.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if a profile has it already, [`CatalogError::Database`].
    pub async fn add_profile_key(&self, key: &ProfileKeyRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        insert_key(&mut transaction, key).await?;
        Ok(transaction.commit().await?)
    }

    /// Records that the kit of a key was opened again: a pending key becomes active, and the keys `retire` are of the past
    /// from then on. Both happen or neither. Says whether there was such a key.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn profile_key_verified(
        &self,
        profile: &Id,
        fingerprint: &str,
        retire: &[String],
        now: &str,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(
            "UPDATE profile_keys SET kit_verified_at = $1, state = CASE state WHEN 'pending' THEN 'active' ELSE state END
             WHERE profile = $2 AND fingerprint = $3",
        )
        .bind(now)
        .bind(profile)
        .bind(fingerprint)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        for other in retire.iter().filter(|other| *other != fingerprint) {
            retire_key(&mut transaction, profile, other, now).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Seals nothing more to a key, unless no other proven one is active. Says whether that was done.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn retire_profile_key(
        &self,
        profile: &Id,
        fingerprint: &str,
        now: &str,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM profile_keys WHERE profile = $1 AND fingerprint <> $2 AND state = 'active'
             AND (locked IS NOT NULL OR kit_verified_at IS NOT NULL)",
        )
        .bind(profile)
        .bind(fingerprint)
        .fetch_one(&mut *transaction)
        .await?;
        if others == 0 {
            return Ok(false);
        }
        retire_key(&mut transaction, profile, fingerprint, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Forgets a key that nothing was ever sealed to. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn discard_profile_key(
        &self,
        profile: &Id,
        fingerprint: &str,
    ) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "DELETE FROM profile_keys WHERE profile = $1 AND fingerprint = $2 AND state = 'pending'",
        )
        .bind(profile)
        .bind(fingerprint)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// How many stored archives are sealed to a key.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn sealed_to(&self, fingerprint: &str) -> Result<i64, CatalogError> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM backups WHERE state <> 'storing' AND ' ' || fingerprint || ' ' LIKE $1",
        )
        .bind(format!("% {fingerprint} %"))
        .fetch_one(&self.pool)
        .await?)
    }
}

type Transaction = sqlx::Transaction<'static, sqlx::Any>;

async fn insert_key(
    transaction: &mut Transaction,
    key: &ProfileKeyRecord,
) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO profile_keys (profile, fingerprint, recipient, locked, state, kit_verified_at, created_at, retired_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&key.profile)
    .bind(&key.fingerprint)
    .bind(&key.recipient)
    .bind(&key.locked)
    .bind(key.state)
    .bind(&key.kit_verified_at)
    .bind(&key.created_at)
    .bind(&key.retired_at)
    .execute(&mut **transaction)
    .await
    .map_err(|error| taken(error, "a profile", &[("profile_keys.fingerprint", "key")]))?;
    Ok(())
}

async fn retire_key(
    transaction: &mut Transaction,
    profile: &Id,
    fingerprint: &str,
    now: &str,
) -> Result<(), CatalogError> {
    sqlx::query(
        "UPDATE profile_keys SET state = 'retired', retired_at = $1
         WHERE profile = $2 AND fingerprint = $3 AND state = 'active'",
    )
    .bind(now)
    .bind(profile)
    .bind(fingerprint)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
