//! `/api/restores`: applying an uploaded bundle.

use axum::{Json as Answer, extract::State, http::StatusCode};
use base64ct::{Base64, Encoding};
use coffer_core::{
    Digest,
    manifest::Selection,
    plan::{Consent, Mode},
    seal::FileKey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    Shared,
    body::{SecretJson, SecretText},
    caller::Caller,
    problem::Problem,
    sources::source,
    uploads,
};
use crate::{
    access::Permission,
    catalog::{Id, RunKind, SourceRecord},
    runs::{RestoreRun, source_config, target_name},
    system::{Actor, Guard},
};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = StartRestore)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    target: Id,
    #[schema(value_type = String)]
    plan_digest: Digest,
    #[serde(default)]
    #[schema(value_type = Object)]
    consent: Consent,
    #[schema(value_type = String)]
    mode: Mode,
    #[serde(default = "everything")]
    #[schema(value_type = Object)]
    selection: Selection,
    /// Whether the plan is a rehearsal's, which knows the rows, and not the manifest's alone.
    #[serde(default)]
    rehearsed: bool,
    upload: Id,
    #[schema(value_type = String)]
    key: SecretText,
}

#[utoipa::path(post, path = "/restores", operation_id = "start_restore", request_body = Start,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("restore")), ("x-scope" = json!("source"))), responses((status = 202, description = "Started; the run is named")))]
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
    let upload = app.uploads.claim(&body.upload)?;
    let run = RestoreRun {
        target,
        lock,
        upload,
        key,
        planned_without_rows: !body.rehearsed && !body.mode.merges(&body.selection),
        selection: body.selection,
        mode: body.mode,
        consent: body.consent,
        plan: body.plan_digest,
        guard,
        safety: app.safety.clone(),
    };
    let run = app
        .runs
        .start(RunKind::Restore, &source.id, |progress| run.run(progress))
        .await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}

/// What looks after a restore into this source, which is nothing where it isn't Coffer's own configuration.
pub(super) fn guard(
    app: &Shared,
    caller: &Caller,
    source: &SourceRecord,
    mode: Mode,
) -> Result<Option<Guard>, Problem> {
    if !source.id.is_system() {
        refuse_own(app, source)?;
        return Ok(None);
    }
    if mode == Mode::Replace {
        return Err(Problem::unusable(
            "bad_mode",
            "a configuration that is in use is restored with mode overwrite or skip, by the plan of a rehearsal; nothing was changed",
        ));
    }
    Ok(Some(guard_of(app, caller)))
}

/// What looks after a change of Coffer's own configuration by this caller.
pub(super) fn guard_of(app: &Shared, caller: &Caller) -> Guard {
    app.catalog.guard(Actor::User {
        id: caller.user.clone(),
        rights: caller.rights.clone(),
    })
}

/// Refuses to restore anything else into the catalog: that would get around what looks after it.
pub(super) fn refuse_own(app: &Shared, source: &SourceRecord) -> Result<(), Problem> {
    let target = |source: &SourceRecord| Ok::<_, Problem>(target_name(&source_config(source)?.url));
    if !source.id.is_system() && target(source)? == target(&app.catalog.system())? {
        return Err(Problem::unusable(
            "own_catalog",
            "this is the database that Coffer keeps its own configuration in, which is a source of its own; nothing was changed; use that one",
        ));
    }
    Ok(())
}

/// What is restored of a bundle where nothing is said: it holds what was selected and nothing else.
pub(super) const fn everything() -> Selection {
    Selection::ALL
}

/// The bundle's one-time key: 32 bytes in base64.
pub(super) fn file_key(text: &str) -> Result<FileKey, Problem> {
    let mut key = Zeroizing::new([0; 32]);
    let whole = Base64::decode(text, key.as_mut_slice()).is_ok_and(|bytes| bytes.len() == 32);
    if whole {
        Ok(FileKey::new(*key))
    } else {
        Err(Problem::unusable(
            "bad_key",
            "the key is not 32 bytes in base64; nothing was changed",
        ))
    }
}
