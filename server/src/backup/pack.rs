//! From an engine's parts and folders of files to an archive: threads side by side make each part and file ready, and one
//! writes them in the archive's order.

use std::{
    collections::{BTreeSet, HashMap},
    io::Write,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use coffer_core::{
    app_secret::{AppSecret, Wrapping},
    manifest::{
        EntryDigest, FORMAT_VERSION, FileSet, LeftOut, Manifest, Notice, Product, TableData,
        Transformed,
    },
    policy::Policy,
    schema::TableName,
    withhold::{FreshSecrets, RowRules},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    BackupError, BackupReport, SealTo, Work, fresh_secrets,
    lane::{self, Made, Rewriting, Task, Transforming, Withhold},
    names::EntryNames,
    write::{FileName, Step, Writer},
};
use crate::{
    app_secrets::AppSecretsError,
    engine::Database,
    files::{FilesError, Found, Walk, walk},
    lanes::{self, Lanes},
    progress::{Phase, Progress},
    source::FileRules,
    transform::{Named, Planned, Renames, Transform, Transformer, program_name, sweep},
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
    /// The columns that name files which a program may make anew.
    pub(crate) named: Vec<Named>,
    /// The application's own secrets that are taken off values.
    pub(crate) app_secrets: Vec<(String, AppSecret)>,
    /// A folder that isn't there holds no files, instead of being an error.
    pub(crate) missing_folders_are_empty: bool,
    pub(crate) seal: Option<SealTo>,
}

/// Works until everything is written, or until the other side hangs up. `ready` is told once rows may come.
pub(super) fn run(
    plan: &Plan,
    out: impl Write + Send,
    (ready, queue): (oneshot::Sender<()>, mpsc::Receiver<Work>),
    progress: &Progress,
) -> Result<BackupReport, BackupError> {
    let withheld = Withheld::new(plan)?;
    let (writer, file_key) = Writer::begin(out, plan.seal.as_ref(), progress.clone())?;
    let (fed, written) = thread::scope(|scope| {
        // As many results may be under way as there are threads, and one that waits for being written.
        let (to_write, steps) = sync_channel(lanes::count());
        let writing = scope.spawn(|| writer.run(steps));
        let feeding = Feeding {
            withheld,
            lanes: Lanes::start(scope, |task, to: &SyncSender<Made>| {
                lane::work(task, to, progress);
            }),
            to_write,
            plan,
            progress,
            names: EntryNames::default(),
            walked: Walked::default(),
        };
        let fed = feeding.run(ready, queue);
        (fed, writing.join().unwrap_or(Err(BackupError::Defect)))
    });
    // Why the writing thread stopped explains more than that it did.
    let mut writer = written?;
    let Walked {
        mut notices,
        left_out,
        renames,
    } = fed?;
    for set in &mut writer.sets {
        if let (Some(outcome), Some(renames)) = (&mut set.transform, &renames) {
            outcome.unnamed = renames.unnamed(&set.name);
        }
    }
    let files_index = writer.index()?;
    progress.begin(Phase::Finishing, 0);
    notices.append(&mut writer.notices);
    let tables = std::mem::take(&mut writer.tables);
    let file_sets = std::mem::take(&mut writer.sets);
    let mut manifest = manifest(plan, tables, file_sets, files_index, notices);
    manifest.left_out.extend(left_out);
    let rules = plan.policy.rows_left_out.iter();
    let told = rules.map(|rule| {
        let counts = writer.left_out.get_mut(&rule.table);
        // They come in the order of the table's rules, each once.
        let rows = counts.filter(|counts| !counts.is_empty());
        rule.left_out(rows.map_or(0, |counts| counts.remove(0)))
    });
    manifest.left_out.extend(told);
    let (manifest_digest, bytes) = writer.finish(&manifest)?;
    Ok(BackupReport {
        manifest,
        manifest_digest,
        file_key,
        bytes,
    })
}

/// What was noticed on the way.
#[derive(Default)]
struct Walked {
    notices: Vec<Notice>,
    left_out: Vec<LeftOut>,
    /// What rows were told of transformed files.
    renames: Option<Arc<Renames>>,
}

/// A file set that was walked through.
struct Listed<'a> {
    name: &'a str,
    transform: Option<&'a Transform>,
    files: Vec<Found>,
}

/// The rules for credentials that look at whole rows.
struct Withheld {
    rules: HashMap<TableName, Arc<RowRules>>,
    unwrapping: HashMap<TableName, Arc<Wrapping>>,
    secrets: Arc<FreshSecrets>,
}

impl Withheld {
    fn new(plan: &Plan) -> Result<Self, BackupError> {
        let Plan { facts, policy, .. } = plan;
        let (mut rules, mut unwrapping) = (HashMap::new(), HashMap::new());
        for table in &facts.schema.tables {
            let (marks, secrets) = (&policy.app_secrets, &plan.app_secrets);
            if !secrets.is_empty() {
                let own = Wrapping::new(facts.engine, table, marks, secrets, None);
                if let Some(own) = own.map_err(AppSecretsError::from)? {
                    unwrapping.insert(table.name.clone(), Arc::new(own));
                }
            }
            if let Some(own) =
                RowRules::new(facts.engine, table, &policy.rows, &policy.rows_left_out)?
            {
                rules.insert(table.name.clone(), Arc::new(own));
            }
        }
        Ok(Self {
            rules,
            unwrapping,
            secrets: Arc::new(fresh_secrets()?),
        })
    }

    fn of(&self, table: &TableName) -> Option<Withhold> {
        let rules = self.rules.get(table)?.clone();
        Some(Withhold {
            rules,
            secrets: self.secrets.clone(),
        })
    }
}

/// The thread that says what comes next. Dropping it ends the others.
struct Feeding<'a> {
    withheld: Withheld,
    lanes: Lanes<Task, Made>,
    to_write: SyncSender<Step>,
    plan: &'a Plan,
    progress: &'a Progress,
    names: EntryNames,
    walked: Walked,
}

impl Feeding<'_> {
    fn run(
        mut self,
        ready: oneshot::Sender<()>,
        mut queue: mpsc::Receiver<Work>,
    ) -> Result<Walked, BackupError> {
        // Rows that name transformed files say what these are called then, so the files come first. Nothing is read from
        // the database meanwhile, and what was to be read is held by its snapshot.
        let (first, others): (Vec<_>, Vec<_>) = self
            .plan
            .file_sets
            .iter()
            .partition(|(set, _)| self.plan.named.iter().any(|named| named.set == *set));
        if !first.is_empty() {
            self.sets(&first)?;
            let (to, renamed) = sync_channel(1);
            self.step(Step::Renamed(to))?;
            let renamed = renamed.recv().map_err(|_| BackupError::Defect)?;
            self.walked.renames = Some(Arc::new(Renames::new(renamed, &self.plan.named)));
        }
        // Whoever waits for it has gone only if the backup was given up.
        ready.send(()).map_err(|()| BackupError::Cancelled)?;
        let mut renames = None;
        let (mut rules, mut unwrap) = (None, None);
        let mut parts = 0;
        loop {
            match queue.blocking_recv() {
                Some(Work::Table(table)) => {
                    let all = self.walked.renames.as_ref();
                    renames = all
                        .filter(|all| all.concerns(&table))
                        .map(|all| (table.clone(), all.clone()));
                    rules = self.withheld.of(&table);
                    unwrap = self.withheld.unwrapping.get(&table).cloned();
                    self.step(Step::Table(table))?;
                }
                Some(Work::Part(part)) => {
                    let rewriting = Rewriting {
                        withhold: rules.clone(),
                        unwrap: unwrap.clone(),
                        number: parts,
                        renames: renames.clone(),
                    };
                    parts += 1;
                    let made = self.begin(Task::Part(part, rewriting))?;
                    self.step(Step::Part(made))?;
                }
                Some(Work::Finish) => {
                    self.sets(&others)?;
                    return Ok(self.walked);
                }
                None => return Err(BackupError::Cancelled),
            }
        }
    }

    /// Archives file sets. All are listed before the first is read, so that a folder that isn't there is told at once.
    fn sets(&mut self, sets: &[&(String, PathBuf)]) -> Result<(), BackupError> {
        let mut listed = Vec::new();
        for (name, folder) in sets {
            let rules = self.plan.file_rules.iter().find(|rules| rules.set == *name);
            let leave_out = rules.map(|rules| rules.leave_out.clone());
            let walk = if self.plan.missing_folders_are_empty && !folder.exists() {
                Walk::default()
            } else {
                walk(name, folder, &leave_out.unwrap_or_default())?
            };
            self.walked.notices.extend(walk.notices);
            self.walked.left_out.extend(walk.left_out);
            listed.push(Listed {
                name,
                transform: rules.and_then(|rules| rules.transform.as_ref()),
                files: walk.found,
            });
        }
        listed.into_iter().try_for_each(|set| self.set(set))
    }

    fn set(&mut self, set: Listed<'_>) -> Result<(), BackupError> {
        let (transformer, planned) = match set.transform {
            Some(transform) => (
                Some(self.transformer(transform)?),
                transform.plan(&set.files),
            ),
            None => (None, Vec::new()),
        };
        let outcome = set.transform.map(|transform| Transformed {
            program: program_name(transform),
            new_suffix: transform.new_suffix.clone(),
            files: 0,
            original_bytes: 0,
            kept: 0,
            unnamed: None,
        });
        self.step(Step::Set(set.name.to_owned(), outcome))?;
        let planned = planned.into_iter().chain(std::iter::repeat(Planned::Keep));
        for (file, planned) in set.files.into_iter().zip(planned) {
            if self.progress.cancelled() {
                return Err(BackupError::Cancelled);
            }
            let name = self.name(set.name, file.path.clone());
            let (transforming, renamed) = match (planned, &transformer) {
                (Planned::Transform(path), Some(transformer)) => {
                    let renamed = if path == name.path {
                        // The same entry, since both are never written.
                        FileName {
                            entry: name.entry.clone(),
                            path,
                        }
                    } else {
                        self.name(set.name, path)
                    };
                    (Transforming::By(transformer.clone()), Some(renamed))
                }
                (Planned::Taken(path), Some(_)) => (
                    Transforming::Refused(format!("another file would be called {path} too")),
                    None,
                ),
                _ => (Transforming::No, None),
            };
            let made = self.begin(Task::File(file, transforming))?;
            self.step(Step::File {
                name,
                renamed,
                made,
            })?;
        }
        Ok(())
    }

    fn transformer(&self, transform: &Transform) -> Result<Arc<Transformer>, BackupError> {
        sweep();
        let made = Transformer::new(transform);
        let folder = std::env::temp_dir();
        made.map(Arc::new)
            .map_err(FilesError::at("keep results in", &folder))
            .map_err(BackupError::from)
    }

    fn name(&mut self, set: &str, path: String) -> FileName {
        let entry = self.names.entry_for(set, &path);
        FileName { path, entry }
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
        app_secrets: policy.app_secrets.clone(),
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
