//! What rules and schedules would do: `/api/jobs/{id}/retention` and `/api/schedules/preview`

use axum::{Json as Answer, extract::State};
use coffer_core::retention;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared,
    body::Json,
    caller::Caller,
    id::IdInPath,
    jobs::{next, permitted, utc},
    problem::Problem,
};
use crate::{access::Permission, catalog::JobRecord, clock, jobs::fates, schedule::Zone};

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
pub(super) async fn schedule(Json(asked): Json<Asked>) -> Result<Answer<Value>, Problem> {
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
