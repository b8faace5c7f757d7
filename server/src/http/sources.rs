//! `/api/sources`

use std::{collections::BTreeSet, path::PathBuf};

use axum::{Json as Answer, extract::State, http::StatusCode};
use coffer_core::{
    archive::name,
    policy::{self, PolicyError},
    schema::Engine as Kind,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    CONNECT_LIMIT, Shared,
    body::{Json, SecretJson, SecretText},
    caller::Caller,
    id::IdInPath,
    problem::Problem,
};
use crate::{
    access::Permission,
    app_secrets::AppSecrets,
    catalog::{FileSetRecord, Id, SourceRecord, StoredUrl},
    clock,
    engine::{self, Database, EngineError},
    runs::{SourceFault, source_config},
};

/// Longest name of a source or profile, in characters.
const MAX_NAME: usize = 100;
/// Most folders of one source.
const MAX_FILE_SETS: usize = 64;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewSource)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    /// May hold a password, so this is never printed.
    url: String,
    #[serde(default)]
    file_sets: Vec<NewFileSet>,
    #[serde(default)]
    preset: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewFileSet)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFileSet {
    name: String,
    #[schema(value_type = String)]
    folder: PathBuf,
}

/// A source as the API shows it: without its URL, and without where its folders are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Source)]
pub(super) struct Source {
    id: Id,
    name: String,
    engine: String,
    database: String,
    app: Option<String>,
    file_sets: Vec<FileSet>,
    preset: Option<String>,
    /// Its URL was not in the system backup that it was restored from, and has to be entered again.
    needs_url: bool,
    created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileSet)]
struct FileSet {
    name: String,
}

impl From<SourceRecord> for Source {
    fn from(record: SourceRecord) -> Self {
        Self {
            needs_url: record.needs_url(),
            id: record.id,
            name: record.name,
            engine: record.engine,
            database: record.database,
            app: record.app,
            file_sets: record
                .file_sets
                .into_iter()
                .map(|set| FileSet { name: set.name })
                .collect(),
            preset: record.preset,
            created_at: record.created_at,
        }
    }
}

#[utoipa::path(get, path = "/sources", operation_id = "list_sources",
    extensions(("x-permission" = json!("view")), ("x-scope" = json!("source"))), responses((status = 200, description = "The oldest first", body = [Source])))]
pub(super) async fn list(
    State(app): State<Shared>,
    caller: Caller,
) -> Result<Answer<Vec<Source>>, Problem> {
    let mut sources = app.catalog.sources().await?;
    sources.retain(|source| caller.rights.allow_for(Permission::View, &source.id));
    Ok(Answer(sources.into_iter().map(Into::into).collect()))
}

#[utoipa::path(post, path = "/sources", operation_id = "add_source", request_body = New,
    extensions(("x-permission" = json!("configure"))), responses((status = 201, description = "Added", body = Source)))]
pub(super) async fn add(
    State(app): State<Shared>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Source>), Problem> {
    check_file_sets(&new.file_sets)?;
    let mut record = SourceRecord {
        id: Id::random()?,
        name: checked_name(&new.name)?,
        engine: String::new(),
        database: String::new(),
        url: StoredUrl::new(new.url.trim()),
        app: None,
        config: None,
        preset: new.preset.filter(|preset| !preset.trim().is_empty()),
        app_secrets: AppSecrets::default(),
        file_sets: new
            .file_sets
            .into_iter()
            .map(|set| FileSetRecord {
                name: set.name,
                folder: set.folder,
            })
            .collect(),
        created_at: clock::text(clock::now()),
    };
    connect(&mut record, app.catalog.key_id()).await?;
    app.catalog.add_source(&record).await?;
    tracing::info!(source = %record.id, database = record.database, "added a source");
    Ok((StatusCode::CREATED, Answer(record.into())))
}

/// Why a source can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its URL or preset can't be read.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// The database can't be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The preset is of another application, or of another version of this one.
    #[error(transparent)]
    Preset(#[from] PolicyError),
    /// It is the catalog.
    #[error(
        "this is the database that Coffer keeps its own configuration in, which is a source of its own; nothing was stored; use that one"
    )]
    Own,
    /// The database doesn't answer.
    #[error(
        "the database did not answer within {seconds} s; nothing was stored; check where it is and that it runs"
    )]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        let code = match &error {
            ConnectError::Source(fault) => fault.code(),
            ConnectError::Engine(_) | ConnectError::Silent { .. } => "database",
            ConnectError::Preset(_) => "preset",
            ConnectError::Own => "own_catalog",
        };
        Self::unusable(code, error)
    }
}

/// Connects to the source once and fills in what the database says about itself. The preset must fit it. The catalog, which knows
/// the secret key by this name, is no ordinary source, by whatever way it is reached.
pub(super) async fn connect(record: &mut SourceRecord, own_key: &str) -> Result<(), ConnectError> {
    let config = source_config(record)?;
    let reading = async {
        let mut snapshot = engine::open(&config.url).snapshot().await?;
        let database = snapshot.database().clone();
        let vaults = database
            .schema
            .tables
            .iter()
            .filter(|table| table.name.name == "vault" && table.column("key_id").is_some());
        for vault in vaults {
            let key = format!("SELECT key_id FROM {}", engine::sql::table(&vault.name));
            if snapshot.scalar(&key).await?.as_deref() == Some(own_key) {
                return Err(ConnectError::Own);
            }
        }
        Ok::<Database, ConnectError>(database)
    };
    let database = tokio::time::timeout(CONNECT_LIMIT, reading)
        .await
        .map_err(|_| ConnectError::Silent {
            seconds: CONNECT_LIMIT.as_secs(),
        })??;
    if let Some(preset) = &config.preset {
        policy::decide(&database.schema, Some(preset), false, &[])?;
        record.app = Some(preset.app.clone());
    }
    record.engine = match database.engine {
        Kind::Postgres => "postgres",
        Kind::Sqlite => "sqlite",
    }
    .to_owned();
    record.database = database.name;
    Ok(())
}

#[utoipa::path(delete, path = "/sources/{id}", operation_id = "remove_source",
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 204, description = "Removed; backups stay")))]
pub(super) async fn remove(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
) -> Result<StatusCode, Problem> {
    caller.may(Permission::Configure, &id)?;
    if app.catalog.remove_source(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_source())
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUrl)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUrl {
    #[schema(value_type = String)]
    url: SecretText,
}

/// Gives a source another URL, as after a restore from an archive without credentials
#[utoipa::path(put, path = "/sources/{id}/url", operation_id = "change_source_url", request_body = NewUrl,
    extensions(("x-permission" = json!("configure")), ("x-scope" = json!("source"))), responses((status = 200, description = "As it is now", body = Source)))]
pub(super) async fn change_url(
    State(app): State<Shared>,
    caller: Caller,
    IdInPath(id): IdInPath,
    SecretJson(new): SecretJson<NewUrl>,
) -> Result<Answer<Source>, Problem> {
    caller.may(Permission::Configure, &id)?;
    let mut record = source(&app, &id).await?;
    if record.config.is_some() || id.is_system() {
        return Err(Problem::unusable(
            "not_by_hand",
            "where this source is does not come from here, but from the file that describes it or from how the server was started; nothing was changed",
        ));
    }
    record.url = StoredUrl::new(new.url.0.trim());
    connect(&mut record, app.catalog.key_id()).await?;
    app.catalog.add_source(&record).await?;
    tracing::info!(source = %record.id, database = record.database, "a source has another URL");
    Ok(Answer(record.into()))
}

/// The source of an id.
pub(super) async fn source(app: &Shared, id: &Id) -> Result<SourceRecord, Problem> {
    app.catalog.source(id).await?.ok_or_else(no_source)
}

fn no_source() -> Problem {
    Problem::not_found("no_source", "there is no such source (any more)")
}

/// A name for people: something that can be read, on one line.
pub(super) fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    let long = name.chars().count() > MAX_NAME;
    if name.is_empty() || long || name.chars().any(char::is_control) {
        return Err(Problem::unusable(
            "bad_name",
            format!("a name has 1 to {MAX_NAME} characters on one line; nothing was stored"),
        ));
    }
    Ok(name.to_owned())
}

fn check_file_sets(sets: &[NewFileSet]) -> Result<(), Problem> {
    if sets.len() > MAX_FILE_SETS {
        return Err(Problem::unusable(
            "too_many_folders",
            format!("a source has at most {MAX_FILE_SETS} folders; nothing was stored"),
        ));
    }
    let mut seen = BTreeSet::new();
    for set in sets {
        let plain = !set.name.contains('/');
        if let Err(error) = name::check(&format!("files/{}/x", set.name)) {
            return Err(bad_set(format!("the folder's name {:?} {error}", set.name)));
        }
        if !plain {
            return Err(bad_set(format!(
                "the folder's name {:?} has a slash",
                set.name
            )));
        }
        if !seen.insert(name::fold(&set.name)) {
            return Err(bad_set(format!("two folders are called {}", set.name)));
        }
        if !set.folder.is_absolute() {
            return Err(bad_set(format!(
                "the folder of {} is not given from the root on",
                set.name
            )));
        }
        if !set.folder.is_dir() {
            return Err(bad_set(format!(
                "{} is no folder on this server",
                set.folder.display()
            )));
        }
    }
    Ok(())
}

fn bad_set(what: String) -> Problem {
    Problem::unusable("bad_folder", format!("{what}; nothing was stored"))
}
