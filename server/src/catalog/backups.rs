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
    /// It was found in a destination, and whether it is what was once written, nobody here can say: another server signed it, or none.
    Unverified,
    /// What is stored is not what was written.
    Damaged,
}

words!(BackupState {
    Storing = "storing",
    Verified = "verified",
    Unverified = "unverified",
    Damaged = "damaged",
});

/// How an archive came into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupOrigin {
    /// This server took it, and proved that it is what the database held.
    Taken,
    /// Somebody uploaded it. That its stored bytes are whole is all that is known here.
    Uploaded,
    /// It was found in a destination. Of which source it is, an archive doesn't tell without a key.
    Adopted,
}

words!(BackupOrigin {
    Taken = "taken",
    Uploaded = "uploaded",
    Adopted = "adopted",
});

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct BackupRecord {
    /// Its id.
    pub id: Id,
    /// How it came here.
    pub origin: BackupOrigin,
    /// Who uploaded it; empty for one that was taken.
    pub uploaded_by: String,
    /// The source's id, which may be gone by now. One that was uploaded or adopted has none, and its own id stands here.
    pub source: Id,
    /// The source's name when the backup was taken, or how the sender called what was uploaded.
    pub source_name: String,
    /// The archive's name in the store.
    pub name: String,
    /// How far it can be relied on.
    pub state: BackupState,
    /// Bytes of the stored file.
    pub size: i64,
    /// SHA-256 of the stored file, in hexadecimal digits.
    pub sha256: String,
    /// The names of the key pairs that it is sealed to, with a blank between them; empty if only a password opens it.
    pub fingerprint: String,
    /// The name of the sender key that signed it; empty if nobody did.
    pub sender: String,
    /// `standard`, `sensitive` or `unclassified`; empty where nobody here can look.
    pub contents: String,
    /// When it was taken, RFC 3339.
    pub created_at: String,
    /// When all of it was last compared with its scrub table, RFC 3339.
    pub scrubbed_at: Option<String>,
    /// The job that took it, which may be gone by now; `None` by hand.
    pub job: Option<Id>,
}

impl BackupRecord {
    /// The names of the key pairs that it is sealed to.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.fingerprint.split(' ').filter(|name| !name.is_empty())
    }
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
                "INSERT INTO backups (id, source, source_name, name, state, size, sha256, fingerprint, sender, contents, created_at, origin, uploaded_by, server, store)
                 VALUES ($1, $2, $3, $4, 'storing', 0, '', $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (name) DO NOTHING",
            )
            .bind(&backup.id)
            .bind(&backup.source)
            .bind(&backup.source_name)
            .bind(&name)
            .bind(&backup.fingerprint)
            .bind(&backup.sender)
            .bind(&backup.contents)
            .bind(&backup.created_at)
            .bind(backup.origin)
            .bind(&backup.uploaded_by)
            .bind(&self.server)
            .bind(&self.store)
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

    /// Records that what was uploaded is stored whole, to whom it is sealed (names with a blank between them) and who signed
    /// it.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup_uploaded(
        &self,
        id: &Id,
        size: u64,
        sha256: &str,
        fingerprints: &str,
        sender: &str,
        now: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "UPDATE backups SET state = 'verified', size = $1, sha256 = $2, fingerprint = $3, sender = $4, scrubbed_at = $5
             WHERE id = $6",
        )
        .bind(i64::try_from(size).unwrap_or(i64::MAX))
        .bind(sha256)
        .bind(fingerprints)
        .bind(sender)
        .bind(now)
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records what became of reading all of a stored archive.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup_scrubbed(
        &self,
        id: &Id,
        state: BackupState,
        now: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "UPDATE backups SET state = $1, scrubbed_at = $2 WHERE id = $3 AND state <> 'storing'",
        )
        .bind(state)
        .bind(now)
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Bytes of the stored archives that were uploaded, of everybody and by one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn uploaded_bytes(&self, by: &str) -> Result<(u64, u64), CatalogError> {
        let (all, own): (i64, i64) = sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT),
                    CAST(COALESCE(SUM(CASE WHEN uploaded_by = $1 THEN size ELSE 0 END), 0) AS BIGINT)
             FROM backups WHERE origin = 'uploaded'",
        )
        .bind(by)
        .fetch_one(&self.pool)
        .await?;
        Ok((
            u64::try_from(all).unwrap_or(0),
            u64::try_from(own).unwrap_or(0),
        ))
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

    /// Backups into this server's own store that an earlier process of it did not bring to an end; and those of jobs whose run is
    /// forgotten. The other ones of jobs are looked after by whoever takes the run.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn unfinished_backups(&self) -> Result<Vec<BackupRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT * FROM backups WHERE state = 'storing' AND (job_run IS NULL AND server IN ('', $1)
                 OR job_run IS NOT NULL AND NOT EXISTS (SELECT 1 FROM job_runs WHERE job_runs.id = backups.job_run))",
        )
        .bind(&self.server)
        .fetch_all(&self.pool)
        .await?)
    }
}
