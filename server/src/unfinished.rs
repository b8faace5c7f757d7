//! Files and folders under temporary names, beside the ones that they will become. A process that is killed can't remove its
//! own, so the next one to begin one in the same folder does.

use std::{fs, fs::File, io, os::unix::fs::MetadataExt, path::Path};

use tempfile::{NamedTempFile, TempDir};

/// Not the prefix of any other temporary file: every one of these is locked by whoever writes it.
const PREFIX: &str = ".coffer-unpublished-";

/// Begins a file in `folder`, and removes what dead processes left there. Dropping it removes it.
///
/// # Errors
/// What the system says. What can't be removed is no error: it is somebody else's.
pub(crate) fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    sweep(folder);
    loop {
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempfile_in(folder)?;
        // Where files can't be locked, nobody removes any.
        let locked = file.as_file().try_lock().is_ok();
        // Another process may have taken it for a dead one's before it was locked.
        if !locked || file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// A folder that is being filled. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    /// Keeps it locked.
    _open: File,
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        self.folder.path()
    }
}

impl Folder {
    /// Gives it its name.
    ///
    /// # Errors
    /// What the system says, also if something that isn't an empty folder has that name.
    pub(crate) fn publish(self, path: &Path) -> io::Result<()> {
        fs::rename(self.folder.path(), path)?;
        // It is not there any more under its old name.
        let _old = self.folder.keep();
        Ok(())
    }
}

/// Begins a folder in `folder`, and removes what dead processes left there.
///
/// # Errors
/// As [`begin`].
pub(crate) fn begin_folder(folder: &Path) -> io::Result<Folder> {
    sweep(folder);
    loop {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
        let open = File::open(made.path())?;
        let locked = open.try_lock().is_ok();
        if !locked || made.path().exists() {
            return Ok(Folder {
                folder: made,
                _open: open,
            });
        }
    }
}

/// Removes what dead processes left in `folder`, as far as it can be removed.
pub(crate) fn sweep(folder: &Path) {
    let Ok(listing) = fs::read_dir(folder) else {
        return;
    };
    for entry in listing.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Only plain files and folders are opened: opening a pipe would wait for its other end.
        if ours
            && let Ok(kind) = entry.file_type()
            && (kind.is_file() || kind.is_dir())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = if kind.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_writes_any_more_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join(format!("{PREFIX}dead"));
        let other = folder.path().join("other");
        for path in [&dead, &other] {
            fs::write(path, "x").unwrap();
        }
        let dead_folder = folder.path().join(format!("{PREFIX}dead-folder"));
        fs::create_dir(&dead_folder).unwrap();
        fs::write(dead_folder.join("x"), "x").unwrap();
        let living = begin(folder.path()).unwrap();
        assert!(!dead.exists() && !dead_folder.exists() && other.exists());
        let filling = begin_folder(folder.path()).unwrap();
        let second = begin(folder.path()).unwrap();
        assert!(living.path().exists() && second.path().exists());
        assert!(filling.as_ref().exists());
        fs::write(filling.as_ref().join("x"), "x").unwrap();
        filling.publish(&folder.path().join("folder")).unwrap();
        assert!(folder.path().join("folder/x").exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
        // What has its name is not locked any more, nor in anybody's way.
        let file = second.persist(folder.path().join("done")).unwrap();
        drop(file);
        drop(begin(folder.path()).unwrap());
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["done", "folder", "other"]);
    }
}
