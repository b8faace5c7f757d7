//! `/api/jobs`

use std::collections::BTreeSet;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use coffer_core::retention;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    Shared,
    body::Json,
    caller::Caller,
    etag,
    id::IdInPath,
    job_runs::{JobRun, live},
    problem::Problem,
    sources::checked_name,
};
use crate::{
    access::Permission,
    catalog::{CatchUp, Id, JobRecord},
    clock,
    schedule::{Schedule, ScheduleError, Zone},
};

/// How many coming times are shown.
const SHOWN_TIMES: usize = 5;
/// Most sources, and most destinations, of one job.
const MAX_LIST: usize = 64;
const MAX_JITTER: u32 = 24 * 3600;
const MAX_RETRIES: u32 = 20;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewJob)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    profile: Id,
    #[serde(default)]
    sensitive: bool,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    schedule: Option<String>,
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default)]
    jitter_seconds: u32,
    #[serde(default)]
    catch_up: CatchUp,
    #[serde(default)]
    #[schema(value_type = Object)]
    retention: retention::Policy,
    #[serde(default)]
    retries: u32,
    #[serde(default = "five_minutes")]
    retry_seconds: u32,
    sources: Vec<Id>,
    destinations: Vec<Id>,
    /// The version that was read, when a job is changed.
    #[serde(default)]
    version: Option<i64>,
}

const fn yes() -> bool {
    true
}

pub(super) fn utc() -> String {
    "UTC".to_owned()
}

const fn five_minutes() -> u32 {
    300
}

/// A job as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Job {
    id: Id,
    name: String,
    profile: Id,
    sensitive: bool,
    enabled: bool,
    schedule: Option<String>,
    time_zone: String,
    jitter_seconds: u32,
    catch_up: CatchUp,
    #[schema(value_type = Object)]
    retention: retention::Policy,
    retries: u32,
    retry_seconds: u32,
    sources: Vec<Id>,
    destinations: Vec<Id>,
    version: i64,
    created_at: String,
    /// When it is due next; empty if it is switched off.
    next: Vec<String>,
    /// The last one that was due, without its log.
    last_run: Option<JobRun>,
}

impl From<JobRecord> for Job {
    fn from(job: JobRecord) -> Self {
        let next = match &job.schedule {
            // One that can't be followed any more is told by the log.
            Some(pattern) if job.enabled => {
                next(pattern, &job.time_zone, clock::now()).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        Self {
            id: job.id,
            name: job.name,
            profile: job.profile,
            sensitive: job.sensitive,
            enabled: job.enabled,
            schedule: job.schedule,
            time_zone: job.time_zone,
            jitter_seconds: job.jitter_seconds,
            catch_up: job.catch_up,
            retention: job.retention,
            retries: job.retries,
            retry_seconds: job.retry_seconds,
            sources: job.sources,
            destinations: job.destinations,
            version: job.version,
            created_at: job.created_at,
            next,
            last_run: None,
        }
    }
}

/// The next times after a moment.
pub(super) fn next(
    pattern: &str,
    zone: &str,
    after: OffsetDateTime,
) -> Result<Vec<String>, ScheduleError> {
    let schedule = Schedule::parse(pattern, &Zone::parse(zone)?)?;
    let times = schedule.after(after).take(SHOWN_TIMES);
    Ok(times.map(clock::text).collect())
}

/// Refuses what is not allowed with each source of a job.
fn may(caller: &Caller, permission: Permission, sources: &[Id]) -> Result<(), Problem> {
    sources
        .iter()
        .try_for_each(|source| caller.may(permission, source))
}

/// A job that somebody may do this with.
pub(super) async fn permitted(
    app: &Shared,
    caller: &Caller,
    permission: Permission,
    id: &Id,
) -> Result<JobRecord, Problem> {
    let job = find(app, id).await?;
    may(caller, permission, &job.sources)?;
    Ok(job)
}

/// A job, with an ETag of its version.
async fn tagged(app: &Shared, status: StatusCode, job: JobRecord) -> Result<Response, Problem> {
    let version = job.version;
    Ok(etag::tagged(status, version, shown(app, job).await?))
}

/// A job with its last run.
async fn shown(app: &Shared, job: JobRecord) -> Result<Job, Problem> {
    let last = app.catalog.last_run(&job.id).await?;
    let mut job = Job::from(job);
    job.last_run = last.map(|run| live(app, run, false));
    Ok(job)
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        Self::unusable("bad_schedule", format!("{error}; nothing was changed"))
    }
}

#[utoipa::path(get, path = "/jobs", operation_id = "list_jobs",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The oldest first", body = [Job])))]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Answer<Vec<Job>>, Problem> {
    let mut jobs = Vec::new();
    for job in app.catalog.jobs().await? {
        if may(&caller, Permission::View, &job.sources).is_ok() {
            jobs.push(shown(&app, job).await?);
        }
    }
    Ok(Answer(jobs))
}

#[utoipa::path(get, path = "/jobs/{id}", operation_id = "show_job",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it is", body = Job)))]
pub(super) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Response, Problem> {
    let job = permitted(&app, &caller, Permission::View, &id).await?;
    tagged(&app, StatusCode::OK, job).await
}

#[utoipa::path(post, path = "/jobs", operation_id = "add_job", request_body = New,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 201, description = "Added", body = Job)))]
pub(super) async fn add(
    State(app): State<Shared>,
    caller: Caller,
    Json(new): Json<New>,
) -> Result<Response, Problem> {
    may(&caller, Permission::Configure, &new.sources)?;
    check(&app, &new).await?;
    let now = clock::text(clock::now());
    let job = record(new, Id::random()?, now)?;
    app.catalog.add_job(&job).await?;
    tracing::info!(job = %job.id, "added a job");
    tagged(&app, StatusCode::CREATED, job).await
}

#[utoipa::path(put, path = "/jobs/{id}", operation_id = "change_job", request_body = New,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it is now", body = Job)))]
pub(super) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    Json(new): Json<New>,
) -> Result<Response, Problem> {
    let before = permitted(&app, &caller, Permission::Configure, &id).await?;
    etag::check(&headers, before.version)?;
    may(&caller, Permission::Configure, &new.sources)?;
    check(&app, &new).await?;
    let given = new.version;
    let mut job = record(new, id.clone(), before.created_at.clone())?;
    job.version = given.unwrap_or(before.version);
    // What was due before belongs to the old schedule, unless it is still the same.
    let same =
        before.enabled && (&before.schedule, &before.time_zone) == (&job.schedule, &job.time_zone);
    job.planned_until = match same {
        true => before.planned_until,
        false => clock::text(clock::now()),
    };
    if !app.catalog.change_job(&job).await? {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "changed_meanwhile",
            "somebody changed this job meanwhile; nothing was changed; look at it again",
        ));
    }
    tagged(&app, StatusCode::OK, find(&app, &id).await?).await
}

#[utoipa::path(delete, path = "/jobs/{id}", operation_id = "remove_job",
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Removed; its backups stay")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let job = permitted(&app, &caller, Permission::Configure, &id).await?;
    etag::check(&headers, job.version)?;
    match app.catalog.remove_job(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_job()),
    }
}

fn record(new: New, id: Id, created_at: String) -> Result<JobRecord, Problem> {
    Ok(JobRecord {
        id,
        name: checked_name(&new.name)?,
        profile: new.profile,
        sensitive: new.sensitive,
        enabled: new.enabled,
        schedule: new.schedule.map(|pattern| pattern.trim().to_owned()),
        time_zone: new.time_zone,
        jitter_seconds: new.jitter_seconds,
        catch_up: new.catch_up,
        retention: new.retention,
        retries: new.retries,
        retry_seconds: new.retry_seconds,
        planned_until: clock::text(clock::now()),
        version: 1,
        sources: new.sources,
        destinations: new.destinations,
        created_at,
    })
}

async fn check(app: &Shared, new: &New) -> Result<(), Problem> {
    let wrong = |what: &str| {
        Err(Problem::unusable(
            "bad_job",
            format!("{what}; nothing was changed"),
        ))
    };
    let zone = Zone::parse(&new.time_zone)?;
    if let Some(pattern) = &new.schedule {
        Schedule::parse(pattern, &zone)?;
    }
    for (list, what) in [(&new.sources, "source"), (&new.destinations, "destination")] {
        let distinct: BTreeSet<&Id> = list.iter().collect();
        if list.is_empty() || list.len() > MAX_LIST {
            return wrong(&format!(
                "a job has at least one {what} and at most {MAX_LIST}"
            ));
        }
        if distinct.len() != list.len() {
            return wrong(&format!("a {what} is named twice"));
        }
    }
    if new.jitter_seconds > MAX_JITTER || new.retries > MAX_RETRIES {
        return wrong("a run begins at most a day late, and is tried again at most 20 times");
    }
    let profile = app.catalog.profile(&new.profile).await?;
    if profile.is_none() {
        return Err(Problem::unusable(
            "no_profile",
            "there is no such profile; nothing was changed",
        ));
    }
    for id in &new.sources {
        let source = super::sources::source(app, id).await?;
        if new.sensitive && source.preset.is_none() {
            return Err(Problem::unusable(
                "no_preset",
                "without a preset nobody can say what is a credential; nothing was changed",
            ));
        }
    }
    for id in &new.destinations {
        super::destinations::find(app, id).await?;
    }
    Ok(())
}

async fn find(app: &Shared, id: &Id) -> Result<JobRecord, Problem> {
    app.catalog.job(id).await?.ok_or_else(no_job)
}

fn no_job() -> Problem {
    Problem::not_found("no_job", "there is no such job (any more)")
}
