//! Switching folders of files together with a database's commit, so that a kill at any moment leaves both old or both
//! new.
//!
//! 1. [`Staging`]: the new content of each folder is written where a rename can put it in place, and flushed.
//! 2. [`FileSwitch::arm`]: just before the commit, a [`Journal`] that says what will be renamed, and by which mark of the
//!    database it will be known whether the commit took effect, is written and flushed.
//! 3. The commit.
//! 4. [`FileSwitch::finish`]: the renames, each of which can be done again; then what was replaced is removed, and the
//!    journal last.
//!
//! After an interruption, [`crate::recover`] finds the journal, asks the database, and finishes or undoes.

use std::{io, path::Path};

use coffer_core::digest::push_hex;

use crate::{engine::CommitMark, files::FilesError};

mod folder;
mod journal;
mod single;
mod staging;

pub use folder::Folder;
pub use journal::{Found, Journal, JournalError, find, is_own, remove_orphans};
pub use single::Singles;
pub use staging::Staging;

/// The folders that one restore replaces, or puts files into.
#[derive(Debug)]
pub struct FileSwitch {
    id: String,
    staged: Vec<Staging>,
    journal: Option<Journal>,
}

impl FileSwitch {
    /// A switch of no folders yet.
    ///
    /// # Errors
    /// If the system has no random bytes to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let mut hex = Vec::with_capacity(16);
        push_hex(&random, &mut hex);
        Ok(Self {
            id: String::from_utf8_lossy(&hex).into_owned(),
            staged: Vec::new(),
            journal: None,
        })
    }

    /// A name for this switch that no other has: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether no folder is to be switched.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Begins with single files for the folder of a file set, which keeps all others.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn stage_single(
        &mut self,
        set: &str,
        folder: &Path,
        singles: Singles,
    ) -> Result<&mut Staging, FilesError> {
        let staging = self.stage(set, folder)?;
        staging.only(singles);
        Ok(staging)
    }

    /// Begins new content for the folder of a file set.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn stage(&mut self, set: &str, folder: &Path) -> Result<&mut Staging, FilesError> {
        let staging = Staging::new(&self.id, set, folder)?;
        self.staged.push(staging);
        let last = self.staged.len() - 1;
        self.staged
            .get_mut(last)
            .ok_or_else(|| FilesError::at("find", folder)(io::ErrorKind::NotFound.into()))
    }

    /// Flushes what was staged and writes the journal. From here on nothing is removed when this is dropped: what happens to
    /// the folders is decided by the database.
    ///
    /// # Errors
    /// [`FilesError`]; nothing may be committed then.
    pub fn arm(&mut self, target: &str, mark: CommitMark) -> Result<(), FilesError> {
        let folders = self
            .staged
            .iter()
            .map(Staging::flush)
            .collect::<Result<Vec<_>, _>>()?;
        let journal = Journal::write(&self.id, target, mark, folders)?;
        self.staged.iter_mut().for_each(Staging::keep);
        self.journal = Some(journal);
        Ok(())
    }

    /// The journal, once armed.
    #[must_use]
    pub const fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// The journal of a switch whose outcome the caller will see to.
    #[must_use]
    pub fn into_journal(self) -> Option<Journal> {
        self.journal
    }

    /// The file sets with the number of their files.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, u64)> {
        self.staged
            .iter()
            .map(|staging| (staging.set().to_owned(), staging.files()))
            .collect()
    }
}
