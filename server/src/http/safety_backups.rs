//! `/api/safety-backups`: what restores replaced, and undoing them.

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::StatusCode,
};
use coffer_core::{Digest, plan::Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared,
    body::Json,
    caller::Caller,
    problem::Problem,
    restores::{guard_of, refuse_own},
    sources::source,
};
use crate::{
    access::Permission,
    catalog::{Id, RunKind},
    runs::{UndoRun, source_config, target_name},
    safety::Changes,
    source::SourceConfig,
    undo::{self, Allowed, Entry, Prepared},
};

/// A safety backup as the API shows it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    entry: Entry<'a>,
    /// The sources whose database it is of.
    sources: Vec<&'a Id>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PlanUndo)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanRequest {
    target: Id,
    #[serde(default)]
    #[schema(value_type = Object)]
    consent: Allowed,
}

#[derive(Debug, Serialize)]
pub(super) struct Made {
    plan: Plan,
    digest: Digest,
    changed_since: Changes,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = StartUndo)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    target: Id,
    #[schema(value_type = String)]
    plan_digest: Digest,
    #[serde(default)]
    #[schema(value_type = Object)]
    consent: Allowed,
}

#[utoipa::path(get, path = "/safety-backups", operation_id = "list_safety_backups",
    extensions(("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "The latest first")))]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Answer<Value>, Problem> {
    let listed = undo::list(&app.safety.folder, None).await?;
    let mut sources = app.catalog.sources_and_system().await?;
    sources.retain(|source| caller.rights.allow_for(Permission::Restore, &source.id));
    // A source that can't be understood is told about where it is used.
    let targets: Vec<(&Id, String)> = sources
        .iter()
        .filter_map(|source| {
            let config = source_config(source).ok()?;
            Some((&source.id, target_name(&config.url)))
        })
        .collect();
    let shown: Vec<Shown<'_>> = listed
        .records
        .iter()
        .map(|record| Shown {
            entry: Entry::of(record),
            sources: targets
                .iter()
                .filter(|(_, target)| *target == record.target)
                .map(|(id, _)| *id)
                .collect(),
        })
        // What belongs to no source any more is for who may restore all.
        .filter(|shown: &Shown<'_>| {
            !shown.sources.is_empty() || caller.rights.allow(Permission::Restore)
        })
        .collect();
    let unreadable: Vec<String> = listed.unreadable.iter().map(ToString::to_string).collect();
    Ok(Answer(
        json!({ "safety_backups": shown, "unreadable": unreadable }),
    ))
}

#[utoipa::path(post, path = "/safety-backups/{id}/plan", operation_id = "plan_undo", request_body = PlanRequest,
    extensions(("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "The plan and its digest")))]
pub(super) async fn plan(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Json(mut request): Json<PlanRequest>,
) -> Result<Answer<Made>, Problem> {
    caller.may(Permission::Restore, &request.target)?;
    let source = source(&app, &request.target).await?;
    let url = source_config(&source)?.url;
    request.consent.guard = source.id.is_system().then(|| guard_of(&app, &caller));
    let record = undo::find(&app.safety.folder, &url, Some(&id)).await?;
    let Prepared { plan, changes, .. } =
        undo::prepare(app.safety.clone(), &url, &record, None, request.consent).await?;
    Ok(Answer(Made {
        digest: plan.digest(),
        plan,
        changed_since: changes,
    }))
}

#[utoipa::path(post, path = "/safety-backups/{id}/undo", operation_id = "start_undo", request_body = Start,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 202, description = "Started; the run is named")))]
pub(super) async fn start(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Json(mut request): Json<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    caller.may(Permission::Restore, &request.target)?;
    let source = source(&app, &request.target).await?;
    refuse_own(&app, &source)?;
    let SourceConfig { url, hooks, .. } = source_config(&source)?;
    let lock = app.runs.lock_target(&target_name(&url))?;
    let record = undo::find(&app.safety.folder, &url, Some(&id)).await?;
    request.consent.guard = source.id.is_system().then(|| guard_of(&app, &caller));
    // The run compares target and plan itself, inside of its transaction.
    let mut undoing = undo::request(app.safety.clone(), &url, &record, None, request.consent)?;
    // An application that is stopped for a restore is to be stopped for undoing one.
    undoing.target.hooks = hooks;
    undoing.expected_plan = Some(request.plan_digest);
    let run = UndoRun {
        request: undoing,
        lock,
    };
    let run = app
        .runs
        .start(RunKind::Restore, &source.id, |progress| run.run(progress))
        .await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}
