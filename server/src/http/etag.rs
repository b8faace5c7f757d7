//! ETags of single resources, and changes that want the one that was looked at (RFC 9110, If-Match).

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::problem::Problem;

/// An answer with the ETag of a revision.
pub(super) fn tagged(status: StatusCode, revision: i64, body: impl Serialize) -> Response {
    let tag = [(header::ETAG, format!("\"{revision}\""))];
    (status, tag, Json(body)).into_response()
}

/// Refuses a change of another revision than the one that the request names, where it names one.
pub(super) fn check(headers: &HeaderMap, revision: i64) -> Result<(), Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
    let tag = format!("\"{revision}\"");
    let named = given.to_str().unwrap_or_default().split(',');
    if named
        .map(str::trim)
        .any(|given| given == tag || given == "*")
    {
        Ok(())
    } else {
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed",
            "this was changed by somebody else meanwhile; nothing was changed; look at it again",
        ))
    }
}
