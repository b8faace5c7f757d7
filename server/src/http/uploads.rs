//! `/api/uploads`: restore bundles, appended piece by piece.

use axum::{
    Json as Answer,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, body::Json, id::IdInPath, problem::Problem};

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const PIECE: &str = "application/offset+octet-stream";

/// Where the upload ends now.
type Offset = [(HeaderName, HeaderValue); 1];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {}

pub(super) async fn start(
    State(app): State<Shared>,
    Json(Start {}): Json<Start>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    let id = app.uploads.create()?;
    Ok((StatusCode::CREATED, Answer(json!({ "id": id }))))
}

pub(super) async fn size(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<(StatusCode, Offset), Problem> {
    let size = app.uploads.size(&id)?;
    Ok((StatusCode::NO_CONTENT, offset(size)))
}

pub(super) async fn append(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Offset), Problem> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(&header::CONTENT_TYPE) != Some(PIECE) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("pieces of an upload are sent as {PIECE}; nothing was changed"),
        ));
    }
    let at = text(&OFFSET)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "no_offset",
                "the header Upload-Offset must say where the piece starts; nothing was changed",
            )
        })?;
    let appending = app.uploads.append_at(&id, at)?;
    // On a task of its own, which a broken connection doesn't drop in the middle of a write.
    let size = tokio::spawn(appending.take(body.into_data_stream()))
        .await
        .map_err(|_| {
            Problem::internal(
                "defect",
                "the upload stopped because of a defect; send the piece again",
            )
        })??;
    Ok((StatusCode::NO_CONTENT, offset(size)))
}

pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    app.uploads.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

fn offset(size: u64) -> Offset {
    [(OFFSET, size.into())]
}
