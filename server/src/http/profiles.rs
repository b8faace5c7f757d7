//! `/api/profiles`

use axum::{Json as Answer, extract::State, http::StatusCode};
use coffer_core::seal::{LockedKey, Recipient, SealError};
use serde::{Deserialize, Serialize};

use super::{Shared, body::Json, problem::Problem, sources::checked_name};
use crate::{
    catalog::{Id, ProfileRecord},
    clock,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    recipient: String,
    locked: String,
}

/// A profile as the API shows it. All of it is public, or locked by a password that this server never sees.
#[derive(Debug, Serialize)]
pub(super) struct Profile {
    id: Id,
    name: String,
    fingerprint: String,
    recipient: String,
    locked: String,
    created_at: String,
}

impl From<ProfileRecord> for Profile {
    fn from(record: ProfileRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            fingerprint: record.fingerprint,
            recipient: record.recipient,
            locked: record.locked,
            created_at: record.created_at,
        }
    }
}

pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Profile>>, Problem> {
    let profiles = app.catalog.profiles().await?;
    Ok(Answer(profiles.into_iter().map(Into::into).collect()))
}

pub(super) async fn add(
    State(app): State<Shared>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Profile>), Problem> {
    let unusable =
        |error: SealError| Problem::unusable(error.code(), format!("{error}; nothing was stored"));
    let recipient = Recipient::parse(&new.recipient).map_err(unusable)?;
    let locked = LockedKey::parse(&new.locked).map_err(unusable)?;
    if locked.fingerprint() != recipient.fingerprint() {
        return Err(Problem::unusable(
            "keys_do_not_match",
            "the locked key is not the one of this recipient, so no password would open what is sealed; nothing was stored",
        ));
    }
    let record = ProfileRecord {
        id: Id::random()?,
        name: checked_name(&new.name)?,
        fingerprint: recipient.fingerprint().to_string(),
        // In the canonical form, whatever was sent.
        recipient: recipient.to_string(),
        locked: locked.to_string(),
        created_at: clock::text(clock::now()),
    };
    app.catalog.add_profile(&record).await?;
    Ok((StatusCode::CREATED, Answer(record.into())))
}
