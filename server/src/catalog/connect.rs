//! Connecting to either database, and bringing a catalog to this version.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sqlx::{
    Any, AnyPool, ConnectOptions, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    migrate::Migrator,
};
use url::Url;

use super::{CatalogError, CatalogPlace};
use crate::clock;

static FOR_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static FOR_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Of the copies that are made before a catalog is changed, this many stay.
const COPIES: usize = 3;
/// What their names begin and end with; between stand when and from which version.
const COPY: (&str, &str) = ("catalog-", ".sqlite");
/// SQLite is asked by few at a time, since one writes at a time; PostgreSQL is shared with other servers.
const SQLITE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// For each connection. A backup is recorded after its bytes are on disk, and the record must be as lasting as they are;
/// what was removed is overwritten, since it may have been a secret.
const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;";

/// Which database a catalog is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Connects, and brings the catalog to this version. A file is copied before it is changed.
pub(super) async fn connect(place: &CatalogPlace) -> Result<(AnyPool, Kind), CatalogError> {
    sqlx::any::install_default_drivers();
    match &place.url {
        Some(url) => {
            let pool = pool(url.expose(), POSTGRES_CONNECTIONS, "").await?;
            // Servers that start together wait for each other here.
            FOR_POSTGRES.run(&pool).await?;
            Ok((pool, Kind::Postgres))
        }
        None => {
            let path = place.file();
            let url = file_url(&path).map_err(|error| file_error(&path, error))?;
            let pool = pool(&url, SQLITE_CONNECTIONS, PRAGMAS).await?;
            keep_copy(&pool, place).await?;
            FOR_SQLITE.run(&pool).await?;
            Ok((pool, Kind::Sqlite))
        }
    }
}

/// Whether a catalog is there, of whatever version.
pub(super) async fn is_there(place: &CatalogPlace) -> Result<bool, CatalogError> {
    let Some(url) = &place.url else {
        return Ok(place.file().exists());
    };
    sqlx::any::install_default_drivers();
    let pool = pool(url.expose(), 1, "").await?;
    let ledgers: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = '_sqlx_migrations'",
    )
    .fetch_one(&pool)
    .await?;
    pool.close().await;
    Ok(ledgers > 0)
}

async fn pool(url: &str, connections: u32, first: &'static str) -> Result<AnyPool, CatalogError> {
    let url = Url::parse(url).map_err(|error| sqlx::Error::Configuration(error.into()))?;
    // Statements are never logged: their values may be secrets.
    let options = AnyConnectOptions::from_url(&url)?.disable_statement_logging();
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if !first.is_empty() {
                    connection.execute(first).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Makes the file where it isn't there, and names it.
fn file_url(path: &Path) -> io::Result<String> {
    // SQLite gives its side files the permissions of the main file, so making that one first covers all.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // Without `..`, which a URL would take away in its own way.
    let path = fs::canonicalize(path)?;
    let mut url = "sqlite:".to_owned();
    for part in path
        .as_os_str()
        .as_bytes()
        .split(|&byte| byte == b'/')
        .skip(1)
    {
        url.push('/');
        url.extend(percent_encode(part, NON_ALPHANUMERIC));
    }
    Ok(url)
}

fn file_error(path: &Path, error: io::Error) -> CatalogError {
    CatalogError::File {
        path: path.display().to_string(),
        error,
    }
}

/// Copies a catalog that is about to be changed, beside it; the oldest copies go.
async fn keep_copy(pool: &AnyPool, place: &CatalogPlace) -> Result<(), CatalogError> {
    let Some(version) = version(pool).await? else {
        return Ok(());
    };
    if FOR_SQLITE
        .iter()
        .all(|migration| migration.version <= version)
    {
        return Ok(());
    }
    let (start, end) = COPY;
    let name = format!("{start}{}-{version}{end}", clock::name(clock::now()));
    let path = place.folder.join(name);
    let copied = |error| CatalogError::Copy {
        path: path.display().to_string(),
        error,
    };
    // SQLite fills an empty file, and doesn't ask who may read it.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    made.map_err(|error| copied(error.into()))?;
    let filled = sqlx::query("VACUUM INTO $1")
        .bind(path.display().to_string())
        .execute(pool)
        .await;
    let lasting = || File::open(&path)?.sync_all();
    if let Err(error) = match filled {
        Ok(_) => lasting().map_err(sqlx::Error::Io),
        Err(error) => Err(error),
    } {
        // Half a copy is none.
        let _ = fs::remove_file(&path);
        return Err(copied(error));
    }
    tracing::info!(copy = %path.display(), "copied the catalog before bringing it to this version");
    let mut copies = copies(&place.folder).map_err(|error| copied(error.into()))?;
    copies.truncate(copies.len().saturating_sub(COPIES));
    for old in copies {
        fs::remove_file(&old).map_err(|error| copied(error.into()))?;
    }
    Ok(())
}

/// The last migration of a catalog; nothing for one that is empty.
async fn version(pool: &AnyPool) -> Result<Option<i64>, sqlx::Error> {
    let ledger: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(pool)
            .await?;
    if ledger == 0 {
        return Ok(None);
    }
    sqlx::query_scalar::<Any, i64>(
        "SELECT version FROM _sqlx_migrations ORDER BY version DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await
}

/// The copies in a folder, the oldest first.
fn copies(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (start, end) = COPY;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_copy = name.to_str().is_some_and(|name| {
            name.strip_prefix(start)
                .is_some_and(|rest| rest.ends_with(end))
        });
        if is_copy {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the copies: they hold secrets as they were before there was a key to wrap them under.
pub(super) fn remove_copies(place: &CatalogPlace) -> Result<(), CatalogError> {
    let remove = || copies(&place.folder)?.iter().try_for_each(fs::remove_file);
    remove().map_err(|error| file_error(&place.folder, error))
}
