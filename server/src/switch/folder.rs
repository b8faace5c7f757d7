//! Putting the staged content of one folder in place, in steps that can be done again after any interruption.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{journal::is_own, single::Singles, staging::flush};
use crate::files::FilesError;

/// Where the new content waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// Beside the folder: the two change places in one step.
    Beside,
    /// Inside of the folder, which can't be renamed: its content is moved name by name.
    Inside,
}

/// One folder that is to get new content, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The file set.
    pub set: String,
    /// The folder.
    pub(super) target: PathBuf,
    pub(super) place: Place,
    /// The new content.
    pub(super) staged: PathBuf,
    /// Device and inode of the staged folder, by which it is known again in its new place.
    pub(super) staged_id: (u64, u64),
    /// Where the old content goes if the two folders can't change places in one step.
    pub(super) kept: PathBuf,
    /// The names directly in the staged folder, where it waits inside.
    pub(super) names: Vec<String>,
    /// Where single files change places, and the rest of the folder stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) single: Option<Singles>,
}

impl Folder {
    /// The folder that holds the staged one, and the journal.
    pub(super) fn around(&self) -> &Path {
        self.staged.parent().unwrap_or(&self.target)
    }

    fn is_staged_folder(&self, path: &Path) -> bool {
        fs::symlink_metadata(path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.staged_id)
    }

    /// Puts the new content in place. Done again, it goes on where it was interrupted; done twice, it changes nothing.
    ///
    /// # Errors
    /// [`FilesError`]; doing it again goes on.
    pub fn put_in_place(&self) -> Result<(), FilesError> {
        match (&self.single, self.place) {
            (Some(singles), _) => singles.put_in_place(&self.staged, &self.target)?,
            (None, Place::Beside) => self.change_places()?,
            (None, Place::Inside) => self.move_names()?,
        }
        flush(self.around())
    }

    fn change_places(&self) -> Result<(), FilesError> {
        if self.is_staged_folder(&self.target) {
            return Ok(());
        }
        let in_place = FilesError::at("put in place", &self.target);
        if self.target.symlink_metadata().is_err() {
            // It never was there, or was moved away before an interruption.
            return fs::rename(&self.staged, &self.target).map_err(in_place);
        }
        match renameat_with(CWD, &self.staged, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            // Not every file system can do it in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::rename(&self.target, &self.kept)
                    .map_err(FilesError::at("move away", &self.target))?;
                fs::rename(&self.staged, &self.target).map_err(in_place)
            }
            Err(error) => Err(in_place(error.into())),
        }
    }

    fn move_names(&self) -> Result<(), FilesError> {
        if !self.staged.is_dir() {
            return Ok(());
        }
        if !self.kept.is_dir() {
            fs::create_dir(&self.kept).map_err(FilesError::at("create the folder", &self.kept))?;
        }
        for name in names(&self.target)? {
            let waits = self.staged.join(&name).symlink_metadata().is_ok();
            let is_new = !waits && self.names.iter().any(|new| name == **new);
            if !is_new && !name.to_str().is_some_and(is_own) {
                let from = self.target.join(&name);
                fs::rename(&from, free_name(&self.kept, &name))
                    .map_err(FilesError::at("move away", &from))?;
            }
        }
        for name in names(&self.staged)? {
            let to = self.target.join(&name);
            fs::rename(self.staged.join(&name), &to)
                .map_err(FilesError::at("put in place", &to))?;
        }
        flush(&self.target)?;
        fs::remove_dir(&self.staged).map_err(FilesError::at("remove", &self.staged))
    }

    /// Removes what was replaced, once the new content is in place.
    ///
    /// # Errors
    /// [`FilesError`]; doing it again goes on.
    pub fn remove_replaced(&self) -> Result<(), FilesError> {
        let placed = match (&self.single, self.place) {
            (Some(singles), _) => !singles.wait(&self.staged),
            (None, Place::Beside) => self.is_staged_folder(&self.target),
            (None, Place::Inside) => !self.staged.exists(),
        };
        if placed {
            remove(&self.staged)?;
            remove(&self.kept)?;
        }
        Ok(())
    }

    /// Removes the new content, of which nothing was put in place.
    ///
    /// # Errors
    /// [`FilesError`]; doing it again goes on.
    pub fn remove_staged(&self) -> Result<(), FilesError> {
        if self.is_staged_folder(&self.staged) {
            remove(&self.staged)?;
        }
        Ok(())
    }
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, FilesError> {
    fs::read_dir(folder)
        .and_then(|listing| listing.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(FilesError::at("list the folder", folder))
}

/// A name in `folder` that nothing has: an application that runs may have made a file of the same name again.
pub(super) fn free_name(folder: &Path, name: &std::ffi::OsStr) -> PathBuf {
    let mut path = folder.join(name);
    let mut number = 1_u32;
    while path.symlink_metadata().is_ok() {
        let mut other = name.to_os_string();
        other.push(format!("~{number}"));
        path = folder.join(other);
        number = number.saturating_add(1);
    }
    path
}

fn remove(folder: &Path) -> Result<(), FilesError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FilesError::at("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    /// A folder with old content, and new content that waits.
    struct Case {
        around: tempfile::TempDir,
        folder: Folder,
    }

    fn old() -> BTreeMap<String, String> {
        tree(&[("a", "old"), ("b/x", "old"), ("c", "old"), ("e", "old")])
    }

    fn new() -> BTreeMap<String, String> {
        tree(&[("a", "new"), ("b/y", "new"), ("d/z", "new"), ("e", "new")])
    }

    fn tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn write(folder: &Path, files: &BTreeMap<String, String>) {
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn read(folder: &Path) -> BTreeMap<String, String> {
        let found = crate::files::walk("", folder, &crate::files::Globs::default())
            .unwrap()
            .found;
        found
            .into_iter()
            .map(|file| (file.path, fs::read_to_string(file.disk).unwrap()))
            .collect()
    }

    impl Case {
        fn new(place: Place) -> Self {
            let around = tempfile::tempdir().unwrap();
            let target = around.path().join("uploads");
            let holder = match place {
                Place::Beside => around.path().to_path_buf(),
                Place::Inside => target.clone(),
            };
            let staged = holder.join(".coffer-staged-1-uploads");
            write(&target, &old());
            write(&staged, &new());
            let metadata = fs::metadata(&staged).unwrap();
            Self {
                folder: Folder {
                    set: "uploads".to_owned(),
                    target,
                    place,
                    staged_id: (metadata.dev(), metadata.ino()),
                    kept: holder.join(".coffer-replaced-1-uploads"),
                    names: ["a", "b", "d", "e"].map(String::from).to_vec(),
                    single: None,
                    staged,
                },
                around,
            }
        }

        /// Goes on from here as often as the journal would, and looks at what is there.
        fn ends_well(&self) {
            for _ in 0..2 {
                self.folder.put_in_place().unwrap();
                assert_eq!(read(&self.folder.target), new());
            }
            for _ in 0..2 {
                self.folder.remove_replaced().unwrap();
            }
            assert_eq!(read(&self.folder.target), new());
            let left: Vec<_> = names(self.folder.around())
                .unwrap()
                .into_iter()
                .filter(|name| name.to_str().is_some_and(is_own))
                .collect();
            assert!(
                left.is_empty(),
                "{left:?} in {}",
                self.around.path().display()
            );
        }
    }

    #[test]
    fn two_folders_change_places_from_every_state() {
        let rename = |from: &Path, to: &Path| fs::rename(from, to).unwrap();
        type State = fn(&Folder, &dyn Fn(&Path, &Path));
        let states: [State; 4] = [
            |_, _| {},
            // The one-step way, done.
            |folder, _| {
                renameat_with(
                    CWD,
                    &folder.staged,
                    CWD,
                    &folder.target,
                    RenameFlags::EXCHANGE,
                )
                .unwrap();
            },
            // The two-step way, after its first step and after its second.
            |folder, rename| rename(&folder.target, &folder.kept),
            |folder, rename| {
                rename(&folder.target, &folder.kept);
                rename(&folder.staged, &folder.target);
            },
        ];
        for state in states {
            let case = Case::new(Place::Beside);
            state(&case.folder, &rename);
            case.ends_well();
        }
    }

    #[test]
    fn a_folder_that_was_not_there_comes_to_be() {
        let case = Case::new(Place::Beside);
        fs::remove_dir_all(&case.folder.target).unwrap();
        case.ends_well();
    }

    #[test]
    fn names_are_moved_inside_from_every_state() {
        // What moving name by name does, in the one order that directory listings leave open.
        let away = ["a", "b", "c", "e"];
        let placed = ["a", "b", "d", "e"];
        for done in 0..=away.len() + placed.len() {
            let case = Case::new(Place::Inside);
            let Folder {
                target,
                staged,
                kept,
                ..
            } = &case.folder;
            if done > 0 {
                fs::create_dir(kept).unwrap();
            }
            for name in away.iter().take(done) {
                fs::rename(target.join(name), kept.join(name)).unwrap();
            }
            for name in placed.iter().take(done.saturating_sub(away.len())) {
                fs::rename(staged.join(name), target.join(name)).unwrap();
            }
            case.ends_well();
        }
    }

    #[test]
    fn what_the_application_makes_meanwhile_does_not_stop_it() {
        let case = Case::new(Place::Inside);
        let Folder { target, kept, .. } = &case.folder;
        fs::create_dir(kept).unwrap();
        fs::rename(target.join("a"), kept.join("a")).unwrap();
        fs::write(target.join("a"), "made meanwhile").unwrap();
        case.ends_well();
    }

    #[test]
    fn undoing_leaves_the_old_content() {
        for place in [Place::Beside, Place::Inside] {
            let case = Case::new(place);
            for _ in 0..2 {
                case.folder.remove_staged().unwrap();
                assert_eq!(read(&case.folder.target), old());
                assert!(!case.folder.staged.exists());
            }
        }
    }

    #[test]
    fn nothing_that_was_replaced_goes_before_the_new_is_in_place() {
        for place in [Place::Beside, Place::Inside] {
            let case = Case::new(place);
            case.folder.remove_replaced().unwrap();
            assert_eq!(read(&case.folder.target), old());
            case.ends_well();
        }
    }
}
