//! Which of the servers that share a catalog this is.
//!
//! What a server does by hand, and what lies in its own store, is its own: another one can neither end it nor read it. So each
//! data folder has a name that lasts, and what is recorded of such work names it. A server says now and then that it is
//! there; the runs of one that doesn't any more have failed. A catalog in SQLite is one server's, whose name is empty.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{Catalog, CatalogError, Id};

/// The file's name in the data folder.
const FILE_NAME: &str = "server.id";

/// The name of the server of a data folder, which is made if there is none.
pub(super) fn server_of(folder: &Path) -> Result<Id, CatalogError> {
    let path = folder.join(FILE_NAME);
    let failed = |error| CatalogError::ServerId {
        path: path.display().to_string(),
        error,
    };
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, &path, &Id::random()?).map_err(failed)?;
            // Where two began together, both take the name of the first.
            read(&path).map_err(failed)
        }
        found => found.map_err(failed),
    }
}

fn read(path: &Path) -> io::Result<Id> {
    Id::parse(fs::read_to_string(path)?.trim())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The file appears whole, or not at all.
fn make(folder: &Path, path: &Path, id: &Id) -> io::Result<()> {
    let staged = folder.join(format!("{FILE_NAME}.{id}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    let made = writeln!(file, "{id}")
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&staged, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    fs::remove_file(&staged)?;
    made
}

impl Catalog {
    /// Records that this server is there.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn server_seen(&self, now: &str) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO servers (id, seen_at) VALUES ($1, $2)
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        )
        .bind(&self.server)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether a backup lies where this server doesn't reach: in the own store of another one, or in a place that this one
    /// doesn't share.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn is_elsewhere(&self, backup: &Id) -> Result<bool, CatalogError> {
        Ok(self.backups_elsewhere().await?.contains(backup))
    }

    /// The backups that lie where this server doesn't reach. What it kept in its own store before it shared one counts as here.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn backups_elsewhere(&self) -> Result<BTreeSet<Id>, CatalogError> {
        let found: Vec<Id> = sqlx::query_scalar(
            "SELECT id FROM backups WHERE store = '' AND server NOT IN ('', $1) OR store NOT IN ('', $2)",
        )
        .bind(&self.server)
        .bind(&self.store)
        .fetch_all(&self.pool)
        .await?;
        Ok(found.into_iter().collect())
    }
}
