//! `/api/rehearsals`: what the restore of an uploaded bundle would do, found out from its rows.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::{Json as Answer, extract::State, http::StatusCode};
use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared,
    body::{SecretJson, SecretText},
    caller::Caller,
    id::IdInPath,
    problem::Problem,
    restores::{everything, file_key, guard},
    sources::source,
    uploads,
};
use crate::{
    access::Permission,
    catalog::{Id, RunKind},
    restore::TableSamples,
    runs::{RehearsalRun, source_config, target_name},
};

/// Most rehearsals whose rows are remembered.
const REMEMBERED: usize = 16;

/// Rows that rehearsals have shown to change: for those who may restore, as long as this process runs, and written down
/// nowhere.
#[derive(Debug, Default)]
pub(super) struct Rehearsed(Mutex<VecDeque<Shown>>);

#[derive(Clone, Debug)]
struct Shown {
    run: Id,
    source: Id,
    /// Filled when the run ends.
    rows: Arc<OnceLock<Vec<TableSamples>>>,
}

impl Rehearsed {
    fn all(&self) -> MutexGuard<'_, VecDeque<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, shown: Shown) {
        let mut all = self.all();
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(shown);
    }

    fn find(&self, run: &Id) -> Option<Shown> {
        self.all().iter().find(|shown| shown.run == *run).cloned()
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = StartRehearsal)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    target: Id,
    upload: Id,
    #[schema(value_type = String)]
    key: SecretText,
    #[schema(value_type = String)]
    mode: Mode,
    #[serde(default = "everything")]
    #[schema(value_type = Object)]
    selection: Selection,
    #[serde(default)]
    #[schema(value_type = Object)]
    consent: Consent,
}

#[utoipa::path(post, path = "/rehearsals", operation_id = "start_rehearsal", request_body = Start,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 202, description = "Started; the run is named, and its result is the plan with its digest")))]
pub(super) async fn start(
    State(app): State<Shared>,
    caller: Caller,
    SecretJson(body): SecretJson<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    caller.may(Permission::Restore, &body.target)?;
    let source = source(&app, &body.target).await?;
    let guard = guard(&app, &caller, &source, body.mode)?;
    let target = source_config(&source)?;
    let key = file_key(&body.key.0)?;
    let lock = app.runs.lock_target(&target_name(&target.url))?;
    uploads::own(&app, &caller, &body.upload)?;
    let run = RehearsalRun {
        target,
        lock,
        upload: app.uploads.lend(&body.upload)?,
        key,
        selection: body.selection,
        mode: body.mode,
        consent: body.consent,
        guard,
    };
    let rows = Arc::new(OnceLock::new());
    let shown = rows.clone();
    let run = app
        .runs
        .start(RunKind::Rehearsal, &source.id, |progress| async move {
            let (result, samples) = run.run(progress).await?;
            // Set once, here.
            let _first = shown.set(samples);
            Ok(result)
        })
        .await?;
    app.rehearsed.remember(Shown {
        run: run.clone(),
        source: source.id,
        rows,
    });
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}

#[derive(Debug, Serialize)]
pub(super) struct Rows {
    samples: Vec<TableSamples>,
}

#[utoipa::path(get, path = "/rehearsals/{id}/samples", operation_id = "show_rehearsed_rows",
    extensions(("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "Rows that would change, a few of each table, before and after")))]
pub(super) async fn samples(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Answer<Rows>, Problem> {
    let gone = || {
        Problem::not_found(
            "no_rehearsal",
            "there is no such rehearsal, or its rows are forgotten; nothing was changed; rehearse again",
        )
    };
    let shown = app.rehearsed.find(&id).ok_or_else(gone)?;
    caller.may(Permission::Restore, &shown.source)?;
    let samples = shown.rows.get().cloned().ok_or_else(gone)?;
    Ok(Answer(Rows { samples }))
}
