//! `/api/jobs/{id}/runs` and `/api/job-runs`

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared,
    backups::Nothing,
    body::Json,
    caller::Caller,
    id::IdInPath,
    jobs::permitted,
    page::{Page, bad_cursor},
    problem::Problem,
};
use crate::{
    access::Permission,
    catalog::{Id, JobRunRecord, JobRunState},
    clock,
    progress::ProgressSnapshot,
    runs::RunFailure,
};

/// How many runs of a job are shown.
const SHOWN_RUNS: u32 = 100;
/// Most runs of one job that somebody asked for and that wait to begin.
const MAX_ASKED: i64 = 5;

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
    params(("limit" = Option<u32>, Query, description = "At most so many", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "Out of the link to the next part, which the answer before this one gave")),
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The last ones, the latest first", body = [JobRun])))]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    page: Page,
) -> Result<(HeaderMap, Answer<Vec<JobRun>>), Problem> {
    let job = permitted(&app, &caller, Permission::View, &id).await?;
    let limit = page.limit().unwrap_or(SHOWN_RUNS);
    let after = page.after()?;
    let after = match &after {
        Some(place) => Some(place.split_once(' ').ok_or_else(bad_cursor)?),
        None => None,
    };
    let runs = app.catalog.job_runs(&job.id, after, limit).await?;
    let full = runs.len() == limit as usize;
    let last = runs.last().filter(|_| full);
    let last = last.map(|run| format!("{} {}", run.due_at, run.id));
    let link = page.link(&format!("/api/jobs/{id}/runs"), last.as_deref());
    let runs = runs.into_iter().map(|run| live(&app, run, false));
    Ok((link, Answer(runs.collect())))
}

#[utoipa::path(get, path = "/job-runs/{id}", operation_id = "show_job_run",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "How it stands", body = JobRun)))]
pub(super) async fn show(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<JobRun>, Problem> {
    let run = app.catalog.job_run(&id).await?.ok_or_else(no_run)?;
    permitted(&app, &caller, Permission::View, &run.job).await?;
    Ok(Answer(live(&app, run, true)))
}

/// A run as this server knows it, if it is the one that is at it; else as it was last heard of.
pub(super) fn live(app: &Shared, mut record: JobRunRecord, with_log: bool) -> JobRun {
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

fn no_run() -> Problem {
    Problem::not_found("no_run", "there is no such run, or it ended long ago")
}
