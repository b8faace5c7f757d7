//! `/api/destinations`

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
    adoption::{self, AdoptError, Wanted},
    catalog::{DestinationRecord, Id, RunKind},
    clock,
    destination::{DestinationConfig, DestinationError, Patience, Probed, S3Key, mark},
    jobs::{AdmitError, admit, opened, try_out},
    runs::RunFailure,
    store::Archives,
};

/// Most archives that one request names.
const MAX_ADOPTED: usize = 10_000;

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewDestination)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    #[schema(value_type = Object)]
    config: DestinationConfig,
    /// Without it, a destination that is changed keeps the one that it has.
    #[serde(default)]
    key: Option<NewKey>,
    /// Takes the folder for this destination although it lacks its mark: for a new disk. A new path is marked in any case.
    #[serde(default)]
    mark: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewDestinationKey)]
#[serde(deny_unknown_fields)]
struct NewKey {
    access_key_id: String,
    #[schema(value_type = String)]
    secret_access_key: SecretText,
}

impl From<NewKey> for S3Key {
    fn from(key: NewKey) -> Self {
        Self {
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key.0,
        }
    }
}

/// A destination as the API shows it: without its key's secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Destination {
    id: Id,
    name: String,
    place: String,
    #[schema(value_type = Object)]
    config: DestinationConfig,
    access_key_id: Option<String>,
    created_at: String,
}

impl From<DestinationRecord> for Destination {
    fn from(record: DestinationRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            place: record.config.place(),
            config: record.config,
            access_key_id: record.key.map(|key| key.access_key_id),
            created_at: record.created_at,
        }
    }
}

#[utoipa::path(get, path = "/destinations", operation_id = "list_destinations",
    extensions(("x-permission" = json!("view"))), responses((status = 200, description = "The oldest first", body = [Destination])))]
pub(super) async fn list(State(app): State<Shared>) -> Result<Answer<Vec<Destination>>, Problem> {
    let found = app.catalog.destinations().await?;
    Ok(Answer(found.into_iter().map(Into::into).collect()))
}

#[utoipa::path(get, path = "/destinations/{id}", operation_id = "show_destination",
    extensions(("x-permission" = json!("view"))), responses((status = 200, description = "As it is, with an ETag", body = Destination)))]
pub(super) async fn show(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Answer<Destination>, Problem> {
    Ok(Answer(find(&app, &id).await?.into()))
}

/// A destination that is to be changed, if it is still the one that was looked at.
async fn unchanged(
    app: &Shared,
    headers: &HeaderMap,
    id: &Id,
) -> Result<DestinationRecord, Problem> {
    let record = find(app, id).await?;
    etag::check_shown(headers, &Destination::from(record.clone()))?;
    Ok(record)
}

/// Tries it out and adds it.
#[utoipa::path(post, path = "/destinations", operation_id = "add_destination", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 201, description = "Added", body = Destination)))]
pub(super) async fn add(
    State(app): State<Shared>,
    SecretJson(new): SecretJson<New>,
) -> Result<(StatusCode, Answer<Destination>), Problem> {
    let record = DestinationRecord {
        id: Id::random()?,
        name: checked_name(&new.name)?,
        config: new.config,
        key: new.key.map(Into::into),
        created_at: clock::text(clock::now()),
    };
    admit(&app.catalog, &record, true).await?;
    tracing::info!(destination = %record.id, place = record.config.place(), "added a destination");
    Ok((StatusCode::CREATED, Answer(record.into())))
}

/// Tries it out as it is to be, and changes it.
#[utoipa::path(put, path = "/destinations/{id}", operation_id = "change_destination", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "As it is now", body = Destination)))]
pub(super) async fn change(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
    SecretJson(new): SecretJson<New>,
) -> Result<Answer<Destination>, Problem> {
    let mut record = unchanged(&app, &headers, &id).await?;
    let same_place = record.config == new.config;
    record.name = checked_name(&new.name)?;
    record.config = new.config;
    record.key = match new.key {
        Some(key) => Some(key.into()),
        // A key goes nowhere that it was not given for.
        None if same_place => record.key,
        None => None,
    };
    admit(&app.catalog, &record, !same_place || new.mark).await?;
    Ok(Answer(record.into()))
}

#[utoipa::path(delete, path = "/destinations/{id}", operation_id = "remove_destination",
    extensions(("x-permission" = json!("configure"))), responses((status = 204, description = "Removed; what is stored there stays")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let record = unchanged(&app, &headers, &id).await?;
    if !app.catalog.remove_destination(&id).await? {
        return Err(no_destination());
    }
    if let DestinationConfig::Folder { path } = &record.config
        && let Err(error) = mark::unmark(path, &id)
    {
        // It harms nobody.
        tracing::warn!(destination = %id, %error, "the mark of a destination could not be removed");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Writes, reads back, lists and removes a small object.
#[utoipa::path(post, path = "/destinations/{id}/test", operation_id = "test_destination", request_body = Nothing,
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "It can be written to and read from")))]
pub(super) async fn test(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Answer<Probed>, Problem> {
    Ok(Answer(try_out(&find(&app, &id).await?).await?))
}

/// Archives that are there and that the catalog does not know.
#[utoipa::path(get, path = "/destinations/{id}/found", operation_id = "found_in_destination",
    extensions(("x-permission" = json!("configure"))), responses((status = 200, description = "Archives that the catalog does not know")))]
pub(super) async fn found(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
) -> Result<Answer<Value>, Problem> {
    let record = find(&app, &id).await?;
    let found = adoption::found(&app.catalog, &record).await?;
    Ok(Answer(json!({ "found": found })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Adopt {
    #[serde(default)]
    names: Vec<String>,
    /// All that the catalog does not know.
    #[serde(default)]
    all: bool,
}

/// Takes archives into the catalog, in the background.
#[utoipa::path(post, path = "/destinations/{id}/adopt", operation_id = "adopt_backups", request_body = Adopt,
    extensions(("x-idempotency-key" = json!(true)), ("x-permission" = json!("configure"))), responses((status = 202, description = "Started; the run is named, and its result tells what became of each")))]
pub(super) async fn adopt(
    State(app): State<Shared>,
    IdInPath(id): IdInPath,
    Json(body): Json<Adopt>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    if body.all != body.names.is_empty() {
        return Err(Problem::unusable(
            "no_archives",
            "either some archives are named, or all are wanted; nothing was changed",
        ));
    }
    if body.names.len() > MAX_ADOPTED {
        return Err(Problem::unusable(
            "too_many_archives",
            format!("at most {MAX_ADOPTED} archives are adopted at once; nothing was changed"),
        ));
    }
    let record = find(&app, &id).await?;
    let wanted = match body.all {
        true => Wanted::All,
        false => Wanted::Names(body.names),
    };
    let (catalog, ours) = (app.catalog.clone(), app.sender.sender());
    let run = app
        .runs
        .start(RunKind::Adopt, &id, |progress| async move {
            let adopted = adoption::adopt(&catalog, &record, wanted, ours, &progress).await;
            let adopted = adopted.map_err(|error| RunFailure::new(error.code(), error))?;
            Ok(json!({ "adopted": adopted }))
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "run": run }))))
}

pub(super) async fn find(app: &Shared, id: &Id) -> Result<DestinationRecord, Problem> {
    app.catalog
        .destination(id)
        .await?
        .ok_or_else(no_destination)
}

/// Opens a destination for reading.
pub(super) async fn open(app: &Shared, id: &Id) -> Result<Archives, Problem> {
    Ok(opened(&find(app, id).await?, Patience::Short).await?)
}

fn no_destination() -> Problem {
    Problem::not_found("no_destination", "there is no such destination (any more)")
}

impl From<DestinationError> for Problem {
    fn from(error: DestinationError) -> Self {
        match error {
            DestinationError::Store(error) => error.into(),
            _ => Self::unusable(error.code(), error),
        }
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Catalog(error) => error.into(),
            AdmitError::Destination(error) => error.into(),
            AdmitError::Probe(error) => Self::unusable(error.code(), error),
        }
    }
}

impl From<AdoptError> for Problem {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Catalog(error) => error.into(),
            AdoptError::Destination(error) => error.into(),
            error => Self::unusable(error.code(), error),
        }
    }
}
