//! `/api/backups`, and taking one.

use std::collections::BTreeMap;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared, body::Json, caller::Caller, copies, id::IdInPath, page::Page, problem::Problem,
    sources::source,
};
use crate::{
    access::Permission,
    catalog::{BackupOrigin, BackupRecord, BackupState, CopyState, Id, RunKind},
    runs::BackupRun,
    store::StoreError,
};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TakeBackup)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    profile: Id,
    #[serde(default)]
    sensitive: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NoContent)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A backup as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backup)]
pub(super) struct Backup {
    id: Id,
    #[schema(value_type = String)]
    origin: BackupOrigin,
    uploaded_by: Option<String>,
    source: Option<Id>,
    source_name: String,
    name: String,
    size: i64,
    created_at: String,
    #[schema(value_type = String)]
    state: BackupState,
    fingerprints: Vec<String>,
    sender: Option<String>,
    contents: Option<String>,
    scrubbed_at: Option<String>,
    /// The job that took it, which may be gone by now.
    job: Option<Id>,
    /// Whether retention leaves it alone.
    locked: bool,
    /// Where its archive is; empty if it is in the server's own store.
    copies: Vec<Copy>,
}

/// A copy as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Copy)]
pub(super) struct Copy {
    destination: Id,
    state: CopyState,
    checked_at: String,
}

impl Backup {
    /// With the name of who uploaded it; a user who is gone is named by the id that is left.
    async fn named(app: &Shared, mut record: BackupRecord) -> Result<Self, Problem> {
        if let Ok(by) = Id::parse(&record.uploaded_by)
            && let Some(user) = app.catalog.user(&by).await?
        {
            record.uploaded_by = user.name;
        }
        Ok(record.into())
    }
}

impl From<BackupRecord> for Backup {
    fn from(record: BackupRecord) -> Self {
        let taken = record.origin == BackupOrigin::Taken;
        let told = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            fingerprints: record.fingerprints().map(str::to_owned).collect(),
            id: record.id,
            origin: record.origin,
            uploaded_by: told(record.uploaded_by),
            source: taken.then_some(record.source),
            source_name: record.source_name,
            name: record.name,
            size: record.size,
            created_at: record.created_at,
            state: record.state,
            sender: told(record.sender),
            contents: told(record.contents),
            scrubbed_at: record.scrubbed_at,
            job: record.job,
            locked: false,
            copies: Vec::new(),
        }
    }
}

#[utoipa::path(post, path = "/sources/{id}/backups", operation_id = "take_backup", request_body = Start,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("back_up")), ("x-scope" = json!("source"))), responses((status = 202, description = "Started; the run is named")))]
pub(super) async fn start(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(body): Json<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    caller.may(Permission::BackUp, &id)?;
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

#[utoipa::path(get, path = "/backups", operation_id = "list_backups",
    params(("limit" = Option<u32>, Query, description = "At most so many", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "Out of the link to the next part, which the answer before this one gave")),
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The newest first", body = [Backup])))]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    page: Page,
) -> Result<(HeaderMap, Answer<Vec<Backup>>), Problem> {
    let mut copies: BTreeMap<Id, Vec<Copy>> = BTreeMap::new();
    for copy in app.catalog.all_copies().await? {
        copies.entry(copy.backup).or_default().push(Copy {
            destination: copy.destination,
            state: copy.state,
            checked_at: copy.checked_at,
        });
    }
    let locked = app.catalog.locked_backups().await?;
    let elsewhere = app.catalog.backups_elsewhere().await?;
    let mut shown = Vec::new();
    let mut backups = app.catalog.backups().await?;
    backups.retain(|backup| permitted(&caller, Permission::View, backup).is_ok());
    // In the order of the catalog: the newest first.
    let place = |backup: &BackupRecord| format!("{} {}", backup.created_at, backup.name);
    let (backups, last) = page.part(backups, place)?;
    for mut backup in backups {
        let copies = copies.remove(&backup.id).unwrap_or_default();
        if copies.is_empty() && !elsewhere.contains(&backup.id) {
            look_after(&app, &mut backup).await?;
        }
        let mut backup = Backup::named(&app, backup).await?;
        backup.locked = locked.contains(&backup.id);
        backup.copies = copies;
        shown.push(backup);
    }
    let link = page.link("/api/backups", last.as_deref());
    Ok((link, Answer(shown)))
}

/// Has retention leave a backup alone.
#[utoipa::path(post, path = "/backups/{id}/lock", operation_id = "lock_backup", request_body = Nothing,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Done")))]
pub(super) async fn lock(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<StatusCode, Problem> {
    set_lock(&app, &caller, &id, true).await
}

/// Has retention look at a backup again.
#[utoipa::path(post, path = "/backups/{id}/unlock", operation_id = "unlock_backup", request_body = Nothing,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Done")))]
pub(super) async fn unlock(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<StatusCode, Problem> {
    set_lock(&app, &caller, &id, false).await
}

async fn set_lock(
    app: &Shared,
    caller: &Caller,
    id: &Id,
    locked: bool,
) -> Result<StatusCode, Problem> {
    permitted(caller, Permission::Configure, &find(app, id).await?)?;
    match app.catalog.lock_backup(id, locked).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_backup()),
    }
}

fn no_backup() -> Problem {
    Problem::not_found("no_backup", "there is no such backup (any more)")
}

#[utoipa::path(delete, path = "/backups/{id}", operation_id = "remove_backup",
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Removed")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    let backup = find(&app, &id).await?;
    permitted(&caller, Permission::Configure, &backup)?;
    copies::remove(&app, &backup).await?;
    tracing::info!(archive = backup.name, "removed a backup");
    Ok(StatusCode::NO_CONTENT)
}

/// Reads all of a stored archive, in each place that has it, and compares it with what was stored, and with its own scrub table.
/// No key is needed.
#[utoipa::path(post, path = "/backups/{id}/scrub", operation_id = "scrub_backup", request_body = Nothing,
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it stands now", body = Backup)))]
pub(super) async fn scrub(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<Backup>, Problem> {
    let backup = find(&app, &id).await?;
    permitted(&caller, Permission::View, &backup)?;
    copies::scrub(&app, &backup).await?;
    let backup = find(&app, &id).await?;
    Ok(Answer(Backup::named(&app, backup).await?))
}

/// Refuses what is not allowed with this backup. What somebody uploaded is of no source, and is its sender's own.
pub(super) fn permitted(
    caller: &Caller,
    permission: Permission,
    backup: &BackupRecord,
) -> Result<(), Problem> {
    let own = backup.origin == BackupOrigin::Uploaded && backup.uploaded_by == caller.user.as_str();
    if own {
        Ok(())
    } else {
        caller.may(permission, &backup.source)
    }
}

/// One backup, with the state that it has now.
pub(super) async fn find(app: &Shared, id: &Id) -> Result<BackupRecord, Problem> {
    let mut backup = app.catalog.backup(id).await?.ok_or_else(no_backup)?;
    if app.catalog.copies(id).await?.is_empty() && !app.catalog.is_elsewhere(id).await? {
        look_after(app, &mut backup).await?;
    }
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
