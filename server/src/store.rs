//! Where archives and uploads are kept, below one folder.
//!
//! ```text
//! archives/  finished archives by name; they appear there whole or not at all
//! uploads/   what is being uploaded, by id: ciphertext, each with a record beside it and an end in sight
//! ```

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

use coffer_core::seal::SealError;

use crate::{read_at::SourceError, sealed_check::CheckError};

mod archives;
mod sink;
mod uploads;

pub use archives::{Archives, Slice};
pub use sink::{Incoming, Sink, Written};
pub(crate) use uploads::drain;
pub use uploads::{
    Appending, Checksum, ClaimedUpload, CompleteUpload, LentUpload, Purpose, Room, Stage,
    UploadRecord, UploadView, Uploads,
};

/// Why the store can't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A folder can't be made or read.
    #[error(
        "the folder {path} cannot be used: {error}; nothing was changed; check its owner and free space"
    )]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The object store says no.
    #[error(
        "the archive store failed: {0}; nothing half was kept; check the store's folder and free space"
    )]
    Store(#[from] object_store::Error),
    /// A file can't be read or written.
    #[error(
        "the archive store failed: {0}; nothing half was kept; check the store's folder and free space"
    )]
    Io(io::Error),
    /// There is no room left on the disk, or not as much as was announced.
    #[error(
        "the disk that holds the store has no room left; what came so far stays, and the upload can go on once there is room"
    )]
    DiskFull,
    /// An object can't be looked at.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No archive of that name is there.
    #[error("the archive {name} is not in the store any more; restore it from another copy")]
    NoArchive {
        /// Its name.
        name: String,
    },
    /// A name that is not one that Coffer gives.
    #[error("{name:?} is no name for an archive")]
    BadName {
        /// The name.
        name: String,
    },
    /// No upload of that id is there.
    #[error(
        "there is no such upload; it was used, removed, or given up for its age; start the upload again"
    )]
    NoUpload,
    /// Somebody else is writing it, or it is being restored.
    #[error("this upload is in use; wait until the other request ends")]
    UploadBusy,
    /// The bytes don't go where the upload ends.
    #[error("the upload has {found} bytes, and the ones sent start at {given}; go on from {found}")]
    WrongOffset {
        /// Where the bytes sent start.
        given: u64,
        /// Where the upload ends.
        found: u64,
    },
    /// More bytes than uploads may have together.
    #[error(
        "uploads may have {quota} bytes together, and this would be more; nothing was changed; remove others, or raise the limit"
    )]
    Quota {
        /// The limit, in bytes.
        quota: u64,
    },
    /// More bytes than one person's uploads may have.
    #[error(
        "your uploads may have {quota} bytes together, and this would be more; nothing was changed; remove others, or ask for more"
    )]
    OwnQuota {
        /// The limit, in bytes.
        quota: u64,
    },
    /// More bytes than the sender had announced.
    #[error(
        "the upload was announced with {length} bytes, and more were sent; what fits into that stays"
    )]
    TooLong {
        /// The length that was announced.
        length: u64,
    },
    /// Another length than the one that was announced.
    #[error(
        "the length of an upload can be said once, and not below what is here; nothing was changed"
    )]
    OtherLength,
    /// The connection broke, or made no sign for too long.
    #[error("the connection broke before everything was sent; what came stays, go on from there")]
    BrokenOff,
    /// A piece is not what its sender says.
    #[error(
        "the piece does not have the checksum that was sent with it; it was thrown away, send it again"
    )]
    ChecksumMismatch,
    /// What is uploaded is not sealed.
    #[error(
        "{}; this server stores only what it cannot read; nothing was kept; seal it first, in the page or with coffer seal",
        if *zip { "this is a ZIP that is not sealed".to_owned() } else { error.to_string() }
    )]
    NotSealed {
        /// What is wrong with its start.
        error: SealError,
        /// It starts like a ZIP, as plain archives do.
        zip: bool,
    },
    /// What is uploaded is sealed for nobody.
    #[error(
        "this is a sealed archive that nobody can open: its header names neither password nor key; nothing was kept"
    )]
    NoWayIn,
    /// All of it came, and it is no whole sealed archive.
    #[error("{error}; nothing was kept; upload it again from a copy that is whole")]
    NotWhole {
        /// What is wrong with it.
        error: CheckError,
    },
    /// It was refused before.
    #[error("{detail}")]
    Refused {
        /// Why, for programs.
        code: &'static str,
        /// Why, for people.
        detail: String,
    },
    /// More uploads than there may be at once.
    #[error(
        "there are {limit} unfinished uploads, which is the most there may be; remove some first"
    )]
    TooManyUploads {
        /// The limit.
        limit: usize,
    },
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}; nothing was changed")]
    Random(#[from] getrandom::Error),
}

impl StoreError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::Store(_) | Self::Io(_) | Self::Source(_) => "store_failed",
            Self::DiskFull => "disk_full",
            Self::OwnQuota { .. } => "own_quota_exceeded",
            Self::TooLong { .. } => "too_long",
            Self::OtherLength => "other_length",
            Self::BrokenOff => "body_cut_short",
            Self::ChecksumMismatch => "checksum_mismatch",
            Self::NotSealed {
                error: SealError::NotSealed | SealError::Empty,
                ..
            } => "not_sealed",
            Self::NotSealed { error, .. } => error.code(),
            Self::NoWayIn => "no_way_in",
            Self::NotWhole { error } => error.code(),
            Self::Refused { code, .. } => code,
            Self::NoArchive { .. } => "no_archive",
            Self::BadName { .. } => "bad_name",
            Self::NoUpload => "no_upload",
            Self::UploadBusy => "upload_busy",
            Self::WrongOffset { .. } => "wrong_offset",
            Self::Quota { .. } => "quota_exceeded",
            Self::TooManyUploads { .. } => "too_many_uploads",
            Self::Random(_) => "no_randomness",
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

/// Makes a folder that only its owner can look into, with the ones above it.
///
/// # Errors
/// [`StoreError::Folder`].
pub fn make_private_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| StoreError::Folder {
            path: path.display().to_string(),
            error,
        })
}
