//! `/api/account`: what people do for themselves: password, sessions, tokens.

use std::collections::BTreeMap;

use axum::{Json as Answer, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared,
    body::{Json, SecretJson, SecretText},
    caller::{Caller, TOKEN_PREFIX, Via, digest},
    id::IdInPath,
    problem::Problem,
    sign_in::secret,
    sources::checked_name,
};
use crate::{
    access::{Grant, Permissions, Rights},
    catalog::{Id, SessionRecord, TokenRecord},
    clock,
    password::{self, PasswordError},
};

/// Days that a token may last.
const DAYS: std::ops::RangeInclusive<i64> = 1..=366;
/// Tokens of one user.
const MAX_TOKENS: usize = 100;

/// What somebody may do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rights)]
pub(super) struct Held {
    /// With everything.
    everywhere: Permissions,
    /// With single sources, by their ids.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    sources: BTreeMap<Id, Permissions>,
}

pub(super) fn held(rights: &Rights) -> Held {
    Held {
        everywhere: rights.everywhere(),
        sources: rights
            .by_source()
            .map(|(source, permissions)| (source.clone(), permissions))
            .collect(),
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Length { .. } => Self::unusable("bad_password", error),
            PasswordError::Hashing => Self::internal("defect", error),
        }
    }
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    #[schema(value_type = String)]
    old: SecretText,
    #[schema(value_type = String)]
    new: SecretText,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedSession)]
pub(super) struct Session {
    id: Id,
    /// The one that asks.
    this: bool,
    created_at: String,
    used_at: String,
    expires_at: String,
    address: String,
    agent: String,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: String,
    /// What it allows, of what you may.
    permissions: Permissions,
    /// With which sources alone; nothing means all.
    #[serde(default)]
    sources: Option<Vec<Id>>,
    /// Days until it ends, 1 to 366.
    days: i64,
}

/// A token, without what lets anybody in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    id: Id,
    name: String,
    permissions: Permissions,
    sources: Option<Vec<Id>>,
    created_at: String,
    expires_at: String,
    used_at: Option<String>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    #[serde(flatten)]
    about: Token,
    /// For `Authorization: Bearer`. It is told this once.
    secret: String,
}

impl From<TokenRecord> for Token {
    fn from(record: TokenRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            permissions: record.grant.permissions,
            sources: record.grant.sources,
            created_at: record.created_at,
            expires_at: record.expires_at,
            used_at: record.used_at,
        }
    }
}

/// Change one's password; all other sessions end
#[utoipa::path(put, path = "/account/password", operation_id = "change_password", request_body = ChangePassword,
    extensions(("x-permission" = json!("session"))), responses((status = 204, description = "Changed")))]
pub(super) async fn change_password(
    State(app): State<Shared>,
    caller: Caller,
    SecretJson(body): SecretJson<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let user = app.catalog.user(&caller.user).await?;
    let stored = user.and_then(|user| user.password);
    if !password::verify(body.old.0, stored).await {
        return Err(Problem::unusable(
            "wrong_password",
            "the old password is wrong; nothing was changed",
        ));
    }
    let hashed = password::hash(body.new.0).await?;
    let kept = match &caller.via {
        Via::Session(id) => Some(id),
        Via::Token(_) => None,
    };
    app.catalog
        .set_password(&caller.user, &hashed, kept)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's sessions, the last used first
#[utoipa::path(get, path = "/account/sessions", operation_id = "list_sessions", extensions(("x-permission" = json!("session"))),
    responses((status = 200, description = "All that last", body = [Session])))]
pub(super) async fn sessions(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Answer<Vec<Session>>, Problem> {
    let sessions = app.catalog.sessions_of(&caller.user).await?;
    let shown = |record: SessionRecord| Session {
        this: caller.via == Via::Session(record.id.clone()),
        id: record.id,
        created_at: record.created_at,
        used_at: record.used_at,
        expires_at: record.expires_at,
        address: record.address,
        agent: record.agent,
    };
    Ok(Answer(sessions.into_iter().map(shown).collect()))
}

/// End one of one's sessions
#[utoipa::path(delete, path = "/account/sessions/{id}", operation_id = "end_session", extensions(("x-permission" = json!("session"))),
    responses((status = 204, description = "Ended")))]
pub(super) async fn end_session(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    if app.catalog.remove_session(&caller.user, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(
            "no_session",
            "there is no such session (any more)",
        ))
    }
}

/// One's tokens
#[utoipa::path(get, path = "/account/tokens", operation_id = "list_tokens", extensions(("x-permission" = json!("session"))),
    responses((status = 200, description = "The latest first", body = [Token])))]
pub(super) async fn tokens(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Answer<Vec<Token>>, Problem> {
    let tokens = app.catalog.tokens_of(&caller.user).await?;
    Ok(Answer(tokens.into_iter().map(Into::into).collect()))
}

/// Make a token
#[utoipa::path(post, path = "/account/tokens", operation_id = "add_token", request_body = NewToken,
    extensions(("x-permission" = json!("session"))), responses((status = 201, description = "With its secret, this once", body = MadeToken)))]
pub(super) async fn add_token(
    State(app): State<Shared>,
    caller: Caller,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, Answer<MadeToken>), Problem> {
    let name = checked_name(&new.name)?;
    if !DAYS.contains(&new.days) {
        return Err(Problem::unusable(
            "bad_days",
            "a token lasts 1 to 366 days; nothing was stored",
        ));
    }
    let grant = Grant {
        permissions: new.permissions,
        sources: new.sources,
    };
    if grant.permissions == Permissions::NONE || !caller.rights.cover(&Rights::of([&grant])) {
        return Err(exceeds());
    }
    if app.catalog.tokens_of(&caller.user).await?.len() >= MAX_TOKENS {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_tokens",
            format!("you have {MAX_TOKENS} tokens already; nothing was stored; remove one first"),
        ));
    }
    let secret = format!("{TOKEN_PREFIX}{}", secret()?.as_str());
    let now = clock::now();
    let record = TokenRecord {
        id: Id::random()?,
        digest: digest(&secret),
        user_id: caller.user,
        name,
        grant,
        created_at: clock::text(now),
        expires_at: clock::text(now + time::Duration::days(new.days)),
        used_at: None,
    };
    app.catalog.add_token(&record).await?;
    let about = record.into();
    Ok((StatusCode::CREATED, Answer(MadeToken { about, secret })))
}

/// Nobody gives what he doesn't have.
pub(super) fn exceeds() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "exceeds_own_rights",
        "this would give permissions that you do not have yourself, or none at all; nothing was changed; ask somebody who has them",
    )
}

/// Remove one of one's tokens
#[utoipa::path(delete, path = "/account/tokens/{id}", operation_id = "remove_token", extensions(("x-permission" = json!("session"))),
    responses((status = 204, description = "It works no more")))]
pub(super) async fn remove_token(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    if app.catalog.remove_token(&caller.user, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(
            "no_token",
            "there is no such token (any more)",
        ))
    }
}
