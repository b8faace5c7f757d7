//! Putting single files in place, in a folder that keeps all others.
//!
//! Each step is one system call that is done at most once, and shows: a file that waits no longer was put in place, and one
//! that is to go and isn't there has gone. What is replaced is not kept here: the rows are committed by then, and what was
//! before is in the safety backup.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{folder::free_name, staging::flush};
use crate::files::FilesError;

/// How a copy is called that isn't complete yet, where a file system can't rename.
const COPYING: &str = ".coffer-staged-copy";

/// The single files that change in one folder, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Singles {
    /// Files that come where none was.
    pub added: Vec<String>,
    /// Files that take the place of others.
    pub replaced: Vec<String>,
    /// Files that go.
    pub removed: Vec<String>,
}

impl Singles {
    /// Whether files still wait in the staged folder.
    pub(super) fn wait(&self, staged: &Path) -> bool {
        let mut coming = self.added.iter().chain(&self.replaced);
        coming.any(|path| staged.join(path).symlink_metadata().is_ok())
    }

    /// Does what is left to do.
    pub(super) fn put_in_place(&self, staged: &Path, target: &Path) -> Result<(), FilesError> {
        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        for (paths, may_replace) in [(&self.added, false), (&self.replaced, true)] {
            for path in paths {
                let (from, to) = (staged.join(path), target.join(path));
                if from.symlink_metadata().is_err() {
                    continue;
                }
                make_folders(target, &to, &mut changed)?;
                if !may_replace {
                    make_way(&to)?;
                }
                place(&from, &to).map_err(FilesError::at("put in place", &to))?;
            }
        }
        for path in &self.removed {
            let path = target.join(path);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FilesError::at("remove", &path)(error));
                }
                _ => changed.extend(path.parent().map(Path::to_path_buf)),
            }
        }
        changed
            .iter()
            .filter(|folder| folder.is_dir())
            .try_for_each(|folder| flush(folder))
    }
}

/// Makes the folders above a file, and notes them with the one that holds the topmost of them.
fn make_folders(
    target: &Path,
    file: &Path,
    changed: &mut BTreeSet<PathBuf>,
) -> Result<(), FilesError> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    fs::create_dir_all(folder).map_err(FilesError::at("create the folder", folder))?;
    let above = folder
        .ancestors()
        .take_while(|above| above.starts_with(target));
    changed.extend(above.map(Path::to_path_buf));
    Ok(())
}

/// Gives what an application has put at a path meanwhile another name beside it.
fn make_way(path: &Path) -> Result<(), FilesError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let free = free_name(folder, name);
    match renameat_with(CWD, path, CWD, &free, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::rename(path, &free).map_err(FilesError::at("move away", path))?;
        }
        Err(error) => return Err(FilesError::at("move away", path)(error.into())),
    }
    tracing::warn!(file = %path.display(), now = %free.display(), "a file came to be while files were restored, and has another name now");
    Ok(())
}

/// One rename, or a copy to where another file system is mounted.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let copy = to.with_file_name(COPYING);
            fs::copy(from, &copy)?;
            let file = File::options().write(true).open(&copy)?;
            file.set_modified(fs::metadata(from)?.modified()?)?;
            file.sync_all()?;
            fs::rename(&copy, to)?;
            fs::remove_file(from)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn read(folder: &Path) -> Vec<(String, String)> {
        crate::files::walk("", folder, &crate::files::Globs::default())
            .unwrap()
            .found
            .into_iter()
            .map(|file| (file.path, fs::read_to_string(file.disk).unwrap()))
            .collect()
    }

    fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = files.iter();
        pairs
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn goes_on_from_every_state() {
        let singles = Singles {
            added: vec!["new/x".to_owned(), "y".to_owned()],
            replaced: vec!["r".to_owned()],
            removed: vec!["gone/z".to_owned()],
        };
        for done in 0..=4_usize {
            let around = tempfile::tempdir().unwrap();
            let (staged, target) = (around.path().join("staged"), around.path().join("set"));
            write(&staged, &[("new/x", "1"), ("y", "2"), ("r", "3")]);
            write(
                &target,
                &[("r", "old"), ("gone/z", "old"), ("gone/stays", "s")],
            );
            let some = |list: &[String], from: usize| -> Vec<String> {
                list.iter()
                    .take(done.saturating_sub(from))
                    .cloned()
                    .collect()
            };
            let part = Singles {
                added: some(&singles.added, 0),
                replaced: some(&singles.replaced, 2),
                removed: some(&singles.removed, 3),
            };
            part.put_in_place(&staged, &target).unwrap();
            assert_eq!(singles.wait(&staged), done < 3, "{done}");
            for _ in 0..2 {
                singles.put_in_place(&staged, &target).unwrap();
                assert!(!singles.wait(&staged));
                assert_eq!(
                    read(&target),
                    pairs(&[("gone/stays", "s"), ("new/x", "1"), ("r", "3"), ("y", "2")])
                );
            }
        }
    }

    #[test]
    fn what_the_application_makes_meanwhile_stays() {
        let around = tempfile::tempdir().unwrap();
        let (staged, target) = (around.path().join("staged"), around.path().join("set"));
        write(&staged, &[("a", "ours")]);
        write(&target, &[("a", "theirs")]);
        let singles = Singles {
            added: vec!["a".to_owned()],
            ..Singles::default()
        };
        singles.put_in_place(&staged, &target).unwrap();
        assert_eq!(read(&target), pairs(&[("a", "ours"), ("a~1", "theirs")]));
    }
}
