//! Restoring: plan, then apply in one transaction with proof, then switch the files.

use std::sync::Arc;

use coffer_core::{
    Digest,
    manifest::{self, ManifestError, Selection},
    merge::{Counts, FileCounts, MergeError},
    plan::{Consent, Finding, Mode, Plan, TargetFacts},
    schema::{Survey, TableName},
};

use crate::{
    app_secrets::AppSecretsError,
    backup::{BackupError, Reader},
    engine::{self, CommitMark, Dangling, EngineError, IndexesBuilt, ReplaceSession},
    files::FilesError,
    progress::Progress,
    read::{OpenArchive, ReadAt, ReadError, Unlock},
    recover::{self, RecoverError},
    safety::{self, Changes, Content, SafetyBackup, SafetyError, SafetyStore, Taken},
    signed::TrustedSenders,
    source::SourceConfig,
    switch::FileSwitch,
    system::{Denied, Guard, GuardError, Seen},
    verify,
};

mod facts;
mod keep;
mod load;
mod merge;
mod merge_files;
mod rehearse;
mod rows;
mod stage;
mod survey;

use facts::target_facts;
pub use facts::{Planned, TableSamples, plan, plan_manifest};
use load::Replaced;
pub use rehearse::{Rehearsed, rehearse};

/// What to restore, and where.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The database and folders that are written.
    pub target: SourceConfig,
    /// The archive.
    pub archive: Arc<dyn ReadAt>,
    /// What opens it.
    pub unlock: Unlock,
    /// By whom it must be signed.
    pub senders: TrustedSenders,
    /// What of it is restored.
    pub selection: Selection,
    /// How archive and target are brought together.
    pub mode: Mode,
    /// What the user allowed.
    pub consent: Consent,
    /// Digest of the plan that the user confirmed; `None` where nobody was asked.
    pub expected_plan: Option<Digest>,
    /// Whether that plan was made from the manifest alone. What it leaves to the rows is found out before anything is
    /// changed, and refused if it needs a decision.
    pub planned_without_rows: bool,
    /// Where what will be replaced is kept, unless the user consented to do without.
    pub safety: SafetyStore,
    /// The restore that this one undoes, if it does.
    pub undoes: Option<Undoes>,
    /// What looks after a restore of Coffer's own configuration.
    pub guard: Option<Guard>,
}

impl RestoreRequest {
    /// Whether rows are brought together with the target's one by one, rather than whole tables replaced.
    #[must_use]
    pub const fn merges(&self) -> bool {
        self.mode.merges(&self.selection)
    }
}

/// A restore that another one undoes.
#[derive(Clone, Debug)]
pub struct Undoes {
    /// The safety backup that it took.
    pub id: String,
    /// SHA-256 of that archive's manifest.
    pub manifest: Digest,
    /// What it left. The target must still hold it; `None` if later changes may be lost.
    pub unless_changed_from: Option<Content>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RestoreReport {
    /// Rows loaded for each table, proven equal to the archive's.
    pub tables: Vec<RestoredTable>,
    /// Files put in place for each file set.
    pub file_sets: Vec<RestoredFileSet>,
    /// Rows in all.
    pub rows: u64,
    /// What became of rows of the archive and of the target, where they were brought together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<MergedTable>,
    /// What became of the tables' indexes meanwhile.
    pub indexes: IndexesBuilt,
    /// Rows that point at nothing, as they did where they were backed up.
    pub dangling: Vec<Dangling>,
    /// Where what was replaced is kept; `None` if that was declined.
    pub safety_backup: Option<SafetyBackup>,
    /// The plan of a merge, as it was carried out.
    #[serde(skip)]
    pub planned: Option<Box<Planned>>,
}

/// The rows of one table after a restore.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RestoredTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows, counted by reading them back.
    pub rows: u64,
    /// Columns that were loaded, but whose type prints values in a form of its own, so that they were not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
}

/// What a merge did to one table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MergedTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Rows by what became of them.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The files of one file set after a restore.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RestoredFileSet {
    /// Its name.
    pub name: String,
    /// Files that were put in place.
    pub files: u64,
    /// What else became of files of the archive and of the target, where they were brought together.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub merged: Option<FileCounts>,
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
    /// One of the application's own secrets.
    #[error("{0}")]
    AppSecret(Box<AppSecretsError>),
    /// The folders.
    #[error("{0}; nothing was changed; mend this and try again")]
    Files(#[from] FilesError),
    /// The selection.
    #[error("{0}; nothing was changed")]
    Manifest(#[from] ManifestError),
    /// Archive and target can't be brought together.
    #[error("{0}")]
    Merge(#[from] MergeError),
    /// Only the rows themselves tell what a merge does.
    #[error(
        "mode {0} is planned from the archive's rows, which are not here; nothing was changed; use coffer restore with the archive"
    )]
    NeedsRows(Mode),
    /// The plan has findings that forbid it.
    #[error("the restore is refused: {}; nothing was changed", reasons(.0))]
    Blocked(Box<Plan>),
    /// Archive or target changed since the plan was confirmed.
    #[error(
        "the archive or the target has changed since the plan was confirmed; nothing was changed, look at the new plan"
    )]
    PlanChanged(Box<Planned>),
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
    /// What was done is not what the plan said.
    #[error(
        "what was done is not what the plan said: {what}: {planned} planned, {found} found; everything was undone, please report it"
    )]
    NotAsPlanned {
        /// What was counted.
        what: String,
        /// As planned.
        planned: u64,
        /// As done.
        found: u64,
    },
    /// The database is restored, but a folder could not be switched.
    #[error(
        "the database was restored, but the files of {set} are not in place yet: {error}; mend this, and run coffer recover, which goes on where it stopped"
    )]
    FilesNotSwitched {
        /// The file set.
        set: String,
        /// What happened.
        error: FilesError,
    },
    /// The answer to the commit was lost, and the database can't be asked.
    #[error(
        "the connection to {target} was lost while the restore was being committed: {reason}; it took effect either completely or not at all, and the files wait; run coffer recover once the database can be reached"
    )]
    OutcomeUnknown {
        /// The database.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// An earlier restore of the same files was interrupted, and can't be ended.
    #[error("{0}")]
    Recover(#[from] RecoverError),
    /// What will be replaced can't be kept.
    #[error("{0}")]
    Safety(SafetyError),
    /// What the restore to be undone left is not what the target holds now.
    #[error(
        "{0} changed since the restore that is to be undone, and these changes would be lost; nothing was changed; say that they may be lost, or restore what you need from the safety backup by hand"
    )]
    ChangedSince(Changes),
    /// What the configuration would be is not allowed.
    #[error("{0}")]
    Denied(Denied),
    /// Only the command for it can do this.
    #[error(
        "the archive holds a configuration of Coffer, whose secrets belong to their rows; nothing was changed; bring it together with another one by coffer system restore"
    )]
    NeedsGuard,
    /// The run was cancelled.
    #[error("cancelled; nothing was changed")]
    Cancelled,
    /// A thread ended in a way that it shouldn't.
    #[error(
        "the restore stopped because of a defect of the program; nothing was changed, please report it"
    )]
    Defect,
}

impl From<AppSecretsError> for RestoreError {
    fn from(error: AppSecretsError) -> Self {
        Self::AppSecret(Box::new(error))
    }
}

impl From<GuardError> for RestoreError {
    fn from(error: GuardError) -> Self {
        match error {
            GuardError::Denied(denied) => Self::Denied(denied),
            GuardError::Engine(error) => Self::Engine(error),
        }
    }
}

impl From<SafetyError> for RestoreError {
    fn from(error: SafetyError) -> Self {
        match error {
            SafetyError::Backup(BackupError::Cancelled) => Self::Cancelled,
            error => Self::Safety(error),
        }
    }
}

fn reasons(plan: &Plan) -> String {
    plan.blocking()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl RestoreError {
    /// Whether the restore certainly had no effect.
    const fn is_certain(&self) -> bool {
        !matches!(
            self,
            Self::OutcomeUnknown { .. } | Self::Engine(EngineError::CommitUnknown { .. })
        )
    }

    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Engine(EngineError::NoRecord { .. }) => "no_such_record",
            Self::Engine(_) => "database",
            Self::Files(_) => "files",
            Self::AppSecret(error) => error.code(),
            Self::Manifest(_) => "manifest_invalid",
            Self::Merge(_) => "merge",
            Self::NeedsRows(_) => "needs_rows",
            Self::Blocked(_) => "plan_blocked",
            Self::PlanChanged(_) => "plan_changed",
            Self::NotProven { .. } => "not_proven",
            Self::NotAsPlanned { .. } => "not_as_planned",
            Self::FilesNotSwitched { .. } => "files_not_switched",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::Recover(_) => "interrupted_restore",
            Self::Safety(error) => error.code(),
            Self::ChangedSince(_) => "changed_since",
            Self::Denied(denied) => denied.code(),
            Self::NeedsGuard => "needs_guard",
            Self::Cancelled => "cancelled",
            Self::Defect => "defect",
        }
    }
}

/// The findings of a plan with whether each forbids the restore, for whoever shows them.
pub fn findings(plan: &Plan) -> impl Iterator<Item = (&Finding, bool)> {
    plan.findings
        .iter()
        .map(|finding| (finding, finding.blocks(&plan.consent)))
}

/// Applies a restore: stages the files and checks the rest of the archive, then replaces the rows in one transaction that
/// is committed only when everything read back equals the archive, and puts the files in place last. An earlier restore
/// of the same files that was interrupted is ended first.
///
/// # Errors
/// [`RestoreError`]; all but [`RestoreError::FilesNotSwitched`] and [`RestoreError::OutcomeUnknown`] mean that nothing
/// was changed, and [`crate::recover`] ends those two.
pub async fn run(
    mut request: RestoreRequest,
    progress: Progress,
) -> Result<RestoreReport, RestoreError> {
    recover::run(&request.target.url, &request.target.file_sets).await?;
    safety::settle(&request.safety.folder, &request.target.url).await?;
    let archive = open(&request).await?;
    // Refuse at once what would be refused later, before gigabytes are read.
    let (target, selection) = (&request.target, &request.selection);
    let guarded = request.guard.is_some();
    let consent = &mut request.consent;
    let facts = target_facts(target, &archive.manifest, selection, consent, guarded).await?;
    let nothing = Survey::default();
    let survey = survey::survey(&request, &archive, &facts, nothing, &progress).await?;
    let plan = if !request.merges() {
        accept(&request, &archive, &facts, &survey)?
    } else {
        // What was confirmed has counts, which are only known once the rows were brought together.
        let early = facts::plan_with(&request, &archive, &facts, Some(&survey))?;
        if early.blocked {
            return Err(RestoreError::Blocked(Box::new(early)));
        }
        early
    };
    // Files are compared as they are staged; everything else is before anything is locked.
    let mut switch = if !request.merges() {
        stage::stage(&request, &archive, &progress).await?
    } else {
        // Which files come is only known with the rows.
        stage::begin(engine::open(&request.target.url).target())?
    };
    if let Err(error) = stage::as_planned(&plan, &switch) {
        return Err(give_up(switch, error).await);
    }
    {
        let (archive, progress) = (archive.clone(), progress.clone());
        let staged: Vec<String> = switch.counts().into_iter().map(|(set, _)| set).collect();
        blocking(move || Ok(verify::verify_rest(&archive, &staged, &progress)?)).await?;
    }
    let selected = selected(&request, &archive);
    let mut kept = None;
    let loaded = if request.merges() {
        let (switch, kept) = (&mut switch, &mut kept);
        merge::apply(&request, &archive, survey, switch, kept, &progress).await
    } else if !selected.is_empty() {
        load::replace(
            &request,
            &archive,
            survey,
            &selected,
            &mut switch,
            &mut kept,
            &progress,
        )
        .await
    } else if switch.is_empty() {
        Ok(Replaced::default())
    } else {
        files_only(&request, &archive, &mut switch, &mut kept, &progress)
            .await
            .map(|()| Replaced::default())
    };
    let Replaced {
        tables,
        merged,
        files,
        settled,
        planned,
    } = match loaded {
        Ok(replaced) => replaced,
        Err(error) => {
            if error.is_certain() {
                kept.into_iter().for_each(Taken::discard);
            }
            return Err(give_up(switch, error).await);
        }
    };
    let safety_backup = kept.map(|taken| taken.committed(&request.safety));
    let switched = switch_files(&request, switch).await?;
    let file_sets = if !request.merges() { switched } else { files };
    Ok(RestoreReport {
        rows: tables.iter().map(|table| table.rows).sum(),
        tables,
        merged,
        file_sets,
        indexes: settled.indexes,
        dangling: settled.dangling,
        safety_backup,
        planned,
    })
}

/// Looks at a restore of Coffer's own configuration before anything changes.
async fn guard_before(
    request: &RestoreRequest,
    session: &mut dyn ReplaceSession,
) -> Result<Seen, RestoreError> {
    match &request.guard {
        Some(guard) => Ok(guard.before(session).await?),
        None => Ok(Seen::default()),
    }
}

/// Looks at it again once its rows are written.
async fn guard_after(
    request: &RestoreRequest,
    session: &mut dyn ReplaceSession,
    before: &Seen,
    written: &[TableName],
) -> Result<(), RestoreError> {
    match &request.guard {
        Some(guard) => Ok(guard.after(session, before, written).await?),
        None => Ok(()),
    }
}

/// The tables whose rows are restored.
fn selected(request: &RestoreRequest, archive: &OpenArchive) -> Vec<manifest::TableData> {
    let tables = archive.manifest.tables.iter();
    tables
        .filter(|table| request.selection.has_table(&table.table))
        .cloned()
        .collect()
}

/// Everything up to the moment from which the switch of the files is to be finished, where no table is selected.
async fn files_only(
    request: &RestoreRequest,
    archive: &OpenArchive,
    switch: &mut FileSwitch,
    kept: &mut Option<Taken>,
    progress: &Progress,
) -> Result<(), RestoreError> {
    let engine = engine::open(&request.target.url);
    keep::unchanged_files(request)?;
    let snapshot = engine.snapshot().await?;
    let facts = keep::Facts::of(snapshot.database(), Vec::new());
    *kept = keep::keep(
        request,
        archive,
        Reader::Snapshot(snapshot),
        facts,
        (&[], keep::folders(request, archive)),
        progress,
    )
    .await?;
    if let Some(taken) = kept {
        // Before the journal: once that is there, the files will be switched, whatever happens.
        taken.arm(keep::left(request, archive, Vec::new())?)?;
    }
    Ok(switch.arm(&engine.target(), CommitMark::None)?)
}

/// Removes what was staged, unless nobody knows yet whether it is needed.
async fn give_up(switch: FileSwitch, error: RestoreError) -> RestoreError {
    if let Some(journal) = switch.into_journal()
        && error.is_certain()
    {
        let undone = tokio::task::spawn_blocking(|| journal.undo()).await;
        if let Ok(Err(failed)) = undone {
            tracing::warn!(error = %failed, "could not remove what was staged; the next restore does it");
        }
    }
    error
}

/// Puts the staged files in place: the rows are committed.
async fn switch_files(
    request: &RestoreRequest,
    switch: FileSwitch,
) -> Result<Vec<RestoredFileSet>, RestoreError> {
    let file_sets = switch
        .counts()
        .into_iter()
        .map(|(name, files)| RestoredFileSet {
            name,
            files,
            merged: None,
        })
        .collect();
    let Some(journal) = switch.into_journal() else {
        return Ok(file_sets);
    };
    let journal = blocking(move || match journal.put_in_place() {
        Ok(()) => Ok(journal),
        Err((set, error)) => Err(RestoreError::FilesNotSwitched { set, error }),
    })
    .await?;
    let engine = engine::open(&request.target.url);
    // Rows and files are the archive's. What is left behind is removed by the next restore or start.
    if let Err(error) = recover::end(&*engine, journal).await {
        tracing::warn!(%error, "could not remove what was replaced");
    }
    Ok(file_sets)
}

/// Makes the plan, and says whether it may be carried out: it is not blocked, and the one that was confirmed.
fn accept(
    request: &RestoreRequest,
    archive: &OpenArchive,
    facts: &TargetFacts,
    survey: &Survey,
) -> Result<Plan, RestoreError> {
    let plan = facts::plan_with(request, archive, facts, Some(survey))?;
    if let Some(expected) = request.expected_plan {
        let confirmed = if request.planned_without_rows {
            facts::plan_with(request, archive, facts, None)?
        } else {
            plan.clone()
        };
        if confirmed.digest() != expected {
            let planned = Planned::new(confirmed, facts.clone());
            return Err(RestoreError::PlanChanged(Box::new(planned)));
        }
    }
    if plan.blocked {
        return Err(RestoreError::Blocked(Box::new(plan)));
    }
    Ok(plan)
}

/// Whether a plan whose rows were counted is the one that was confirmed, and may be carried out.
fn confirmed(request: &RestoreRequest, planned: Planned) -> Result<(), RestoreError> {
    if request
        .expected_plan
        .is_some_and(|expected| expected != planned.plan.digest())
    {
        return Err(RestoreError::PlanChanged(Box::new(planned)));
    }
    if planned.plan.blocked {
        return Err(RestoreError::Blocked(Box::new(planned.plan)));
    }
    Ok(())
}

async fn open(request: &RestoreRequest) -> Result<Arc<OpenArchive>, RestoreError> {
    let (source, unlock) = (request.archive.clone(), request.unlock.clone());
    let archive = blocking(move || Ok(OpenArchive::open(source, &unlock)?)).await?;
    let sender = archive.plain().sender();
    request.senders.accept(sender).map_err(ReadError::from)?;
    if let Some(undoes) = &request.undoes
        && undoes.manifest != archive.manifest_digest
    {
        let id = undoes.id.clone();
        return Err(SafetyError::Exchanged { id }.into());
    }
    Ok(Arc::new(archive))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RestoreError::Defect)?
}
