//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): whoever doesn't know whether an action was begun asks again with the
//! same key, and is given the first answer instead of a second run.
//!
//! Only what was done is kept: an action that was refused can be asked for again with its key. A key belongs to one user and to one
//! request, known by its digest, so that nothing of the body is kept.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use coffer_core::Digest;
use zeroize::Zeroizing;

use super::{MAX_JSON, Shared, problem::Problem};
use crate::{
    catalog::{Id, KeyRecord},
    clock,
};

/// The header.
pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Stands in an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long a key is known.
pub(super) const AGE: time::Duration = time::Duration::hours(24);
/// Most characters of a key.
const MAX_KEY: usize = 255;
/// Most bytes of an answer that is kept: those of actions only name a run.
const MAX_ANSWER: usize = 64 << 10;

/// Carries out a request of a user's once for its key, if it has one.
pub(super) async fn once(app: &Shared, user: &Id, request: Request, next: Next) -> Response {
    match key(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => with_key(app, user, key, request, next)
            .await
            .unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

fn key(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(KEY) else {
        return Ok(None);
    };
    let fits = |key: &&str| {
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match value.to_str().ok().filter(fits) {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::unusable(
            "bad_idempotency_key",
            "an idempotency key has 1 to 255 visible characters of ASCII; nothing was changed",
        )),
    }
}

async fn with_key(
    app: &Shared,
    user: &Id,
    key: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    // Larger ones are refused by what reads them, in its own words.
    let Ok(body) = to_bytes(body, MAX_JSON).await else {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "what was sent is larger than this address takes; nothing was changed",
        ));
    };
    // A body may hold a one-time key.
    let mut asked = Zeroizing::new(format!("{} {}\n", parts.method, parts.uri.path()).into_bytes());
    asked.reserve_exact(body.len());
    asked.extend_from_slice(&body);
    let asked = Digest::of(&asked).to_string();
    let now = clock::text(clock::now());
    if let Some(known) = app.catalog.take_key(user, &key, &asked, &now).await? {
        return replay(known, &asked);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let (app, user) = (app.clone(), user.clone());
    // Goes on although the client is gone, so that the key is never left without an answer by that.
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        keep(&app, &user, &key, response).await
    });
    work.await.map_err(|_| {
        Problem::internal(
            "defect",
            "this stopped because of a defect of the program; look whether it was done before you ask again; please report it",
        )
    })?
}

/// Keeps the answer of what was done.
async fn keep(app: &Shared, user: &Id, key: &str, response: Response) -> Result<Response, Problem> {
    if !response.status().is_success() {
        app.catalog.give_key_back(user, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER)
        .await
        .map_err(|error| Problem::internal("defect", error))?;
    let text = String::from_utf8_lossy(&body);
    let kept = app
        .catalog
        .key_answered(user, key, parts.status.as_u16(), &text)
        .await;
    if let Err(error) = kept {
        // What was done is done, and said.
        tracing::error!(%error, "the answer to an idempotency key could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replay(known: KeyRecord, asked: &str) -> Result<Response, Problem> {
    if known.request != asked {
        return Err(Problem::unusable(
            "key_reused",
            "this idempotency key was given with another request; nothing was changed; take a new key for each action",
        ));
    }
    let status = known
        .status
        .and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let Some(status) = status else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_answered_yet",
            "the first request with this idempotency key has no answer yet; nothing was changed; ask again in a moment, and if that stays so, look whether it was done: the server may have been stopped meanwhile",
        ));
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (REPLAYED, HeaderValue::from_static("true")),
    ];
    Ok((status, headers, known.body.unwrap_or_default()).into_response())
}
