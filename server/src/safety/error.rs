//! Why there is no safety backup, or none that can be used.

use std::io;

use coffer_core::seal::SealError;

use crate::{
    backup::BackupError, engine::EngineError, files::FilesError, read::ReadError,
    recover::RecoverError, sender_key::SenderKeyError,
};

/// Why there is no safety backup, or none that can be used. Nothing was changed in the target.
#[derive(Debug, thiserror::Error)]
pub enum SafetyError {
    /// The folder of safety backups can't be used.
    #[error(
        "cannot {doing} {path}: {error}; nothing was changed in the target; mend this, or choose another folder for safety backups"
    )]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// There is nowhere to keep them.
    #[error(
        "there is no home folder to keep safety backups in; nothing was changed; name a folder for them"
    )]
    NoFolder,
    /// The archive can't be written.
    #[error("the safety backup could not be taken: {0}; nothing was changed in the target")]
    Backup(#[from] BackupError),
    /// What was written can't be read back.
    #[error(
        "the safety backup does not hold what was written to it: {0}; nothing was changed in the target; check the disk that it is on"
    )]
    Stored(ReadError),
    /// The key file holds something else.
    #[error(
        "{path} holds no key: {error}; nothing was changed; bring the file back from a copy, or move it away, and a new key is made that opens new safety backups only"
    )]
    Key {
        /// The file.
        path: String,
        /// What is wrong.
        error: SealError,
    },
    /// The key that safety backups are signed with.
    #[error("{0}")]
    Sender(#[from] SenderKeyError),
    /// A record can't be understood.
    #[error(
        "{path} cannot be read as the record of a safety backup: {why}; nothing was changed; it was written by another version of Coffer, or is damaged"
    )]
    Record {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Another process is at work on it.
    #[error(
        "the restore that took the safety backup {id} is still running; nothing was changed; wait until it ends"
    )]
    Running {
        /// The safety backup.
        id: String,
    },
    /// There is none of that name.
    #[error(
        "there is no safety backup {id} in {folder}; nothing was changed; `coffer undo --list` shows what there is"
    )]
    NotThere {
        /// What was asked for.
        id: String,
        /// Where it was looked for.
        folder: String,
    },
    /// There is none of the target.
    #[error(
        "{folder} holds no safety backup of {target}, so there is nothing to undo; nothing was changed"
    )]
    NothingToUndo {
        /// The target.
        target: String,
        /// Where it was looked for.
        folder: String,
    },
    /// It is of another database.
    #[error(
        "the safety backup {id} is of {of}, not of {target}; nothing was changed; name that database"
    )]
    OtherTarget {
        /// The safety backup.
        id: String,
        /// Its database.
        of: String,
        /// The database that was given.
        target: String,
    },
    /// The archive is not the one that the record is of.
    #[error(
        "the archive of the safety backup {id} is not the one that was written; nothing was changed"
    )]
    Exchanged {
        /// The safety backup.
        id: String,
    },
    /// None of the keys at hand opens it.
    #[error(
        "the safety backup {id} is sealed to a key that is not kept here; nothing was changed; run coffer undo {id} with --identity and the file of that key"
    )]
    Locked {
        /// The safety backup.
        id: String,
    },
    /// The database can't be compared.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// A restore of the same files was interrupted, and can't be ended.
    #[error("{0}")]
    Recover(#[from] RecoverError),
    /// The folders of files can't be compared.
    #[error("{0}; nothing was changed")]
    Files(#[from] FilesError),
    /// A thread ended in a way that it shouldn't.
    #[error(
        "this stopped because of a defect of the program; nothing was changed, please report it"
    )]
    Defect,
}

impl SafetyError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Backup(BackupError::Cancelled) => "cancelled",
            Self::NothingToUndo { .. } => "nothing_to_undo",
            Self::NotThere { .. } => "no_safety_backup",
            Self::OtherTarget { .. } => "other_target",
            Self::Running { .. } => "busy",
            Self::Locked { .. } => "safety_backup_locked",
            Self::Defect => "defect",
            _ => "safety_backup",
        }
    }
}
