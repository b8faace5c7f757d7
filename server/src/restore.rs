//! Restoring: plan, then apply in one transaction with proof, then switch the files.

use std::sync::Arc;

use coffer_core::{
    Digest,
    manifest::{self, ManifestError, Selection},
    plan::{Consent, Finding, Mode, Plan},
    schema::TableName,
};

use crate::{
    engine::EngineError,
    files::FilesError,
    progress::Progress,
    read::{OpenArchive, ReadAt, ReadError, Unlock},
    signed::TrustedSenders,
    source::SourceConfig,
    verify,
};

mod facts;
mod load;
mod stage;

pub use facts::{plan, plan_manifest, target_facts};

/// What to restore, and where.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The database and folders that are written.
    pub target: SourceConfig,
    /// The archive.
    pub archive: Arc<dyn ReadAt>,
    /// What opens it.
    pub unlock: Unlock,
    /// What of it is restored.
    pub selection: Selection,
    /// By whom it must be signed.
    pub senders: TrustedSenders,
    /// How archive and target are brought together.
    pub mode: Mode,
    /// What the user allowed.
    pub consent: Consent,
    /// Digest of the plan that the user confirmed; `None` where nobody was asked.
    pub expected_plan: Option<Digest>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoreReport {
    /// Rows loaded for each table, proven equal to the archive's.
    pub tables: Vec<RestoredTable>,
    /// Files put in place for each file set.
    pub file_sets: Vec<RestoredFileSet>,
    /// Rows in all.
    pub rows: u64,
}

/// The rows of one table after a restore.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoredTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows, counted by reading them back.
    pub rows: u64,
}

/// The files of one file set after a restore.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoredFileSet {
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: u64,
}

/// Why nothing was restored, or what is left to do by hand.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The database.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The folders.
    #[error("{0}; nothing was changed")]
    Files(#[from] FilesError),
    /// The selection.
    #[error("{0}; nothing was changed")]
    Manifest(#[from] ManifestError),
    /// The plan has findings that forbid it.
    #[error("the restore is refused: {}; nothing was changed", reasons(.0))]
    Blocked(Box<Plan>),
    /// Archive or target changed since the plan was confirmed.
    #[error(
        "the archive or the target has changed since the plan was confirmed; nothing was changed, look at the new plan"
    )]
    PlanChanged(Box<Plan>),
    /// What was read back is not what was loaded.
    #[error(
        "the table {table} does not hold what the archive holds after loading ({found} rows, {expected} expected); everything was undone"
    )]
    NotProven {
        /// The table.
        table: TableName,
        /// Rows of the archive.
        expected: u64,
        /// Rows read back.
        found: u64,
    },
    /// The database is restored, but a folder could not be switched.
    #[error(
        "the database was restored, but the files of {set} were not: {error}; restore the file set again after mending this"
    )]
    FilesNotSwitched {
        /// The file set.
        set: String,
        /// What happened.
        error: FilesError,
    },
    /// The job was cancelled.
    #[error("cancelled; nothing was changed")]
    Cancelled,
    /// A thread ended in a way that it shouldn't.
    #[error(
        "the restore stopped because of a defect of the program; nothing was changed, please report it"
    )]
    Defect,
}

fn reasons(plan: &Plan) -> String {
    plan.blocking()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl RestoreError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Engine(_) => "database",
            Self::Files(_) => "files",
            Self::Manifest(_) => "manifest_invalid",
            Self::Blocked(_) => "plan_blocked",
            Self::PlanChanged(_) => "plan_changed",
            Self::NotProven { .. } => "not_proven",
            Self::FilesNotSwitched { .. } => "files_not_switched",
            Self::Cancelled => "cancelled",
            Self::Defect => "defect",
        }
    }
}

/// The findings of a plan with whether each forbids the restore, for whoever shows them.
pub fn findings(plan: &Plan) -> impl Iterator<Item = (&Finding, bool)> {
    plan.findings
        .iter()
        .map(|finding| (finding, finding.blocks(plan.consent)))
}

/// Applies a restore: checks the whole archive, stages its files, then replaces the rows in one transaction that is
/// committed only when everything read back equals the archive, and switches the folders last.
///
/// # Errors
/// [`RestoreError`]; all but [`RestoreError::FilesNotSwitched`] mean that nothing was changed.
pub async fn run(
    request: RestoreRequest,
    progress: Progress,
) -> Result<RestoreReport, RestoreError> {
    let archive = open(&request).await?;
    // Refuse at once what would be refused later, before gigabytes are read.
    let early = facts::plan_with(&request, &archive, &target_facts(&request.target).await?)?;
    accept(&request, early)?;
    {
        let (archive, progress) = (archive.clone(), progress.clone());
        blocking(move || Ok(verify::verify_open(&archive, &progress)?)).await?;
    }
    let staged = stage::stage(&request, &archive, &progress).await?;
    let selected: Vec<manifest::TableData> = archive
        .manifest
        .tables
        .iter()
        .filter(|table| request.selection.has_table(&table.table))
        .cloned()
        .collect();

    let tables = if selected.is_empty() {
        Vec::new()
    } else {
        load::replace(&request, &archive, &selected, &progress).await?
    };
    let mut file_sets = Vec::new();
    for (name, staging, count) in staged {
        let set = name.clone();
        blocking(move || Ok(staging.switch()))
            .await?
            .map_err(|error| RestoreError::FilesNotSwitched { set, error })?;
        file_sets.push(RestoredFileSet { name, files: count });
    }
    Ok(RestoreReport {
        rows: tables.iter().map(|table| table.rows).sum(),
        tables,
        file_sets,
    })
}

/// Whether the plan may be carried out: not blocked, and the one that was confirmed.
fn accept(request: &RestoreRequest, plan: Plan) -> Result<Plan, RestoreError> {
    if request
        .expected_plan
        .is_some_and(|expected| expected != plan.digest())
    {
        return Err(RestoreError::PlanChanged(Box::new(plan)));
    }
    if plan.blocked {
        return Err(RestoreError::Blocked(Box::new(plan)));
    }
    Ok(plan)
}

async fn open(request: &RestoreRequest) -> Result<Arc<OpenArchive>, RestoreError> {
    let (source, unlock) = (request.archive.clone(), request.unlock.clone());
    let archive = blocking(move || Ok(OpenArchive::open(source, &unlock)?)).await?;
    let sender = archive.plain().sender();
    request.senders.accept(sender).map_err(ReadError::from)?;
    Ok(Arc::new(archive))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RestoreError::Defect)?
}
