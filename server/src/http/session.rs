//! `/api/session`: signing in and out.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared,
    account::{Held, held},
    audit::Who,
    body::{SecretJson, SecretText},
    caller::{self, COOKIE, Caller, Origin, Via},
    problem::Problem,
    sign_in::{self, Refusal, SignedIn},
    sources::checked_name,
};
use crate::catalog::Id;

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    name: String,
    #[schema(value_type = String)]
    password: SecretText,
}

/// What a one-time link holds, and the password that is chosen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByLink {
    #[schema(value_type = String)]
    token: SecretText,
    /// For the first administrator.
    #[serde(default)]
    name: Option<String>,
    #[schema(value_type = String)]
    password: SecretText,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    signed_in: bool,
    /// Somebody has to make the first administrator.
    set_up: bool,
    version: &'static str,
    /// The fingerprint of the key that this server signs its backups with.
    sender: Option<String>,
    user: Option<User>,
    rights: Option<Held>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionUser)]
struct User {
    id: Id,
    name: String,
}

/// Who is signed in, and what that allows
#[utoipa::path(get, path = "/session", operation_id = "show_session", extensions(("x-permission" = json!("public"))),
    responses((status = 200, description = "Who is signed in; nobody too", body = Session)))]
pub(super) async fn show(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<Answer<Session>, Problem> {
    let caller = caller::find(&app, &headers).await?;
    let sender = app.sender.sender().fingerprint().to_string();
    Ok(Answer(Session {
        signed_in: caller.is_some(),
        set_up: caller.is_none() && app.catalog.waits_for_set_up().await?,
        version: env!("CARGO_PKG_VERSION"),
        // By this name the page recognises the archives that this server has sealed.
        sender: caller.is_some().then_some(sender),
        rights: caller.as_ref().map(|caller| held(&caller.rights)),
        user: caller.map(|caller| User {
            id: caller.user,
            name: caller.name,
        }),
    }))
}

/// Sign in by name and password
#[utoipa::path(post, path = "/session", operation_id = "sign_in", request_body = Start,
    extensions(("x-permission" = json!("public"))), responses((status = 204, description = "Signed in, by the cookie")))]
pub(super) async fn start(
    State(app): State<Shared>,
    origin: Origin,
    headers: HeaderMap,
    SecretJson(body): SecretJson<Start>,
) -> Response {
    let agent = agent(&headers);
    let begun = sign_in::by_password(&app, &body.name, body.password.0, &origin, agent).await;
    answer(begun, body.name, "none", &origin)
}

/// Sign in by a one-time link, with a new password
#[utoipa::path(post, path = "/session/link", operation_id = "sign_in_by_link", request_body = ByLink,
    extensions(("x-permission" = json!("public"))), responses((status = 204, description = "Signed in, by the cookie")))]
pub(super) async fn by_link(
    State(app): State<Shared>,
    origin: Origin,
    headers: HeaderMap,
    SecretJson(body): SecretJson<ByLink>,
) -> Response {
    let name = match body.name.as_deref().map(checked_name).transpose() {
        Ok(name) => name,
        Err(problem) => return problem.into_response(),
    };
    let who = name.clone().unwrap_or_default();
    let agent = agent(&headers);
    let begun = sign_in::by_link(&app, &body.token.0, name, body.password.0, &origin, agent).await;
    answer(begun, who, "link", &origin)
}

/// Sign out
#[utoipa::path(delete, path = "/session", operation_id = "sign_out", extensions(("x-permission" = json!("session"))),
    responses((status = 204, description = "Signed out")))]
pub(super) async fn end(
    State(app): State<Shared>,
    caller: Caller,
    origin: Origin,
) -> Result<Response, Problem> {
    if let Via::Session(id) = &caller.via {
        app.catalog.remove_session(&caller.user, id).await?;
    }
    with_cookie("", "; Max-Age=0", &origin)
}

fn agent(headers: &HeaderMap) -> &str {
    let agent = headers.get(header::USER_AGENT);
    agent.and_then(|agent| agent.to_str().ok()).unwrap_or("")
}

fn answer(
    begun: Result<SignedIn, Refusal>,
    name: String,
    via: &'static str,
    origin: &Origin,
) -> Response {
    let (mut response, who) = match begun {
        Ok(signed_in) => {
            tracing::info!(user = %signed_in.user, "signed in");
            let who = Who {
                user: Some(signed_in.user),
                name: signed_in.name,
                via: if via == "link" { "link" } else { "session" },
            };
            let response = with_cookie(&signed_in.cookie, "", origin);
            (response.unwrap_or_else(IntoResponse::into_response), who)
        }
        Err(refusal) => {
            let user = None;
            (problem(refusal).into_response(), Who { user, name, via })
        }
    };
    response.extensions_mut().insert(who);
    response
}

pub(super) fn problem(refusal: Refusal) -> Problem {
    let refused = |code, detail: &str| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
    match refusal {
        Refusal::Wrong => refused(
            "wrong_password",
            "name or password is wrong, or this user is disabled; nobody was signed in; on the server's machine, coffer user reset NAME gives a new link",
        ),
        Refusal::NoLink => refused(
            "wrong_link",
            "this link was used already, or is too old; nobody was signed in; sign in with your password, or ask an administrator for a new link",
        ),
        Refusal::NoName => Problem::unusable(
            "no_name",
            "the first administrator needs a name; nothing was changed",
        ),
        Refusal::Wait(seconds) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tries",
            format!("too many wrong sign-ins; try again in {seconds} s"),
        )
        .retry_after(seconds.unsigned_abs()),
        Refusal::Password(error) => error.into(),
        Refusal::Failed(problem) => problem,
    }
}

fn with_cookie(value: &str, attributes: &str, origin: &Origin) -> Result<Response, Problem> {
    let secure = if origin.secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{secure}{attributes}");
    let mut value = HeaderValue::from_str(&cookie).map_err(|_| {
        Problem::internal(
            "defect",
            "the session could not be named; nobody was signed in",
        )
    })?;
    value.set_sensitive(true);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response())
}
