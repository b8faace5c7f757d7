//! `/api/channels`

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Shared,
    backups::Nothing,
    body::{Json, SecretJson, SecretText},
    etag,
    id::IdInPath,
    problem::Problem,
    sources::checked_name,
};
use crate::{
    catalog::{ChannelRecord, Id},
    clock,
    notify::{self, ChannelConfig, ChannelSecret, Event, NotifyError},
};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewChannel)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    #[schema(value_type = Object)]
    config: ChannelConfig,
    /// The mail server's password. A webhook's secret is made here, and shown once.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    secret: Option<SecretText>,
    #[serde(default = "yes")]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

/// A channel as the API shows it: without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Channel {
    id: Id,
    name: String,
    #[schema(value_type = Object)]
    config: ChannelConfig,
    has_secret: bool,
    enabled: bool,
    created_at: String,
}

impl From<ChannelRecord> for Channel {
    fn from(record: ChannelRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            config: record.config,
            has_secret: record.secret.is_some(),
            enabled: record.enabled,
            created_at: record.created_at,
        }
    }
}

#[utoipa::path(get, path = "/channels", operation_id = "list_channels",
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "The oldest first", body = [Channel])))]
pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Channel>>, Problem> {
    let found = app.catalog.channels().await?;
    Ok(Answer(found.into_iter().map(Into::into).collect()))
}

/// Adds a channel. What a webhook is signed with is in this answer and in no other.
#[utoipa::path(post, path = "/channels", operation_id = "add_channel", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 201, description = "Added; what its messages are signed with is told this once")))]
pub(super) async fn add(
    State(app): State<Shared>,
    SecretJson(new): SecretJson<New>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    check(&new.config)?;
    let given = new.secret.map(|secret| ChannelSecret::new(&secret.0));
    let secret = match &new.config {
        ChannelConfig::Email(_) => given,
        ChannelConfig::Webhook(_) => Some(notify::new_secret()?),
    };
    let record = ChannelRecord {
        id: Id::random()?,
        name: checked_name(&new.name)?,
        config: new.config,
        secret,
        enabled: new.enabled,
        created_at: clock::text(clock::now()),
    };
    app.catalog.put_channel(&record).await?;
    let shown = match (&record.config, &record.secret) {
        (ChannelConfig::Webhook(_), Some(secret)) => Some(secret.expose().to_owned()),
        _ => None,
    };
    let channel = Channel::from(record);
    Ok((
        StatusCode::CREATED,
        Answer(json!({ "channel": channel, "secret": shown })),
    ))
}

#[utoipa::path(get, path = "/channels/{id}", operation_id = "show_channel",
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "As it is, with an ETag", body = Channel)))]
pub(super) async fn show(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Answer<Channel>, Problem> {
    let channel = app.catalog.channel(&id).await?.ok_or_else(no_channel)?;
    Ok(Answer(channel.into()))
}

/// Changes a channel. What a webhook is signed with stays, or is given if it is missing; a mail server's password stays without another, as long as it is for the
/// same server and user.
#[utoipa::path(put, path = "/channels/{id}", operation_id = "change_channel", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "As it is now", body = Channel)))]
pub(super) async fn change(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    SecretJson(new): SecretJson<New>,
) -> Result<Answer<Channel>, Problem> {
    check(&new.config)?;
    let before = unchanged(&app, &headers, &id).await?;
    let given = new.secret.map(|secret| ChannelSecret::new(&secret.0));
    let secret = match (&before.config, &new.config) {
        // One whose secret was not in the backup that it was restored from takes the one that its receiver knows.
        (ChannelConfig::Webhook(old), ChannelConfig::Webhook(new)) if old == new => {
            if let (None, Some(given)) = (&before.secret, &given) {
                // Refused where it could not sign.
                notify::Signature::new(given, "", clock::now(), "")?;
            }
            before.secret.or(given)
        }
        (ChannelConfig::Email(old), ChannelConfig::Email(new))
            if (&old.host, old.port, &old.user) == (&new.host, new.port, &new.user) =>
        {
            given.or(before.secret)
        }
        (_, ChannelConfig::Email(_)) => given,
        // Its secret is shown when it is added and at no other time, and goes nowhere that it was not made for.
        (_, ChannelConfig::Webhook(_)) => {
            return Err(Problem::unusable(
                "bad_channel",
                "a webhook's address stays, and no other channel becomes one, since its secret is shown only when it is added; nothing was changed; add another channel",
            ));
        }
    };
    let record = ChannelRecord {
        id: before.id,
        name: checked_name(&new.name)?,
        config: new.config,
        secret,
        enabled: new.enabled,
        created_at: before.created_at,
    };
    app.catalog.put_channel(&record).await?;
    Ok(Answer(record.into()))
}

#[utoipa::path(delete, path = "/channels/{id}", operation_id = "remove_channel",
    extensions(("x-permission" = json!("configure"))), responses((status = 204, description = "Removed")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    unchanged(&app, &headers, &id).await?;
    match app.catalog.remove_channel(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_channel()),
    }
}

/// Sends a message to try it out.
#[utoipa::path(post, path = "/channels/{id}/test", operation_id = "test_channel", request_body = Nothing,
    extensions(("x-permission" = json!("configure"))), responses((status = 204, description = "It was accepted")))]
pub(super) async fn test(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<StatusCode, Problem> {
    let channel = app.catalog.channel(&id).await?.ok_or_else(no_channel)?;
    let now = clock::now();
    let (id, event) = (Id::random()?, Event::test(now));
    notify::send(&channel.config, channel.secret.as_ref(), &id, &event, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(config: &ChannelConfig) -> Result<(), Problem> {
    match config {
        ChannelConfig::Email(email) => email.check()?,
        ChannelConfig::Webhook(webhook) => drop(webhook.check()?),
    }
    Ok(())
}

/// A channel that is to be changed, if it is still the one that was looked at.
async fn unchanged(app: &Shared, headers: &HeaderMap, id: &Id) -> Result<ChannelRecord, Problem> {
    let channel = app.catalog.channel(id).await?.ok_or_else(no_channel)?;
    etag::check_shown(headers, &Channel::from(channel.clone()))?;
    Ok(channel)
}

fn no_channel() -> Problem {
    Problem::not_found("no_channel", "there is no such channel (any more)")
}

impl From<NotifyError> for Problem {
    fn from(error: NotifyError) -> Self {
        let code = match &error {
            NotifyError::Config(_) => "bad_channel",
            NotifyError::Refused { .. } => "not_accepted",
        };
        Self::unusable(code, error)
    }
}
