//! Where archives and uploads are kept, below one folder.
//!
//! ```text
//! archives/  finished archives by name; they appear there whole or not at all
//! uploads/   restore bundles that are being uploaded, by id: ciphertext, each with an end in sight
//! ```

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt, path::Path};

mod archives;
mod sink;
mod uploads;

pub use archives::{Archives, Slice};
pub use sink::{Incoming, Sink, Written};
pub use uploads::{Appending, ClaimedUpload, Uploads};

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
    Io(#[from] io::Error),
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
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } | Self::Store(_) | Self::Io(_) => "store_failed",
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
