//! Taking a backup: one snapshot, one pass, bounded memory, nothing plain on disk.
//!
//! Rows go from the engine through a short channel to a thread that compresses, hashes, seals and writes them. The
//! engine reads the next part while that thread packs the last one.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use coffer_core::{
    Digest,
    archive::ArchiveError,
    manifest::{LeftOut, LeftOutReason, Manifest, ManifestError, Product},
    policy::{self, Given, PolicyError, Scalar},
    rows::Part,
    schema::TableName,
    seal::{Cost, FileKey, LockedKey, Password, Recipient, SealError, SenderKey},
    withhold::{FreshSecrets, WithholdError, scalar_text},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    app_secrets::AppSecretsError,
    engine::{self, EngineError},
    files::FilesError,
    progress::{Phase, Progress},
    source::{FileRules, SourceConfig},
    switch::{self, JournalError},
    transform::{Named, NoSuchColumn},
};

mod lane;
mod names;
mod pack;
mod sink;
mod write;

pub(crate) use pack::Plan;
pub(crate) use sink::{Sink, begin_sealed};

/// Parts that may wait between the engine and the packing thread.
const QUEUE: usize = 2;

/// What to back up, and how.
#[derive(Clone, Debug)]
pub struct BackupRequest {
    /// The database and its files.
    pub source: SourceConfig,
    /// Whom the archive is sealed to; `None` for a plain archive.
    pub seal: Option<SealTo>,
    /// Keep credentials in the archive; needs a preset and a seal.
    pub sensitive: bool,
    /// Take the application's own secrets off the values that are wrapped with them.
    pub unwrap_app_secrets: bool,
    /// Tables to leave out by hand.
    pub exclude: Vec<String>,
    /// File sets to leave out by hand; they must be optional.
    pub without: Vec<String>,
}

/// Whom an archive is sealed to. Each of these opens it.
#[derive(Clone, Debug, Default)]
pub struct SealTo {
    /// A password, with what checking it costs.
    pub password: Option<(Password, Cost)>,
    /// Public keys.
    pub recipients: Vec<Recipient>,
    /// Secret keys, locked by passwords, that the archive carries along for recipients.
    pub locked: Vec<LockedKey>,
    /// Who signs it; `None` for an archive that doesn't say who sealed it.
    pub sender: Option<SenderKey>,
}

/// What a backup gave.
#[derive(Debug)]
pub struct BackupReport {
    /// The archive's manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes.
    pub manifest_digest: Digest,
    /// The key that the archive was sealed with, to check the stored bytes; `None` for a plain archive.
    pub file_key: Option<FileKey>,
    /// Bytes written.
    pub bytes: u64,
}

/// Why no backup was taken. Nothing that was written so far is an archive.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The preset.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// The files.
    #[error("{0}; no backup was taken")]
    Files(#[from] FilesError),
    /// A restore of the same files is going on, or its journal can't be read.
    #[error("{0}; no backup was taken")]
    Journal(#[from] JournalError),
    /// A restore of the same files was interrupted: rows and files may not belong together.
    #[error(
        "a restore of these files was interrupted ({journal}), so rows and files may not belong together; no backup was taken; run coffer recover first"
    )]
    InterruptedRestore {
        /// Its journal.
        journal: String,
    },
    /// A rule for credentials can't be applied to a row.
    #[error("{0}")]
    Withhold(Box<WithholdError>),
    /// One of the application's own secrets.
    #[error("{0}")]
    AppSecret(Box<AppSecretsError>),
    /// A file can't be read.
    #[error("cannot read {path} of the file set {set}: {error}; no backup was taken")]
    File {
        /// The file set.
        set: String,
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file set to leave out by hand isn't there, or isn't optional.
    #[error(
        "{set} is no file set that may be left out: declare it as optional where the source is described; nothing was read or written"
    )]
    NotOptional {
        /// The file set.
        set: String,
    },
    /// A column that is to follow transformed files isn't there.
    #[error("{0}")]
    PathColumn(#[from] NoSuchColumn),
    /// The archive can't be written where it should go.
    #[error(
        "cannot write the archive: {0}; no backup was taken; make room, or write it elsewhere, and try again"
    )]
    Write(io::Error),
    /// Credentials and no seal.
    #[error(
        "a sensitive archive holds credentials and is written only sealed; give a password or a recipient"
    )]
    SensitiveNeedsSeal,
    /// Sealed to nobody.
    #[error(
        "the archive would be sealed to nobody, so nobody could open it; give a password or a recipient"
    )]
    SealedToNobody,
    /// The archive.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The manifest.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The seal.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// The operating system gives no randomness.
    #[error(
        "the operating system gives no random numbers, so no key can be made: {0}; no backup was taken"
    )]
    Random(getrandom::Error),
    /// The job was cancelled.
    #[error("cancelled; no backup was taken")]
    Cancelled,
    /// A thread ended in a way that it shouldn't.
    #[error(
        "the backup stopped because of a defect of the program; no backup was taken, please report it"
    )]
    Defect,
}

impl From<AppSecretsError> for BackupError {
    fn from(error: AppSecretsError) -> Self {
        Self::AppSecret(Box::new(error))
    }
}

impl From<WithholdError> for BackupError {
    fn from(error: WithholdError) -> Self {
        Self::Withhold(Box::new(error))
    }
}

impl BackupError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "database",
            Self::Policy(_) => "preset",
            Self::Files(_) | Self::File { .. } => "files",
            Self::Journal(_) | Self::InterruptedRestore { .. } => "interrupted_restore",
            Self::AppSecret(error) => error.code(),
            Self::Withhold(_) => "credential_not_found",
            Self::NotOptional { .. } => "not_optional",
            Self::PathColumn(_) => "no_such_column",
            Self::Write(_) => "write_failed",
            Self::SensitiveNeedsSeal => "sensitive_needs_seal",
            Self::SealedToNobody => "sealed_to_nobody",
            Self::Archive(error) => error.code(),
            Self::Manifest(_) => "manifest_invalid",
            Self::Seal(error) => error.code(),
            Self::Random(_) => "no_randomness",
            Self::Cancelled => "cancelled",
            Self::Defect => "defect",
        }
    }
}

/// The secrets that come in place of the source's, for one archive.
pub(crate) fn fresh_secrets() -> Result<FreshSecrets, BackupError> {
    Ok(FreshSecrets::new(random()?))
}

/// Random bytes of the system.
pub(crate) fn random() -> Result<[u8; 32], BackupError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(BackupError::Random)?;
    Ok(bytes)
}

/// What goes to the packing thread.
enum Work {
    Table(TableName),
    Part(Part),
    /// All rows are through: go on with files and manifest.
    Finish,
}

/// Takes a backup into `out`, which is written from start to end. The caller publishes it atomically, or throws it
/// away on an error.
///
/// # Errors
/// [`BackupError`].
pub async fn run(
    request: BackupRequest,
    out: impl Write + Send + 'static,
    progress: Progress,
) -> Result<BackupReport, BackupError> {
    if request.sensitive && request.seal.is_none() {
        return Err(BackupError::SensitiveNeedsSeal);
    }
    if request.unwrap_app_secrets && !request.sensitive {
        return Err(AppSecretsError::NotSensitive.into());
    }
    if let Some(found) = switch::find(&request.source.file_sets)?.first() {
        return Err(BackupError::InterruptedRestore {
            journal: found.path.display().to_string(),
        });
    }
    let file_sets = file_sets(&request)?;
    progress.begin(Phase::Reading, 0);
    let database = engine::open(&request.source.url);
    let mut snapshot = database.snapshot().await?;
    let created_at = crate::clock::text(crate::clock::now());
    let mut facts = snapshot.database().clone();
    let preset = request.source.preset.as_ref();
    let mut policy = policy::decide(&facts.schema, preset, request.sensitive, &request.exclude)?;
    print_placeholders(&mut *snapshot, facts.engine, &mut policy).await?;
    let secrets = &request.source.app_secrets;
    let mut salts = Vec::new();
    for _ in &policy.app_secrets {
        salts.push(Digest(random()?));
    }
    secrets.complete(&mut policy.app_secrets, request.unwrap_app_secrets, &salts)?;
    let app_secrets = secrets.that_wrap(&policy.app_secrets)?;
    let version = match preset.and_then(|preset| preset.version_query.as_deref()) {
        Some(query) => snapshot.scalar(query).await?,
        None => None,
    };
    let app = preset
        .map(|preset| preset.app.clone())
        .or_else(|| request.source.app.clone())
        .unwrap_or_else(|| facts.name.clone());
    let counts = snapshot.count_rows().await?;
    let archived = |table: &TableName| policy.tables.iter().any(|policy| policy.table == *table);
    progress.expect_rows(
        counts
            .iter()
            .filter(|(table, _)| archived(table))
            .map(|(_, rows)| rows)
            .sum(),
    );

    let named = named(&request.source.file_rules, &facts, &policy)?;
    let left_out = request.without.iter().map(|name| LeftOut::FileSet {
        name: name.clone(),
        reason: LeftOutReason::Excluded,
    });
    facts.left_out.extend(left_out);
    let plan = Plan {
        facts,
        policy,
        counts,
        app: Product { name: app, version },
        created_at,
        file_sets,
        file_rules: request.source.file_rules.clone(),
        named,
        app_secrets,
        missing_folders_are_empty: false,
        seal: request.seal,
    };
    archive(Reader::Snapshot(snapshot), plan, out, progress).await
}

/// Gives the policy's values the form in which the database writes them: whoever makes a standard archive of this one, or
/// rewrites its rows, has no database to ask.
pub(crate) async fn print_placeholders(
    snapshot: &mut dyn engine::Snapshot,
    engine: coffer_core::schema::Engine,
    policy: &mut policy::Policy,
) -> Result<(), BackupError> {
    for rule in policy
        .credentials
        .iter_mut()
        .flatten()
        .chain(&mut policy.rows)
    {
        if let Some(text) = &rule.placeholder
            && rule.path.is_empty()
        {
            rule.placeholder = Some(snapshot.printed(&rule.table, &rule.column, text).await?);
        }
        for (column, given) in &mut rule.also_set {
            if let Given::Scalar(value) = given {
                let text = scalar_text(engine, value);
                let printed = snapshot.printed(&rule.table, column, &text).await?;
                *value = Scalar::Text(printed);
            }
        }
    }
    Ok(())
}

/// The file sets that are archived: all but those that are left out by hand.
fn file_sets(request: &BackupRequest) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let BackupRequest {
        source, without, ..
    } = request;
    let optional = |name: &String| {
        let rules = source.file_rules.iter().find(|rules| rules.set == *name);
        rules.is_some_and(|rules| rules.optional)
    };
    if let Some(set) = without.iter().find(|name| !optional(name)) {
        return Err(BackupError::NotOptional { set: set.clone() });
    }
    let sets = source.file_sets.iter();
    Ok(sets
        .filter(|(name, _)| !without.contains(name))
        .cloned()
        .collect())
}

/// The columns that name files which a program may make anew.
fn named(
    rules: &[FileRules],
    facts: &engine::Database,
    policy: &policy::Policy,
) -> Result<Vec<Named>, NoSuchColumn> {
    let mut named = Vec::new();
    for rules in rules {
        if let Some(transform) = &rules.transform {
            let found = Named::find(&rules.set, &transform.columns, &facts.schema, policy)?;
            named.extend(found);
        }
    }
    Ok(named)
}

/// The transaction that rows are read through.
pub(crate) enum Reader<'a> {
    /// A backup's own, which ends once the rows are read.
    Snapshot(Box<dyn engine::Snapshot>),
    /// A restore's, which goes on.
    Session(&'a mut dyn engine::ReplaceSession),
}

impl Reader<'_> {
    async fn export(
        &mut self,
        table: &policy::TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        match self {
            Self::Snapshot(snapshot) => snapshot.export(table, parts).await,
            Self::Session(session) => session.export(table, parts).await,
        }
    }
}

/// Archives what `plan` says, rows first, into `out`.
///
/// # Errors
/// [`BackupError`].
pub(crate) async fn archive(
    mut reader: Reader<'_>,
    plan: Plan,
    out: impl Write + Send + 'static,
    progress: Progress,
) -> Result<BackupReport, BackupError> {
    let tables = plan.policy.tables.clone();
    let (work, queue) = mpsc::channel(QUEUE);
    let (ready, rows_may_come) = oneshot::channel();
    let packing = {
        let progress = progress.clone();
        tokio::task::spawn_blocking(move || pack::run(&plan, out, (ready, queue), &progress))
    };
    let fed = if rows_may_come.await.is_ok() {
        progress.begin(Phase::Rows, 0);
        feed(&mut reader, &tables, work, &progress).await
    } else {
        Err(Feed::HungUp)
    };
    // A snapshot stays open until the rows are through and no longer.
    drop(reader);
    let packed = packing.await.map_err(|_| BackupError::Defect)?;
    match (fed, packed) {
        // The packing thread hanging up is how its errors show here, so its own error is the one that explains.
        (Err(Feed::HungUp), Ok(_)) => Err(BackupError::Defect),
        (_, Err(error)) if !matches!(error, BackupError::Cancelled) => Err(error),
        (Err(Feed::Error(error)), _) => Err(error),
        (_, packed) => packed,
    }
}

enum Feed {
    Error(BackupError),
    HungUp,
}

/// Reads all tables and hands their parts on. Dropping `work` without [`Work::Finish`] makes the packing thread stop.
async fn feed(
    reader: &mut Reader<'_>,
    tables: &[policy::TablePolicy],
    work: mpsc::Sender<Work>,
    progress: &Progress,
) -> Result<(), Feed> {
    let work = &work;
    for table in tables {
        work.send(Work::Table(table.table.clone()))
            .await
            .map_err(|_| Feed::HungUp)?;
        let (parts, mut received) = mpsc::channel(1);
        // Owns the receiver: when it stops, the export's next part finds nobody and the export ends early.
        let forward = async move {
            while let Some(part) = received.recv().await {
                if progress.cancelled() {
                    return Err(Feed::Error(BackupError::Cancelled));
                }
                work.send(Work::Part(part))
                    .await
                    .map_err(|_| Feed::HungUp)?;
            }
            Ok(())
        };
        let (exported, forwarded) = tokio::join!(reader.export(table, parts), forward);
        forwarded?;
        exported.map_err(|error| Feed::Error(error.into()))?;
        if progress.cancelled() {
            return Err(Feed::Error(BackupError::Cancelled));
        }
    }
    work.send(Work::Finish).await.map_err(|_| Feed::HungUp)
}
