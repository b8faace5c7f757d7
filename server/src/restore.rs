//! Restoring: plan, then apply in one transaction with proof, then switch the files.

use std::{collections::BTreeSet, io::Write, path::PathBuf, sync::Arc};

use bytes::Bytes;
use coffer_core::{
    Digest,
    manifest::{Manifest, ManifestError, Selection, TableData},
    plan::{self, Consent, Finding, Mode, Plan, TargetFacts},
    rows::Rows,
    schema::{Drift, TableName, drift},
};
use tokio::sync::mpsc;

use crate::{
    engine::{self, Database, EngineError, ReplaceSession},
    files::{self, FilesError, Staging},
    progress::{Phase, Progress},
    read::{OpenArchive, ReadAt, ReadError, Unlock},
    source::SourceConfig,
    verify,
};

/// Pieces of row text that may wait between reading and loading.
const QUEUE: usize = 2;

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

/// Reads what a plan needs to know from the live target, all of one moment.
///
/// # Errors
/// [`RestoreError::Engine`] or [`RestoreError::Files`].
pub async fn target_facts(target: &SourceConfig) -> Result<TargetFacts, RestoreError> {
    let database = engine::open(&target.url);
    let mut snapshot = database.snapshot().await?;
    let rows = snapshot.count_rows().await?;
    facts(snapshot.database(), rows, target)
}

fn facts(
    database: &Database,
    rows: Vec<(TableName, u64)>,
    target: &SourceConfig,
) -> Result<TargetFacts, RestoreError> {
    let files = target
        .file_sets
        .iter()
        .map(|(name, folder)| Ok((name.clone(), Some(files::count(folder)?))))
        .collect::<Result<_, FilesError>>()?;
    Ok(TargetFacts {
        engine: database.engine,
        name: database.name.clone(),
        schema: database.schema.clone(),
        rows,
        migration: database.migration.clone(),
        files,
    })
}

/// Plans the restore of an archive whose manifest is given, without its rows.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan_manifest(
    target: &SourceConfig,
    manifest_json: &[u8],
    selection: &Selection,
    mode: Mode,
    consent: Consent,
) -> Result<Plan, RestoreError> {
    let manifest = Manifest::parse(manifest_json)?;
    let facts = target_facts(target).await?;
    Ok(plan::plan(
        &manifest,
        Digest::of(manifest_json),
        &facts,
        selection,
        mode,
        consent,
    )?)
}

/// Plans the restore of an archive.
///
/// # Errors
/// [`RestoreError`].
pub async fn plan(request: &RestoreRequest) -> Result<Plan, RestoreError> {
    let archive = open(request).await?;
    let facts = target_facts(&request.target).await?;
    plan_with(request, &archive, &facts)
}

fn plan_with(
    request: &RestoreRequest,
    archive: &OpenArchive,
    facts: &TargetFacts,
) -> Result<Plan, RestoreError> {
    Ok(plan::plan(
        &archive.manifest,
        archive.manifest_digest,
        facts,
        &request.selection,
        request.mode,
        request.consent,
    )?)
}

async fn open(request: &RestoreRequest) -> Result<Arc<OpenArchive>, RestoreError> {
    let (source, unlock) = (request.archive.clone(), request.unlock.clone());
    Ok(Arc::new(
        blocking(move || Ok(OpenArchive::open(source, &unlock)?)).await?,
    ))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RestoreError::Defect)?
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
    let early = plan_with(&request, &archive, &target_facts(&request.target).await?)?;
    accept(&request, early)?;
    {
        let (archive, progress) = (archive.clone(), progress.clone());
        blocking(move || Ok(verify::verify_open(&archive, &progress)?)).await?;
    }
    let staged = stage(&request, &archive, &progress).await?;
    let selected: Vec<TableData> = archive
        .manifest
        .tables
        .iter()
        .filter(|table| request.selection.has_table(&table.table))
        .cloned()
        .collect();

    let tables = if selected.is_empty() {
        Vec::new()
    } else {
        replace(&request, &archive, &selected, &progress).await?
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

async fn replace(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    selected: &[TableData],
    progress: &Progress,
) -> Result<Vec<RestoredTable>, RestoreError> {
    progress.begin(Phase::Planning, 0);
    let names: Vec<TableName> = selected.iter().map(|table| table.table.clone()).collect();
    let database = engine::open(&request.target.url);
    let mut session = database.begin_replace(&names).await?;
    // Planned once more with the tables locked: from here on the target can't change under the plan.
    let rows = session.count_rows().await?;
    let facts = facts(session.database(), rows, &request.target)?;
    accept(request, plan_with(request, archive, &facts)?)?;

    session.clear().await?;
    progress.begin(
        Phase::Loading,
        selected.iter().map(|table| table.bytes).sum(),
    );
    progress.expect_rows(selected.iter().map(|table| table.rows).sum());
    for table in selected {
        load(&mut *session, archive, table, progress).await?;
    }
    progress.begin(Phase::Proving, 0);
    let manifest = archive.manifest.select(&request.selection)?;
    session.settle(&manifest.sequences).await?;
    let changed = changed_tables(&archive.manifest, &facts);
    let mut restored = Vec::new();
    for table in selected {
        let columns = verify::stored_columns(archive, table)?;
        let (rows, set) = session.read_back(&table.table, &columns).await?;
        // Where a column's type differs, by consent, the same value may have another text.
        let same_text = changed.contains(&table.table) || set == table.row_set;
        if rows != table.rows || !same_text {
            return Err(RestoreError::NotProven {
                table: table.table.clone(),
                expected: table.rows,
                found: rows,
            });
        }
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        restored.push(RestoredTable {
            schema: table.table.schema.clone(),
            name: table.table.name.clone(),
            rows,
        });
    }
    progress.begin(Phase::Committing, 0);
    session.commit().await?;
    Ok(restored)
}

fn changed_tables(manifest: &Manifest, facts: &TargetFacts) -> BTreeSet<TableName> {
    drift(&manifest.schema, &facts.schema)
        .into_iter()
        .filter_map(|drift| match drift {
            Drift::ColumnChanged { table, .. } => Some(table),
            _ => None,
        })
        .collect()
}

/// Reads a table's parts on one side, each compared with its digest before any of it is loaded, and loads them on
/// the other.
async fn load(
    session: &mut dyn ReplaceSession,
    archive: &Arc<OpenArchive>,
    table: &TableData,
    progress: &Progress,
) -> Result<(), RestoreError> {
    let columns = verify::stored_columns(archive, table)?;
    let (send, receive) = mpsc::channel(QUEUE);
    let reading = {
        let (archive, table, columns, progress) = (
            archive.clone(),
            table.clone(),
            columns.clone(),
            progress.clone(),
        );
        tokio::task::spawn_blocking(move || {
            read_parts(&archive, &table, &columns, &send, &progress)
        })
    };
    let loaded = session.load(&table.table, &columns, receive).await;
    // What stopped the reading explains more than that the rows stopped coming.
    reading.await.map_err(|_| RestoreError::Defect)??;
    let rows = loaded?;
    if rows != table.rows {
        return Err(RestoreError::NotProven {
            table: table.table.clone(),
            expected: table.rows,
            found: rows,
        });
    }
    Ok(())
}

fn read_parts(
    archive: &OpenArchive,
    table: &TableData,
    columns: &[String],
    send: &mpsc::Sender<Bytes>,
    progress: &Progress,
) -> Result<(), RestoreError> {
    for (index, part) in table.parts.iter().enumerate() {
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        let text = archive.part(table, index)?;
        let length = text.len() as u64;
        let in_table = |error| ReadError::Rows {
            table: table.table.to_string(),
            error,
        };
        let header = {
            let rows = Rows::new(&text, columns.iter().map(String::as_str)).map_err(in_table)?;
            text.len() - rows.remaining().len()
        };
        if send
            .blocking_send(Bytes::from(text).slice(header..))
            .is_err()
        {
            // The loading side has ended; its own error says why.
            return Ok(());
        }
        progress.add_rows(part.rows);
        progress.add_bytes(length);
    }
    Ok(())
}

type Staged = Vec<(String, Staging, u64)>;

/// Writes the selected file sets beside their folders, compared with their digests.
async fn stage(
    request: &RestoreRequest,
    archive: &Arc<OpenArchive>,
    progress: &Progress,
) -> Result<Staged, RestoreError> {
    let sets: Vec<(String, PathBuf)> = archive
        .manifest
        .file_sets
        .iter()
        .filter(|set| request.selection.has_file_set(&set.name))
        .filter_map(|set| {
            request
                .target
                .file_sets
                .iter()
                .find(|(name, _)| *name == set.name)
                .cloned()
        })
        .collect();
    let (archive, progress) = (archive.clone(), progress.clone());
    blocking(move || {
        let listed = archive.files()?;
        let of_sets = |file: &&coffer_core::manifest::FileEntry| {
            sets.iter().any(|(name, _)| *name == file.set)
        };
        progress.begin(
            Phase::Files,
            listed.iter().filter(of_sets).map(|file| file.size).sum(),
        );
        let mut staged = Vec::new();
        for (name, folder) in &sets {
            let staging = Staging::new(folder)?;
            let mut count = 0;
            for file in listed.iter().filter(|file| file.set == *name) {
                if progress.cancelled() {
                    return Err(RestoreError::Cancelled);
                }
                staging.add::<RestoreError>(file, |out| {
                    archive.read_file(file, |bytes| {
                        progress.add_bytes(bytes.len() as u64);
                        out.write_all(bytes)
                    })?;
                    Ok(())
                })?;
                count += 1;
            }
            staged.push((name.clone(), staging, count));
        }
        Ok(staged)
    })
    .await
}

/// The findings of a plan with whether each forbids the restore, for whoever shows them.
pub fn findings(plan: &Plan) -> impl Iterator<Item = (&Finding, bool)> {
    plan.findings
        .iter()
        .map(|finding| (finding, finding.blocks(plan.consent)))
}
