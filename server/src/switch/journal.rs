//! The journal of a switch: what will be renamed, and how it is known whether it may be.
//!
//! It is written once and never changed: how far a switch got shows in the folders themselves. A copy lies in each
//! folder that holds staged content, so that any of them leads to it.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{folder::Folder, staging::flush};
use crate::{engine::CommitMark, files::FilesError, held::Held, unfinished};

/// A file set's name and folder.
type Set = (String, PathBuf);

const STAGED: &str = ".coffer-staged-";
const REPLACED: &str = ".coffer-replaced-";
const JOURNAL: &str = ".coffer-restore-";
const SUFFIX: &str = ".journal";
const VERSION: u32 = 1;

/// Whether a name in a folder is that of something that a restore keeps there while it lasts.
#[must_use]
pub fn is_own(name: &str) -> bool {
    [STAGED, REPLACED, JOURNAL]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system can't read or write.
    #[error("{0}")]
    Files(#[from] FilesError),
    /// The restore that wrote it is still running.
    #[error(
        "a restore is running that will switch this folder (journal {journal}); nothing was changed; wait until it ends"
    )]
    Running {
        /// The journal's path.
        journal: String,
    },
    /// It can't be understood.
    #[error(
        "the journal {journal} of an interrupted restore cannot be read: {why}; nothing was changed; it was written by another version of Coffer, or is damaged"
    )]
    Unreadable {
        /// The journal's path.
        journal: String,
        /// What is wrong.
        why: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    coffer_journal: u32,
    id: String,
    target: String,
    mark: CommitMark,
    folders: Vec<Folder>,
}

/// What a restore will switch. Whoever holds it is the only one to act on it.
#[derive(Debug)]
pub struct Journal {
    content: Content,
    /// Locks on the copies, held until it is dropped.
    locks: Vec<Held>,
}

/// An interrupted restore that was found.
#[derive(Debug)]
pub struct Found {
    /// Its journal, which nobody else acts on.
    pub journal: Journal,
    /// Where it lay.
    pub path: PathBuf,
}

impl Journal {
    /// Writes the journal and flushes it.
    pub(super) fn write(
        id: &str,
        target: &str,
        mark: CommitMark,
        folders: Vec<Folder>,
    ) -> Result<Self, FilesError> {
        let mut journal = Self {
            content: Content {
                coffer_journal: VERSION,
                id: id.to_owned(),
                target: target.to_owned(),
                mark,
                folders,
            },
            locks: Vec::new(),
        };
        let json = serde_json::to_vec_pretty(&journal.content).map_err(io::Error::from);
        for around in journal.places() {
            let path = around.join(format!("{JOURNAL}{id}{SUFFIX}"));
            let written = json
                .as_ref()
                .map_err(|error| io::Error::new(error.kind(), error.to_string()))
                .and_then(|json| {
                    // Complete and locked before it has a name that anybody looks for.
                    let mut file = unfinished::begin(&around)?;
                    file.as_file().try_lock()?;
                    file.write_all(json)?;
                    file.as_file().sync_all()?;
                    Ok(file.persist(&path)?)
                })
                .map_err(FilesError::at("write", &path));
            match written.and_then(|lock| flush(&around).map(|()| lock)) {
                Ok(lock) => journal.locks.push(Held::new(lock)),
                Err(error) => {
                    journal.remove_quietly();
                    return Err(error);
                }
            }
        }
        Ok(journal)
    }

    /// The folders that hold a copy.
    fn places(&self) -> BTreeSet<PathBuf> {
        self.content
            .folders
            .iter()
            .map(|folder| folder.around().to_path_buf())
            .collect()
    }

    /// The database that the restore went into, as people know it.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.content.target
    }

    /// By which it is known whether the restore was committed.
    #[must_use]
    pub const fn mark(&self) -> &CommitMark {
        &self.content.mark
    }

    /// The folders.
    #[must_use]
    pub fn folders(&self) -> &[Folder] {
        &self.content.folders
    }

    /// Puts all folders in place: for a restore that was committed.
    ///
    /// # Errors
    /// [`FilesError`] with the file set; doing it again goes on.
    pub fn put_in_place(&self) -> Result<(), (String, FilesError)> {
        self.content.folders.iter().try_for_each(|folder| {
            folder
                .put_in_place()
                .map_err(|error| (folder.set.clone(), error))
        })
    }

    /// Removes what was replaced, and then the journal: the end of a switch.
    ///
    /// # Errors
    /// [`FilesError`]; the new content is in place all the same.
    pub fn finish(self) -> Result<(), FilesError> {
        self.content
            .folders
            .iter()
            .try_for_each(Folder::remove_replaced)?;
        self.remove()
    }

    /// Removes what was staged, and then the journal: for a restore that was not committed.
    ///
    /// # Errors
    /// [`FilesError`]; the folders hold what they held before all the same.
    pub fn undo(self) -> Result<(), FilesError> {
        self.content
            .folders
            .iter()
            .try_for_each(Folder::remove_staged)?;
        self.remove()
    }

    fn remove(&self) -> Result<(), FilesError> {
        for around in self.places() {
            let path = around.join(format!("{JOURNAL}{}{SUFFIX}", self.content.id));
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FilesError::at("remove", &path)(error));
                }
                _ => flush(&around)?,
            }
        }
        Ok(())
    }

    fn remove_quietly(&self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "could not remove a journal");
        }
    }
}

/// The places where the journal of a switch of these folders may lie.
fn places(sets: &[Set]) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    for (_, folder) in sets {
        let Ok(folder) = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)) else {
            continue;
        };
        if let Some(parent) = folder.parent() {
            places.insert(parent.to_path_buf());
        }
        places.insert(folder);
    }
    places
}

fn list(place: &Path, prefix: &str, suffix: &str) -> Result<Vec<PathBuf>, FilesError> {
    let listing = match fs::read_dir(place) {
        Ok(listing) => listing,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(FilesError::at("list the folder", place)(error)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(FilesError::at("list the folder", place))?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix))
        {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The journals that interrupted restores left for these file sets.
///
/// # Errors
/// [`JournalError`].
pub fn find(sets: &[Set]) -> Result<Vec<Found>, JournalError> {
    let mut found: Vec<Found> = Vec::new();
    for place in places(sets) {
        for path in list(&place, JOURNAL, SUFFIX)? {
            let shown = path.display().to_string();
            let opened = File::options().read(true).write(true).open(&path);
            let file = match opened {
                Ok(file) => file,
                // Its restore ended a moment ago.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FilesError::at("read", &path)(error).into()),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(JournalError::Running { journal: shown });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(FilesError::at("lock", &path)(error).into());
                }
            }
            let json = fs::read(&path).map_err(FilesError::at("read", &path))?;
            let content: Content = serde_json::from_slice(&json)
                .map_err(|error| error.to_string())
                .and_then(|content: Content| {
                    if content.coffer_journal == VERSION {
                        Ok(content)
                    } else {
                        Err(format!("it has version {}", content.coffer_journal))
                    }
                })
                .map_err(|why| JournalError::Unreadable {
                    journal: shown,
                    why,
                })?;
            match found
                .iter_mut()
                .find(|other| other.journal.content.id == content.id)
            {
                Some(other) => other.journal.locks.push(Held::new(file)),
                None => found.push(Found {
                    journal: Journal {
                        content,
                        locks: vec![Held::new(file)],
                    },
                    path,
                }),
            }
        }
    }
    Ok(found)
}

/// Removes what processes staged for these file sets that died before they wrote a journal. Call it only when no journal
/// is left. Returns how many folders it removed.
///
/// # Errors
/// [`FilesError`].
pub fn remove_orphans(sets: &[Set]) -> Result<u64, FilesError> {
    let mut removed = 0;
    for place in places(sets) {
        unfinished::sweep(&place);
        for path in list(&place, STAGED, "")? {
            // Whoever still writes into it holds its lock.
            let orphaned = File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok());
            if orphaned {
                fs::remove_dir_all(&path).map_err(FilesError::at("remove", &path))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
