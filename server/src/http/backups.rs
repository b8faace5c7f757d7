//! `/api/backups`, and taking one.

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, body::Json, id::IdInPath, problem::Problem, sources::source};
use crate::{
    catalog::{BackupRecord, BackupState, Id, RunKind},
    runs::BackupRun,
    store::StoreError,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    profile: Id,
    #[serde(default)]
    sensitive: bool,
}

/// A backup as the API shows it.
#[derive(Debug, Serialize)]
pub(super) struct Backup {
    id: Id,
    source: Id,
    source_name: String,
    name: String,
    size: i64,
    created_at: String,
    state: BackupState,
    fingerprint: String,
    sender: Option<String>,
    contents: String,
}

impl From<BackupRecord> for Backup {
    fn from(record: BackupRecord) -> Self {
        Self {
            id: record.id,
            source: record.source,
            source_name: record.source_name,
            name: record.name,
            size: record.size,
            created_at: record.created_at,
            state: record.state,
            fingerprint: record.fingerprint,
            sender: Some(record.sender).filter(|sender| !sender.is_empty()),
            contents: record.contents,
        }
    }
}

pub(super) async fn start(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    Json(body): Json<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    let source = source(&app, &id).await?;
    let profile = app.catalog.profile(&body.profile).await?.ok_or_else(|| {
        Problem::unusable(
            "no_profile",
            "there is no such profile; nothing was started",
        )
    })?;
    if body.sensitive && source.preset.is_none() {
        return Err(Problem::unusable(
            "no_preset",
            "without a preset nobody can say what is a credential; nothing was started",
        ));
    }
    let run = BackupRun::new(
        &app.catalog,
        &app.archives,
        &source,
        &profile,
        &app.sender,
        body.sensitive,
    )?;
    let run = app
        .runs
        .start(RunKind::Backup, &source.id, |progress| run.run(progress))
        .await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}

pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Backup>>, Problem> {
    let mut backups = app.catalog.backups().await?;
    for backup in &mut backups {
        look_after(&app, backup).await?;
    }
    Ok(Answer(backups.into_iter().map(Into::into).collect()))
}

pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    let backup = find(&app, &id).await?;
    app.archives.remove(&backup.name).await?;
    app.catalog.remove_backup(&id).await?;
    tracing::info!(archive = backup.name, "removed a backup");
    Ok(StatusCode::NO_CONTENT)
}

/// One backup, with the state that it has now.
pub(super) async fn find(app: &Shared, id: &Id) -> Result<BackupRecord, Problem> {
    let mut backup = app
        .catalog
        .backup(id)
        .await?
        .ok_or_else(|| Problem::not_found("no_backup", "there is no such backup (any more)"))?;
    look_after(app, &mut backup).await?;
    Ok(backup)
}

/// Notices a stored file that is gone or has another size: that costs nothing to see.
async fn look_after(app: &Shared, backup: &mut BackupRecord) -> Result<(), Problem> {
    if backup.state == BackupState::Damaged {
        return Ok(());
    }
    let whole = match app.archives.size(&backup.name).await {
        Ok(size) => i64::try_from(size) == Ok(backup.size),
        Err(StoreError::NoArchive { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !whole {
        tracing::error!(
            archive = backup.name,
            "a stored archive is gone or has another size"
        );
        app.catalog.backup_damaged(&backup.id).await?;
        backup.state = BackupState::Damaged;
    }
    Ok(())
}
