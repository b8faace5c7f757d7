//! Putting another header block in front of a stored archive, so that a kill at any moment leaves one that opens.
//!
//! A block as long as the old one is written over it, with a journal beside the archive until that is proven. A longer
//! one moves everything behind it, so the archive is copied beside itself and the copy takes its name. Core decides
//! what the block holds ([`coffer_core::seal::Locks::rekey`]); nothing here can read an archive's content.

mod copy;
mod error;
mod journal;
mod place;

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use coffer_core::{
    ByteRange, Digest,
    seal::{FOOTER_BYTES, FileKey, Opening, SealError, Sealed},
};

pub use error::RekeyFileError;
use journal::{Identity, Journal, State};

use crate::{held::Held, progress::Progress};

/// What a change that was interrupted came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// Its new header is in place now.
    Finished,
    /// It had not touched the archive, and was dropped.
    NotBegun,
}

/// How a header block came into an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Over the old one.
    InPlace,
    /// With a copy of the archive that took its name.
    Copied,
}

/// Where the journal of an archive is, given the archive's own path, without symbolic links.
fn journal_path(archive: &Path) -> PathBuf {
    let mut name = OsString::from(archive);
    name.push(".coffer-rekey");
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn read_at(file: &File, range: ByteRange) -> io::Result<Vec<u8>> {
    let len =
        usize::try_from(range.len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, range.offset)?;
    Ok(bytes)
}

/// What tells an archive from others; `None` if it is shorter than any.
fn identify(file: &File) -> io::Result<Option<Identity>> {
    let file_len = file.metadata()?.len();
    let Some(at) = file_len.checked_sub(FOOTER_BYTES) else {
        return Ok(None);
    };
    let footer = Digest::of(&read_at(file, ByteRange::new(at, FOOTER_BYTES))?);
    Ok(Some(Identity { file_len, footer }))
}

/// Header and footer of a file.
fn look(file: &File, path: &Path) -> Result<Sealed, RekeyFileError> {
    let failed = |error| RekeyFileError::file("read", path, error);
    let mut opening = Opening::new(file.metadata().map_err(failed)?.len())?;
    while let Some(range) = opening.wants() {
        opening.feed(&read_at(file, range).map_err(failed)?)?;
    }
    Ok(opening.finish()?)
}

/// Checks that a file opens with a key: header, and the payload's commitment.
fn prove(file: &File, path: &Path, file_key: &FileKey) -> Result<Sealed, RekeyFileError> {
    let sealed = look(file, path)?;
    sealed.unlock_with_file_key(file_key)?;
    let prefix = read_at(file, sealed.prefix_range())
        .map_err(|error| RekeyFileError::file("read", path, error))?;
    sealed.unsealer(file_key, &prefix)?;
    Ok(sealed)
}

/// Reads the journal of an archive, if there is one, and what state it is in.
fn examine(
    file: &File,
    archive: &Path,
) -> Result<Option<(Option<Journal>, State)>, RekeyFileError> {
    let path = journal_path(archive);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RekeyFileError::file("read", &path, error)),
        Ok(found) => found
            .take(journal::MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| RekeyFileError::file("read", &path, error))?,
    };
    let failed = |error| RekeyFileError::file("read", archive, error);
    let journal = Journal::parse(&bytes);
    let identity = identify(file).map_err(failed)?;
    let block_len = journal
        .as_ref()
        .map_or(0, |journal| journal.block.len() as u64);
    let start = ByteRange::new(
        0,
        block_len.min(identity.map_or(0, |archive| archive.file_len)),
    );
    let header = read_at(file, start).map_err(failed)?;
    let reads = look(file, archive).is_ok();
    let state = journal::state(journal.as_ref(), identity, &header, reads);
    Ok(Some((journal, state)))
}

/// Whether an archive's header is half written, so that it can be read only after [`Locked::recover`].
///
/// # Errors
/// [`RekeyFileError::File`].
pub fn is_half_written(path: &Path) -> Result<bool, RekeyFileError> {
    let failed = |error| RekeyFileError::file("read", path, error);
    let path = fs::canonicalize(path).map_err(failed)?;
    // Most archives have no journal, and need not be opened to know.
    if !fs::exists(journal_path(&path)).map_err(failed)? {
        return Ok(false);
    }
    let file = File::open(&path).map_err(failed)?;
    Ok(matches!(examine(&file, &path)?, Some((_, State::Torn))))
}

/// An archive's file, to be written by nobody else in the meantime.
#[derive(Debug)]
pub struct Locked {
    path: PathBuf,
    file: Held,
}

impl Locked {
    /// Opens an archive to change its header. Symbolic links are followed.
    ///
    /// # Errors
    /// [`RekeyFileError::ReadOnly`], [`RekeyFileError::Busy`], [`RekeyFileError::File`].
    pub fn open(path: &Path) -> Result<Self, RekeyFileError> {
        let path =
            fs::canonicalize(path).map_err(|error| RekeyFileError::file("open", path, error))?;
        let failed = |error| RekeyFileError::file("open", &path, error);
        let metadata = fs::metadata(&path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        // Also for root, whom the system would let write: the file was made read-only for a reason.
        if metadata.permissions().readonly() {
            return Err(RekeyFileError::ReadOnly { path });
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RekeyFileError::Busy { path }),
            Err(TryLockError::Error(error)) => {
                return Err(RekeyFileError::file("lock", &path, error));
            }
        }
        let locked = Self {
            path,
            file: Held::new(file),
        };
        // Between opening and locking, another rekey may have given the name to a copy.
        let (opened, named) = (
            locked.file.metadata().map_err(failed_at(&locked.path))?,
            fs::metadata(&locked.path).map_err(failed_at(&locked.path))?,
        );
        if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
            return Err(RekeyFileError::Busy { path: locked.path });
        }
        Ok(locked)
    }

    /// The archive's own path, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends a change that was interrupted: finishes it if it had begun to write, else drops it. `None` if there is none.
    ///
    /// # Errors
    /// [`RekeyFileError::ForeignJournal`], [`RekeyFileError::BothDamaged`], [`RekeyFileError::HalfWritten`],
    /// [`RekeyFileError::File`].
    pub fn recover(&self) -> Result<Option<Recovered>, RekeyFileError> {
        let Some((journal, state)) = examine(&self.file, &self.path)? else {
            return Ok(None);
        };
        let recovered = match (state, journal) {
            (State::NotOurs, _) => {
                return Err(RekeyFileError::ForeignJournal {
                    journal: journal_path(&self.path),
                });
            }
            (State::BothDamaged, _) | (State::Torn, None) => {
                return Err(RekeyFileError::BothDamaged {
                    path: self.path.clone(),
                    journal: journal_path(&self.path),
                });
            }
            (State::NotBegun, _) => Recovered::NotBegun,
            (State::Written, _) => Recovered::Finished,
            (State::Torn, Some(journal)) => {
                place::put(&self.file, &journal.block)
                    .map_err(|error| RekeyFileError::half_written(&self.path, error))?;
                Recovered::Finished
            }
        };
        // What was found may never have reached the disk.
        self.file
            .sync_all()
            .map_err(|error| RekeyFileError::file("write", &self.path, error))?;
        place::remove_journal(&self.path)?;
        Ok(Some(recovered))
    }

    /// Header and footer.
    ///
    /// # Errors
    /// [`RekeyFileError::Seal`] or [`RekeyFileError::File`].
    pub fn look(&self) -> Result<Sealed, RekeyFileError> {
        look(&self.file, &self.path)
    }

    /// Puts a header block in place of the old one, and proves that the archive opens with it.
    ///
    /// # Errors
    /// [`RekeyFileError`]; but for [`RekeyFileError::HalfWritten`] the archive is as it was.
    pub fn write(
        &self,
        sealed: &Sealed,
        file_key: &FileKey,
        block: &[u8],
        progress: &Progress,
    ) -> Result<Written, RekeyFileError> {
        if block.len() as u64 == sealed.header_len() {
            place::replace(&self.file, &self.path, file_key, block)?;
            Ok(Written::InPlace)
        } else {
            copy::replace(&self.file, &self.path, sealed, file_key, block, progress)?;
            Ok(Written::Copied)
        }
    }
}

fn failed_at(path: &Path) -> impl FnOnce(io::Error) -> RekeyFileError {
    let path = path.to_owned();
    move |error| RekeyFileError::file("open", &path, error)
}

impl From<SealError> for RekeyFileError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

#[cfg(test)]
mod tests;
