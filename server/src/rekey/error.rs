//! Why an archive's header was not replaced.

use std::{
    io,
    path::{Path, PathBuf},
};

use coffer_core::seal::SealError;

/// Why an archive's header was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RekeyFileError {
    /// A file can't be read or written.
    #[error("cannot {doing} {}: {error}; the archive is as it was", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The seal is wrong.
    #[error("{0}")]
    Seal(SealError),
    /// The file is write-protected.
    #[error(
        "{} is read-only; nothing was changed, make it writable first if its keys are to change",
        path.display()
    )]
    ReadOnly {
        /// The archive.
        path: PathBuf,
    },
    /// Another program is changing the header.
    #[error(
        "another program is changing the keys of {}; nothing was changed, try again when it is done",
        path.display()
    )]
    Busy {
        /// The archive.
        path: PathBuf,
    },
    /// The archive would have to be replaced by a copy, but has other names.
    #[error(
        "the new header is longer than the old one, so {} would be replaced by a copy, but the file has {names} names \
         (hard links), and the others would keep the old keys; nothing was changed, remove them or copy the archive first",
        path.display()
    )]
    OtherNames {
        /// The archive.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// The journal beside the archive is of another one.
    #[error(
        "{} belongs to another archive than the one it lies beside; nothing was changed, move it to its archive or away",
        journal.display()
    )]
    ForeignJournal {
        /// The journal.
        journal: PathBuf,
    },
    /// Neither header nor journal can be read.
    #[error(
        "the header of {} is damaged, and {} is not whole, so it cannot repair it; nothing was changed, take another \
         copy of the archive",
        path.display(), journal.display()
    )]
    BothDamaged {
        /// The archive.
        path: PathBuf,
        /// The journal.
        journal: PathBuf,
    },
    /// The header may be half written.
    #[error(
        "the header of {} could not be written whole: {error}; its content is untouched, run `coffer rekey` on it again \
         to finish, which needs no password",
        path.display()
    )]
    HalfWritten {
        /// The archive.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The header is whole, but the journal could not be removed.
    #[error(
        "the header is whole, but {} cannot be removed: {error}; it does no harm, run `coffer rekey` on the archive \
         again to remove it",
        journal.display()
    )]
    JournalLeft {
        /// The journal.
        journal: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What was read back is not what was written.
    #[error(
        "what was read back from {} is not what was written, so the disk cannot be trusted; the archive is as it was",
        path.display()
    )]
    NotStored {
        /// The archive.
        path: PathBuf,
    },
    /// Somebody asked to stop.
    #[error("cancelled; the archive is as it was")]
    Cancelled,
}

impl RekeyFileError {
    pub(super) fn file(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Self::File {
            doing,
            path: path.to_owned(),
            error,
        }
    }

    pub(super) fn half_written(path: &Path, error: io::Error) -> Self {
        Self::HalfWritten {
            path: path.to_owned(),
            error,
        }
    }

    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Seal(error) => error.code(),
            Self::ReadOnly { .. } => "read_only",
            Self::Busy { .. } => "busy",
            Self::OtherNames { .. } => "other_names",
            Self::ForeignJournal { .. } => "foreign_journal",
            Self::BothDamaged { .. } => "header_and_journal_damaged",
            Self::HalfWritten { .. } => "rekey_unfinished",
            Self::JournalLeft { .. } => "journal_left",
            Self::NotStored { .. } => "not_stored",
            Self::Cancelled => "cancelled",
        }
    }
}
