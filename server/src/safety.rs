//! Safety backups: what a restore is about to replace, kept so that the restore can be undone.
//!
//! 1. [`take`]: inside of the restore's own transaction, with the tables locked, exactly the selected tables and file
//!    sets are written as a sealed and signed archive, read back, and given their name. Only then anything is removed.
//! 2. [`Taken::arm`]: just before the commit, the [`Record`] beside the archive says what the restore leaves.
//! 3. [`Taken::committed`]: the record says that it came to that; older ones beyond the number to keep go.
//!
//! A restore that fails removes its safety backup. One that is killed leaves a record by which [`settle`] tells, from what
//! the target holds, whether the restore took effect. [`crate::undo`] restores a safety backup.

use std::{num::NonZeroUsize, path::PathBuf};

use coffer_core::seal::Recipient;

mod content;
mod error;
mod folder;
mod key;
mod record;
mod settle;
mod take;

pub use content::{Changes, Content, SetContent, TableContent};
pub(crate) use content::{columns, of_session};
pub use error::SafetyError;
pub use folder::{Listed, SafetyFolder};
pub use record::{Occasion, Record, Restored, State};
pub(crate) use settle::observe;
pub use settle::settle;
pub(crate) use take::{Scope, Taken, take};

/// How many safety backups of one target are kept unless told otherwise.
pub const DEFAULT_KEEP: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// Where safety backups go, and who can open them.
#[derive(Clone, Debug)]
pub struct SafetyStore {
    /// The folder, which is made if it isn't there.
    pub folder: PathBuf,
    /// Whom they are sealed to; nobody means the key that the folder holds, which is made if there is none.
    pub recipients: Vec<Recipient>,
    /// How many of each target are kept.
    pub keep: NonZeroUsize,
}

/// A safety backup that a restore left behind, as its report names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SafetyBackup {
    /// By which `coffer undo` knows it.
    pub id: String,
    /// The archive.
    pub file: String,
    /// Its bytes.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Files in it.
    pub files: u64,
    /// What of the folders it can't hold, such as symbolic links, for people.
    pub lacks: Vec<String>,
}
