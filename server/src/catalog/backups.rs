//! Backups: the archives in the store that the server took.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id};

/// How far a stored archive can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum BackupState {
    /// Its run is still at work.
    Storing,
    /// It was read again from the store to its last byte, and found right.
    Verified,
    /// What is stored is not what was written.
    Damaged,
}

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
            sqlx::query_as("SELECT * FROM backups WHERE id = ? AND state <> 'storing'")
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
                 VALUES (?, ?, ?, ?, 'storing', 0, '', ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
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
        sqlx::query("UPDATE backups SET state = 'verified', size = ?, sha256 = ?, contents = ? WHERE id = ?")
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
        sqlx::query("UPDATE backups SET state = 'damaged' WHERE id = ? AND state = 'verified'")
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
        sqlx::query("DELETE FROM backups WHERE id = ?")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::temporary;

    fn backup() -> BackupRecord {
        BackupRecord {
            id: Id::random().unwrap(),
            source: Id::random().unwrap(),
            source_name: "Shop".into(),
            name: "shop-2026-11-21T040506Z.coffer".into(),
            state: BackupState::Storing,
            size: 0,
            sha256: String::new(),
            fingerprint: "00".repeat(16),
            sender: "11".repeat(16),
            contents: "standard".into(),
            created_at: "2026-11-21T04:05:06Z".into(),
        }
    }

    #[tokio::test]
    async fn a_backup_shows_once_it_is_verified() {
        let (_folder, catalog) = temporary().await;
        let taken = backup();
        assert_eq!(catalog.begin_backup(&taken).await.unwrap(), taken.name);
        assert_eq!(catalog.backups().await.unwrap(), []);
        assert_eq!(catalog.backup(&taken.id).await.unwrap(), None);
        assert_eq!(catalog.unfinished_backups().await.unwrap().len(), 1);
        catalog
            .backup_verified(&taken.id, 7, "ab", "sensitive")
            .await
            .unwrap();
        let shown = catalog.backups().await.unwrap();
        assert_eq!(shown[0].state, BackupState::Verified);
        assert_eq!(
            (shown[0].size, shown[0].contents.as_str()),
            (7, "sensitive")
        );
        assert_eq!(shown[0].sender, taken.sender);
        catalog.backup_damaged(&taken.id).await.unwrap();
        let damaged = catalog.backup(&taken.id).await.unwrap().unwrap();
        assert_eq!(damaged.state, BackupState::Damaged);
        catalog.remove_backup(&taken.id).await.unwrap();
        assert_eq!(catalog.backups().await.unwrap(), []);
    }

    #[tokio::test]
    async fn two_backups_of_one_second_have_two_names() {
        let (_folder, catalog) = temporary().await;
        catalog.begin_backup(&backup()).await.unwrap();
        assert_eq!(
            catalog.begin_backup(&backup()).await.unwrap(),
            "shop-2026-11-21T040506Z-2.coffer"
        );
    }
}
