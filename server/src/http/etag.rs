//! ETags, and changes that want what was looked at (RFC 9110, If-Match).
//!
//! What has a revision of its own is tagged with that; every other answer in JSON with a digest of itself, so that whoever asks again
//! is told in a few bytes that nothing is new (If-None-Match).

use axum::{
    Json,
    body::{Body, HttpBody, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use coffer_core::Digest;
use serde::Serialize;

use super::problem::Problem;

/// Longest answer that gets a tag.
const MAX_TAGGED: u64 = 8 << 20;

/// The tag of an answer's bytes.
fn of(body: &[u8]) -> String {
    let digits = Digest::of(body).to_string();
    format!("\"{}\"", digits.get(..32).unwrap_or_default())
}

/// Tags answers of `GET` in JSON that have no tag yet, and leaves those out that the client has already.
pub(super) async fn fresh(request: Request, next: Next) -> Response {
    let asks = *request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let headers = response.headers();
    let json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let tagged = headers.contains_key(header::ETAG);
    // What is still being made has no known size, and is not waited for.
    let size = response.body().size_hint().exact();
    let fits = size.is_some_and(|size| size <= MAX_TAGGED);
    if !asks || !json || !fits || tagged || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Problem::internal(
            "defect",
            "the answer could not be made; nothing was changed; please report it",
        )
        .into_response();
    };
    let tag = of(&bytes);
    let same = known.is_some_and(|known| names(&known, &tag));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if !same {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// Whether `If-None-Match` names a tag; it compares weakly.
fn names(given: &HeaderValue, tag: &str) -> bool {
    let given = given.to_str().unwrap_or_default().split(',').map(str::trim);
    given
        .map(|given| given.strip_prefix("W/").unwrap_or(given))
        .any(|given| given == tag || given == "*")
}

/// Refuses a change of something else than what the request names, where it names it: `shown` is how it is answered as it is.
pub(super) fn check_shown(headers: &HeaderMap, shown: &impl Serialize) -> Result<(), Problem> {
    let body = serde_json::to_vec(shown).map_err(|_| {
        Problem::internal(
            "defect",
            "this could not be looked at; nothing was changed; please report it",
        )
    })?;
    check_tag(headers, &of(&body))
}

/// An answer with the ETag of a revision.
pub(super) fn tagged(status: StatusCode, revision: i64, body: impl Serialize) -> Response {
    let tag = [(header::ETAG, format!("\"{revision}\""))];
    (status, tag, Json(body)).into_response()
}

/// Refuses a change of another revision than the one that the request names, where it names one.
pub(super) fn check(headers: &HeaderMap, revision: i64) -> Result<(), Problem> {
    check_tag(headers, &format!("\"{revision}\""))
}

fn check_tag(headers: &HeaderMap, tag: &str) -> Result<(), Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else {
        return Ok(());
    };
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
