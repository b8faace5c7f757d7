//! `/api/uploads`: ciphertext, sent piece by piece as tus 1.0 says.

use std::time::Duration;

use axum::{
    Json as Answer,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use futures_util::Stream;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    caller::{Caller, not_permitted},
    id::IdInPath,
    problem::Problem,
};
use crate::{
    access::Permission,
    catalog::Id,
    clock,
    keep::{KeepError, keep},
    store::{Appending, Checksum, Purpose, Room, Stage, StoreError, UploadView, drain},
};

mod tus;

use tus::Creation;

/// How long the last piece of an archive waits for its answer while the archive is stored and read again.
const KEEP_LIMIT: Duration = Duration::from_secs(20);

/// When an upload that nobody touches is given up.
pub(super) const AGE: Duration = Duration::from_secs(24 * 3600);

/// The addresses of uploads.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(start, abilities, list))
        .routes(routes!(show, size, append, remove))
        // What is streamed to disk has the uploads' quota for a limit.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(tus::speak))
}

/// An upload as the API shows it.
#[derive(Debug, Serialize)]
struct Shown {
    id: Id,
    purpose: Purpose,
    name: String,
    size: u64,
    length: Option<u64>,
    state: &'static str,
    /// The first bytes' digest, by which a sender knows its file again.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Start>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    created_at: String,
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct Start {
    length: usize,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct Fault {
    code: &'static str,
    detail: String,
}

/// Bytes of an upload's start that tell it from every other: each sealed archive's header is random.
const START: u64 = 4096;

fn shown(app: &Shared, view: UploadView) -> Shown {
    let expires = expires(&view);
    let start = match view.stage {
        Stage::Receiving if view.size > 0 => app.uploads.start(&view.id, START).ok(),
        _ => None,
    };
    let (state, backup, error) = match view.stage {
        Stage::Receiving => ("receiving", None, None),
        Stage::Checking => ("checking", None, None),
        Stage::Stored(backup) => ("stored", Some(backup), None),
        Stage::Refused { code, detail } => ("refused", None, Some(Fault { code, detail })),
    };
    Shown {
        id: view.id,
        purpose: view.record.purpose,
        name: view.record.name,
        size: view.size,
        length: view.record.length,
        state,
        start: start.map(|bytes| Start {
            length: bytes.len(),
            sha256: coffer_core::Digest::of(&bytes).to_string(),
        }),
        backup,
        error,
        created_at: view.record.created_at,
        expires_at: clock::text(expires),
    }
}

fn expires(view: &UploadView) -> OffsetDateTime {
    let expires = OffsetDateTime::from(view.touched) + AGE;
    expires.replace_nanosecond(0).unwrap_or(expires)
}

/// An upload of this user: of others, nobody is told.
pub(super) fn own(app: &Shared, caller: &Caller, id: &Id) -> Result<UploadView, Problem> {
    let view = app.uploads.view(id)?;
    if view.record.owner == caller.user.as_str() {
        Ok(view)
    } else {
        Err(StoreError::NoUpload.into())
    }
}

/// What unfinished uploads may have beside the stored ones.
async fn room(app: &Shared, owner: &str) -> Result<Room, Problem> {
    let (all, own) = app.catalog.uploaded_bytes(owner).await?;
    Ok(Room {
        all: app.upload_quota.all.saturating_sub(all),
        owner: app.upload_quota.owner.saturating_sub(own),
    })
}

/// Keeps what came whole and was not kept yet, because the server ended or the disk was full.
pub(super) async fn keep_waiting(app: &Shared) {
    for id in app.uploads.waiting() {
        if let Err(error) = keep(&app.catalog, &app.archives, &app.uploads, &id).await {
            tracing::warn!(upload = %id, %error, "an upload was not kept");
        }
    }
}

#[utoipa::path(options, path = "/uploads", operation_id = "upload_abilities",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source")), ("x-audit" = json!(false))), responses((status = 204, description = "What tus can do here")))]
async fn abilities(State(app): State<Shared>, caller: Caller) -> Result<Response, Problem> {
    Ok(tus::abilities(room(&app, caller.user.as_str()).await?.all))
}

#[utoipa::path(get, path = "/uploads", operation_id = "list_uploads",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "Your own")))]
async fn list(State(app): State<Shared>, caller: Caller) -> Answer<Vec<Shown>> {
    let all = app.uploads.list().into_iter();
    let all = all.filter(|view| view.record.owner == caller.user.as_str());
    Answer(all.map(|view| shown(&app, view)).collect())
}

#[utoipa::path(get, path = "/uploads/{id}", operation_id = "show_upload",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it stands")))]
async fn show(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Response, Problem> {
    let view = own(&app, &caller, &id)?;
    let headers = state(&view);
    Ok((headers, Answer(shown(&app, view))).into_response())
}

#[utoipa::path(head, path = "/uploads/{id}", operation_id = "upload_offset",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source"))), responses((status = 200, description = "How many bytes there are")))]
async fn size(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<Response, Problem> {
    let view = own(&app, &caller, &id)?;
    if let Stage::Refused { .. } = view.stage {
        return Err(Problem::gone());
    }
    let mut headers = state(&view);
    let length = match view.record.length {
        Some(length) => (tus::LENGTH, length.into()),
        None => (tus::DEFER, HeaderValue::from_static("1")),
    };
    headers.extend([length]);
    Ok((StatusCode::OK, headers).into_response())
}

#[utoipa::path(post, path = "/uploads", operation_id = "start_upload",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source"))), responses((status = 201, description = "Begun; its address is in Location")))]
async fn start(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (id, appending, checksum) = match begin(&app, &caller, &headers).await {
        Ok(begun) => begun,
        Err(problem) => return refuse(body, problem).await,
    };
    if let Some(appending) = appending {
        receive(&app, &id, appending, body.into_data_stream(), checksum).await?;
    }
    let view = app.uploads.view(&id)?;
    let location = [(header::LOCATION, format!("/api/uploads/{id}"))];
    let headers = state(&view);
    Ok((
        StatusCode::CREATED,
        location,
        headers,
        Answer(shown(&app, view)),
    )
        .into_response())
}

/// Begins an upload, and takes it if its first bytes come with the request.
async fn begin(
    app: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(Id, Option<Appending>, Option<Checksum>), Problem> {
    let Creation {
        purpose,
        name,
        length,
    } = tus::creation(headers)?;
    let checksum = tus::checksum(headers)?;
    // A bundle is for a restore; what is kept is a backup.
    let needed = match purpose {
        Purpose::Archive => Permission::BackUp,
        Purpose::Bundle => Permission::Restore,
    };
    if !caller.rights.allow_somewhere(needed) {
        return Err(not_permitted(needed));
    }
    let room = room(app, caller.user.as_str()).await?;
    let id = app
        .uploads
        .create(purpose, caller.user.as_str(), &name, length, room)?;
    let appending = if tus::has_piece(headers) {
        Some(app.uploads.append_at(&id, 0, None, room)?)
    } else {
        None
    };
    Ok((id, appending, checksum))
}

#[utoipa::path(patch, path = "/uploads/{id}", operation_id = "append_to_upload",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source")), ("x-audit" = json!(false))), responses((status = 204, description = "Stored")))]
async fn append(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (appending, checksum) = match go_on(&app, &caller, &id, &headers).await {
        Ok(found) => found,
        Err(problem) => return refuse(body, problem).await,
    };
    receive(&app, &id, appending, body.into_data_stream(), checksum).await?;
    let view = app.uploads.view(&id)?;
    Ok((StatusCode::NO_CONTENT, state(&view)).into_response())
}

/// Takes an upload for the piece that comes with the request.
async fn go_on(
    app: &Shared,
    caller: &Caller,
    id: &Id,
    headers: &HeaderMap,
) -> Result<(Appending, Option<Checksum>), Problem> {
    if !tus::has_piece(headers) {
        return Err(tus::no_piece());
    }
    let offset = tus::offset(headers)?;
    let checksum = tus::checksum(headers)?;
    let length = tus::length(headers)?;
    own(app, caller, id)?;
    let room = room(app, caller.user.as_str()).await?;
    let appending = app.uploads.append_at(id, offset, length, room)?;
    Ok((appending, checksum))
}

/// Answers a request whose bytes nobody wants, so that its sender hears the answer.
async fn refuse(body: Body, problem: Problem) -> Result<Response, Problem> {
    drain(body.into_data_stream()).await;
    Err(problem)
}

async fn receive(
    app: &Shared,
    id: &Id,
    mut appending: Appending,
    bytes: impl Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + 'static,
    checksum: Option<Checksum>,
) -> Result<(), Problem> {
    // On a task of its own, which a broken connection doesn't drop in the middle of a write.
    let taken = tokio::spawn(async move { appending.take(bytes, checksum).await });
    taken.await.map_err(|_| {
        Problem::internal(
            "defect",
            "the upload stopped because of a defect; send the piece again",
        )
    })??;
    let app = app.clone();
    let id = id.clone();
    let keeping = async move { keep(&app.catalog, &app.archives, &app.uploads, &id).await };
    // On a task of its own too. Whoever doesn't hear its end can ask for the upload's state.
    match tokio::time::timeout(KEEP_LIMIT, tokio::spawn(keeping)).await {
        Ok(Ok(kept)) => Ok(kept?),
        Ok(Err(_)) => Err(KeepError::Defect.into()),
        Err(_) => Ok(()),
    }
}

#[utoipa::path(delete, path = "/uploads/{id}", operation_id = "remove_upload",
    extensions(("x-permission" = json!("back_up restore")), ("x-scope" = json!("source"))), responses((status = 204, description = "Removed")))]
async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    own(&app, &caller, &id)?;
    app.uploads.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the upload ends now, and until when it is kept.
fn state(view: &UploadView) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(tus::OFFSET, view.size.into());
    if let Ok(expires) = HeaderValue::from_str(&tus::http_date(expires(view))) {
        headers.insert(tus::EXPIRES, expires);
    }
    headers
}
