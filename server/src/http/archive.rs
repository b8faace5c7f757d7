//! `/api/backups/{id}/archive`: the stored bytes, whole or in ranges.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Shared, backups,
    caller::Caller,
    copies,
    id::IdInPath,
    problem::Problem,
    range::{self, Wanted},
};
use crate::access::Permission;

/// For bytes that are not this program's own.
const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

#[utoipa::path(get, path = "/backups/{id}/archive", operation_id = "download_archive",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source")), ("x-audit" = json!(true))), responses((status = 200, description = "The stored bytes"), (status = 206, description = "The range that was asked for"), (status = 304, description = "It is what is known already")))]
pub(super) async fn read(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let backup = backups::find(&app, &id).await?;
    backups::permitted(&caller, Permission::View, &backup)?;
    let archives = copies::archives_of(&app, &backup).await?;
    let size = archives.size(&backup.name).await?;
    // One that was adopted is only known by its name, which is given once.
    let tag = match backup.sha256.as_str() {
        "" => format!("\"{}-{size}\"", backup.id),
        digest => format!("\"{digest}\""),
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());

    let fresh = text(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',')
            .any(|given| given.trim() == tag || given.trim() == "*")
    });
    // A range of another version would be joined with what is there; so the condition must hold, else all is sent.
    let same = text(header::IF_RANGE).is_none_or(|given| given == tag);
    let wanted = match range::parse(text(header::RANGE), size) {
        Wanted::Part(_) | Wanted::Nothing if !same => Wanted::Whole,
        wanted => wanted,
    };
    let (status, range) = match wanted {
        _ if fresh => (StatusCode::NOT_MODIFIED, 0..0),
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "no_such_range",
                format!("the archive has {size} bytes, and the range lies behind them"),
            );
            return Ok((
                [(header::CONTENT_RANGE, format!("bytes */{size}"))],
                problem,
            )
                .into_response());
        }
    };
    let mut response = (
        status,
        [
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, tag),
            (header::CACHE_CONTROL, "private, no-store".to_owned()),
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            // Somebody else may have written it: whatever a browser takes it for, it may do nothing.
            (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
            // Names of archives are plain ASCII, without quotes.
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}\"", backup.name),
            ),
        ],
    )
        .into_response();
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let given = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        if let Ok(given) = given.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, given);
        }
    }
    *response.body_mut() = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(archives.slice(&backup.name, range).await?)
    };
    Ok(response)
}
