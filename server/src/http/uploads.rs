//! `/api/uploads`: ciphertext, sent piece by piece as tus 1.0 says.

use std::time::Duration;

use axum::{
    Json as Answer, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::Stream;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Shared, id::IdInPath, problem::Problem};
use crate::{
    catalog::Id,
    clock,
    store::{Appending, Checksum, Purpose, Room, Stage, UploadView},
};

mod tus;

/// When an upload that nobody touches is given up.
pub(super) const AGE: Duration = Duration::from_secs(24 * 3600);

/// The addresses of uploads.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/uploads", post(start).options(abilities).get(list))
        .route(
            "/uploads/{id}",
            get(show).head(size).patch(append).delete(remove),
        )
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

/// Whose uploads a request is about.
const OWNER: &str = "";

/// An upload of this user.
fn own(app: &Shared, id: &Id) -> Result<UploadView, Problem> {
    Ok(app.uploads.view(id)?)
}

fn room(app: &Shared) -> Room {
    Room {
        all: app.upload_quota,
        owner: app.upload_quota,
    }
}

async fn abilities(State(app): State<Shared>) -> Response {
    tus::abilities(room(&app).all)
}

async fn list(State(app): State<Shared>) -> Answer<Vec<Shown>> {
    let all = app.uploads.list().into_iter();
    Answer(all.map(|view| shown(&app, view)).collect())
}

async fn show(State(app): State<Shared>, IdInPath(id): IdInPath) -> Result<Response, Problem> {
    let view = own(&app, &id)?;
    let headers = state(&view);
    Ok((headers, Answer(shown(&app, view))).into_response())
}

async fn size(State(app): State<Shared>, IdInPath(id): IdInPath) -> Result<Response, Problem> {
    let view = own(&app, &id)?;
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

async fn start(
    State(app): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creation = tus::creation(&headers)?;
    let checksum = tus::checksum(&headers)?;
    let room = room(&app);
    let id = app.uploads.create(
        creation.purpose,
        OWNER,
        &creation.name,
        creation.length,
        room,
    )?;
    if tus::has_piece(&headers) {
        let appending = app.uploads.append_at(&id, 0, None, room)?;
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

async fn append(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !tus::has_piece(&headers) {
        return Err(tus::no_piece());
    }
    let offset = tus::offset(&headers)?;
    let checksum = tus::checksum(&headers)?;
    let length = tus::length(&headers)?;
    own(&app, &id)?;
    let appending = app.uploads.append_at(&id, offset, length, room(&app))?;
    receive(&app, &id, appending, body.into_data_stream(), checksum).await?;
    let view = app.uploads.view(&id)?;
    Ok((StatusCode::NO_CONTENT, state(&view)).into_response())
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
    let _ = (app, id);
    Ok(())
}

async fn remove(State(app): State<Shared>, IdInPath(id): IdInPath) -> Result<StatusCode, Problem> {
    own(&app, &id)?;
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
