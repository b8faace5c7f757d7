//! Copies: where the archive of a backup is, and whether it can be relied on.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{BackupRecord, Catalog, CatalogError, Id, Lease, job_runs::held, words::words};

/// How far a copy can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// It is being written, or was not read again yet.
    Storing,
    /// It was read again from the destination to its last byte, and found right.
    Verified,
    /// It was found in the destination, and nobody here could open it.
    Unverified,
    /// What is stored is not what was written.
    Damaged,
}

words!(CopyState {
    Storing = "storing",
    Verified = "verified",
    Unverified = "unverified",
    Damaged = "damaged",
});

/// A copy of a backup.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct CopyRecord {
    /// The backup.
    pub backup: Id,
    /// Where it is.
    pub destination: Id,
    /// How far it can be relied on.
    pub state: CopyState,
    /// When that was found, RFC 3339.
    pub checked_at: String,
}

/// A copy as retention sees it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct KeptCopy {
    /// The backup.
    pub backup: Id,
    /// The archive's name.
    pub name: String,
    /// What was backed up.
    pub source: Id,
    /// When it was taken, RFC 3339.
    pub created_at: String,
    /// How far it can be relied on.
    pub state: CopyState,
    /// 1 if it is to stay.
    pub locked: i64,
}

impl Catalog {
    /// Records that a run is about to write a backup to destinations. Says whether the lease is still held.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if there is one of that name, [`CatalogError::Database`].
    pub async fn begin_copies(
        &self,
        lease: &Lease,
        backup: &BackupRecord,
        destinations: &[Id],
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.pool.begin().await?;
        if !held(&mut transaction, lease).await? {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO backups (id, source, source_name, name, state, size, sha256, fingerprint, sender, contents, created_at, job, job_run)
             VALUES ($1, $2, $3, $4, 'storing', 0, '', $5, $6, '', $7, $8, $9)",
        )
        .bind(&backup.id)
        .bind(&backup.source)
        .bind(&backup.source_name)
        .bind(&backup.name)
        .bind(&backup.fingerprint)
        .bind(&backup.sender)
        .bind(&backup.created_at)
        .bind(&lease.job)
        .bind(&lease.id)
        .execute(&mut *transaction)
        .await
        .map_err(name_taken)?;
        for destination in destinations {
            sqlx::query(
                "INSERT INTO copies (backup, destination, state, checked_at) VALUES ($1, $2, 'storing', $3)",
            )
            .bind(&backup.id)
            .bind(destination)
            .bind(&backup.created_at)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Records that the copies in `verified` were read again and are right, and forgets the other ones of the backup. Says whether
    /// the lease is still held; if not, nothing is recorded.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn copies_verified(
        &self,
        lease: &Lease,
        backup: &BackupRecord,
        verified: &[Id],
        now: &str,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.pool.begin().await?;
        if !held(&mut transaction, lease).await? {
            return Ok(false);
        }
        let done = sqlx::query(
            "UPDATE backups SET state = 'verified', size = $1, sha256 = $2, contents = $3 WHERE id = $4",
        )
        .bind(backup.size)
        .bind(&backup.sha256)
        .bind(&backup.contents)
        .bind(&backup.id)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        for destination in verified {
            sqlx::query(
                "UPDATE copies SET state = 'verified', checked_at = $1 WHERE backup = $2 AND destination = $3",
            )
            .bind(now)
            .bind(&backup.id)
            .bind(destination)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("DELETE FROM copies WHERE backup = $1 AND state = 'storing'")
            .bind(&backup.id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Records a backup that was found in a destination.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if there is one of that name, [`CatalogError::Database`].
    pub async fn adopt_backup(
        &self,
        backup: &BackupRecord,
        destination: &Id,
        state: CopyState,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO backups (id, origin, source, source_name, name, state, size, sha256, fingerprint, sender, contents, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $10, $11)",
        )
        .bind(&backup.id)
        .bind(backup.origin)
        .bind(&backup.source)
        .bind(&backup.source_name)
        .bind(&backup.name)
        .bind(backup.state)
        .bind(backup.size)
        .bind(&backup.fingerprint)
        .bind(&backup.sender)
        .bind(&backup.contents)
        .bind(&backup.created_at)
        .execute(&mut *transaction)
        .await
        .map_err(name_taken)?;
        sqlx::query(
            "INSERT INTO copies (backup, destination, state, checked_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(&backup.id)
        .bind(destination)
        .bind(state)
        .bind(&backup.created_at)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The backup of a name, if there is one that can be offered.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backup_named(&self, name: &str) -> Result<Option<BackupRecord>, CatalogError> {
        Ok(
            sqlx::query_as("SELECT * FROM backups WHERE name = $1 AND state <> 'storing'")
                .bind(name)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Records another copy of a backup, which was found in a destination.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn add_copy(
        &self,
        backup: &Id,
        destination: &Id,
        state: CopyState,
        now: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO copies (backup, destination, state, checked_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (backup, destination) DO NOTHING",
        )
        .bind(backup)
        .bind(destination)
        .bind(state)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The copies of a backup that can be offered, the best first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn copies(&self, backup: &Id) -> Result<Vec<CopyRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT backup, destination, state, checked_at FROM copies WHERE backup = $1 AND state <> 'storing'
             ORDER BY CASE state WHEN 'verified' THEN 0 WHEN 'unverified' THEN 1 ELSE 2 END, destination",
        )
        .bind(backup)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The copies of all backups that can be offered, the best of each first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn all_copies(&self) -> Result<Vec<CopyRecord>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT backup, destination, state, checked_at FROM copies WHERE state <> 'storing'
             ORDER BY backup, CASE state WHEN 'verified' THEN 0 WHEN 'unverified' THEN 1 ELSE 2 END, destination",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The backups that retention leaves alone.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn locked_backups(&self) -> Result<Vec<Id>, CatalogError> {
        Ok(
            sqlx::query_scalar("SELECT id FROM backups WHERE locked = 1")
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// The copies that a job made in a destination, for retention.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn copies_of_job(
        &self,
        job: &Id,
        destination: &Id,
    ) -> Result<Vec<KeptCopy>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT backups.id AS backup, name, source, created_at, copies.state AS state, locked
             FROM copies JOIN backups ON backups.id = copies.backup
             WHERE job = $1 AND destination = $2 AND copies.state <> 'storing' ORDER BY created_at DESC, name DESC",
        )
        .bind(job)
        .bind(destination)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The names of all archives that the catalog knows in a destination.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn names_in(&self, destination: &Id) -> Result<Vec<String>, CatalogError> {
        Ok(sqlx::query_scalar(
            "SELECT name FROM copies JOIN backups ON backups.id = copies.backup WHERE destination = $1",
        )
        .bind(destination)
        .fetch_all(&self.pool)
        .await?)
    }

    /// What a run has stored and verified already: each source with each destination that has it, or with none where the run stores
    /// in none.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn stored_by_run(&self, run: &Id) -> Result<Vec<(Id, Option<Id>)>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT source, destination FROM backups
             LEFT JOIN copies ON copies.backup = backups.id AND copies.state = 'verified'
             WHERE job_run = $1 AND backups.state = 'verified'",
        )
        .bind(run)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Whether a copy may be removed since no rule keeps its backup: nobody has locked that meanwhile, and the run is still this
    /// server's.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn may_go(&self, lease: &Lease, backup: &Id) -> Result<bool, CatalogError> {
        let mut transaction = self.pool.begin().await?;
        if !held(&mut transaction, lease).await? {
            return Ok(false);
        }
        let locked: Option<i64> = sqlx::query_scalar("SELECT locked FROM backups WHERE id = $1")
            .bind(backup)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(locked == Some(0))
    }

    /// Records what became of reading all of a copy.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn copy_checked(
        &self,
        copy: &CopyRecord,
        state: CopyState,
        now: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "UPDATE copies SET state = $1, checked_at = $2 WHERE backup = $3 AND destination = $4 AND state <> 'storing'",
        )
        .bind(state)
        .bind(now)
        .bind(&copy.backup)
        .bind(&copy.destination)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What earlier runs of a job left half written: backups with a destination each.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn left_by_job(&self, job: &Id) -> Result<Vec<(Id, String, Id)>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT backups.id, name, destination FROM backups JOIN copies ON copies.backup = backups.id
             WHERE job = $1 AND backups.state = 'storing'",
        )
        .bind(job)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Forgets a copy, and its backup if that was the last one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_copy(&self, backup: &Id, destination: &Id) -> Result<(), CatalogError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM copies WHERE backup = $1 AND destination = $2")
            .bind(backup)
            .bind(destination)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM backups WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM copies WHERE backup = $1)",
        )
        .bind(backup)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Says that retention leaves a backup alone, or not any more. Says whether there is one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn lock_backup(&self, id: &Id, locked: bool) -> Result<bool, CatalogError> {
        let done =
            sqlx::query("UPDATE backups SET locked = $1 WHERE id = $2 AND state <> 'storing'")
                .bind(i64::from(locked))
                .bind(id)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn name_taken(error: sqlx::Error) -> CatalogError {
    super::taken(error, "a backup", &[("backups.name", "name")])
}
