//! `/api/safety-backups`: what restores replaced, and undoing them.

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::StatusCode,
};
use coffer_core::{Digest, plan::Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, body::Json, problem::Problem, sources::source};
use crate::{
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanRequest {
    target: Id,
    #[serde(default)]
    consent: Allowed,
}

#[derive(Debug, Serialize)]
pub(super) struct Made {
    plan: Plan,
    digest: Digest,
    changed_since: Changes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    target: Id,
    plan_digest: Digest,
    #[serde(default)]
    consent: Allowed,
}

pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Value>, Problem> {
    let listed = undo::list(&app.safety.folder, None).await?;
    let sources = app.catalog.sources().await?;
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
        .collect();
    let unreadable: Vec<String> = listed.unreadable.iter().map(ToString::to_string).collect();
    Ok(Answer(
        json!({ "safety_backups": shown, "unreadable": unreadable }),
    ))
}

pub(super) async fn plan(
    State(app): State<Shared>,
    Path(id): Path<String>,
    Json(request): Json<PlanRequest>,
) -> Result<Answer<Made>, Problem> {
    let url = source_config(&source(&app, &request.target).await?)?.url;
    let record = undo::find(&app.safety.folder, &url, Some(&id)).await?;
    let Prepared { plan, changes, .. } =
        undo::prepare(app.safety.clone(), &url, &record, None, request.consent).await?;
    Ok(Answer(Made {
        digest: plan.digest(),
        plan,
        changed_since: changes,
    }))
}

pub(super) async fn start(
    State(app): State<Shared>,
    Path(id): Path<String>,
    Json(request): Json<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    let source = source(&app, &request.target).await?;
    let SourceConfig { url, hooks, .. } = source_config(&source)?;
    let lock = app.runs.lock_target(&target_name(&url))?;
    let record = undo::find(&app.safety.folder, &url, Some(&id)).await?;
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
