//! The mark of a folder that is a destination.
//!
//! A disk that isn't mounted leaves an empty folder where it belongs, which looks like an empty destination: backups would fill
//! the disk below, and be gone from sight once the right one is back. So a folder that is added gets a small file with the
//! destination's id in its name, and without that file nothing is written, read or removed there. Several destinations, of several
//! servers too, may share a folder: each has its own file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::DestinationError;
use crate::catalog::Id;

/// What the file's name begins with. A name with a dot in front is none of an archive.
const NAME: &str = ".coffer-destination-";

fn path_of(folder: &Path, id: &Id) -> PathBuf {
    folder.join(format!("{NAME}{id}"))
}

/// Marks a folder as this destination.
///
/// # Errors
/// The system's.
pub fn mark(folder: &Path, id: &Id) -> io::Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path_of(folder, id));
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    file.write_all(
        b"Coffer stores backups in this folder, and only as long as this file is here: without it, it takes the folder for the one below a disk that is not mounted.\n",
    )?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Removes the mark of a destination that is one no more. It is no error if there is none.
///
/// # Errors
/// The system's.
pub fn unmark(folder: &Path, id: &Id) -> io::Result<()> {
    match std::fs::remove_file(path_of(folder, id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Refuses a folder that is not this destination.
///
/// # Errors
/// [`DestinationError::NotThere`] without the mark, [`DestinationError::Folder`] if it can't be looked at.
pub fn check(folder: &Path, id: &Id) -> Result<(), DestinationError> {
    let failed = |error| DestinationError::Folder {
        path: folder.display().to_string(),
        error,
    };
    match path_of(folder, id).symlink_metadata() {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut other = false;
    for entry in folder.read_dir().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        other |= name.to_str().is_some_and(|name| name.starts_with(NAME));
    }
    Err(DestinationError::NotThere {
        path: folder.display().to_string(),
        other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_destination_that_it_was_marked_as() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [(); 2].map(|()| Id::random().unwrap());
        let refused = |id| match check(folder.path(), id) {
            Err(DestinationError::NotThere { other, .. }) => Some(other),
            Ok(()) => None,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused(&one), Some(false));
        mark(folder.path(), &one).unwrap();
        mark(folder.path(), &one).unwrap();
        assert_eq!((refused(&one), refused(&two)), (None, Some(true)));
        mark(folder.path(), &two).unwrap();
        unmark(folder.path(), &one).unwrap();
        unmark(folder.path(), &one).unwrap();
        assert_eq!((refused(&one), refused(&two)), (Some(true), None));
        let gone = folder.path().join("gone");
        assert!(matches!(
            check(&gone, &one),
            Err(DestinationError::Folder { .. })
        ));
    }
}
