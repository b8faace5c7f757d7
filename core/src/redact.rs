//! A standard archive made of one that holds credentials, without the application and its database.
//!
//! [`decide`] says what goes, by the rules that the archive carries and those of a preset; a [`Redactor`] then walks the
//! archive once. Parts without credentials and files are copied as they are stored; parts with credentials are
//! written anew with placeholders. What was not ruled stays: free text and files can hold anything.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    string::String,
    vec,
    vec::Vec,
};

use crate::{
    archive::{
        self, ArchiveError, ArchiveWriter, CheckedReader, Directory, Entry, Fault, Finding, Limits,
        Step, pack,
    },
    manifest::{
        Contents, CredentialColumn, EntryDigest, FILES_INDEX_PATH, FileEntry, LeftOut,
        LeftOutReason, MANIFEST_PATH, Manifest, ManifestError, Notice, PartData, TableData,
    },
    policy::{self, ColumnPolicy, Given, Policy, PolicyError, Preset, Replacement, RowsLeftOut},
    rows::{PartCutter, RowCheck, RowError, RowReplacer, RowSet},
    schema::{Engine, Table, TableName},
    withhold::{FreshSecrets, RowRules, RowStream, WithholdError, scalar_text},
};

mod placeholder;
#[cfg(test)]
mod tests;

/// Why no standard archive can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// The archive holds no credentials.
    #[error("the archive is a standard one already: it holds no credentials; nothing was written")]
    Standard,
    /// Nobody says what is a credential.
    #[error(
        "the archive was taken without a preset and cannot say which columns hold credentials; nothing was written, \
         give a preset"
    )]
    NoRules,
    /// The preset is for another application than the one that the archive's rules are of.
    #[error(
        "the preset is for {preset:?}, and the archive is of {archive:?}; nothing was written, give the preset of that \
         application or none"
    )]
    OtherApp {
        /// The application of the archive.
        archive: String,
        /// The application of the preset.
        preset: String,
    },
    /// The preset doesn't fit the archive's schema.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// Without the database nobody knows how its type prints the preset's placeholder.
    #[error(
        "the preset's placeholder for {table}.{column} may not be how a column of type {type_name} prints it, and \
         there is no database to ask; nothing was written, use NULL or a placeholder in the type's own form"
    )]
    Placeholder {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The column's type.
        type_name: String,
    },
    /// The archive is damaged.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The rows of a table are damaged.
    #[error("the rows of {table} are damaged: {error}")]
    Rows {
        /// The table.
        table: TableName,
        /// What is wrong.
        error: RowError,
    },
    /// A rule can't be applied to a row.
    #[error("{0}")]
    Withhold(#[from] WithholdError),
    /// The new manifest contradicts itself.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
}

impl RedactError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Standard => "standard_already",
            Self::NoRules => "no_rules",
            Self::OtherApp { .. } => "other_app",
            Self::Policy(_) => "preset",
            Self::Placeholder { .. } => "placeholder",
            Self::Archive(error) => error.code(),
            Self::Rows { .. } | Self::Withhold(WithholdError::Row { .. }) => "rows_damaged",
            Self::Withhold(_) => "not_json",
            Self::Manifest(_) => "manifest_invalid",
        }
    }
}

/// What a standard archive holds of one with credentials, table by table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    policy: Policy,
    without_files: bool,
}

/// Decides what goes. The rules that the archive carries always apply; those of `preset` are added to them, and a table
/// that it leaves out goes whole.
///
/// # Errors
/// [`RedactError`].
pub fn decide(
    manifest: &Manifest,
    preset: Option<&Preset>,
    without_files: bool,
) -> Result<Redaction, RedactError> {
    match (manifest.contents, preset) {
        (Contents::Standard, _) => return Err(RedactError::Standard),
        (Contents::Unclassified, None) => return Err(RedactError::NoRules),
        (Contents::Sensitive, Some(preset)) if preset.app != manifest.app.name => {
            return Err(RedactError::OtherApp {
                archive: manifest.app.name.clone(),
                preset: preset.app.clone(),
            });
        }
        _ => {}
    }
    let carried = manifest.credentials.as_deref().unwrap_or_default();
    let policy =
        policy::decide_redaction(&manifest.schema, carried, preset, &manifest.app_secrets)?;
    if manifest.engine == Engine::Postgres {
        check_printed(manifest, carried, &policy)?;
    }
    Ok(Redaction {
        policy,
        without_files,
    })
}

/// Refuses values of a preset that PostgreSQL may print in another way: those of the archive's own rules were printed.
fn check_printed(
    manifest: &Manifest,
    carried: &[CredentialColumn],
    policy: &Policy,
) -> Result<(), RedactError> {
    let check = |table: &TableName, column: &str, text: &str| {
        let mut columns = stored(manifest, table)?.stored_columns();
        match columns.find(|stored| stored.name == column) {
            Some(stored) if !placeholder::is_printed(&stored.type_name, text) => {
                Err(RedactError::Placeholder {
                    table: table.clone(),
                    column: column.into(),
                    type_name: stored.type_name.clone(),
                })
            }
            _ => Ok(()),
        }
    };
    for table in &policy.tables {
        let columns = stored(manifest, &table.table)?.stored_columns();
        for (column, rule) in columns.zip(&table.columns) {
            let is_carried = carried
                .iter()
                .any(|rule| rule.table == table.table && rule.column == column.name);
            if let ColumnPolicy::Replace(Some(text)) = rule
                && !is_carried
            {
                check(&table.table, &column.name, text)?;
            }
        }
    }
    for rule in policy.rows.iter().filter(|rule| !carried.contains(rule)) {
        if let Replacement::Fixed(text) = rule.replacement()
            && rule.path.is_empty()
        {
            check(&rule.table, &rule.column, text)?;
        }
        for (column, given) in &rule.also_set {
            if let Given::Scalar(value) = given {
                check(&rule.table, column, &scalar_text(manifest.engine, value))?;
            }
        }
    }
    Ok(())
}

/// The shape of a table, which every table of a valid manifest has.
fn stored<'a>(manifest: &'a Manifest, name: &TableName) -> Result<&'a Table, RedactError> {
    let missing = || ManifestError::Schema(alloc::format!("table {name}"));
    Ok(manifest.schema.table(name).ok_or_else(missing)?)
}

/// One entry of the archive, and what becomes of it.
enum Task {
    Copy(Entry, EntryDigest),
    /// Part `part` of the table that `tables` has at `table`.
    Rewrite {
        table: usize,
        part: usize,
    },
}

/// A table whose rows are written anew.
struct Rewritten {
    /// Where it stands in the new manifest.
    at: usize,
    source: TableData,
    entries: Vec<Entry>,
    /// Each stored column, with the field that stands in place of its values.
    columns: Vec<(String, Option<Vec<u8>>)>,
    /// Rules that look at whole rows; they leave nothing for `columns` to do.
    rules: Option<RowRules>,
    /// The rows read so far.
    set: RowSet,
    /// What rules leave out of it, and how many rows so far.
    left_out: Vec<(RowsLeftOut, u64)>,
}

impl Rewritten {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    fn error(&self, error: RowError) -> RedactError {
        RedactError::Rows {
            table: self.source.table.clone(),
            error,
        }
    }
}

enum Reading {
    Copy(Box<CheckedReader>),
    Rows(Box<RowsReading>),
}

struct RowsReading {
    table: usize,
    part: usize,
    reader: CheckedReader,
    check: RowCheck,
    replacing: Replacing,
    cutter: PartCutter,
}

/// How the rows of a part are written anew.
enum Replacing {
    Fields(RowReplacer),
    Rows(RowStream),
}

/// Makes the standard archive piece by piece. It asks for ranges of the archive it is made of, and never holds more than
/// a part of it.
///
/// Every digest of what it reads is compared; what comes out before [`Step::Done`] is to be thrown away if an error
/// follows.
pub struct Redactor {
    limits: Limits,
    tasks: VecDeque<Task>,
    tables: Vec<Rewritten>,
    reading: Option<Reading>,
    secrets: FreshSecrets,
    manifest: Manifest,
    /// Gone when the archive is whole.
    writer: Option<ArchiveWriter>,
    content: Vec<u8>,
    rows: Vec<u8>,
}

impl core::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Redactor")
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Redactor {
    /// Starts on an archive with this directory, manifest and files index (parsed; empty if it has none). `redaction`
    /// was decided for this manifest; `secrets` are used for nothing else.
    ///
    /// # Errors
    /// [`RedactError`].
    pub fn new(
        directory: &Directory,
        manifest: &Manifest,
        files: &[FileEntry],
        redaction: &Redaction,
        limits: Limits,
        secrets: FreshSecrets,
    ) -> Result<Self, RedactError> {
        let findings = archive::account(directory, manifest, files);
        if !findings.is_empty() {
            return Err(ArchiveError::Profile(findings).into());
        }
        let mut result = redacted(manifest, redaction);
        let mut tables: Vec<Rewritten> = Vec::new();
        let mut tasks = Vec::new();
        for (at, data) in result.tables.iter_mut().enumerate() {
            let shape = stored(manifest, &data.table)?;
            let policy = redaction
                .policy
                .tables
                .iter()
                .find(|policy| policy.table == data.table)
                .ok_or_else(|| ManifestError::Schema(alloc::format!("table {}", data.table)))?;
            let entries = (0..data.parts.len())
                .map(|part| directory.entry(&data.part_path(part)).cloned())
                .collect::<Result<Vec<_>, _>>()?;
            let rules = RowRules::new(
                manifest.engine,
                shape,
                &redaction.policy.rows,
                &redaction.policy.rows_left_out,
            )?;
            let kept = |rule: &ColumnPolicy| *rule == ColumnPolicy::Keep;
            if rules.is_none() && policy.columns.iter().all(kept) {
                let digests = data.parts.iter().map(PartData::digest);
                tasks.extend(
                    entries
                        .into_iter()
                        .zip(digests)
                        .map(|(entry, digest)| (entry.offset, Task::Copy(entry, digest))),
                );
                continue;
            }
            let columns = shape.stored_columns().zip(&policy.columns);
            let columns = columns.map(|(column, rule)| {
                let field = match rule {
                    ColumnPolicy::Keep => None,
                    ColumnPolicy::Replace(text) => {
                        Some(placeholder::field(manifest.engine, column, text.as_deref()))
                    }
                };
                (column.name.clone(), field)
            });
            let columns = columns.collect();
            let left_out = redaction.policy.rows_left_out.iter();
            let left_out = left_out.filter(|rule| rule.table == data.table);
            let left_out: Vec<_> = left_out.map(|rule| (rule.clone(), 0)).collect();
            // In the order of its parts, wherever they lie, so that its rows keep their order.
            let first = entries.iter().map(|entry| entry.offset).min().unwrap_or(0);
            let table = tables.len();
            tasks.extend((0..data.parts.len()).map(|part| (first, Task::Rewrite { table, part })));
            let empty = TableData::empty(data.table.clone(), data.path.clone());
            tables.push(Rewritten {
                at,
                source: core::mem::replace(data, empty),
                entries,
                columns,
                rules,
                set: RowSet::new(),
                left_out,
            });
        }
        if let Some(index) = result.files_index {
            for file in files {
                let entry = directory.entry(&file.entry)?.clone();
                tasks.push((entry.offset, Task::Copy(entry, file.digest())));
            }
            let entry = directory.entry(FILES_INDEX_PATH)?.clone();
            tasks.push((entry.offset, Task::Copy(entry, index)));
        }
        tasks.sort_by_key(|(offset, _)| *offset);
        Ok(Self {
            limits,
            tasks: tasks.into_iter().map(|(_, task)| task).collect(),
            tables,
            reading: None,
            secrets,
            manifest: result,
            writer: Some(ArchiveWriter::new()),
            content: vec![],
            rows: vec![],
        })
    }

    /// The new archive's manifest: whole after [`Step::Done`].
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), RedactError> {
        match &mut self.reading {
            Some(Reading::Copy(reader)) => Ok(reader.feed(bytes)?),
            Some(Reading::Rows(rows)) => Ok(rows.reader.feed(bytes)?),
            None => Err(ArchiveError::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            }
            .into()),
        }
    }

    /// Does a bounded piece of work; whatever it answers, it may have appended bytes of the new archive to `out`.
    ///
    /// # Errors
    /// [`RedactError`].
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, RedactError> {
        let Some(writer) = &mut self.writer else {
            return Ok(Step::Done);
        };
        match &mut self.reading {
            Some(Reading::Copy(reader)) => {
                self.content.clear();
                let step = reader.step(&mut self.content)?;
                writer.push(&reader.take_raw(), out)?;
                if step == Step::Done {
                    writer.end(out)?;
                    self.reading = None;
                    return Ok(Step::Output);
                }
                Ok(step)
            }
            Some(Reading::Rows(_)) => self.step_rows(out),
            None => match self.tasks.pop_front() {
                Some(task) => {
                    let reading = self.start(task, out)?;
                    self.reading = Some(reading);
                    Ok(Step::Output)
                }
                None => {
                    self.finish(out)?;
                    Ok(Step::Done)
                }
            },
        }
    }

    fn start(&mut self, task: Task, out: &mut Vec<u8>) -> Result<Reading, RedactError> {
        match task {
            Task::Copy(entry, expected) => {
                let reader = CheckedReader::new(&entry, &expected, self.limits)?;
                if let Some(writer) = &mut self.writer {
                    writer.begin_copy(&entry, out)?;
                }
                Ok(Reading::Copy(Box::new(reader.keep_raw())))
            }
            Task::Rewrite { table, part } => {
                let rewritten = self.tables.get(table).ok_or(LOST)?;
                let entry = rewritten.entries.get(part).ok_or(LOST)?;
                let data = rewritten.source.parts.get(part).ok_or(LOST)?;
                let columns = rewritten.columns.iter();
                Ok(Reading::Rows(Box::new(RowsReading {
                    table,
                    part,
                    reader: CheckedReader::new(entry, &data.digest(), self.limits)?,
                    check: RowCheck::new(rewritten.names()),
                    replacing: match &rewritten.rules {
                        Some(rules) => Replacing::Rows(RowStream::new(rules)),
                        None => Replacing::Fields(RowReplacer::new(
                            columns.map(|(name, field)| (name.as_str(), field.clone())),
                        )),
                    },
                    cutter: PartCutter::new(rewritten.names()),
                })))
            }
        }
    }

    fn step_rows(&mut self, out: &mut Vec<u8>) -> Result<Step, RedactError> {
        let (Some(Reading::Rows(reading)), Some(writer)) = (&mut self.reading, &mut self.writer)
        else {
            return Err(LOST.into());
        };
        let table = self.tables.get(reading.table).ok_or(LOST)?;
        let data = self.manifest.tables.get_mut(table.at).ok_or(LOST)?;
        self.content.clear();
        let step = reading.reader.step(&mut self.content)?;
        let mut rest = self.content.as_slice();
        reading
            .check
            .push(rest)
            .map_err(|error| table.error(error))?;
        while !rest.is_empty() {
            self.rows.clear();
            rest = match (&mut reading.replacing, &table.rules) {
                (Replacing::Rows(stream), Some(rules)) => {
                    let number = (reading.table as u64) << 32 | reading.part as u64;
                    let secrets = self.secrets.of_part(number);
                    stream.push(rules, rest, &secrets, &mut self.rows)?
                }
                (Replacing::Fields(replacer), _) => {
                    let left = replacer.push(rest, &mut self.rows);
                    left.map_err(|error| table.error(error))?
                }
                (Replacing::Rows(_), None) => return Err(LOST.into()),
            };
            if let Some(part) = reading.cutter.push(&self.rows) {
                writer.add(&data.push(&part), &pack(part.text), out)?;
            }
        }
        if step == Step::Done {
            self.end_part(out)?;
            return Ok(Step::Output);
        }
        Ok(step)
    }

    /// Compares what a part held with the manifest, and writes what is left of it.
    fn end_part(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let (Some(Reading::Rows(reading)), Some(writer)) = (self.reading.take(), &mut self.writer)
        else {
            return Err(LOST.into());
        };
        let table = self.tables.get_mut(reading.table).ok_or(LOST)?;
        let ended = reading.check.finish();
        let (found, set) = ended.map_err(|error| table.error(error))?;
        let expected = table.source.parts.get(reading.part).ok_or(LOST)?.rows;
        let fault = |entry, fault| ArchiveError::Entry(Finding { entry, fault });
        if found != expected {
            let name = table.source.part_path(reading.part);
            return Err(fault(name, Fault::Rows { expected, found }).into());
        }
        table.set.add(set);
        if let Replacing::Rows(stream) = &reading.replacing {
            for ((_, rows), more) in table.left_out.iter_mut().zip(stream.left_out()) {
                *rows += more;
            }
        }
        if reading.part + 1 == table.entries.len() && table.set != table.source.row_set {
            return Err(fault(table.source.path.clone(), Fault::Digest).into());
        }
        let last = reading.cutter.finish();
        if let Some(part) = last.map_err(|error| table.error(error))? {
            let data = self.manifest.tables.get_mut(table.at).ok_or(LOST)?;
            writer.add(&data.push(&part), &pack(part.text), out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let Some(mut writer) = self.writer.take() {
            for (rule, rows) in self.tables.iter().flat_map(|table| &table.left_out) {
                tell(&mut self.manifest.left_out, rule, *rows);
            }
            writer.add(MANIFEST_PATH, &pack(self.manifest.to_json()?), out)?;
            writer.finish(out)?;
        }
        Ok(())
    }
}

/// What can't happen: the tasks are made together with the tables that they name.
const LOST: ArchiveError = ArchiveError::Misuse("a table is missing from the redaction");

/// Tells of rows that were left out, together with those that a backup left out by the same rule.
fn tell(told: &mut Vec<LeftOut>, rule: &RowsLeftOut, found: u64) {
    let left_out = rule.left_out(found);
    for other in told.iter_mut() {
        if let (
            LeftOut::Rows {
                table,
                condition,
                rows,
                ..
            },
            LeftOut::Rows {
                table: of,
                condition: same,
                ..
            },
        ) = (other, &left_out)
            && (&*table, &*condition) == (of, same)
        {
            *rows += found;
            return;
        }
    }
    told.push(left_out);
}

/// The manifest of the result. The figures of tables that are written anew are still those of the source.
fn redacted(manifest: &Manifest, redaction: &Redaction) -> Manifest {
    let Redaction {
        policy,
        without_files,
    } = redaction;
    let mut result = manifest.clone();
    result.contents = policy.contents;
    result.credentials = None;
    result.app_secrets.clone_from(&policy.app_secrets);
    for left_out in &policy.left_out {
        match left_out {
            LeftOut::Table { table, .. } => {
                let Some(data) = manifest.table(table) else {
                    continue;
                };
                let mut left_out = left_out.clone();
                if let LeftOut::Table { rows, .. } = &mut left_out {
                    *rows = Some(data.rows);
                }
                result.left_out.push(left_out);
                result.tables.retain(|data| data.table != *table);
            }
            // What is derived is not in the archive either, and listed already.
            LeftOut::Column { table, .. }
                if manifest.table(table).is_some() && !manifest.left_out.contains(left_out) =>
            {
                result.left_out.push(left_out.clone());
            }
            _ => {}
        }
    }
    let archived: BTreeSet<&TableName> = result.tables.iter().map(|data| &data.table).collect();
    result.sequences.retain(|sequence| {
        sequence
            .owned_by
            .as_ref()
            .is_none_or(|owner| archived.contains(&owner.table))
    });
    result
        .notices
        .retain(|notice| !matches!(notice, Notice::LooksLikeCredential { .. }));
    result.notices.extend(
        policy
            .notices
            .iter()
            .filter(|notice| match notice {
                Notice::LooksLikeCredential { table, .. } => archived.contains(table),
                _ => true,
            })
            .cloned(),
    );
    if *without_files {
        let sets = core::mem::take(&mut result.file_sets);
        result
            .left_out
            .extend(sets.into_iter().map(|set| LeftOut::FileSet {
                name: set.name,
                reason: LeftOutReason::Excluded,
            }));
        result.files_index = None;
        result.notices.retain(|notice| match notice {
            Notice::FileChanged { .. }
            | Notice::FileVanished { .. }
            | Notice::FileSkipped { .. }
            | Notice::NotTransformed { .. } => false,
            Notice::LooksLikeCredential { .. } => true,
        });
    }
    result
}
