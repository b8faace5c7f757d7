//! The demo application as a source.

use std::path::Path;

use super::{ServeError, sources::connect};
use crate::{
    app_secrets::AppSecrets,
    catalog::{Catalog, FileSetRecord, Id, SourceRecord, StoredUrl},
    clock,
    demo::{self, Demo},
};

/// Makes the demo application below `data` where it isn't there yet, and registers it as a source where nobody did.
///
/// # Errors
/// [`ServeError`].
pub(super) async fn register(data: &Path, catalog: &Catalog) -> Result<(), ServeError> {
    // A source is reached from wherever the server is started next, so its paths start at the root.
    let folder = std::path::absolute(data).map_err(|error| ServeError::Data {
        folder: data.display().to_string(),
        error,
    })?;
    let Demo { database, uploads } = tokio::task::spawn_blocking(move || demo::create(&folder))
        .await
        .map_err(|_| ServeError::Defect)??;
    let sources = catalog.sources().await?;
    if sources
        .iter()
        .any(|source| source.name == demo::SOURCE_NAME)
    {
        return Ok(());
    }
    let mut record = SourceRecord {
        id: Id::random()?,
        name: demo::SOURCE_NAME.to_owned(),
        engine: String::new(),
        database: String::new(),
        url: StoredUrl::new(&format!("sqlite:{}", database.display())),
        app: None,
        preset: Some(demo::PRESET.to_owned()),
        config: None,
        app_secrets: AppSecrets::default(),
        file_sets: vec![FileSetRecord {
            name: "uploads".to_owned(),
            folder: uploads,
        }],
        created_at: clock::text(clock::now()),
    };
    connect(&mut record, catalog.key_id())
        .await
        .map_err(ServeError::DemoSource)?;
    catalog.add_source(&record).await?;
    Ok(())
}
