//! `/api/jobs`, `/api/job-runs` and `/api/schedules`

use std::collections::BTreeSet;

use axum::{Json as Answer, extract::State, http::StatusCode};
use coffer_core::retention;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    Shared, backups::Nothing, body::Json, caller::Caller, id::IdInPath, problem::Problem,
    sources::checked_name,
};
use crate::{
    access::Permission,
    catalog::{CatchUp, Id, JobRecord, JobRunRecord, JobRunState},
    clock,
    jobs::fates,
    progress::ProgressSnapshot,
    runs::RunFailure,
    schedule::{Schedule, ScheduleError, Zone},
};

/// How many coming times are shown.
const SHOWN_TIMES: usize = 5;
/// How many runs of a job are shown.
const SHOWN_RUNS: u32 = 100;
/// Most sources, and most destinations, of one job.
const MAX_LIST: usize = 64;
/// Most runs of one job that somebody asked for and that wait to begin.
const MAX_ASKED: i64 = 5;
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

fn utc() -> String {
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

/// A run of a job as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobRun {
    id: Id,
    job: Id,
    due_at: String,
    by_hand: bool,
    #[schema(value_type = String)]
    state: JobRunState,
    attempt: i64,
    not_before: String,
    #[schema(value_type = Object)]
    progress: ProgressSnapshot,
    /// What happened, a line each. Lists go without.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[schema(value_type = Option<Object>)]
    error: Option<RunFailure>,
    started_at: Option<String>,
    ended_at: Option<String>,
}

impl From<JobRunRecord> for JobRun {
    fn from(run: JobRunRecord) -> Self {
        Self {
            id: run.id,
            job: run.job,
            due_at: run.due_at,
            by_hand: run.by_hand != 0,
            state: run.state,
            attempt: run.attempt,
            not_before: run.not_before,
            progress: serde_json::from_str(&run.progress).unwrap_or_default(),
            log: None,
            error: run
                .error_code
                .zip(run.error_detail)
                .map(|(code, detail)| RunFailure { code, detail }),
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

/// The next times after a moment.
fn next(pattern: &str, zone: &str, after: OffsetDateTime) -> Result<Vec<String>, ScheduleError> {
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
async fn permitted(
    app: &Shared,
    caller: &Caller,
    permission: Permission,
    id: &Id,
) -> Result<JobRecord, Problem> {
    let job = find(app, id).await?;
    may(caller, permission, &job.sources)?;
    Ok(job)
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
) -> Result<Answer<Job>, Problem> {
    let job = permitted(&app, &caller, Permission::View, &id).await?;
    Ok(Answer(shown(&app, job).await?))
}

#[utoipa::path(post, path = "/jobs", operation_id = "add_job", request_body = New,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 201, description = "Added", body = Job)))]
pub(super) async fn add(
    State(app): State<Shared>,
    caller: Caller,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Job>), Problem> {
    may(&caller, Permission::Configure, &new.sources)?;
    check(&app, &new).await?;
    let now = clock::text(clock::now());
    let job = record(new, Id::random()?, now)?;
    app.catalog.add_job(&job).await?;
    tracing::info!(job = %job.id, "added a job");
    Ok((StatusCode::CREATED, Answer(job.into())))
}

#[utoipa::path(put, path = "/jobs/{id}", operation_id = "change_job", request_body = New,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it is now", body = Job)))]
pub(super) async fn change(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(new): Json<New>,
) -> Result<Answer<Job>, Problem> {
    let before = permitted(&app, &caller, Permission::Configure, &id).await?;
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
    Ok(Answer(shown(&app, find(&app, &id).await?).await?))
}

#[utoipa::path(delete, path = "/jobs/{id}", operation_id = "remove_job",
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Removed; its backups stay")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    permitted(&app, &caller, Permission::Configure, &id).await?;
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

/// Has the job run as soon as it can.
#[utoipa::path(post, path = "/jobs/{id}/runs", operation_id = "start_job", request_body = Nothing,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("back_up")), ("x-scope" = json!("source"))), responses((status = 202, description = "It begins soon; the run is named")))]
pub(super) async fn start(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    let job = permitted(&app, &caller, Permission::BackUp, &id).await?;
    if app.catalog.runs_asked_for(&job.id).await? >= MAX_ASKED {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_runs",
            format!(
                "{MAX_ASKED} runs of this job wait to begin already; nothing was started; wait until one begins, or cancel one"
            ),
        ));
    }
    let run = Id::random()?;
    let now = clock::text(clock::now());
    app.catalog.ask_for_run(&run, &job.id, &now).await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}

/// The last runs of a job, the latest first.
#[utoipa::path(get, path = "/jobs/{id}/runs", operation_id = "list_job_runs",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The last ones, the latest first", body = [JobRun])))]
pub(super) async fn runs(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<Vec<JobRun>>, Problem> {
    let job = permitted(&app, &caller, Permission::View, &id).await?;
    let runs = app.catalog.job_runs(&job.id, SHOWN_RUNS).await?;
    let runs = runs.into_iter().map(|run| live(&app, run, false));
    Ok(Answer(runs.collect()))
}

#[utoipa::path(get, path = "/job-runs/{id}", operation_id = "show_job_run",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "How it stands", body = JobRun)))]
pub(super) async fn run(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<JobRun>, Problem> {
    let run = app.catalog.job_run(&id).await?.ok_or_else(no_run)?;
    permitted(&app, &caller, Permission::View, &run.job).await?;
    Ok(Answer(live(&app, run, true)))
}

/// A run as this server knows it, if it is the one that is at it; else as it was last heard of.
fn live(app: &Shared, mut record: JobRunRecord, with_log: bool) -> JobRun {
    let log = with_log.then(|| std::mem::take(&mut record.log));
    let mut run = JobRun::from(record);
    run.log = log;
    if run.state == JobRunState::Running
        && let Some(watch) = app.scheduler.watch(&run.id)
    {
        run.progress = watch.progress().snapshot();
        run.log = with_log.then(|| watch.log());
    }
    run
}

#[utoipa::path(post, path = "/job-runs/{id}/cancel", operation_id = "cancel_job_run", request_body = Nothing,
    extensions(("x-permission" = json!("back_up")), ("x-scope" = json!("source"))), responses((status = 202, description = "It stops at its next step")))]
pub(super) async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<StatusCode, Problem> {
    let run = app.catalog.job_run(&id).await?.ok_or_else(no_run)?;
    permitted(&app, &caller, Permission::BackUp, &run.job).await?;
    app.catalog
        .cancel_run(&id, &clock::text(clock::now()))
        .await?;
    if let Some(watch) = app.scheduler.watch(&id) {
        watch.progress().cancel();
    }
    Ok(StatusCode::ACCEPTED)
}

/// What retention would do now, without doing it.
#[utoipa::path(get, path = "/jobs/{id}/retention", operation_id = "preview_retention",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "What would stay and go in each destination, and why")))]
pub(super) async fn retention(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<Value>, Problem> {
    let job = permitted(&app, &caller, Permission::View, &id).await?;
    Ok(Answer(all_fates(&app, &caller, &job).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AskedRetention)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedRules {
    #[schema(value_type = Object)]
    retention: retention::Policy,
    /// The job's own if it is missing.
    #[serde(default)]
    time_zone: Option<String>,
}

/// What rules that somebody writes would do now to what a job stored.
#[utoipa::path(post, path = "/jobs/{id}/retention", operation_id = "preview_other_retention", request_body = AskedRules,
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source")), ("x-audit" = json!(false))), responses((status = 200, description = "What would stay and go in each destination, and why")))]
pub(super) async fn other_retention(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(asked): Json<AskedRules>,
) -> Result<Answer<Value>, Problem> {
    let mut job = permitted(&app, &caller, Permission::View, &id).await?;
    if let Some(zone) = asked.time_zone {
        Zone::parse(&zone)?;
        job.time_zone = zone;
    }
    job.retention = asked.retention;
    Ok(Answer(all_fates(&app, &caller, &job).await?))
}

/// What a job's rules would do in each destination. The job may have had sources once that this caller may not see.
async fn all_fates(app: &Shared, caller: &Caller, job: &JobRecord) -> Result<Value, Problem> {
    let mut all = Vec::new();
    for destination in &job.destinations {
        let mut fates = fates(&app.catalog, job, destination).await?;
        fates.retain(|fate| caller.rights.allow_for(Permission::View, &fate.source));
        all.push(json!({ "destination": destination, "backups": fates }));
    }
    Ok(json!({ "destinations": all }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AskedSchedule)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    schedule: String,
    #[serde(default = "utc")]
    time_zone: String,
    /// RFC 3339; now if it is missing.
    #[serde(default)]
    after: Option<String>,
}

/// The next times of a schedule that somebody writes.
#[utoipa::path(post, path = "/schedules/preview", operation_id = "preview_schedule", request_body = Asked,
    extensions(("x-permission" = json!("view")), ("x-audit" = json!(false))), responses((status = 200, description = "The next times")))]
pub(super) async fn preview(Json(asked): Json<Asked>) -> Result<Answer<Value>, Problem> {
    let after = match asked.after {
        None => clock::now(),
        Some(after) => clock::parse(&after).ok_or_else(|| {
            Problem::unusable(
                "bad_time",
                "a time is written as 2026-11-21T04:05:06Z; nothing was changed",
            )
        })?,
    };
    let next = next(&asked.schedule, &asked.time_zone, after)?;
    Ok(Answer(json!({ "next": next })))
}

async fn find(app: &Shared, id: &Id) -> Result<JobRecord, Problem> {
    app.catalog.job(id).await?.ok_or_else(no_job)
}

fn no_job() -> Problem {
    Problem::not_found("no_job", "there is no such job (any more)")
}

fn no_run() -> Problem {
    Problem::not_found("no_run", "there is no such run, or it ended long ago")
}
