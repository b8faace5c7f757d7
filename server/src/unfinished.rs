//! Files under temporary names, beside the ones that they will become. A process that is killed can't remove its own, so
//! the next one to begin a file in the same folder does.

use std::{fs, fs::File, io, os::unix::fs::MetadataExt, path::Path};

use tempfile::NamedTempFile;

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

/// Removes what dead processes left in `folder`, as far as it can be removed.
pub(crate) fn sweep(folder: &Path) {
    let Ok(listing) = fs::read_dir(folder) else {
        return;
    };
    for entry in listing.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Only plain files are opened: opening a pipe would wait for its other end.
        if ours
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
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
        let living = begin(folder.path()).unwrap();
        assert!(!dead.exists() && other.exists());
        let second = begin(folder.path()).unwrap();
        assert!(living.path().exists() && second.path().exists());
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
        assert_eq!(left, ["done", "other"]);
    }
}
