//! Why a run failed, for programs and for people.

use serde::Serialize;

use crate::{
    backup::BackupError,
    catalog::CatalogError,
    hooks::{Hooked, Refusal},
    read::ReadError,
    restore::RestoreError,
    store::StoreError,
};

use super::SourceFault;

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunFailure {
    /// A stable name for programs, in snake case.
    pub code: String,
    /// A sentence for people: what happened, what is untouched, what to do next.
    pub detail: String,
}

impl RunFailure {
    /// A failure.
    #[must_use]
    pub fn new(code: &str, detail: impl ToString) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.to_string(),
        }
    }

    pub(crate) fn defect() -> Self {
        Self::new(
            "defect",
            "this stopped because of a defect of the program; what it had begun was undone; please report it",
        )
    }

    /// Whether it ended because somebody asked for it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.code == "cancelled"
    }
}

impl From<Hooked<Self>> for RunFailure {
    fn from(error: Hooked<Self>) -> Self {
        match error {
            Hooked::Inside(failure) => failure,
            Hooked::Refused(refusal) => Self::new(Refusal::CODE, refusal),
        }
    }
}

impl From<BackupError> for RunFailure {
    fn from(error: BackupError) -> Self {
        Self::new(error.code(), error)
    }
}

impl From<RestoreError> for RunFailure {
    fn from(error: RestoreError) -> Self {
        Self::new(error.code(), error)
    }
}

impl From<ReadError> for RunFailure {
    fn from(error: ReadError) -> Self {
        Self::new(error.code(), error)
    }
}

impl From<StoreError> for RunFailure {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), error)
    }
}

impl From<CatalogError> for RunFailure {
    fn from(error: CatalogError) -> Self {
        Self::new("catalog", error)
    }
}

impl From<SourceFault> for RunFailure {
    fn from(fault: SourceFault) -> Self {
        Self::new(fault.code(), fault)
    }
}
