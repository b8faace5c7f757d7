//! Arguments about safety backups: where what a restore replaces is kept, and who can open it.

use std::{env, num::NonZeroUsize, path::PathBuf};

use clap::Args;
use coffer_core::seal::Recipient;

use super::{Failure, secret::recipient};
use crate::safety::{DEFAULT_KEEP, SafetyError, SafetyStore};

/// Whether and where what a restore replaces is kept.
#[derive(Debug, Args)]
pub(super) struct SafetyArgs {
    #[command(flatten)]
    pub(super) folder: FolderArgs,

    /// Seal the safety backup to this public key, coffer1…, instead of to a key that is kept in the folder; may be
    /// repeated.
    #[arg(long = "safety-recipient", value_name = "KEY", value_parser = recipient)]
    recipients: Vec<Recipient>,

    /// How many safety backups of one target are kept.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEEP)]
    keep_safety_backups: NonZeroUsize,

    /// Do not keep what will be replaced: it can't be brought back then.
    #[arg(long, conflicts_with_all = ["recipients", "keep_safety_backups"])]
    no_safety_backup: bool,
}

/// Where safety backups are.
#[derive(Debug, Args)]
pub(super) struct FolderArgs {
    /// The folder for safety backups, of what restores replace [default: coffer/safety in the user's state folder].
    #[arg(long, value_name = "FOLDER", env = "COFFER_SAFETY_FOLDER")]
    safety_folder: Option<PathBuf>,
}

impl FolderArgs {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        self.safety_folder
            .clone()
            .or_else(|| Some(own_folder("XDG_STATE_HOME", ".local/state")?.join("safety")))
            .ok_or_else(|| SafetyError::NoFolder.into())
    }
}

impl SafetyArgs {
    /// Whether no safety backup is wanted.
    pub(super) const fn declined(&self) -> bool {
        self.no_safety_backup
    }

    pub(super) fn store(&self) -> Result<SafetyStore, Failure> {
        Ok(SafetyStore {
            folder: self.folder.path()?,
            recipients: self.recipients.clone(),
            keep: self.keep_safety_backups,
        })
    }
}

/// `coffer` in one of the folders where the user's programs keep things.
pub(super) fn own_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|folder| folder.join("coffer"))
}
