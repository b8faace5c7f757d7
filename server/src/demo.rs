//! A small application to try Coffer on: the help desk "Lindenhof IT Help Desk", made up from nothing.
//!
//! Every creation gives the same rows and the same files, whatever the clock says. Nobody in it exists; addresses
//! and telephone numbers are of ranges kept free for examples, and credentials only have the right shape.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

mod database;
mod documents;
mod generator;
mod operations;
mod people;
mod picture;
mod texts;
mod tickets;
mod uploads;

/// What the help desk is called as a source.
pub const SOURCE_NAME: &str = "Lindenhof IT Help Desk";

/// The preset that classifies the help desk's data, as TOML of [`coffer_core::policy::Preset`].
pub const PRESET: &str = include_str!("../../presets/helpdesk.toml");

/// Where the help desk keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// Its SQLite database.
    pub database: PathBuf,
    /// The folder of uploaded files; the file set's name is `uploads`.
    pub uploads: PathBuf,
}

/// Why the help desk can't be created.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The system says no.
    #[error(
        "the demo cannot be created at {path}: {error}; nothing half was kept; check the folder's owner and free space"
    )]
    Io {
        /// The file or folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// SQLite says no.
    #[error(
        "the demo's database cannot be filled: {0}; nothing half was kept; check the folder's free space"
    )]
    Database(#[from] rusqlite::Error),
    /// A picture can't be encoded.
    #[error("a picture of the demo cannot be drawn: {0}; nothing half was kept")]
    Picture(#[from] png::EncodingError),
    /// A text that Coffer brings along is not in the form that its reader expects.
    #[error(
        "line {line} of the demo's {file} is malformed; this is a mistake in Coffer, please report it"
    )]
    Text {
        /// The file.
        file: &'static str,
        /// Its line, from 1.
        line: usize,
    },
    /// The demo was created before, and its database was removed since.
    #[error(
        "the demo's folder {path} has no database any more; nothing was changed; remove the folder to have the demo created anew"
    )]
    DatabaseGone {
        /// The folder.
        path: String,
    },
}

impl DemoError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Io { path, error }
    }
}

impl Demo {
    fn inside(folder: &Path) -> Self {
        Self {
            database: folder.join("helpdesk.sqlite"),
            uploads: folder.join("uploads"),
        }
    }
}

/// Creates the help desk in `data/demo`, whole or not at all. One that is there already stays as it is, with
/// everything that was changed or deleted in it since: that is what a restore is tried on.
///
/// # Errors
/// [`DemoError`].
pub fn create(data: &Path) -> Result<Demo, DemoError> {
    let folder = data.join("demo");
    if exists(&folder)? {
        return existing(&folder);
    }
    fs::create_dir_all(data).map_err(DemoError::at(data))?;
    let unfinished = tempfile::Builder::new()
        .prefix(".demo-unfinished-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(data)
        .map_err(DemoError::at(data))?;
    build(&Demo::inside(unfinished.path()))?;
    match fs::rename(unfinished.path(), &folder) {
        Ok(()) => {
            // Its content has moved away; keep the guard from removing what may get that name next.
            let _ = unfinished.keep();
            fs::File::open(data)
                .and_then(|data| data.sync_all())
                .map_err(DemoError::at(data))?;
            Ok(Demo::inside(&folder))
        }
        // Somebody else was faster; both make the same.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
            ) =>
        {
            existing(&folder)
        }
        Err(error) => Err(DemoError::at(&folder)(error)),
    }
}

/// The uploads may be gone, a restore brings them back; without its database there is no target to restore into.
fn existing(folder: &Path) -> Result<Demo, DemoError> {
    let demo = Demo::inside(folder);
    if exists(&demo.database)? {
        Ok(demo)
    } else {
        Err(DemoError::DatabaseGone {
            path: folder.display().to_string(),
        })
    }
}

fn exists(path: &Path) -> Result<bool, DemoError> {
    path.try_exists().map_err(DemoError::at(path))
}

fn build(demo: &Demo) -> Result<(), DemoError> {
    let mut connection = database::create(&demo.database)?;
    let transaction = connection.transaction()?;
    let people = people::fill(&transaction)?;
    let tickets = tickets::fill(&transaction, &people)?;
    uploads::fill(&transaction, &demo.uploads, &tickets)?;
    operations::fill(&transaction, &people)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

#[cfg(test)]
mod tests;
