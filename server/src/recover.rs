//! Ending restores that were interrupted between their commit and the last of their files: finished where the database
//! took the commit, undone where it did not.

use std::{path::PathBuf, time::Duration};

use crate::{
    engine::{self, CommitMark, DatabaseUrl, Engine, EngineError, Outcome},
    files::FilesError,
    switch::{self, Found, Journal, JournalError},
};

/// How often the database is asked about a transaction that is still going on, and how long is waited in between.
const ASK: (u32, Duration) = (20, Duration::from_millis(500));

/// What was found and done.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RecoverReport {
    /// Restores that were finished: their files are in place now.
    pub finished: Vec<Recovered>,
    /// Restores that were undone: nothing of them is left.
    pub undone: Vec<Recovered>,
    /// Staged folders that were removed, of restores that had not come to their commit.
    pub abandoned: u64,
}

impl RecoverReport {
    /// Whether there was nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.undone.is_empty() && self.abandoned == 0
    }
}

/// One interrupted restore.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Recovered {
    /// The database that it went into.
    pub target: String,
    /// The file sets that it replaced, or would have.
    pub file_sets: Vec<String>,
}

/// Why an interrupted restore is still as it was found.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The database can't be asked.
    #[error(
        "whether the interrupted restore took effect can't be asked: {0}; its files are as they were found"
    )]
    Engine(#[from] EngineError),
    /// A folder can't be switched or cleaned up.
    #[error("{0}; try again after mending this, it goes on where it stopped")]
    Files(#[from] FilesError),
    /// The journal names another database than the caller.
    #[error(
        "the interrupted restore (journal {journal}) went into {expected}, not into {given}; nothing was changed; name that database"
    )]
    OtherTarget {
        /// The journal's path.
        journal: String,
        /// The database that it names.
        expected: String,
        /// The database that was given.
        given: String,
    },
    /// The transaction doesn't end.
    #[error(
        "the interrupted restore into {target} is still being committed or rolled back by the database; nothing was changed; try again in a minute"
    )]
    Running {
        /// The database.
        target: String,
    },
    /// The database doesn't know the transaction any more.
    #[error(
        "{target} does not know any more whether the interrupted restore took effect (journal {journal}); nothing was changed; compare its rows with the archive, restore again, and then remove the journal"
    )]
    Forgotten {
        /// The journal's path.
        journal: String,
        /// The database.
        target: String,
    },
}

/// Ends all interrupted restores of these file sets. `url` is the database that belongs to them.
///
/// # Errors
/// [`RecoverError`]; what is not ended then is as it was, and can be tried again.
pub async fn run(
    url: &DatabaseUrl,
    sets: &[(String, PathBuf)],
) -> Result<RecoverReport, RecoverError> {
    let mut report = RecoverReport::default();
    if sets.is_empty() {
        return Ok(report);
    }
    let engine = engine::open(url);
    for Found { journal, path } in switch::find(sets)? {
        let path = path.display().to_string();
        let recovered = Recovered {
            target: journal.target().to_owned(),
            file_sets: journal
                .folders()
                .iter()
                .map(|folder| folder.set.clone())
                .collect(),
        };
        if *journal.mark() != CommitMark::None && engine.target() != recovered.target {
            return Err(RecoverError::OtherTarget {
                journal: path,
                expected: recovered.target,
                given: engine.target(),
            });
        }
        match outcome(&*engine, journal.mark()).await? {
            Outcome::Committed => {
                journal.put_in_place().map_err(|(_, error)| error)?;
                end(&*engine, journal).await?;
                report.finished.push(recovered);
            }
            Outcome::RolledBack => {
                journal.undo()?;
                report.undone.push(recovered);
            }
            Outcome::Running => {
                return Err(RecoverError::Running {
                    target: recovered.target,
                });
            }
            Outcome::Forgotten => {
                return Err(RecoverError::Forgotten {
                    journal: path,
                    target: recovered.target,
                });
            }
        }
    }
    report.abandoned = switch::remove_orphans(sets)?;
    Ok(report)
}

/// What became of a transaction, once it is no longer going on.
pub(crate) async fn outcome(
    engine: &dyn Engine,
    mark: &CommitMark,
) -> Result<Outcome, EngineError> {
    let (times, wait) = ASK;
    for _ in 1..times {
        match engine.outcome(mark).await? {
            Outcome::Running => tokio::time::sleep(wait).await,
            other => return Ok(other),
        }
    }
    engine.outcome(mark).await
}

/// The end of a switch whose folders are in place. The mark goes first: without the journal nobody would look for it.
pub(crate) async fn end(engine: &dyn Engine, journal: Journal) -> Result<(), RecoverError> {
    engine.forget(journal.mark()).await?;
    Ok(journal.finish()?)
}
