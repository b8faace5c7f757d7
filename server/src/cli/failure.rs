//! Why a command failed, as an exit code, a name for programs and a sentence for people.

use coffer_core::{
    foreign::ForeignError, merge::MergeError, redact, seal::SealError, verify::VerifyError,
    withhold::WithholdError,
};

use super::ordinary::findings;
use crate::{
    app_secrets::AppSecretsError, backup::BackupError, convert::ConvertError, engine::EngineError,
    extract::ExtractError, foreign, piped::PipedError, read::ReadError, recover::RecoverError,
    redact::RedactError, restore::RestoreError, safety::SafetyError, switch::JournalError,
};

/// A failed command.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: u8,
    pub(super) code: String,
    pub(super) message: String,
    /// What a program may want to know besides, by its name.
    pub(super) details: serde_json::Map<String, serde_json::Value>,
}

pub(super) const FAILED: u8 = 1;
const USAGE: u8 = 2;
pub(super) const KEY: u8 = 3;
pub(super) const DAMAGED: u8 = 4;
pub(super) const REFUSED: u8 = 5;
pub(super) const CANCELLED: u8 = 130;

impl Failure {
    pub(super) fn new(exit: u8, code: &str, message: impl ToString) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.to_string(),
            details: serde_json::Map::new(),
        }
    }

    /// This failure with something that a program may want to know besides.
    pub(super) fn with_details(mut self, name: &str, value: &impl serde::Serialize) -> Self {
        // What commands give serialises; if it did not, the failure still must come out.
        let value = serde_json::to_value(value).unwrap_or_default();
        self.details.insert(name.to_owned(), value);
        self
    }

    /// Something went wrong on the way.
    pub(super) fn failed(code: &str, message: impl ToString) -> Self {
        Self::new(FAILED, code, message)
    }

    /// The command was called in a way that makes no sense.
    pub(super) fn usage(message: impl ToString) -> Self {
        Self::new(USAGE, "usage", message)
    }

    /// The command refuses; nothing was changed.
    pub(super) fn refused(code: &str, message: impl ToString) -> Self {
        Self::new(REFUSED, code, message)
    }

    /// Somebody asked to stop.
    pub(super) fn cancelled(message: impl ToString) -> Self {
        Self::new(CANCELLED, "cancelled", message)
    }

    /// The archive is damaged.
    pub(super) fn damaged(code: &str, message: impl ToString) -> Self {
        Self::new(DAMAGED, code, message)
    }

    /// A file can't be read or written.
    pub(super) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            FAILED,
            "file",
            format!("cannot {doing} {}: {error}", path.display()),
        )
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let exit = match &error {
            ReadError::Io(_) => FAILED,
            ReadError::Cancelled => CANCELLED,
            ReadError::Sender(_) => REFUSED,
            ReadError::Locked
            | ReadError::Seal(
                SealError::WrongPassword | SealError::NotARecipient | SealError::CostTooHigh { .. },
            ) => KEY,
            _ => DAMAGED,
        };
        let failure = Self::new(exit, error.code(), &error);
        let findings = match &error {
            ReadError::Archive(error) | ReadError::Content(VerifyError::Archive(error)) => {
                findings(error)
            }
            _ => Vec::new(),
        };
        if findings.is_empty() {
            failure
        } else {
            failure.with_details("findings", &findings)
        }
    }
}

impl From<foreign::Error> for Failure {
    fn from(error: foreign::Error) -> Self {
        match error {
            foreign::Error::Read(error) => error.into(),
            foreign::Error::Foreign(error) => {
                let exit = match &error {
                    ForeignError::PasswordNeeded
                    | ForeignError::WrongPasswordOrDamaged
                    | ForeignError::SidecarMissing
                    | ForeignError::KeyNeeded { .. }
                    | ForeignError::NoKeyFits { .. } => KEY,
                    ForeignError::KeyFile(_) => USAGE,
                    _ => DAMAGED,
                };
                Self::new(exit, error.code(), &error)
            }
        }
    }
}

impl From<foreign::ConvertError> for Failure {
    fn from(error: foreign::ConvertError) -> Self {
        use foreign::ConvertError as Error;
        match error {
            Error::Read(error) => error.into(),
            Error::Write(error) => error.into(),
            Error::Errors { .. } => Self::damaged("errors_found", error),
            Error::Shape(_) => Self::refused("other_shape", error),
            Error::Unwrapped(_) => Self::refused("unwrapped", error),
            Error::Files(_) => Self::failed("files", error),
        }
    }
}

impl From<PipedError> for Failure {
    fn from(error: PipedError) -> Self {
        match error {
            PipedError::Read(error) => error.into(),
            PipedError::Write(_) => Self::failed("write_failed", error),
            PipedError::UnlikeTable { .. } => Self::damaged("scrub_damaged", error),
        }
    }
}

/// The exit code for trouble with one of the application's own secrets.
const fn app_secret(error: &AppSecretsError) -> u8 {
    match error {
        AppSecretsError::Missing { .. }
        | AppSecretsError::Unusable { .. }
        | AppSecretsError::Wrapping(_) => KEY,
        AppSecretsError::NotSensitive | AppSecretsError::NothingToUnwrap => REFUSED,
        AppSecretsError::Read { .. } => FAILED,
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match &error {
            BackupError::Cancelled => CANCELLED,
            BackupError::AppSecret(error) => app_secret(error),
            BackupError::SensitiveNeedsSeal
            | BackupError::Policy(_)
            | BackupError::NotOptional { .. }
            | BackupError::PathColumn(_)
            | BackupError::InterruptedRestore { .. } => REFUSED,
            _ => FAILED,
        };
        Self::new(exit, error.code(), &error)
    }
}

impl From<ConvertError> for Failure {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Read(error) => error.into(),
            ConvertError::Write(error) => error.into(),
            ConvertError::Stored { .. } => Self::failed("stored_otherwise", error),
        }
    }
}

impl From<redact::RedactError> for Failure {
    fn from(error: redact::RedactError) -> Self {
        use redact::RedactError as Error;
        let exit = match &error {
            Error::Archive(_) | Error::Rows { .. } | Error::Withhold(WithholdError::Row { .. }) => {
                DAMAGED
            }
            Error::Manifest(_) | Error::Withhold(_) => FAILED,
            Error::Standard
            | Error::NoRules
            | Error::OtherApp { .. }
            | Error::Policy(_)
            | Error::Placeholder { .. } => REFUSED,
        };
        Self::new(exit, error.code(), &error)
    }
}

impl From<RedactError> for Failure {
    fn from(error: RedactError) -> Self {
        match error {
            RedactError::Redact(error) => error.into(),
            RedactError::Read(error) => error.into(),
            RedactError::Write(error) => error.into(),
        }
    }
}

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Read(error) => error.into(),
            ExtractError::NotInArchive { .. } => Self::usage(error),
            ExtractError::NoSuchRecord { .. } => Self::new(USAGE, "no_such_record", &error),
            ExtractError::Records(error) => RestoreError::from(error).into(),
            ExtractError::Write(_) => Self::failed("write_failed", error),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(FAILED, "database", &error)
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        let exit = match &error {
            RecoverError::Journal(JournalError::Files(_))
            | RecoverError::Files(_)
            | RecoverError::Engine(_) => FAILED,
            _ => REFUSED,
        };
        Self::new(exit, "interrupted_restore", &error)
    }
}

impl From<SafetyError> for Failure {
    fn from(error: SafetyError) -> Self {
        let exit = match error {
            SafetyError::Recover(error) => return error.into(),
            SafetyError::NoFolder => USAGE,
            SafetyError::Locked { .. } => KEY,
            SafetyError::Running { .. }
            | SafetyError::NotThere { .. }
            | SafetyError::NothingToUndo { .. }
            | SafetyError::OtherTarget { .. }
            | SafetyError::Exchanged { .. } => REFUSED,
            _ => FAILED,
        };
        Self::new(exit, error.code(), &error)
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let exit = match error {
            RestoreError::Read(error) => return error.into(),
            RestoreError::Recover(error) => return error.into(),
            RestoreError::Cancelled => CANCELLED,
            RestoreError::AppSecret(ref error) => app_secret(error),
            RestoreError::Safety(error) => return error.into(),
            RestoreError::Merge(
                MergeError::RecordsNeedPreset
                | MergeError::NoRecords { .. }
                | MergeError::NoSuchKey { .. },
            )
            | RestoreError::Engine(EngineError::NoRecord { .. }) => USAGE,
            RestoreError::Blocked(_)
            | RestoreError::PlanChanged(_)
            | RestoreError::Denied(_)
            | RestoreError::NeedsGuard
            | RestoreError::ChangedSince(_) => REFUSED,
            _ => FAILED,
        };
        Self::new(exit, error.code(), &error)
    }
}
