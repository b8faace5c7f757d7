//! Planning runs of jobs: what is due becomes rows once, and of a job's schedule one row waits at most.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Id, JobRunState, NewNotice, Timetable, job_runs::put_notices};

/// A time that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its run's id.
    pub id: Id,
    /// When, RFC 3339.
    pub at: String,
    /// What becomes of it.
    pub planned: Planned,
}

/// What becomes of a time that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// It is run, unless a run of the schedule waits to begin already, which then makes up for it.
    Run {
        /// When it may be taken, RFC 3339.
        not_before: String,
    },
    /// No server was there.
    Missed,
    /// Another one makes up for it.
    Skipped,
}

/// A run that failed, and that would be tried again later, but whose job comes due before.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Retrying {
    /// The run.
    pub id: Id,
    /// When it was due, RFC 3339.
    pub due_at: String,
    /// Why it failed, for programs.
    pub error_code: String,
    /// Why it failed, for people.
    pub error_detail: String,
    /// What happened, a line each.
    pub log: String,
}

/// What is planned of a job at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Times that are due.
    pub due: Vec<Due>,
    /// What is to be told of them.
    pub notices: Vec<NewNotice>,
    /// Runs that are not tried again once one of these times is run, as they would end, and what is to be told of that.
    pub given_up: Vec<(Retrying, Vec<NewNotice>)>,
}

impl Catalog {
    /// Records that all times of a job up to `until` were planned: `plan` has those since it was read. Says whether that was so; if
    /// not, another server did it, or the job was changed.
    ///
    /// However short the schedule and however long a run: of a job's schedule one run waits at most, and it makes up for what comes
    /// due before it begins. One that failed gives way to the next.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn plan_runs(
        &self,
        job: &Timetable,
        plan: &Plan,
        until: &str,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.pool.begin().await?;
        let moved = sqlx::query(
            "UPDATE jobs SET planned_until = $1 WHERE id = $2 AND planned_until = $3 AND version = $4 AND enabled = 1",
        )
        .bind(until)
        .bind(&job.id)
        .bind(&job.planned_until)
        .bind(job.version)
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        // Whoever takes one of them meanwhile begins it after these times were due, so it still makes up for them.
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM job_runs WHERE job = $1 AND by_hand = 0 AND state = 'waiting' AND error_code IS NULL",
        )
        .bind(&job.id)
        .fetch_one(&mut *transaction)
        .await?;
        let mut begins = false;
        for due in &plan.due {
            let (state, not_before) = match &due.planned {
                Planned::Run { not_before } if waiting == 0 => (JobRunState::Waiting, not_before),
                Planned::Run { .. } | Planned::Skipped => (JobRunState::Skipped, &due.at),
                Planned::Missed => (JobRunState::Missed, &due.at),
            };
            begins |= state == JobRunState::Waiting;
            sqlx::query(
                "INSERT INTO job_runs (id, job, due_at, by_hand, state, attempt, not_before, fence, lost, cancel, progress, log, ended_at, planned)
                 VALUES ($1, $2, $3, 0, $4, 1, $5, 0, 0, 0, '{}', '', $6, $7) ON CONFLICT (planned) DO NOTHING",
            )
            .bind(&due.id)
            .bind(&job.id)
            .bind(&due.at)
            .bind(state)
            .bind(not_before)
            .bind((state != JobRunState::Waiting).then_some(until))
            .bind(format!("{} at {}", job.id, due.at))
            .execute(&mut *transaction)
            .await?;
        }
        for (run, notices) in plan.given_up.iter().filter(|_| begins) {
            let done = sqlx::query(
                "UPDATE job_runs SET state = 'failed', ended_at = $1, log = $2
                 WHERE id = $3 AND state = 'waiting' AND error_code IS NOT NULL",
            )
            .bind(until)
            .bind(&run.log)
            .bind(&run.id)
            .execute(&mut *transaction)
            .await?;
            if done.rows_affected() > 0 {
                put_notices(&mut transaction, notices, until).await?;
            }
        }
        put_notices(&mut transaction, &plan.notices, until).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Runs of a job's schedule that failed and wait for another attempt.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn retrying_runs(&self, job: &Id) -> Result<Vec<Retrying>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT id, due_at, error_code, error_detail, log FROM job_runs
             WHERE job = $1 AND by_hand = 0 AND state = 'waiting' AND error_code IS NOT NULL AND error_detail IS NOT NULL",
        )
        .bind(job)
        .fetch_all(&self.pool)
        .await?)
    }
}
