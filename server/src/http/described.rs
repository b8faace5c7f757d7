//! Sources that files describe, registered when the server starts.
//!
//! Only whoever starts the server names such files: they can run programs, and the API can't.

use std::path::{Path, PathBuf};

use super::{
    ServeError,
    sources::{ConnectError, connect},
};
use crate::{
    app_secrets::AppSecrets,
    catalog::{Catalog, FileSetRecord, Id, SourceRecord, StoredUrl},
    clock,
    config::Config,
    runs::SourceFault,
};

/// Registers each of the files, or records anew what it says of a source that is known.
///
/// # Errors
/// [`ServeError`], for the first that can't be used.
pub(super) async fn register(files: &[PathBuf], catalog: &Catalog) -> Result<(), ServeError> {
    for file in files {
        one(file, catalog)
            .await
            .map_err(|error| ServeError::Described {
                file: file.display().to_string(),
                error: Box::new(error),
            })?;
    }
    Ok(())
}

/// Why a source that a file describes can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DescribedError {
    /// The file names no source.
    #[error("it gives the source no name; add name")]
    NoName,
    /// A source of that name was added in the page.
    #[error(
        "a source of the name {name} was added in the page; remove it there, or name this one otherwise"
    )]
    Taken {
        /// The name.
        name: String,
    },
    /// Where the file is can't be found out, or isn't UTF-8.
    #[error("its path cannot be recorded; use one of UTF-8")]
    Path,
    /// The file, or its database.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The catalog.
    #[error("{0}")]
    Catalog(#[from] crate::catalog::CatalogError),
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

async fn one(file: &Path, catalog: &Catalog) -> Result<(), DescribedError> {
    // The server may be started from elsewhere next time.
    let path = std::path::absolute(file)
        .ok()
        .filter(|path| path.to_str().is_some())
        .ok_or(DescribedError::Path)?;
    let config = Config::read(&path)
        .map_err(SourceFault::from)
        .map_err(ConnectError::from)?;
    let name = config.name.ok_or(DescribedError::NoName)?;
    let sources = catalog.sources().await?;
    let known = sources.into_iter().find(|source| source.name == name);
    let (id, created_at) = match &known {
        Some(known) if known.config.is_none() => return Err(DescribedError::Taken { name }),
        Some(known) => (known.id.clone(), known.created_at.clone()),
        None => (Id::random()?, clock::text(clock::now())),
    };
    let file_sets = config.file_sets.into_iter();
    let mut record = SourceRecord {
        id,
        name,
        engine: String::new(),
        database: String::new(),
        // The file says where it is, each time anew.
        url: StoredUrl::new(""),
        app: config.app,
        preset: config.preset_text,
        config: Some(path),
        app_secrets: AppSecrets::default(),
        file_sets: file_sets
            .map(|(name, folder)| FileSetRecord { name, folder })
            .collect(),
        created_at,
    };
    match (connect(&mut record, catalog.key_id()).await, known) {
        (Ok(()), _) => {}
        // A database that is down for now is no reason to look after none.
        (Err(error @ (ConnectError::Engine(_) | ConnectError::Silent { .. })), Some(known)) => {
            tracing::error!(source = record.name, %error, "a source that a file describes cannot be reached");
            (record.engine, record.database) = (known.engine, known.database);
        }
        (Err(error), _) => return Err(error.into()),
    }
    catalog.add_source(&record).await?;
    tracing::info!(source = %record.id, database = record.database, "a file describes this source");
    Ok(())
}
