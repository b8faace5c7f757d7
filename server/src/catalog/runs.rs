//! Runs: what was done in the background, and how it ended.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, words::words};

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Takes a backup.
    Backup,
    /// Restores into a source's database and folders.
    Restore,
    /// Takes archives of a destination into the catalog.
    Adopt,
    /// Does all of a restore but the commit, to say what it would do.
    Rehearsal,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

words!(RunKind {
    Backup = "backup",
    Restore = "restore",
    Adopt = "adopt",
    Rehearsal = "rehearsal",
});
words!(RunState {
    Running = "running",
    Done = "done",
    Failed = "failed",
    Cancelled = "cancelled",
});

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RunRecord {
    /// Its id.
    pub id: Id,
    /// The source that is backed up or restored into, or the destination whose archives are adopted; empty if it was not written
    /// down.
    pub source: String,
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

/// What becomes of runs that nobody is at any more.
const FAIL: &str = "UPDATE runs SET state = 'failed', error_code = 'interrupted', ended_at = $1,
     error_detail = CASE kind
         WHEN 'adopt' THEN 'Coffer was stopped while it adopted these archives. Those that it got to are in the catalog, and none was changed; adopt the others again.'
         WHEN 'rehearsal' THEN 'Coffer was stopped during this rehearsal. Nothing was changed; rehearse again.'
         WHEN 'backup' THEN 'Coffer was stopped while this backup was being taken. Nothing half was kept, and the database was only read; take it again.'
         ELSE 'Coffer was stopped during this restore. The target holds the whole restore or is as it was before, never a part; look at it, and restore again if needed.'
     END
     WHERE state = 'running'";

impl Catalog {
    /// One run; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn run(&self, id: &Id) -> Result<Option<RunRecord>, CatalogError> {
        Ok(sqlx::query_as("SELECT * FROM runs WHERE id = $1")
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
            "INSERT INTO runs (id, kind, state, progress, result, error_code, error_detail, hooks, started_at, ended_at, source, server)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state, progress = excluded.progress,
                 result = excluded.result, error_code = excluded.error_code, error_detail = excluded.error_detail,
                 hooks = excluded.hooks, started_at = excluded.started_at, ended_at = excluded.ended_at",
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
        .bind(&run.source)
        .bind(&self.server)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Marks runs as failed that an earlier process of this server left running, and returns how many there were. Runs of other
    /// servers go on.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn fail_interrupted_runs(&self, now: &str) -> Result<u64, CatalogError> {
        self.fail_runs(&format!("{FAIL} AND server IN ('', $2)"), now, None)
            .await
    }

    /// Marks runs as failed whose server was not heard of since `gone`, RFC 3339, and returns how many there were. One that
    /// could only not reach the catalog records in the end what became of its run.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn fail_runs_of_lost_servers(
        &self,
        now: &str,
        gone: &str,
    ) -> Result<u64, CatalogError> {
        let lost =
            "server NOT IN ('', $2) AND server NOT IN (SELECT id FROM servers WHERE seen_at > $3)";
        self.fail_runs(&format!("{FAIL} AND {lost}"), now, Some(gone))
            .await
    }

    async fn fail_runs(
        &self,
        statement: &str,
        now: &str,
        gone: Option<&str>,
    ) -> Result<u64, CatalogError> {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(now)
            .bind(&self.server);
        if let Some(gone) = gone {
            query = query.bind(gone);
        }
        Ok(query.execute(&self.pool).await?.rows_affected())
    }

    /// Forgets runs that ended before `moment`, RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_runs_before(&self, moment: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM runs WHERE ended_at < $1")
            .bind(moment)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
