//! Bytes that can be read at any position, wherever they are: one implementation for a file, for a web server that
//! answers ranges, and for an object store.

use std::io;

mod file;
mod http;
mod location;
mod memory;
mod object;

pub use file::FileSource;
pub(crate) use http::untrusted;
pub use http::{HttpSource, Patience};
pub use location::Location;
pub use memory::MemorySource;
pub use object::ObjectSource;

/// Bytes that can be read at any position. Reads block, so use it on threads that may.
pub trait ReadAt: Send + Sync {
    /// Bytes in all.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// What the system says, or a [`SourceError`] inside; [`io::ErrorKind::UnexpectedEof`] behind the end.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Why bytes that are elsewhere can't be read. Addresses in it are without user names, passwords and queries, which can
/// hold credentials.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address makes no sense.
    #[error("this is no address that an archive can be read from: {what}")]
    Address {
        /// What is wrong with it.
        what: String,
    },
    /// No answer, also after trying again.
    #[error("{address} does not answer: {what}; nothing was changed, try again later")]
    Unreachable {
        /// The address.
        address: String,
        /// What happened at the last attempt.
        what: String,
    },
    /// The certificate is not one that this machine trusts for the address.
    #[error(
        "{address} shows a certificate that this machine does not trust ({what}), so nothing was read from it; \
         check the address, or add the authority that signed it to this machine's"
    )]
    Certificate {
        /// The address.
        address: String,
        /// What is wrong with it.
        what: String,
    },
    /// The server says no.
    #[error("{address} answers with HTTP status {status}; nothing was changed")]
    Status {
        /// The address.
        address: String,
        /// The status.
        status: u16,
    },
    /// The server gives only the whole file.
    #[error(
        "the server of {address} does not answer range requests, so that an archive can't be read in place; \
         download the file and use the copy"
    )]
    NoRanges {
        /// The address.
        address: String,
    },
    /// The file is another one now.
    #[error("{address} changed while it was read; nothing was changed here, try again")]
    Changed {
        /// The address.
        address: String,
    },
    /// The server's answer isn't one to what was asked.
    #[error("{address} answers with something else than was asked for: {what}")]
    Answer {
        /// The address.
        address: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The object store says no.
    #[error("{address} cannot be read: {error}; nothing was changed")]
    Store {
        /// The address.
        address: String,
        /// What the store says.
        error: object_store::Error,
    },
}

impl SourceError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "usage",
            Self::Unreachable { .. } => "unreachable",
            Self::Certificate { .. } => "certificate",
            Self::Status { .. } => "http_status",
            Self::NoRanges { .. } => "no_ranges",
            Self::Changed { .. } => "source_changed",
            Self::Answer { .. } => "wrong_answer",
            Self::Store { .. } => "read_failed",
        }
    }

    /// The error of this kind inside of one of the system's, if there is any.
    #[must_use]
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<SourceError> for io::Error {
    fn from(error: SourceError) -> Self {
        let kind = match &error {
            SourceError::Address { .. } => io::ErrorKind::InvalidInput,
            SourceError::Status { status: 404, .. } => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Whether a range lies in a file of `size` bytes.
fn check_range(size: u64, offset: u64, len: usize) -> io::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
