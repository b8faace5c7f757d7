//! Runs of jobs: planned, taken by one server, and ended, in such a way that with many servers none is lost and none is
//! done twice.
//!
//! - **Planned once.** Times that are due become rows in the same transaction that moves the job's `planned_until`, and each has
//!   a name that is unique.
//! - **Taken by one.** A server takes a run with one conditional `UPDATE`, for a while: the lease. It lengthens the lease as long
//!   as it is at work. A lease that ran out is taken over in the same way.
//! - **Ended by its holder.** Each taking has a greater number, the fence. Whatever a holder writes names it; a server that was
//!   away for too long finds that its number is not the run's any more, and its work does not count.

use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, FromRow};

use super::{Catalog, CatalogError, Id, words::words};

/// How a run of a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobRunState {
    /// Nobody is at it yet, or it is to be tried again.
    Waiting,
    /// A server is at it.
    Running,
    /// Everything is stored and verified in every destination.
    Done,
    /// It isn't.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// No server was there when it was due.
    Missed,
    /// An earlier or later run of the same job makes up for it, which had not begun when this one was due.
    Skipped,
}

words!(JobRunState {
    Waiting = "waiting",
    Running = "running",
    Done = "done",
    Failed = "failed",
    Cancelled = "cancelled",
    Missed = "missed",
    Skipped = "skipped",
});

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct JobRunRecord {
    /// Its id.
    pub id: Id,
    /// The job.
    pub job: Id,
    /// When it was due, RFC 3339.
    pub due_at: String,
    /// 1 if somebody asked for it.
    pub by_hand: i64,
    /// How it stands.
    pub state: JobRunState,
    /// The how manieth attempt it is, from 1 on.
    pub attempt: i64,
    /// When it may be taken, RFC 3339.
    pub not_before: String,
    /// Which server is at it.
    pub holder: Option<String>,
    /// How far it is, JSON.
    pub progress: String,
    /// What happened, a line each.
    pub log: String,
    /// Why it failed, for programs.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error_detail: Option<String>,
    /// When it was first taken, RFC 3339.
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    pub ended_at: Option<String>,
}

/// The columns of [`JobRunRecord`].
const SHOWN: &str = "id, job, due_at, by_hand, state, attempt, not_before, holder, progress, log, error_code, error_detail, started_at, ended_at";

/// The same for lists, without what is long.
const LISTED: &str = "id, job, due_at, by_hand, state, attempt, not_before, holder, progress, '' AS log, error_code, error_detail, started_at, ended_at";

/// The right to a run.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Lease {
    /// The run.
    pub id: Id,
    /// Its job.
    pub job: Id,
    /// When it was due, RFC 3339.
    pub due_at: String,
    /// The how manieth attempt, from 1 on.
    pub attempt: i64,
    /// Greater than that of all earlier holders.
    pub fence: i64,
    /// How many holders of this run were lost.
    pub lost: i64,
    /// What earlier attempts wrote into the log.
    pub log: String,
    /// Who holds it.
    pub holder: String,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It goes on.
    Held {
        /// Somebody asked for the run to be stopped.
        cancel: bool,
    },
    /// Another server has the run, or it is no more.
    Lost,
}

/// How a run ends, or goes on later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Done,
    /// Somebody stopped it.
    Cancelled,
    /// Not well.
    Failed {
        /// For programs.
        code: String,
        /// For people.
        detail: String,
        /// When it is tried again, RFC 3339; `None` for never.
        again: Option<String>,
    },
    /// The server ends; another one, or this one after its next start, takes it at once.
    HandedBack,
}

/// A message for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Its id.
    pub id: Id,
    /// For whom.
    pub channel: Id,
    /// What happened, JSON.
    pub event: String,
}

impl Catalog {
    /// Asks for a run now.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn ask_for_run(&self, id: &Id, job: &Id, now: &str) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO job_runs (id, job, due_at, by_hand, state, attempt, not_before, fence, lost, cancel, progress, log)
             VALUES ($1, $2, $3, 1, 'waiting', 1, $3, 0, 0, 0, '{}', '')",
        )
        .bind(id)
        .bind(job)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How many runs of a job somebody asked for that did not begin yet.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn runs_asked_for(&self, job: &Id) -> Result<i64, CatalogError> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM job_runs WHERE job = $1 AND by_hand = 1 AND state = 'waiting'",
        )
        .bind(job)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Runs that may be taken, the longest due first: a job that is at work doesn't stand in the way of others.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn open_runs(&self, now: &str, limit: u32) -> Result<Vec<Id>, CatalogError> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM job_runs
             WHERE state = 'running' AND expires_at <= $1 OR state = 'waiting' AND not_before <= $1
                 AND NOT EXISTS (SELECT 1 FROM job_runs other WHERE other.job = job_runs.job AND other.state = 'running')
             ORDER BY not_before, id LIMIT $2",
        )
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?)
    }

    /// Takes a run that nobody holds, or whose holder was not heard of in time. `None` if another server was quicker, or another
    /// run of the same job is going on.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn take_run(
        &self,
        id: &Id,
        holder: &str,
        now: &str,
        expires_at: &str,
    ) -> Result<Option<Lease>, CatalogError> {
        let taken = sqlx::query_as(
            "UPDATE job_runs SET state = 'running', holder = $1, expires_at = $2, fence = fence + 1,
                 lost = lost + CASE state WHEN 'running' THEN 1 ELSE 0 END, started_at = COALESCE(started_at, $3)
             WHERE id = $4 AND (state = 'running' AND expires_at <= $3 OR state = 'waiting' AND not_before <= $3
                 AND NOT EXISTS (SELECT 1 FROM job_runs other WHERE other.job = job_runs.job AND other.state = 'running'))
             RETURNING id, job, due_at, attempt, fence, lost, log, holder",
        )
        .bind(holder)
        .bind(expires_at)
        .bind(now)
        .bind(id)
        .fetch_optional(&self.pool)
        .await;
        match taken {
            Ok(lease) => Ok(lease),
            // Two runs of one job were taken in the same moment.
            Err(error)
                if error
                    .as_database_error()
                    .is_some_and(|error| error.is_unique_violation()) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lengthens a lease, and says how far the run is. A lease that ran out is as good as new as long as nobody took it.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn beat(
        &self,
        lease: &Lease,
        expires_at: &str,
        progress: &str,
        log: &str,
    ) -> Result<Beat, CatalogError> {
        let cancel: Option<i64> = sqlx::query_scalar(
            "UPDATE job_runs SET expires_at = $1, progress = $2, log = $3
             WHERE id = $4 AND fence = $5 AND state = 'running' RETURNING cancel",
        )
        .bind(expires_at)
        .bind(progress)
        .bind(log)
        .bind(&lease.id)
        .bind(lease.fence)
        .fetch_optional(&self.pool)
        .await?;
        Ok(match cancel {
            Some(cancel) => Beat::Held {
                cancel: cancel != 0,
            },
            None => Beat::Lost,
        })
    }

    /// Ends a run, or has it wait again. Says whether the lease was still held; if not, nothing is changed.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn end_run(
        &self,
        lease: &Lease,
        ending: &Ending,
        now: &str,
        log: &str,
        notices: &[NewNotice],
    ) -> Result<bool, CatalogError> {
        let (state, attempt, not_before, error) = match ending {
            Ending::Done => (JobRunState::Done, 0, None, None),
            Ending::Cancelled => (JobRunState::Cancelled, 0, None, None),
            Ending::HandedBack => (JobRunState::Waiting, 0, Some(now), None),
            Ending::Failed {
                code,
                detail,
                again: Some(again),
            } => (
                JobRunState::Waiting,
                1,
                Some(again.as_str()),
                Some((code, detail)),
            ),
            Ending::Failed { code, detail, .. } => {
                (JobRunState::Failed, 0, None, Some((code, detail)))
            }
        };
        let ended_at = (state != JobRunState::Waiting).then_some(now);
        let (code, detail) = error.unzip();
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query(
            "UPDATE job_runs SET state = $1, attempt = attempt + $2, not_before = COALESCE($3, not_before), holder = NULL,
                 expires_at = NULL, error_code = $4, error_detail = $5, ended_at = $6, log = $7
             WHERE id = $8 AND fence = $9 AND state = 'running'",
        )
        .bind(state)
        .bind(attempt)
        .bind(not_before)
        .bind(code)
        .bind(detail)
        .bind(ended_at)
        .bind(log)
        .bind(&lease.id)
        .bind(lease.fence)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        put_notices(&mut transaction, notices, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Asks for a run to be stopped: one that waits is, one that is at work hears of it with its next sign of life. Says whether
    /// there was one to stop.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn cancel_run(&self, id: &Id, now: &str) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "UPDATE job_runs SET cancel = 1,
                 ended_at = CASE state WHEN 'waiting' THEN $1 ELSE ended_at END,
                 state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END
             WHERE id = $2 AND state IN ('waiting', 'running')",
        )
        .bind(now)
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// One run of a job; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn job_run(&self, id: &Id) -> Result<Option<JobRunRecord>, CatalogError> {
        let statement = format!("SELECT {SHOWN} FROM job_runs WHERE id = $1");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// The run of a job that was due last, without its log, and without what another one makes up for.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn last_run(&self, job: &Id) -> Result<Option<JobRunRecord>, CatalogError> {
        let statement = format!(
            "SELECT {LISTED} FROM job_runs WHERE job = $1 AND state <> 'skipped' ORDER BY due_at DESC, id LIMIT 1"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(job)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// The runs of a job, the latest first, at most `limit`, without their logs; with `after`, those that come after the one that was
    /// due then and has that id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn job_runs(
        &self,
        job: &Id,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<JobRunRecord>, CatalogError> {
        let statement = format!(
            "SELECT {LISTED} FROM job_runs
             WHERE job = $1 AND ($2 = '' OR due_at < $2 OR due_at = $2 AND id > $3) ORDER BY due_at DESC, id LIMIT $4"
        );
        let (due_at, id) = after.unwrap_or_default();
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(job)
            .bind(due_at)
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?)
    }

    /// How the last run of a job ended that did, before the one given.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn ended_before(
        &self,
        job: &Id,
        run: &Id,
    ) -> Result<Option<JobRunState>, CatalogError> {
        Ok(sqlx::query_scalar(
            "SELECT state FROM job_runs WHERE job = $1 AND id <> $2 AND state IN ('done', 'failed', 'missed')
             ORDER BY ended_at DESC, due_at DESC LIMIT 1",
        )
        .bind(job)
        .bind(run)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Forgets runs of jobs that ended before `moment`, RFC 3339.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn forget_job_runs_before(&self, moment: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM job_runs WHERE ended_at < $1")
            .bind(moment)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Whether a lease is still held; as long as the transaction lasts, nobody else takes the run then.
pub(super) async fn held(
    connection: &mut AnyConnection,
    lease: &Lease,
) -> Result<bool, sqlx::Error> {
    // An update that changes nothing: it locks the row in both databases, which a query doesn't.
    let held = sqlx::query(
        "UPDATE job_runs SET fence = fence WHERE id = $1 AND fence = $2 AND state = 'running'",
    )
    .bind(&lease.id)
    .bind(lease.fence)
    .execute(connection)
    .await?;
    Ok(held.rows_affected() > 0)
}

pub(super) async fn put_notices(
    connection: &mut AnyConnection,
    notices: &[NewNotice],
    now: &str,
) -> Result<(), CatalogError> {
    for notice in notices {
        // A channel that was removed meanwhile has nobody to tell.
        sqlx::query(
            "INSERT INTO notices (id, channel, event, attempt, not_before, created_at)
             SELECT $1, id, $2, 1, $3, $3 FROM channels WHERE id = $4",
        )
        .bind(&notice.id)
        .bind(&notice.event)
        .bind(now)
        .bind(&notice.channel)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
