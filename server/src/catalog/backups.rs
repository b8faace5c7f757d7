//! Backups: the archives in the store that the server took.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, words::words};

/// How far a stored archive can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupState {
    /// Its run is still at work.
    Storing,
    /// It was read again from the store to its last byte, and found right.
    Verified,
    /// What is stored is not what was written.
    Damaged,
}

words!(BackupState {
    Storing = "storing",
    Verified = "verified",
    Damaged = "damaged",
});

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct BackupRecord {
    /// Its id.
    pub id: Id,
    /// The source's id, which may be gone by now.
    pub source: Id,
    /// The source's name when the backup was taken.
    pub source_name: String,
    /// The archive's name in the store.
    pub name: String,
    /// How far it can be relied on.
    pub state: BackupState,
    /// Bytes of the stored file.
    pub size: i64,
    /// SHA-256 of the stored file, in hexadecimal digits.
    pub sha256: String,
    /// The name of the key pair that it is sealed to.
    pub fingerprint: String,
    /// The name of the sender key that signed it; empty if it was taken before the server had one.
    pub sender: String,
    /// `standard`, `sensitive` or `unclassified`.
    pub contents: String,
    /// When it was taken, RFC 3339.
    pub created_at: String,
}

impl Catalog {
    /// All backups that can be offered, the newest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backups(&self) -> Result<Vec<BackupRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT * FROM backups WHERE state <> 'storing' ORDER BY created_at DESC, name DESC",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// One backup that can be offered; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup(&self, id: &Id) -> Result<Option<BackupRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM backups WHERE id = $1 AND state <> 'storing'")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Records that an archive is about to be stored, under a name of its own: `name`, or `name` with a number.
    /// Returns the name.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn begin_backup(&self, backup: &BackupRecord) -> Result<String, CatalogError> {
        let (stem, ending) = backup
            .name
            .rsplit_once('.')
            .unwrap_or((&backup.name, "coffer"));
        for number in 1_u32.. {
            let name = match number {
                1 => backup.name.clone(),
                _ => format!("{stem}-{number}.{ending}"),
            };
            let done = sqlx::query(
                "INSERT INTO backups (id, source, source_name, name, state, size, sha256, fingerprint, sender, contents, created_at)
                 VALUES ($1, $2, $3, $4, 'storing', 0, '', $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING",
            )
            .bind(&backup.id)
            .bind(&backup.source)
            .bind(&backup.source_name)
            .bind(&name)
            .bind(&backup.fingerprint)
            .bind(&backup.sender)
            .bind(&backup.contents)
            .bind(&backup.created_at)
            .execute(&self.pool)
            .await?;
            if done.rows_affected() > 0 {
                return Ok(name);
            }
        }
        // Four thousand million backups within one second.
        Err(CatalogError::Taken {
            what: "a backup",
            field: "name",
        })
    }

    /// Records that the stored bytes were read again and are right.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup_verified(
        &self,
        id: &Id,
        size: u64,
        sha256: &str,
        contents: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query("UPDATE backups SET state = 'verified', size = $1, sha256 = $2, contents = $3 WHERE id = $4")
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .bind(sha256)
            .bind(contents)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Records that the stored bytes are not what was written.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup_damaged(&self, id: &Id) -> Result<(), CatalogError> {
        sqlx::query("UPDATE backups SET state = 'damaged' WHERE id = $1 AND state = 'verified'")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets a backup, finished or not.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_backup(&self, id: &Id) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM backups WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Backups whose run an earlier process did not bring to an end.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn unfinished_backups(&self) -> Result<Vec<BackupRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM backups WHERE state = 'storing'")
                .fetch_all(&self.pool)
                .await?,
        )
    }
}
