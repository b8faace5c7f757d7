//! `/api/session`, and whether the server is there at all.

use std::time::Instant;

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App, Shared,
    body::{SecretJson, SecretText},
    problem::Problem,
    sign_in::Refusal,
};

const COOKIE: &str = "coffer_session";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    token: SecretText,
}

pub(super) async fn health() -> Answer<Value> {
    Answer(json!({ "status": "ok" }))
}

pub(super) async fn show(State(app): State<Shared>, headers: HeaderMap) -> Answer<Value> {
    let signed_in = is_signed_in(&app, &headers);
    let sender = app.sender.sender().fingerprint().to_string();
    Answer(json!({
        "signed_in": signed_in,
        "version": env!("CARGO_PKG_VERSION"),
        // By this name the page recognises the archives that this server has sealed.
        "sender": signed_in.then_some(sender),
    }))
}

pub(super) async fn start(
    State(app): State<Shared>,
    SecretJson(body): SecretJson<Start>,
) -> Result<Response, Problem> {
    let session = app
        .sign_in
        .start(&body.token.0, Instant::now())
        .map_err(|refusal| match refusal {
            Refusal::Wrong => {
                tracing::warn!("a sign-in with a wrong or used token was refused");
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "wrong_token",
                    "this sign-in link was used already, or is of an earlier start; start Coffer again, and it prints a new one",
                )
            }
            Refusal::Wait(seconds) => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_tries",
                format!("too many wrong sign-ins; try again in {seconds} s"),
            )
            .retry_after(seconds),
            Refusal::Random(error) => error.into(),
        })?;
    tracing::info!("signed in");
    with_cookie(&format!("{COOKIE}={}; {ATTRIBUTES}", session.as_str()))
}

pub(super) async fn end(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    sessions(&headers).for_each(|session| app.sign_in.end(session));
    with_cookie(&format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}"))
}

const ATTRIBUTES: &str = "HttpOnly; SameSite=Strict; Path=/";

fn with_cookie(cookie: &str) -> Result<Response, Problem> {
    let mut value = HeaderValue::from_str(cookie).map_err(|_| {
        Problem::internal(
            "defect",
            "the session could not be named; nobody was signed in",
        )
    })?;
    value.set_sensitive(true);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response())
}

/// Whether a request comes from somebody who signed in.
pub(super) fn is_signed_in(app: &App, headers: &HeaderMap) -> bool {
    let now = Instant::now();
    sessions(headers).any(|session| app.sign_in.check(session, now))
}

/// The sessions that a request names. Other servers on this host can set cookies of the same name, so there may be
/// several.
fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
        .take(8)
}
