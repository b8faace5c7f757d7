//! What a store's error means to whoever set the destination up.

use std::{error::Error, fmt};

use serde::Serialize;

use crate::{read_at::SourceError, store::StoreError};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Storing an object.
    Write,
    /// Reading it back.
    Read,
    /// Listing what is there.
    List,
    /// Removing it.
    Delete,
}

impl Doing {
    const fn verb(self) -> &'static str {
        match self {
            Self::Write => "write to",
            Self::Read => "read from",
            Self::List => "list",
            Self::Delete => "delete from",
        }
    }

    /// What S3 calls the right to it.
    const fn permission(self) -> &'static str {
        match self {
            Self::Write => "s3:PutObject",
            Self::Read => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
        }
    }
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Forbidden,
    Unknown,
    Full,
    Other,
}

/// A store's error, with what it means.
#[derive(Debug)]
pub struct StoreFault {
    kind: Kind,
    doing: Doing,
    place: String,
    bucket: bool,
    cause: String,
}

impl StoreFault {
    /// Looks at an error that happened at `place` while `doing`.
    #[must_use]
    pub fn new(error: &StoreError, doing: Doing, place: &str) -> Self {
        let inside = match error {
            StoreError::Store(error) | StoreError::Source(SourceError::Store { error, .. }) => {
                Some(error)
            }
            _ => None,
        };
        let root = root(error);
        let full = root.contains("os error 28") || root.contains("os error 122");
        let kind = match inside {
            _ if full => Kind::Full,
            Some(object_store::Error::NotFound { .. }) => Kind::NotFound,
            Some(object_store::Error::PermissionDenied { .. }) => Kind::Forbidden,
            Some(object_store::Error::Unauthenticated { .. }) => Kind::Unknown,
            // A system's error of a folder.
            _ if root.contains("os error 13") || root.contains("os error 30") => Kind::Forbidden,
            _ => Kind::Other,
        };
        Self {
            kind,
            doing,
            bucket: place.starts_with("s3://"),
            place: place.to_owned(),
            cause: root,
        }
    }
}

/// The innermost cause, which says what happened; what stands around it says how it was handed on.
fn root(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            doing,
            place,
            cause,
            ..
        } = self;
        let verb = doing.verb();
        match self.kind {
            Kind::NotFound if self.bucket => write!(
                f,
                "there is no bucket {place}, or this key does not see it ({cause}); make the bucket, or correct its name or the server's address"
            ),
            Kind::NotFound => write!(
                f,
                "{place} is not there any more ({cause}); make the folder, or mount what belongs there"
            ),
            Kind::Forbidden if self.bucket => write!(
                f,
                "the key may not {verb} {place} ({cause}); check the key's id and secret, and that its policy allows {}",
                doing.permission()
            ),
            Kind::Forbidden => write!(
                f,
                "Coffer's user may not {verb} {place} ({cause}); let it own the folder"
            ),
            Kind::Unknown => write!(
                f,
                "the server of {place} does not know the key, or its secret is another one ({cause}); check both"
            ),
            Kind::Full => write!(
                f,
                "{place} is full ({cause}); make room, or keep fewer backups"
            ),
            Kind::Other => write!(
                f,
                "Coffer cannot {verb} {place}: {cause}; check the address, the network and the server's own log"
            ),
        }
    }
}

impl Error for StoreFault {}
