//! The server's own database: sources, encryption profiles, backups and runs. It is one SQLite file in the data folder, or a
//! PostgreSQL database that several servers share; the same statements serve both.
//!
//! What both understand alike: `$1` for values, `ON CONFLICT`, text and whole numbers of 64 bits. Truth is 0 or 1, since SQLite
//! has no other. Each engine has migrations of its own, of the same numbers and meaning. What is decided from rows that were read and
//! then written goes through [`Catalog::begin_write`], which lets one writer in at a time, of all servers.
//!
//! Only its owner can read the file. A source's URL may hold the password of a database, so it is wrapped under a key that
//! lies elsewhere ([`crate::vault`]). What opens an archive (passwords, secret keys, file keys) never gets here.

use std::{fmt, io};

use crate::vault::{SecretKeyError, Vault, VaultError};
use sqlx::{Any, AnyPool, Transaction, migrate::MigrateError};

mod audit;
mod backups;
mod channels;
mod connect;
mod copies;
mod credentials;
mod destinations;
mod id;
mod idempotency;
mod job_plans;
mod job_runs;
mod jobs;
mod people;
mod place;
mod profiles;
mod runs;
mod secrets;
mod server;
mod sources;
mod system;
mod words;

pub use audit::AuditRecord;
pub use backups::{BackupOrigin, BackupRecord, BackupState};
pub use channels::{ChannelRecord, NoticeRecord};
pub use copies::{CopyRecord, CopyState, KeptCopy};
pub use credentials::{SessionRecord, TokenRecord, TriesRecord};
pub use destinations::DestinationRecord;
pub(crate) use id::hex;
pub use id::{Id, IdError};
pub use idempotency::KeyRecord;
pub use job_plans::{Due, Plan, Planned, Retrying};
pub use job_runs::{Beat, Ending, JobRunRecord, JobRunState, Lease, NewNotice};
pub use jobs::{CatchUp, JobRecord, Timetable};
pub use people::{GroupRecord, UserRecord, name_key};
pub use place::{CatalogPlace, CatalogUrl, CatalogUrlError, VARIABLE};
pub use profiles::{KeyState, Profile, ProfileKeyRecord, ProfileRecord};
pub use runs::{RunKind, RunRecord, RunState};
pub use secrets::Rotated;
pub use sources::{FileSetRecord, SourceRecord, StoredUrl};
pub use system::SYSTEM_NAME;

use connect::{Kind, connect};

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
    /// The file that names this server can't be used.
    #[error(
        "the file {path}, which tells this server from others, cannot be read or made: {error}; nothing was changed; check the folder's owner and free space, and bring the file back from a copy if it was changed"
    )]
    ServerId {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file can't be copied before it is changed.
    #[error(
        "the catalog has to be copied to {path} before it is brought to this version, and that failed: {error}; it is unchanged; check the folder's owner and free space"
    )]
    Copy {
        /// The copy.
        path: String,
        /// What SQLite or the system says.
        error: sqlx::Error,
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
    /// What is to be changed is not what was looked at.
    #[error(
        "this was changed by somebody else meanwhile, or is gone; nothing was changed; look at it again"
    )]
    Changed,
    /// Nobody could administer any more.
    #[error(
        "then nobody could administer this server any more; nothing was changed; make somebody else an administrator first"
    )]
    LastAdministrator,
    /// Something refers to it.
    #[error("{what} is used by {by}; nothing was changed; see to that first")]
    InUse {
        /// What it is.
        what: &'static str,
        /// What refers to it.
        by: &'static str,
    },
    /// What it holds can't be read.
    #[error(
        "a row of the catalog cannot be read: {0}; it is unchanged; it was written by another version of Coffer, or by hand"
    )]
    Content(serde_json::Error),
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}; nothing was stored")]
    Random(#[from] getrandom::Error),
    /// The key that its secrets are wrapped under.
    #[error("{0}")]
    SecretKey(#[from] SecretKeyError),
    /// One of its secrets.
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// The database says something else.
    #[error("the catalog failed: {0}; what was asked for was not done")]
    Database(#[from] sqlx::Error),
}

/// The server's own database.
#[derive(Clone)]
pub struct Catalog {
    pool: AnyPool,
    kind: Kind,
    vault: Vault,
    own: system::Own,
    /// Which of the servers that share it this is; empty where there is only one.
    server: String,
    /// The place that this server keeps archives in, if it shares that with others; empty for a store of its own.
    store: String,
}

impl fmt::Debug for Catalog {
    // The pool would tell how it signs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// Opens a catalog, which is made when it isn't there, and brings it to this version.
    ///
    /// # Errors
    /// [`CatalogError::ServerId`], [`CatalogError::File`], [`CatalogError::Copy`], [`CatalogError::Migrate`],
    /// [`CatalogError::SecretKey`], [`CatalogError::Database`].
    pub async fn open(place: &CatalogPlace) -> Result<Self, CatalogError> {
        let (pool, kind) = connect(place).await?;
        let server = match kind {
            Kind::Sqlite => String::new(),
            Kind::Postgres => server::server_of(&place.folder)?.to_string(),
        };
        let vault = secrets::vault(&pool, kind, place).await?;
        let own = system::Own::of(&pool, place).await?;
        Ok(Self {
            pool,
            kind,
            vault,
            own,
            server,
            store: String::new(),
        })
    }

    /// From now on archives are kept in a place that other servers reach as well.
    #[must_use]
    pub fn with_store(self, place: String) -> Self {
        Self {
            store: place,
            ..self
        }
    }

    /// Whether there is a catalog in a place, without making one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_there(place: &CatalogPlace) -> Result<bool, CatalogError> {
        connect::is_there(place).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn answers(&self) -> Result<(), CatalogError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Writes what is pending and closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that decides from what it reads and then writes: no other of its kind runs meanwhile, on no server.
    pub(crate) async fn begin_write(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        begin_write(&self.pool, self.kind).await
    }
}

async fn begin_write(pool: &AnyPool, kind: Kind) -> Result<Transaction<'static, Any>, sqlx::Error> {
    match kind {
        // SQLite's ordinary transaction becomes a writer with its first write, too late for what it has read.
        Kind::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await,
        Kind::Postgres => {
            let mut transaction = pool.begin().await?;
            // Excludes itself, and nobody who reads.
            sqlx::query("LOCK TABLE vault IN SHARE ROW EXCLUSIVE MODE")
                .execute(&mut *transaction)
                .await?;
            Ok(transaction)
        }
    }
}

/// Turns a broken uniqueness into a sentence: `constraints` names each as SQLite does, `table.column`, with what it means.
fn taken(
    error: sqlx::Error,
    what: &'static str,
    constraints: &[(&'static str, &'static str)],
) -> CatalogError {
    let field = error
        .as_database_error()
        .filter(|error| error.is_unique_violation())
        .and_then(|error| {
            constraints.iter().find(|(column, _)| {
                // PostgreSQL names a constraint after its columns.
                let named = error.constraint().is_some_and(|constraint| {
                    let (table, column) = column.split_once('.').unwrap_or_default();
                    let rest = constraint.strip_prefix(table);
                    rest.is_some_and(|rest| rest.ends_with(&format!("_{column}_key")))
                });
                named || error.message().contains(column)
            })
        });
    match field {
        Some((_, field)) => CatalogError::Taken { what, field },
        None => error.into(),
    }
}

/// An empty one in SQLite. What a catalog does is tested with both databases, in `tests/tests/catalog.rs`.
#[cfg(test)]
pub(crate) async fn temporary() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let place = CatalogPlace::in_folder(folder.path());
    let catalog = Catalog::open(&place).await.unwrap();
    (folder, catalog)
}
