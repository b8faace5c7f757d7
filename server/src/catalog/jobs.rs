//! Jobs: what is to be backed up, when, where to, and for how long it is kept.

use coffer_core::retention;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, FromRow};

use super::{
    Catalog, CatalogError, Id,
    destinations::{read, written},
    taken,
    words::words,
};
use crate::clock;

/// What becomes of times at which no server was there to run a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are missed.
    None,
    /// The last of them is run late, the others are missed.
    #[default]
    One,
}

words!(CatchUp {
    None = "none",
    One = "one",
});

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// Whom its backups are sealed to: a profile's id.
    pub profile: Id,
    /// Whether credentials are included.
    pub sensitive: bool,
    /// Whether its schedule is followed.
    pub enabled: bool,
    /// When it is due, a cron pattern; `None` if only by hand.
    pub schedule: Option<String>,
    /// The clock that schedule and retention follow, by its IANA name.
    pub time_zone: String,
    /// Up to how many seconds later it begins, so that not all begin at once.
    pub jitter_seconds: u32,
    /// What becomes of times that were missed.
    pub catch_up: CatchUp,
    /// Which backups stay.
    pub retention: retention::Policy,
    /// How often a run that failed is tried again.
    pub retries: u32,
    /// Seconds before the first of them; doubled each time.
    pub retry_seconds: u32,
    /// Times up to here were planned, RFC 3339.
    pub planned_until: String,
    /// Grows with each change.
    pub version: i64,
    /// What is backed up.
    pub sources: Vec<Id>,
    /// Where to.
    pub destinations: Vec<Id>,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

/// When an enabled job is due.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Timetable {
    /// The job's id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// A cron pattern.
    pub schedule: String,
    /// The clock that it follows.
    pub time_zone: String,
    jitter_seconds: i64,
    /// What becomes of times that were missed.
    pub catch_up: CatchUp,
    /// Times up to here were planned, RFC 3339.
    pub planned_until: String,
    /// Grows with each change of the job.
    pub version: i64,
}

impl Timetable {
    /// Up to how many seconds later a run begins.
    #[must_use]
    pub fn jitter(&self) -> u32 {
        count(self.jitter_seconds)
    }
}

#[derive(FromRow)]
struct Stored {
    id: Id,
    name: String,
    profile: Id,
    sensitive: i64,
    enabled: i64,
    schedule: Option<String>,
    time_zone: String,
    jitter_seconds: i64,
    catch_up: CatchUp,
    retention: String,
    retries: i64,
    retry_seconds: i64,
    planned_until: String,
    version: i64,
    created_at: String,
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

impl Catalog {
    async fn job_of(&self, stored: Stored) -> Result<JobRecord, CatalogError> {
        let sources =
            sqlx::query_scalar("SELECT source FROM job_sources WHERE job = $1 ORDER BY position")
                .bind(&stored.id)
                .fetch_all(&self.pool)
                .await?;
        let destinations = sqlx::query_scalar(
            "SELECT destination FROM job_destinations WHERE job = $1 ORDER BY position",
        )
        .bind(&stored.id)
        .fetch_all(&self.pool)
        .await?;
        Ok(JobRecord {
            name: stored.name,
            profile: stored.profile,
            sensitive: stored.sensitive != 0,
            enabled: stored.enabled != 0,
            schedule: stored.schedule,
            time_zone: stored.time_zone,
            jitter_seconds: count(stored.jitter_seconds),
            catch_up: stored.catch_up,
            retention: read(&stored.retention)?,
            retries: count(stored.retries),
            retry_seconds: count(stored.retry_seconds),
            planned_until: stored.planned_until,
            version: stored.version,
            sources,
            destinations,
            created_at: stored.created_at,
            id: stored.id,
        })
    }

    /// All jobs, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`], [`CatalogError::Content`].
    pub async fn jobs(&self) -> Result<Vec<JobRecord>, CatalogError> {
        let stored: Vec<Stored> = sqlx::query_as("SELECT * FROM jobs ORDER BY created_at, name")
            .fetch_all(&self.pool)
            .await?;
        let mut jobs = Vec::with_capacity(stored.len());
        for stored in stored {
            jobs.push(self.job_of(stored).await?);
        }
        Ok(jobs)
    }

    /// When the enabled jobs are due.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn timetables(&self) -> Result<Vec<Timetable>, CatalogError> {
        Ok(sqlx::query_as(
            "SELECT id, name, schedule, time_zone, jitter_seconds, catch_up, planned_until, version FROM jobs
             WHERE enabled = 1 AND schedule IS NOT NULL ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// One job; `None` if there is none of this id.
    ///
    /// # Errors
    /// As [`Catalog::jobs`].
    pub async fn job(&self, id: &Id) -> Result<Option<JobRecord>, CatalogError> {
        let stored: Option<Stored> = sqlx::query_as("SELECT * FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        match stored {
            Some(stored) => Ok(Some(self.job_of(stored).await?)),
            None => Ok(None),
        }
    }

    /// Adds a job.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has its name, [`CatalogError::Database`].
    pub async fn add_job(&self, job: &JobRecord) -> Result<(), CatalogError> {
        let mut transaction = self.begin_write().await?;
        sqlx::query(
            "INSERT INTO jobs (id, name, profile, sensitive, enabled, schedule, time_zone, jitter_seconds, catch_up,
                 retention, retries, retry_seconds, planned_until, version, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&job.id)
        .bind(&job.name)
        .bind(&job.profile)
        .bind(i64::from(job.sensitive))
        .bind(i64::from(job.enabled))
        .bind(&job.schedule)
        .bind(&job.time_zone)
        .bind(i64::from(job.jitter_seconds))
        .bind(job.catch_up)
        .bind(written(&job.retention)?)
        .bind(i64::from(job.retries))
        .bind(i64::from(job.retry_seconds))
        .bind(&job.planned_until)
        .bind(job.version)
        .bind(&job.created_at)
        .execute(&mut *transaction)
        .await
        .map_err(name_taken)?;
        put_lists(&mut transaction, job).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Changes a job whose version is still `job.version`. Says whether it was. What waits of the schedule of one that is
    /// switched off is cancelled.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if another has its name, [`CatalogError::Database`].
    pub async fn change_job(&self, job: &JobRecord) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let done = sqlx::query(
            "UPDATE jobs SET name = $1, profile = $2, sensitive = $3, enabled = $4, schedule = $5, time_zone = $6,
                 jitter_seconds = $7, catch_up = $8, retention = $9, retries = $10, retry_seconds = $11,
                 planned_until = $12, version = version + 1
             WHERE id = $13 AND version = $14",
        )
        .bind(&job.name)
        .bind(&job.profile)
        .bind(i64::from(job.sensitive))
        .bind(i64::from(job.enabled))
        .bind(&job.schedule)
        .bind(&job.time_zone)
        .bind(i64::from(job.jitter_seconds))
        .bind(job.catch_up)
        .bind(written(&job.retention)?)
        .bind(i64::from(job.retries))
        .bind(i64::from(job.retry_seconds))
        .bind(&job.planned_until)
        .bind(&job.id)
        .bind(job.version)
        .execute(&mut *transaction)
        .await
        .map_err(name_taken)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        put_lists(&mut transaction, job).await?;
        if !job.enabled {
            // What is at work goes on, and what somebody asked for is done.
            sqlx::query(
                "UPDATE job_runs SET state = 'cancelled', ended_at = $1 WHERE job = $2 AND state = 'waiting' AND by_hand = 0",
            )
            .bind(clock::text(clock::now()))
            .bind(&job.id)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Forgets a job with its history; its backups stay. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::InUse`] as long as a run of it is going on, [`CatalogError::Database`].
    pub async fn remove_job(&self, id: &Id) -> Result<bool, CatalogError> {
        let mut transaction = self.begin_write().await?;
        let at_work: Option<Id> =
            sqlx::query_scalar("SELECT id FROM job_runs WHERE job = $1 AND state = 'running'")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?;
        if at_work.is_some() {
            return Err(CatalogError::InUse {
                what: "this job",
                by: "a run of it that is going on",
            });
        }
        let done = sqlx::query("DELETE FROM jobs WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn name_taken(error: sqlx::Error) -> CatalogError {
    taken(error, "a job", &[("jobs.name", "name")])
}

async fn put_lists(connection: &mut AnyConnection, job: &JobRecord) -> Result<(), CatalogError> {
    for (clear, put, list) in [
        (
            "DELETE FROM job_sources WHERE job = $1",
            "INSERT INTO job_sources (job, position, source) VALUES ($1, $2, $3)",
            &job.sources,
        ),
        (
            "DELETE FROM job_destinations WHERE job = $1",
            "INSERT INTO job_destinations (job, position, destination) VALUES ($1, $2, $3)",
            &job.destinations,
        ),
    ] {
        sqlx::query(clear)
            .bind(&job.id)
            .execute(&mut *connection)
            .await?;
        for (position, id) in (0_i64..).zip(list) {
            sqlx::query(put)
                .bind(&job.id)
                .bind(position)
                .bind(id)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}
