//! `/api/profiles`: whom backups are sealed to. Secret keys never get here.

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::StatusCode,
};
use coffer_core::seal::{Fingerprint, LockedKey, Recipient, SealError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Shared, body::Json, id::IdInPath, problem::Problem, sources::checked_name};
use crate::{
    catalog::{Id, KeyState, Profile, ProfileKeyRecord, ProfileRecord},
    clock,
};

/// Most keys that are in use or wait for it: a sealed header has room for 32 stanzas, of which a locked key takes two.
const MAX_KEYS: usize = 8;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewProfile)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    keys: Vec<NewKey>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewProfileKey)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    recipient: String,
    /// The secret half, locked with a password. Then archives carry it along, and no kit is needed to open them.
    #[serde(default)]
    locked: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = VerifiedKey)]
#[serde(deny_unknown_fields)]
pub(super) struct Verified {
    /// Keys whose place it takes.
    #[serde(default)]
    retire: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Empty)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A profile as the API shows it. All of it is public, or locked by a password that this server never sees.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct Shown {
    id: Id,
    name: String,
    ready: bool,
    created_at: String,
    keys: Vec<ShownKey>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProfileKey)]
struct ShownKey {
    fingerprint: String,
    r#type: String,
    recipient: String,
    locked: Option<String>,
    #[schema(value_type = String)]
    state: KeyState,
    kit_verified_at: Option<String>,
    created_at: String,
    retired_at: Option<String>,
    /// Stored archives that are sealed to it.
    opens: i64,
}

async fn shown(app: &Shared, profile: Profile) -> Result<Shown, Problem> {
    let ready = profile.ready();
    let mut keys = Vec::with_capacity(profile.keys.len());
    for key in profile.keys {
        let key_type = Recipient::parse(&key.recipient).map(|recipient| recipient.key_type());
        keys.push(ShownKey {
            opens: app.catalog.sealed_to(&key.fingerprint).await?,
            r#type: key_type.map_or_else(|_| String::new(), |key_type| key_type.to_string()),
            fingerprint: key.fingerprint,
            recipient: key.recipient,
            locked: key.locked,
            state: key.state,
            kit_verified_at: key.kit_verified_at,
            created_at: key.created_at,
            retired_at: key.retired_at,
        });
    }
    Ok(Shown {
        id: profile.record.id,
        name: profile.record.name,
        ready,
        created_at: profile.record.created_at,
        keys,
    })
}

#[utoipa::path(get, path = "/profiles", operation_id = "list_profiles",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The oldest first", body = [Shown])))]
pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Shown>>, Problem> {
    let mut all = Vec::new();
    for profile in app.catalog.profiles().await? {
        all.push(shown(&app, profile).await?);
    }
    Ok(Answer(all))
}

#[utoipa::path(post, path = "/profiles", operation_id = "add_profile", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 201, description = "Added", body = Shown)))]
pub(super) async fn add(
    State(app): State<Shared>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Shown>), Problem> {
    let id = Id::random()?;
    let now = clock::text(clock::now());
    if new.keys.is_empty() || new.keys.len() > MAX_KEYS {
        return Err(Problem::unusable(
            "bad_profile",
            format!("a profile has 1 to {MAX_KEYS} keys; nothing was stored"),
        ));
    }
    let keys = new.keys.iter().map(|key| key.checked(&id, &now));
    let profile = Profile {
        keys: keys.collect::<Result<_, _>>()?,
        record: ProfileRecord {
            id,
            name: checked_name(&new.name)?,
            created_at: now,
        },
    };
    app.catalog.add_profile(&profile).await?;
    Ok((StatusCode::CREATED, Answer(shown(&app, profile).await?)))
}

impl NewKey {
    fn checked(&self, profile: &Id, now: &str) -> Result<ProfileKeyRecord, Problem> {
        let unusable = |error: SealError| {
            Problem::unusable(error.code(), format!("{error}; nothing was stored"))
        };
        let recipient = Recipient::parse(&self.recipient).map_err(unusable)?;
        let locked = self.locked.as_deref().map(LockedKey::parse);
        let locked = locked.transpose().map_err(unusable)?;
        if locked
            .as_ref()
            .is_some_and(|key| key.fingerprint() != recipient.fingerprint())
        {
            return Err(Problem::unusable(
                "keys_do_not_match",
                "the locked key is not the one of this recipient, so no password would open what is sealed; nothing was stored",
            ));
        }
        Ok(ProfileKeyRecord {
            profile: profile.clone(),
            fingerprint: recipient.fingerprint().to_string(),
            // In the canonical form, whatever was sent.
            recipient: recipient.to_string(),
            state: if locked.is_some() {
                KeyState::Active
            } else {
                KeyState::Pending
            },
            locked: locked.map(|key| key.to_string()),
            kit_verified_at: None,
            created_at: now.to_owned(),
            retired_at: None,
        })
    }
}

/// A profile and one of its keys, in an address.
pub(super) type KeyPath = Path<(String, String)>;

fn named(Path((profile, fingerprint)): KeyPath) -> Result<(Id, String), Problem> {
    let profile = Id::parse(&profile).map_err(|_| no_profile())?;
    let fingerprint = Fingerprint::parse(&fingerprint).ok_or_else(no_key)?;
    Ok((profile, fingerprint.to_string()))
}

fn no_profile() -> Problem {
    Problem::not_found("no_profile", "there is no such profile")
}

fn no_key() -> Problem {
    Problem::not_found("no_key", "the profile has no such key")
}

async fn find(app: &Shared, id: &Id) -> Result<Profile, Problem> {
    app.catalog.profile(id).await?.ok_or_else(no_profile)
}

#[utoipa::path(post, path = "/profiles/{id}/keys", operation_id = "add_profile_key", request_body = NewKey,
    extensions(("x-permission" = json!("configure"))), responses((status = 201, description = "Added; it waits for its kit", body = Shown)))]
pub(super) async fn add_key(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    Json(new): Json<NewKey>,
) -> Result<(StatusCode, Answer<Shown>), Problem> {
    let profile = find(&app, &id).await?;
    let used = profile
        .keys
        .iter()
        .filter(|key| key.state != KeyState::Retired);
    if used.count() >= MAX_KEYS {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "too_many_keys",
            format!(
                "a profile has at most {MAX_KEYS} keys in use; nothing was stored; retire one first"
            ),
        ));
    }
    let key = new.checked(&id, &clock::text(clock::now()))?;
    app.catalog.add_profile_key(&key).await?;
    let profile = find(&app, &id).await?;
    Ok((StatusCode::CREATED, Answer(shown(&app, profile).await?)))
}

/// A page says that it has opened the saved kit again and found this key in it. What it found stays there.
#[utoipa::path(post, path = "/profiles/{id}/keys/{fingerprint}/verified", operation_id = "profile_key_verified", request_body = Verified,
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "The key is in use", body = Shown)))]
pub(super) async fn key_verified(
    State(app): State<Shared>,
    path: KeyPath,
    Json(body): Json<Verified>,
) -> Result<Answer<Shown>, Problem> {
    let (id, fingerprint) = named(path)?;
    let now = clock::text(clock::now());
    let found = app
        .catalog
        .profile_key_verified(&id, &fingerprint, &body.retire, &now)
        .await?;
    if !found {
        return Err(no_key());
    }
    Ok(Answer(shown(&app, find(&app, &id).await?).await?))
}

#[utoipa::path(post, path = "/profiles/{id}/keys/{fingerprint}/retire", operation_id = "retire_profile_key", request_body = Nothing,
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "It is sealed to no more", body = Shown)))]
pub(super) async fn retire_key(
    State(app): State<Shared>,
    path: KeyPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<Shown>, Problem> {
    let (id, fingerprint) = named(path)?;
    let profile = find(&app, &id).await?;
    if !profile.active().any(|key| key.fingerprint == fingerprint) {
        return Err(no_key());
    }
    let now = clock::text(clock::now());
    if !app
        .catalog
        .retire_profile_key(&id, &fingerprint, &now)
        .await?
    {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "last_key",
            "no other key of this profile is known to be kept by somebody, so nothing could be sealed any more; nothing was changed; add another key first",
        ));
    }
    Ok(Answer(shown(&app, find(&app, &id).await?).await?))
}

#[utoipa::path(delete, path = "/profiles/{id}/keys/{fingerprint}", operation_id = "discard_profile_key",
    extensions(("x-permission" = json!("configure"))), responses((status = 204, description = "Discarded")))]
pub(super) async fn discard_key(
    State(app): State<Shared>,
    path: KeyPath,
) -> Result<StatusCode, Problem> {
    let (id, fingerprint) = named(path)?;
    if app.catalog.discard_profile_key(&id, &fingerprint).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(
            "no_key",
            "the profile has no such key that waits for its kit; one that archives are sealed to can only be retired",
        ))
    }
}
