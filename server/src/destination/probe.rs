//! Trying a destination out: all that a backup needs of it, with a small object that is removed again.

use std::io::Write;

use serde::Serialize;

use super::{Doing, StoreFault};
use crate::{
    catalog::{Id, hex},
    store::{Archives, StoreError},
};

/// Bytes of the object.
const PROBE_BYTES: usize = 1000;

/// A destination that is to be tried out.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// What is stored there.
    pub archives: &'a Archives,
    /// Its name for people.
    pub place: &'a str,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// Archives that are there.
    pub archives: usize,
    /// Bytes that are free, where that can be known.
    pub free: Option<u64>,
}

/// Why it isn't fit for backups.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The store says no.
    #[error("{fault}; {left}")]
    Store {
        /// What was being done.
        doing: Doing,
        /// What that means.
        fault: StoreFault,
        /// What is left there.
        left: &'static str,
    },
    /// It answers with something else.
    #[error(
        "{place} took a small object and does not give it back as it was ({what}); it is not fit for backups; {left}"
    )]
    Differs {
        /// The destination.
        place: String,
        /// How it differs.
        what: &'static str,
        /// What is left there.
        left: &'static str,
    },
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}; nothing was written")]
    Random(#[from] getrandom::Error),
}

impl ProbeError {
    /// A stable name for programs, in snake case: which step failed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store {
                doing: Doing::Write,
                ..
            } => "cannot_write",
            Self::Store {
                doing: Doing::Read, ..
            } => "cannot_read",
            Self::Store {
                doing: Doing::List, ..
            } => "cannot_list",
            Self::Store {
                doing: Doing::Delete,
                ..
            } => "cannot_delete",
            Self::Differs { .. } => "differs",
            Self::Random(_) => "no_randomness",
        }
    }
}

const NOTHING_LEFT: &str = "nothing is left there";
const MAYBE_LEFT: &str = "an object whose name begins with coffer-probe may be left there";

/// Writes an object, reads it back, finds it in the list and removes it: in the way that backups are written and read.
///
/// # Errors
/// [`ProbeError`]: the first step that failed.
pub async fn probe(probe: Probe<'_>) -> Result<Probed, ProbeError> {
    let Probe { archives, place } = probe;
    let name = format!("coffer-probe-{}", Id::random()?);
    let mut bytes = [0; PROBE_BYTES];
    getrandom::fill(&mut bytes)?;
    let failed = |doing, left| {
        move |error: StoreError| ProbeError::Store {
            doing,
            fault: StoreFault::new(&error, doing, place),
            left,
        }
    };
    write(archives, &name, hex(&bytes).into_bytes())
        .await
        .map_err(failed(Doing::Write, NOTHING_LEFT))?;
    let tried = read_and_list(probe, &name, hex(&bytes).as_bytes()).await;
    let removed = archives.remove(&name).await;
    match (tried, removed) {
        (Ok(found), Ok(())) => Ok(Probed {
            archives: found,
            free: free_space(archives),
        }),
        (Ok(_), Err(error)) => Err(failed(Doing::Delete, MAYBE_LEFT)(error)),
        (Err(error), Ok(())) => Err(error),
        (Err(mut error), Err(_)) => {
            if let ProbeError::Store { left, .. } | ProbeError::Differs { left, .. } = &mut error {
                *left = MAYBE_LEFT;
            }
            Err(error)
        }
    }
}

async fn write(archives: &Archives, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
    let (mut sink, incoming) = archives.create(name).await?;
    let writing = tokio::task::spawn_blocking(move || sink.write_all(&bytes));
    // A store that failed is told by `publish`.
    let _ = writing.await;
    incoming.publish().await?;
    Ok(())
}

/// Reads the object back and finds it in the list; how many other archives are there.
async fn read_and_list(
    Probe { archives, place }: Probe<'_>,
    name: &str,
    expected: &[u8],
) -> Result<usize, ProbeError> {
    let failed = |doing| {
        move |error: StoreError| ProbeError::Store {
            doing,
            fault: StoreFault::new(&error, doing, place),
            left: NOTHING_LEFT,
        }
    };
    let differs = |what| ProbeError::Differs {
        place: place.to_owned(),
        what,
        left: NOTHING_LEFT,
    };
    let stored = archives.read_at(name).await.map_err(failed(Doing::Read))?;
    if stored.size() != expected.len() as u64 {
        return Err(differs("it has another size"));
    }
    let mut buffer = vec![0; expected.len()];
    let reading =
        tokio::task::spawn_blocking(move || stored.read_exact_at(0, &mut buffer).map(|()| buffer));
    let read = match reading.await {
        Ok(read) => read.map_err(|error| failed(Doing::Read)(StoreError::Io(error)))?,
        Err(_) => return Err(differs("it could not be read")),
    };
    if read != expected {
        return Err(differs("its bytes are others"));
    }
    let names = archives.names().await.map_err(failed(Doing::List))?;
    match names.iter().any(|found| found == name) {
        true => Ok(names.len() - 1),
        false => Err(differs("the list of its objects lacks it")),
    }
}

/// Bytes that Coffer's user may still write to a folder; nothing where that can't be known.
#[must_use]
pub fn free_space(archives: &Archives) -> Option<u64> {
    let found = rustix::fs::statvfs(archives.folder()?).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}
