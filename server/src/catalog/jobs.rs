//! Jobs: what was done in the background, and how it ended.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum JobKind {
    /// Takes a backup.
    Backup,
    /// Restores into a source's database and folders.
    Restore,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended well.
    Done,
    /// Ended with an error; what it wrote is undone.
    Failed,
    /// Stopped because somebody asked for it; what it wrote is undone.
    Cancelled,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct JobRecord {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// How far it came, JSON.
    pub progress: String,
    /// What it made, JSON.
    pub result: Option<String>,
    /// Why it failed, for programs.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error_detail: Option<String>,
    /// What became of the hooks around it, JSON.
    pub hooks: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
}

impl Catalog {
    /// One job; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn job(&self, id: &Id) -> Result<Option<JobRecord>, CatalogError> {
        Ok(sqlx::query_as("SELECT * FROM jobs WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Writes a job as it stands, in place of what is recorded of it.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn write_job(&self, job: &JobRecord) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT OR REPLACE INTO jobs (id, kind, state, progress, result, error_code, error_detail, hooks, started_at, ended_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&job.id)
        .bind(job.kind)
        .bind(job.state)
        .bind(&job.progress)
        .bind(&job.result)
        .bind(&job.error_code)
        .bind(&job.error_detail)
        .bind(&job.hooks)
        .bind(&job.started_at)
        .bind(&job.ended_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Marks jobs that an earlier process left running as failed, and returns how many there were.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn fail_interrupted_jobs(&self, now: &str) -> Result<u64, CatalogError> {
        let done = sqlx::query(
            "UPDATE jobs SET state = 'failed', error_code = 'interrupted', ended_at = ?,
             error_detail = CASE kind
                 WHEN 'backup' THEN 'Coffer was stopped while this backup was being taken. Nothing half was kept, and the database was only read; take it again.'
                 ELSE 'Coffer was stopped during this restore. The target holds the whole restore or is as it was before, never a part; look at it, and restore again if needed.'
             END
             WHERE state = 'running'",
        )
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets jobs that ended before `moment`, RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_jobs_before(&self, moment: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM jobs WHERE ended_at < ?")
            .bind(moment)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::temporary;

    #[tokio::test]
    async fn an_interrupted_job_has_failed_and_an_old_one_is_forgotten() {
        let (_folder, catalog) = temporary().await;
        let job = JobRecord {
            id: Id::random().unwrap(),
            kind: JobKind::Restore,
            state: JobState::Running,
            progress: "{}".into(),
            result: None,
            error_code: None,
            error_detail: None,
            hooks: "[]".into(),
            started_at: "2026-11-21T04:05:06Z".into(),
            ended_at: None,
        };
        catalog.write_job(&job).await.unwrap();
        assert_eq!(catalog.job(&job.id).await.unwrap().as_ref(), Some(&job));
        let now = "2026-11-21T05:00:00Z";
        assert_eq!(catalog.fail_interrupted_jobs(now).await.unwrap(), 1);
        assert_eq!(catalog.fail_interrupted_jobs(now).await.unwrap(), 0);
        let ended = catalog.job(&job.id).await.unwrap().unwrap();
        assert_eq!(ended.state, JobState::Failed);
        assert_eq!(ended.error_code.as_deref(), Some("interrupted"));
        catalog.forget_jobs_before(now).await.unwrap();
        assert!(catalog.job(&job.id).await.unwrap().is_some());
        catalog
            .forget_jobs_before("2026-12-21T05:00:00Z")
            .await
            .unwrap();
        assert!(catalog.job(&job.id).await.unwrap().is_none());
    }
}
