//! Sources: the databases, with their folders of files, that the server can reach.

use std::{fmt, path::PathBuf};

use sqlx::{FromRow, Row, any::AnyRow};
use zeroize::Zeroizing;

use super::{Catalog, CatalogError, Id, taken};
use crate::app_secrets::AppSecrets;

/// A database's URL as it was given, perhaps with a password in it. The catalog holds it wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredUrl(Zeroizing<String>);

impl StoredUrl {
    /// Keeps a URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(Zeroizing::new(url.to_owned()))
    }

    /// The URL with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredUrl(…)")
    }
}

/// A folder of uploaded files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSetRecord {
    /// The file set's name.
    pub name: String,
    /// Where the files are.
    pub folder: PathBuf,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Its id.
    pub id: Id,
    /// How people call it.
    pub name: String,
    /// `postgres` or `sqlite`.
    pub engine: String,
    /// The database for people, without credentials.
    pub database: String,
    /// The database.
    pub url: StoredUrl,
    /// The application's name, where known.
    pub app: Option<String>,
    /// The preset's TOML.
    pub preset: Option<String>,
    /// The file that describes it, which wins over what is recorded here; `None` for one that was added in the page.
    pub config: Option<PathBuf>,
    /// The secrets of its application that this program has itself: those of its own catalog.
    pub app_secrets: AppSecrets,
    /// Its folders of uploaded files.
    pub file_sets: Vec<FileSetRecord>,
    /// When it was added, RFC 3339.
    pub created_at: String,
}

impl SourceRecord {
    /// Whether its URL was left out of the archive that it was restored from.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        self.config.is_none() && self.url.expose().is_empty()
    }
}

/// What a source's URL is wrapped for.
pub(super) fn url_place(id: &Id) -> String {
    format!("sources/{id}/url")
}

impl FromRow<'_, AnyRow> for SourceRecord {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            engine: row.try_get("engine")?,
            database: row.try_get("database")?,
            // Still wrapped.
            url: StoredUrl::new(row.try_get("url")?),
            app: row.try_get("app")?,
            preset: row.try_get("preset")?,
            config: row.try_get::<Option<String>, _>("config")?.map(Into::into),
            app_secrets: AppSecrets::default(),
            file_sets: Vec::new(),
            created_at: row.try_get("created_at")?,
        })
    }
}

impl Catalog {
    /// All sources, the oldest first.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, CatalogError> {
        let mut sources: Vec<SourceRecord> =
            sqlx::query_as("SELECT * FROM sources ORDER BY created_at, name")
                .fetch_all(&self.pool)
                .await?;
        for source in &mut sources {
            source.url = self.unwrapped(source)?;
            source.file_sets = self.file_sets(&source.id).await?;
        }
        Ok(sources)
    }

    /// One source, which may be the catalog itself; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn source(&self, id: &Id) -> Result<Option<SourceRecord>, CatalogError> {
        if id.is_system() {
            return Ok(Some(self.system()));
        }
        let found: Option<SourceRecord> = sqlx::query_as("SELECT * FROM sources WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        match found {
            Some(mut source) => {
                source.url = self.unwrapped(&source)?;
                source.file_sets = self.file_sets(&source.id).await?;
                Ok(Some(source))
            }
            None => Ok(None),
        }
    }

    fn unwrapped(&self, source: &SourceRecord) -> Result<StoredUrl, CatalogError> {
        let stored = &source.url.0;
        // Restored from an archive without it: it has to be entered again.
        if stored.is_empty() {
            return Ok(StoredUrl::new(""));
        }
        Ok(StoredUrl(
            self.vault.unwrap(&url_place(&source.id), stored)?,
        ))
    }

    async fn file_sets(&self, source: &Id) -> Result<Vec<FileSetRecord>, CatalogError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, folder FROM file_sets WHERE source = $1 ORDER BY position",
        )
        .bind(source)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(name, folder)| FileSetRecord {
                name,
                folder: folder.into(),
            })
            .collect())
    }

    /// Adds a source, or records anew what is known of the one that has its id.
    ///
    /// # Errors
    /// [`CatalogError::Taken`] if one has its name, [`CatalogError::Database`].
    pub async fn add_source(&self, source: &SourceRecord) -> Result<(), CatalogError> {
        let url = self
            .vault
            .wrap(&url_place(&source.id), source.url.expose())?;
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO sources (id, name, engine, database, url, app, preset, config, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (id) DO UPDATE SET engine = excluded.engine, database = excluded.database, url = excluded.url,
                 app = excluded.app, preset = excluded.preset, config = excluded.config",
        )
        .bind(&source.id)
        .bind(&source.name)
        .bind(&source.engine)
        .bind(&source.database)
        .bind(url)
        .bind(&source.app)
        .bind(&source.preset)
        .bind(
            source
                .config
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned()),
        )
        .bind(&source.created_at)
        .execute(&mut *transaction)
        .await
        .map_err(|error| taken(error, "a source", &[("sources.name", "name")]))?;
        sqlx::query("DELETE FROM file_sets WHERE source = $1")
            .bind(&source.id)
            .execute(&mut *transaction)
            .await?;
        for (position, set) in (0_i64..).zip(&source.file_sets) {
            sqlx::query(
                "INSERT INTO file_sets (source, position, name, folder) VALUES ($1, $2, $3, $4)",
            )
            .bind(&source.id)
            .bind(position)
            .bind(&set.name)
            .bind(set.folder.to_string_lossy().into_owned())
            .execute(&mut *transaction)
            .await
            .map_err(|error| taken(error, "a folder", &[("file_sets.name", "name")]))?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets a source; its backups stay. Says whether there was one.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn remove_source(&self, id: &Id) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM sources WHERE id = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
