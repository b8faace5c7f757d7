//! The catalog as a source of backups: Coffer's own configuration, by the preset `coffer`.

use sqlx::AnyPool;
use url::Url;

use super::{Catalog, CatalogError, CatalogPlace, CatalogUrl, Id, Kind, SourceRecord, StoredUrl};
use crate::{
    app_secrets::AppSecrets,
    preset,
    system::{Actor, Guard},
    vault,
};

/// How people call it.
pub const SYSTEM_NAME: &str = "Coffer's own configuration";

/// How the catalog is reached by who backs it up or restores it, through connections of their own.
#[derive(Clone)]
pub(super) struct Own {
    url: StoredUrl,
    database: String,
}

impl Own {
    pub(super) async fn of(pool: &AnyPool, place: &CatalogPlace) -> Result<Self, CatalogError> {
        match &place.url {
            None => {
                // The same whatever folder the program is in.
                let path = place.file();
                let path = std::fs::canonicalize(&path).unwrap_or(path);
                Ok(Self {
                    url: StoredUrl::new(&format!("sqlite:{}", path.display())),
                    database: "catalog.sqlite".to_owned(),
                })
            }
            Some(url) => {
                let schema: String = sqlx::query_scalar("SELECT CAST(current_schema() AS text)")
                    .fetch_one(pool)
                    .await?;
                Ok(Self {
                    url: with_schema(url, &schema)?,
                    database: url.to_string(),
                })
            }
        }
    }
}

/// Only the schema that the catalog is in.
fn with_schema(url: &CatalogUrl, schema: &str) -> Result<StoredUrl, CatalogError> {
    let mut url = Url::parse(url.expose())
        .map_err(|error| sqlx::Error::Configuration(error.into()))
        .map_err(CatalogError::Database)?;
    url.query_pairs_mut().append_pair("schema", schema);
    let url = zeroize::Zeroizing::new(String::from(url));
    Ok(StoredUrl::new(&url))
}

impl Catalog {
    /// The catalog itself, as a source.
    #[must_use]
    pub fn system(&self) -> SourceRecord {
        SourceRecord {
            id: Id::system(),
            name: SYSTEM_NAME.to_owned(),
            engine: match self.kind {
                Kind::Sqlite => "sqlite",
                Kind::Postgres => "postgres",
            }
            .to_owned(),
            database: self.own.database.clone(),
            url: self.own.url.clone(),
            app: Some("Coffer".to_owned()),
            preset: Some(preset::COFFER.to_owned()),
            config: None,
            app_secrets: AppSecrets::own(vault::VARIABLE, self.vault.secret()),
            file_sets: Vec::new(),
            created_at: String::new(),
        }
    }

    /// All sources, and the catalog itself behind them.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn sources_and_system(&self) -> Result<Vec<SourceRecord>, CatalogError> {
        let mut sources = self.sources().await?;
        sources.push(self.system());
        Ok(sources)
    }

    /// What looks after a restore of this catalog.
    #[must_use]
    pub fn guard(&self, actor: Actor) -> Guard {
        Guard::new(actor, self.vault.clone())
    }

    /// Names the secret key that this catalog is under.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.vault.id()
    }
}
