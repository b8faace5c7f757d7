//! Runs: what was done in the background, and how it ended.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum RunKind {
    /// Takes a backup.
    Backup,
    /// Restores into a source's database and folders.
    Restore,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum RunState {
    /// At work.
    Running,
    /// Ended well.
    Done,
    /// Ended with an error; what it wrote is undone.
    Failed,
    /// Stopped because somebody asked for it; what it wrote is undone.
    Cancelled,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RunRecord {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub kind: RunKind,
    /// How it stands.
    pub state: RunState,
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
    /// One run; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn run(&self, id: &Id) -> Result<Option<RunRecord>, CatalogError> {
        Ok(sqlx::query_as("SELECT * FROM runs WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Writes a run as it stands, in place of what is recorded of it.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn write_run(&self, run: &RunRecord) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT OR REPLACE INTO runs (id, kind, state, progress, result, error_code, error_detail, hooks, started_at, ended_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&run.id)
        .bind(run.kind)
        .bind(run.state)
        .bind(&run.progress)
        .bind(&run.result)
        .bind(&run.error_code)
        .bind(&run.error_detail)
        .bind(&run.hooks)
        .bind(&run.started_at)
        .bind(&run.ended_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Marks runs that an earlier process left running as failed, and returns how many there were.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn fail_interrupted_runs(&self, now: &str) -> Result<u64, CatalogError> {
        let done = sqlx::query(
            "UPDATE runs SET state = 'failed', error_code = 'interrupted', ended_at = ?,
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

    /// Forgets runs that ended before `moment`, RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_runs_before(&self, moment: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM runs WHERE ended_at < ?")
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
    async fn an_interrupted_run_has_failed_and_an_old_one_is_forgotten() {
        let (_folder, catalog) = temporary().await;
        let run = RunRecord {
            id: Id::random().unwrap(),
            kind: RunKind::Restore,
            state: RunState::Running,
            progress: "{}".into(),
            result: None,
            error_code: None,
            error_detail: None,
            hooks: "[]".into(),
            started_at: "2026-11-21T04:05:06Z".into(),
            ended_at: None,
        };
        catalog.write_run(&run).await.unwrap();
        assert_eq!(catalog.run(&run.id).await.unwrap().as_ref(), Some(&run));
        let now = "2026-11-21T05:00:00Z";
        assert_eq!(catalog.fail_interrupted_runs(now).await.unwrap(), 1);
        assert_eq!(catalog.fail_interrupted_runs(now).await.unwrap(), 0);
        let ended = catalog.run(&run.id).await.unwrap().unwrap();
        assert_eq!(ended.state, RunState::Failed);
        assert_eq!(ended.error_code.as_deref(), Some("interrupted"));
        catalog.forget_runs_before(now).await.unwrap();
        assert!(catalog.run(&run.id).await.unwrap().is_some());
        catalog
            .forget_runs_before("2026-12-21T05:00:00Z")
            .await
            .unwrap();
        assert!(catalog.run(&run.id).await.unwrap().is_none());
    }
}
