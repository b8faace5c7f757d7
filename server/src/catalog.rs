//! The server's own database: sources, encryption profiles, backups and runs, in one SQLite file.
//!
//! Only its owner can read the file. A source's URL may hold the password of a database, so it is wrapped under a key that
//! lies elsewhere ([`crate::vault`]). What opens an archive (passwords, secret keys, file keys) never gets here.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use crate::vault::{SecretKeyError, Vault, VaultError};
use sqlx::{
    ConnectOptions, SqlitePool,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

mod backups;
mod id;
mod profiles;
mod runs;
mod secrets;
mod sources;

pub use backups::{BackupRecord, BackupState};
pub(crate) use id::hex;
pub use id::{Id, IdError};
pub use profiles::ProfileRecord;
pub use runs::{RunKind, RunRecord, RunState};
pub use secrets::Rotated;
pub use sources::{FileSetRecord, SourceRecord, StoredUrl};

/// The file's name in the data folder.
const FILE_NAME: &str = "catalog.sqlite";

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Why the catalog can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file can't be made.
    #[error(
        "the catalog {path} cannot be opened: {error}; nothing was changed; check the folder's owner and free space"
    )]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file is of another version, or was changed by hand.
    #[error(
        "the catalog cannot be brought to this version of Coffer: {0}; it is unchanged; use the version that wrote it, or a newer one"
    )]
    Migrate(#[from] MigrateError),
    /// A name is taken.
    #[error("there is already {what} of that {field}; nothing was changed; choose another")]
    Taken {
        /// What there is.
        what: &'static str,
        /// What is the same.
        field: &'static str,
    },
    /// The key that its secrets are wrapped under.
    #[error("{0}")]
    SecretKey(#[from] SecretKeyError),
    /// One of its secrets.
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// SQLite says something else.
    #[error("the catalog failed: {0}; what was asked for was not done")]
    Database(#[from] sqlx::Error),
}

/// The server's own database.
#[derive(Clone, Debug)]
pub struct Catalog {
    pool: SqlitePool,
    vault: Vault,
}

impl Catalog {
    /// Opens the catalog in a data folder, which is made when it isn't there, and brings it to this version.
    ///
    /// # Errors
    /// [`CatalogError::File`], [`CatalogError::Migrate`], [`CatalogError::SecretKey`], [`CatalogError::Database`].
    pub async fn open(folder: &Path) -> Result<Self, CatalogError> {
        let pool = connect(&folder.join(FILE_NAME)).await?;
        let vault = secrets::vault(&pool, folder).await?;
        Ok(Self { pool, vault })
    }

    /// Writes what is pending and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn connect(path: &Path) -> Result<SqlitePool, CatalogError> {
    // SQLite gives its side files the permissions of the main file, so making that one first covers all.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| CatalogError::File {
            path: path.display().to_string(),
            error,
        })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A backup is recorded after its bytes are on disk, and the record must be as lasting as they are.
        .synchronous(SqliteSynchronous::Full)
        // What was removed is overwritten: it may have been a secret.
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;
    MIGRATIONS.run(&pool).await?;
    Ok(pool)
}

/// Turns a broken uniqueness into a sentence: `constraints` names each as SQLite does, with what it means.
fn taken(
    error: sqlx::Error,
    what: &'static str,
    constraints: &[(&'static str, &'static str)],
) -> CatalogError {
    let field = error
        .as_database_error()
        .filter(|error| error.is_unique_violation())
        .and_then(|error| {
            constraints
                .iter()
                .find(|(column, _)| error.message().contains(column))
        });
    match field {
        Some((_, field)) => CatalogError::Taken { what, field },
        None => error.into(),
    }
}

#[cfg(test)]
pub(crate) async fn temporary() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(folder.path()).await.unwrap();
    (folder, catalog)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn only_its_owner_can_read_it() {
        let (folder, catalog) = temporary().await;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                entry.file_name()
            );
        }
        catalog.close().await;
    }

    #[tokio::test]
    async fn it_opens_again() {
        let (folder, catalog) = temporary().await;
        catalog.close().await;
        let again = Catalog::open(folder.path()).await.unwrap();
        assert_eq!(again.sources().await.unwrap(), []);
    }
}
