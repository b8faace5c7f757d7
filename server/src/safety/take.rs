//! Taking a safety backup, and seeing it through to the end of its restore.

use std::{fs::File, io::BufWriter, path::PathBuf, sync::Arc};

use coffer_core::{
    digest::push_hex,
    manifest::{LeftOut, LeftOutReason, Product},
    policy::{self, Policy},
    schema::{Schema, TableName},
};

use super::{
    Content, Occasion, Record, Restored, SafetyBackup, SafetyError, SafetyFolder, SafetyStore,
    SetContent, State, TableContent, content, folder::Begun, record,
};
use crate::{
    backup::{self, BackupError, BackupReport, Plan, Reader, SealTo},
    clock,
    engine::Database,
    files::FilesError,
    progress::Progress,
    read::{FileSource, OpenArchive, ReadError, Unlock},
    verify,
};

/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// What a safety backup is of.
pub(crate) struct Scope {
    /// The database, as [`crate::engine::Engine::target`] names it.
    pub(crate) target: String,
    /// What it says about itself inside of the transaction.
    pub(crate) database: Database,
    /// The rows of each of its tables.
    pub(crate) counts: Vec<(TableName, u64)>,
    /// The tables that will be replaced.
    pub(crate) tables: Vec<TableName>,
    /// The folders that will be replaced.
    pub(crate) file_sets: Vec<(String, PathBuf)>,
    /// What will be done.
    pub(crate) before: Occasion,
    /// What will be restored.
    pub(crate) restored: Restored,
}

/// A safety backup whose restore is going on. Dropped before its restore is about to commit, it is removed.
#[derive(Debug)]
pub(crate) struct Taken {
    folder: SafetyFolder,
    record: Record,
    lacks: Vec<String>,
    /// Locked, so that nobody takes the restore for an interrupted one.
    _archive: File,
}

/// Takes a safety backup: written, read back, and given its name.
///
/// # Errors
/// [`SafetyError`]; nothing of it is left then.
pub(crate) async fn take(
    store: &SafetyStore,
    reader: Reader<'_>,
    scope: Scope,
    progress: &Progress,
) -> Result<Taken, SafetyError> {
    let folder = SafetyFolder::make(&store.folder)?;
    let Begun {
        file,
        recipients,
        sender,
    } = folder.begin(&store.recipients)?;
    let now = clock::now();
    let id = format!("{}-{}", clock::name(now), random()?);
    let sets = folders(&scope.file_sets)?;
    progress.expect_rows(
        scope
            .counts
            .iter()
            .filter(|(table, _)| scope.tables.contains(table))
            .map(|(_, rows)| rows)
            .sum(),
    );
    let schema = scope.database.schema.clone();
    let plan = Plan {
        app: Product {
            name: scope.restored.app.clone(),
            version: None,
        },
        policy: only(&schema, &scope.tables)?,
        counts: scope.counts,
        created_at: clock::text(now),
        file_sets: sets.clone(),
        // Everything that is replaced is kept.
        file_rules: Vec::new(),
        named: Vec::new(),
        app_secrets: Vec::new(),
        missing_folders_are_empty: true,
        seal: Some(SealTo {
            recipients,
            sender: Some(sender),
            ..SealTo::default()
        }),
        facts: scope.database.clone(),
    };
    let write = |error| SafetyError::from(BackupError::Write(error));
    let out = BufWriter::with_capacity(BUFFER, file.reopen().map_err(write)?);
    let report = backup::archive(reader, plan, out, progress.clone()).await?;
    let stored = file.reopen().map_err(write)?;
    let (report, held) = {
        let (progress, names) = (progress.clone(), sets.clone());
        tokio::task::spawn_blocking(move || {
            let held = prove(stored, &report, &schema, &names, &progress)?;
            Ok::<_, SafetyError>((report, held))
        })
        .await
        .map_err(|_| SafetyError::Defect)??
    };
    let mut record = Record {
        coffer_safety: record::VERSION,
        id,
        serial: 0,
        created_at: clock::text(now),
        target: scope.target,
        database: scope.database.name,
        before: scope.before,
        restored: scope.restored,
        file_sets: sets,
        manifest: report.manifest_digest,
        bytes: report.bytes,
        held,
        state: State::Begun,
    };
    let archive = folder.publish(file, &mut record)?;
    Ok(Taken {
        folder,
        record,
        lacks: report
            .manifest
            .notices
            .iter()
            .map(ToString::to_string)
            .collect(),
        _archive: archive,
    })
}

fn random() -> Result<String, SafetyError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(BackupError::Random)?;
    let mut hex = Vec::with_capacity(8);
    push_hex(&random, &mut hex);
    Ok(String::from_utf8_lossy(&hex).into_owned())
}

/// The folders by their whole paths: whoever undoes may be elsewhere.
fn folders(sets: &[(String, PathBuf)]) -> Result<Vec<(String, PathBuf)>, SafetyError> {
    sets.iter()
        .map(|(name, folder)| {
            let whole = std::path::absolute(folder).map_err(FilesError::at("find", folder))?;
            Ok((name.clone(), whole))
        })
        .collect()
}

/// Every value of the selected tables, whatever a preset says of them, and nothing else.
fn only(schema: &Schema, tables: &[TableName]) -> Result<Policy, SafetyError> {
    let mut policy = policy::decide(schema, None, false, &[]).map_err(BackupError::Policy)?;
    // It is about to be kept from everybody in any case.
    policy.notices.clear();
    let (wanted, others) = policy
        .tables
        .into_iter()
        .partition(|policy| tables.contains(&policy.table));
    policy.tables = wanted;
    let others: Vec<policy::TablePolicy> = others;
    policy
        .left_out
        .extend(others.into_iter().map(|policy| LeftOut::Table {
            table: policy.table,
            reason: LeftOutReason::NotSelected,
            rows: None,
            detail: None,
        }));
    Ok(policy)
}

/// Reads the stored bytes again, each part and file of them, and says what they hold.
fn prove(
    stored: File,
    report: &BackupReport,
    schema: &Schema,
    sets: &[(String, PathBuf)],
    progress: &Progress,
) -> Result<Content, SafetyError> {
    let stored_otherwise = |error| match error {
        ReadError::Cancelled => BackupError::Cancelled.into(),
        error => SafetyError::Stored(error),
    };
    let key = report.file_key.clone().ok_or(SafetyError::Defect)?;
    let source = Arc::new(FileSource::of(stored).map_err(|error| stored_otherwise(error.into()))?);
    let archive = OpenArchive::open(source, &Unlock::FileKey(key)).map_err(stored_otherwise)?;
    verify::verify_rest(&archive, &[], progress).map_err(stored_otherwise)?;
    let index = archive.files().map_err(stored_otherwise)?;
    let table = |data: &coffer_core::manifest::TableData| TableContent {
        table: data.table.clone(),
        columns: content::columns(schema, &data.table).unwrap_or_default(),
        rows: data.rows,
        row_set: data.row_set,
    };
    Ok(Content {
        tables: archive.manifest.tables.iter().map(table).collect(),
        file_sets: sets
            .iter()
            .map(|(name, _)| SetContent::of_index(name, &index))
            .collect(),
    })
}

impl Taken {
    /// The restore is about to commit, and leaves this. From here on only [`Taken::discard`] removes the safety backup:
    /// whether it is needed is up to the database.
    pub(crate) fn arm(&mut self, left: Content) -> Result<(), SafetyError> {
        self.record.state = State::Committing { left };
        let guard = self.folder.lock()?;
        self.folder.write(&self.record, &guard)
    }

    /// The restore took effect.
    pub(crate) fn committed(mut self, store: &SafetyStore) -> SafetyBackup {
        if let State::Committing { left } = &self.record.state {
            self.record.state = State::Committed { left: left.clone() };
        }
        let recorded = self
            .folder
            .lock()
            .and_then(|guard| self.folder.write(&self.record, &guard))
            .and_then(|()| self.folder.prune(&self.record.target, store.keep));
        if let Err(error) = recorded {
            // The next restore tells from what the target holds that this one took effect.
            tracing::warn!(id = self.record.id, %error, "the record of a safety backup could not be brought up to date");
        }
        SafetyBackup {
            id: self.record.id.clone(),
            file: self.folder.archive(&self.record.id).display().to_string(),
            bytes: self.record.bytes,
            rows: self.record.rows(),
            files: self.record.files(),
            lacks: std::mem::take(&mut self.lacks),
        }
    }

    /// The restore failed, and certainly had no effect.
    pub(crate) fn discard(mut self) {
        self.record.state = State::Begun;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.record.state != State::Begun {
            return;
        }
        let removed = self
            .folder
            .lock()
            .and_then(|guard| self.folder.remove(&self.record.id, &guard));
        if let Err(error) = removed {
            tracing::warn!(id = self.record.id, %error, "a safety backup that is not needed could not be removed; the next restore does it");
        }
    }
}
