//! From an engine's parts and folders of files to an archive: threads side by side make each part and file ready, and one
//! writes them in the archive's order.

use std::{
    collections::BTreeSet,
    io::Write,
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use coffer_core::{
    manifest::{
        EntryDigest, FORMAT_VERSION, FileSet, LeftOut, Manifest, Notice, Product, TableData,
    },
    policy::Policy,
    schema::TableName,
};
use tokio::sync::mpsc;

use super::{
    BackupError, BackupReport, SealTo, Work,
    lane::{self, Made, Task},
    names::EntryNames,
    write::{Step, Writer},
};
use crate::{
    engine::Database,
    files::{Walk, walk},
    lanes::{self, Lanes},
    progress::{Phase, Progress},
    source::FileRules,
};

/// Everything that is known before the first row comes.
pub(crate) struct Plan {
    pub(crate) facts: Database,
    pub(crate) policy: Policy,
    pub(crate) counts: Vec<(TableName, u64)>,
    pub(crate) app: Product,
    pub(crate) created_at: String,
    pub(crate) file_sets: Vec<(String, PathBuf)>,
    pub(crate) file_rules: Vec<FileRules>,
    /// A folder that isn't there holds no files, instead of being an error.
    pub(crate) missing_folders_are_empty: bool,
    pub(crate) seal: Option<SealTo>,
}

/// Works until everything is written, or until the other side hangs up.
pub(super) fn run(
    plan: &Plan,
    out: impl Write + Send,
    queue: mpsc::Receiver<Work>,
    progress: &Progress,
) -> Result<BackupReport, BackupError> {
    let (writer, file_key) = Writer::begin(out, plan.seal.as_ref(), progress.clone())?;
    let (fed, written) = thread::scope(|scope| {
        // As many results may be under way as there are threads, and one that waits for being written.
        let (to_write, steps) = sync_channel(lanes::count());
        let writing = scope.spawn(|| writer.run(steps));
        let feeding = Feeding {
            lanes: Lanes::start(scope, |task, to: &SyncSender<Made>| {
                lane::work(task, to, progress);
            }),
            to_write,
        };
        let fed = feeding.run(plan, queue, progress);
        (fed, writing.join().unwrap_or(Err(BackupError::Defect)))
    });
    // Why the writing thread stopped explains more than that it did.
    let mut writer = written?;
    let Walked {
        mut notices,
        left_out,
    } = fed?;
    let files_index = writer.index()?;
    progress.begin(Phase::Finishing, 0);
    notices.append(&mut writer.notices);
    let tables = std::mem::take(&mut writer.tables);
    let file_sets = std::mem::take(&mut writer.sets);
    let mut manifest = manifest(plan, tables, file_sets, files_index, notices);
    manifest.left_out.extend(left_out);
    let (manifest_digest, bytes) = writer.finish(&manifest)?;
    Ok(BackupReport {
        manifest,
        manifest_digest,
        file_key,
        bytes,
    })
}

/// What the walk through the folders has noticed.
struct Walked {
    notices: Vec<Notice>,
    left_out: Vec<LeftOut>,
}

/// The thread that says what comes next. Dropping it ends the others.
struct Feeding {
    lanes: Lanes<Task, Made>,
    to_write: SyncSender<Step>,
}

impl Feeding {
    fn run(
        self,
        plan: &Plan,
        mut queue: mpsc::Receiver<Work>,
        progress: &Progress,
    ) -> Result<Walked, BackupError> {
        loop {
            match queue.blocking_recv() {
                Some(Work::Table(table)) => self.step(Step::Table(table))?,
                Some(Work::Part(part)) => self.step(Step::Part(self.begin(Task::Part(part))?))?,
                Some(Work::Finish) => return self.files(plan, progress),
                None => return Err(BackupError::Cancelled),
            }
        }
    }

    fn files(&self, plan: &Plan, progress: &Progress) -> Result<Walked, BackupError> {
        let (mut sets, mut notices, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (set, folder) in &plan.file_sets {
            let missing = plan.missing_folders_are_empty && !folder.exists();
            let rules = plan.file_rules.iter().find(|rules| rules.set == *set);
            let leave_out = rules.map(|rules| rules.leave_out.clone());
            let walk = if missing {
                Walk::default()
            } else {
                walk(set, folder, &leave_out.unwrap_or_default())?
            };
            notices.extend(walk.notices);
            left_out.extend(walk.left_out);
            sets.push((set, walk.found));
        }
        let mut names = EntryNames::default();
        for (set, found) in sets {
            self.step(Step::Set(set.clone()))?;
            for file in found {
                if progress.cancelled() {
                    return Err(BackupError::Cancelled);
                }
                let path = file.path.clone();
                let entry = names.entry_for(set, &path);
                let made = self.begin(Task::File(file))?;
                self.step(Step::File { path, entry, made })?;
            }
        }
        Ok(Walked { notices, left_out })
    }

    fn begin(&self, task: Task) -> Result<Receiver<Made>, BackupError> {
        self.lanes.begin(task).ok_or(BackupError::Defect)
    }

    /// Fails only after the writing thread, which has the error.
    fn step(&self, step: Step) -> Result<(), BackupError> {
        self.to_write.send(step).map_err(|_| BackupError::Defect)
    }
}

fn manifest(
    plan: &Plan,
    mut tables: Vec<TableData>,
    file_sets: Vec<FileSet>,
    files_index: Option<EntryDigest>,
    mut noticed: Vec<Notice>,
) -> Manifest {
    let Plan {
        facts,
        policy,
        counts,
        app,
        created_at,
        ..
    } = plan;
    let mut left_out = facts.left_out.clone();
    left_out.extend(policy.left_out.iter().cloned().map(|mut left_out| {
        if let LeftOut::Table { table, rows, .. } = &mut left_out {
            *rows = counts
                .iter()
                .find(|(name, _)| name == table)
                .map(|(_, rows)| *rows);
        }
        left_out
    }));
    let mut notices = policy.notices.clone();
    notices.append(&mut noticed);
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    let archived: BTreeSet<&TableName> = tables.iter().map(|table| &table.table).collect();
    let sequences = facts
        .sequences
        .iter()
        .filter(|sequence| {
            sequence
                .owned_by
                .as_ref()
                .is_none_or(|owner| archived.contains(&owner.table))
        })
        .cloned()
        .collect();
    Manifest {
        format_version: FORMAT_VERSION,
        tool: Product {
            name: "coffer".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        },
        app: app.clone(),
        engine: facts.engine,
        engine_version: facts.engine_version.clone(),
        created_at: created_at.clone(),
        contents: policy.contents,
        credentials: policy.credentials.clone(),
        migration: facts.migration.clone(),
        schema_sha256: facts.schema.hash(),
        schema: facts.schema.clone(),
        tables,
        sequences,
        file_sets,
        files_index,
        left_out,
        notices,
    }
}
