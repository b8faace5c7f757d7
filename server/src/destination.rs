//! Destinations: where jobs store their backups. A folder, such as the mount of another machine's disk, or a bucket of S3 or
//! of what speaks like it.
//!
//! What a destination is ([`DestinationConfig`]) can be shown to anybody who may look at it; what opens it
//! ([`S3Key`]) is kept apart, wrapped in the catalog, and never shown again.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use object_store::{ClientOptions, RetryConfig, aws::AmazonS3Builder, path::Path as StorePath};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::store::{Archives, StoreError};

mod adopt;
mod fault;
pub mod mark;
mod probe;
mod tee;

pub use adopt::{Adoptable, adoptable, taken_by_name};
pub use fault::{Doing, StoreFault};
pub use probe::{Probe, ProbeError, Probed, free_space, probe};
pub use tee::Tee;

/// Region that is named to servers that have none.
const NO_REGION: &str = "us-east-1";
/// For one request, of which the longest carries a part of 16 MiB.
const REQUEST_LIMIT: Duration = Duration::from_secs(300);
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Where a destination is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DestinationConfig {
    /// A folder of this machine.
    Folder {
        /// Its absolute path. It must be there: a mount that is missing must not be taken for an empty folder.
        path: PathBuf,
    },
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// Where the server is, such as `https://s3.example.org`; Amazon's own where this is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// The server's region; most that are not Amazon's have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// What all names begin with, as a path of its own.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
        /// Whether the bucket is part of the server's name, as Amazon has it, and not of the path.
        #[serde(default)]
        virtual_host: bool,
    },
}

/// What opens a bucket.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Key {
    /// Its name, which is no secret and identifies the account.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Zeroizing<String>,
}

impl fmt::Debug for S3Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Key(…)")
    }
}

/// Why a destination can't be used at all, whatever its server says.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// Something about its description.
    #[error("{what}; nothing was written")]
    Config {
        /// What is wrong.
        what: String,
    },
    /// A bucket without a key.
    #[error(
        "there is no access key for the bucket {bucket}; nothing was written; enter the key's id and secret"
    )]
    NoKey {
        /// The bucket.
        bucket: String,
    },
    /// The folder isn't there.
    #[error(
        "the folder {path} cannot be used: {error}; nothing was written; make the folder, or mount what belongs there, so that Coffer's user can write to it"
    )]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The folder is there, but it isn't the one that was added.
    #[error(
        "{path} is not there: the folder has {}, so this is not the disk that was added as this destination; nothing was written or removed; mount what belongs there, or, if this is its new place, change the destination and say so",
        if *.other { "the mark of another destination" } else { "no mark of Coffer's" }
    )]
    NotThere {
        /// The folder.
        path: String,
        /// Whether it has another destination's mark.
        other: bool,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect.
    #[error(
        "the destination was not opened because of a defect of the program; nothing was written; please report it"
    )]
    Defect,
    /// The client can't be made.
    #[error("{place} cannot be used: {error}; nothing was written; check the address")]
    Client {
        /// The destination.
        place: String,
        /// Why.
        error: object_store::Error,
    },
}

impl DestinationError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config { .. } | Self::Client { .. } => "bad_destination",
            Self::NoKey { .. } => "no_key",
            Self::Folder { .. } => "bad_folder",
            Self::NotThere { .. } => "not_there",
            Self::Store(error) => error.code(),
            Self::Defect => "defect",
        }
    }
}

/// How long a destination is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Somebody waits for the answer.
    Short,
    /// A backup has been made and is worth several attempts.
    Long,
}

impl DestinationConfig {
    /// Checks what can be checked without asking anybody.
    ///
    /// # Errors
    /// [`DestinationError::Config`].
    pub fn check(&self) -> Result<(), DestinationError> {
        let wrong = |what: &str| Err(DestinationError::Config { what: what.into() });
        match self {
            Self::Folder { path } if !path.is_absolute() => {
                wrong("a folder is named by its whole path, from / on")
            }
            Self::S3 { bucket, .. } if bucket.is_empty() || bucket.contains('/') => wrong(
                "a bucket's name is neither empty nor a path; what comes behind it is the prefix",
            ),
            Self::S3 { prefix, .. } if StorePath::parse(prefix).is_err() => {
                wrong("the prefix is not a path: it has empty parts, dots or control characters")
            }
            Self::S3 {
                endpoint: Some(endpoint),
                ..
            } => match url::Url::parse(endpoint) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                    wrong("the server's address begins with https:// or http://")
                }
                Ok(url) if !url.username().is_empty() || url.password().is_some() => wrong(
                    "the server's address holds a user name or password; enter the key for itself",
                ),
                Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                    wrong("the server's address has a part behind ? or #")
                }
                Ok(_) => Ok(()),
                Err(_) => wrong("the server's address is none"),
            },
            _ => Ok(()),
        }
    }

    /// The destination for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Folder { path } => path.display().to_string(),
            Self::S3 {
                bucket,
                endpoint,
                prefix,
                ..
            } => {
                let at = endpoint
                    .as_ref()
                    .map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
                let prefix = match prefix.as_str() {
                    "" => String::new(),
                    prefix => format!("/{prefix}"),
                };
                format!("s3://{bucket}{prefix}{at}")
            }
        }
    }

    /// `folder` or `s3`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::S3 { .. } => "s3",
        }
    }

    /// Opens the destination; a bucket isn't asked for anything yet.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub fn open(
        &self,
        key: Option<&S3Key>,
        patience: Patience,
    ) -> Result<Archives, DestinationError> {
        self.check()?;
        match self {
            Self::Folder { path } => {
                let failed = |error| DestinationError::Folder {
                    path: path.display().to_string(),
                    error,
                };
                let found = std::fs::metadata(path).map_err(failed)?;
                if !found.is_dir() {
                    return Err(failed(io::ErrorKind::NotADirectory.into()));
                }
                Ok(Archives::in_folder(path)?)
            }
            Self::S3 {
                bucket,
                endpoint,
                region,
                prefix,
                virtual_host,
            } => {
                let key = key.ok_or_else(|| DestinationError::NoKey {
                    bucket: bucket.clone(),
                })?;
                let failed = |error| DestinationError::Client {
                    place: self.place(),
                    error,
                };
                let mut builder = client(patience)
                    .with_bucket_name(bucket)
                    .with_region(region.as_deref().unwrap_or(NO_REGION))
                    .with_access_key_id(&key.access_key_id)
                    .with_secret_access_key(key.secret_access_key.as_str())
                    .with_virtual_hosted_style_request(*virtual_host || endpoint.is_none());
                if let Some(endpoint) = endpoint {
                    // Whoever writes http:// means it, for a server on the same machine or network. The archives are sealed, and
                    // a request's signature does not tell the secret.
                    builder = builder
                        .with_endpoint(endpoint.trim_end_matches('/'))
                        .with_allow_http(true);
                }
                let store = builder.build().map_err(failed)?;
                let prefix = StorePath::parse(prefix).map_err(|error| failed(error.into()))?;
                Ok(Archives::in_store(Arc::new(store), prefix))
            }
        }
    }
}

/// What all clients of S3 have in common.
fn client(patience: Patience) -> AmazonS3Builder {
    // TLS by ring throughout. Fails when it is set already, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ClientOptions::new()
        .with_timeout(REQUEST_LIMIT)
        .with_connect_timeout(CONNECT_LIMIT);
    let retry = match patience {
        Patience::Long => RetryConfig::default(),
        Patience::Short => RetryConfig {
            max_retries: 1,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        },
    };
    AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry)
}
