//! Reads all of an archive once, and says what it holds and what is to be said of it.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::fmt;

use super::{
    Archive, ForeignError, Found, Overview, Problem, Row, RowStream, TableInfo, Value,
    archive::{About, Body, config},
    dbackup,
    examine::{At, Examine, Files},
    nojoin, nosdesk,
    report::Report,
    zip,
};
use crate::{archive::Step, digest::Hasher};

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All rows. Of the files only what the directory says.
    Rows,
    /// Every byte.
    Everything,
}

/// Columns of one table that are remembered at most.
const COLUMNS: usize = 2_000;

/// Reads an archive and examines it, given the ranges that it asks for.
pub struct Survey<'a> {
    archive: &'a Archive,
    rules: Rules,
    report: Report,
    files: Files,
    tasks: VecDeque<Task>,
    doing: Option<Doing>,
    tables: Vec<Counted>,
    by_name: BTreeMap<Arc<str>, usize>,
    found: Vec<Found>,
    overview: Overview,
    depth: Depth,
    /// A document has said what it is.
    described: bool,
}

impl fmt::Debug for Survey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Survey")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// The rules of the product; those of DBackup are told more than rows.
enum Rules {
    Boxed(Box<dyn Examine + Send>),
    DBackup(dbackup::Rules),
}

impl Rules {
    fn examine(&mut self) -> &mut dyn Examine {
        match self {
            Self::Boxed(rules) => &mut **rules,
            Self::DBackup(rules) => rules,
        }
    }
}

#[derive(Debug)]
enum Task {
    /// By its place among the tables of the ZIP.
    Table(usize),
    Document,
    Config,
    /// By its place among the files.
    File(usize),
}

enum Doing {
    Table(usize, Box<RowStream>),
    Document(Box<RowStream>),
    Config(Box<zip::Reader>, Vec<u8>),
    File(usize, Box<zip::Reader>, Hasher, u64),
}

#[derive(Default)]
struct Counted {
    info: TableInfo,
    known: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    /// Begins.
    #[must_use]
    pub fn new(archive: &'a Archive, depth: Depth) -> Self {
        let mut report = Report::default();
        archive
            .problems
            .iter()
            .for_each(|problem| report.add(problem.clone()));
        let sealed = archive.sealed.is_some();
        let (rules, format, app_version, created_at, facts) = match &archive.about {
            About::Nosdesk(manifest) => (
                Rules::Boxed(Box::new(nosdesk::Rules::new(manifest.files, sealed))),
                manifest.format.to_string(),
                manifest.app_version.clone(),
                manifest.created_at.clone(),
                manifest.facts.clone(),
            ),
            About::Nojoin(info) => (
                Rules::Boxed(Box::new(nojoin::Rules::new(info.clone()))),
                info.format.to_string(),
                info.app_version.clone(),
                info.created_at.clone(),
                info.facts.clone(),
            ),
            About::DBackup { profile } => (
                Rules::DBackup(dbackup::Rules::new(profile.clone())),
                "system backup".to_string(),
                None,
                None,
                Vec::new(),
            ),
        };
        let files = Files::new(archive.files());
        let mut tasks = VecDeque::new();
        let mut tables = Vec::new();
        match &archive.body {
            Body::Zip { tables: of, .. } => {
                tasks.extend((0..of.len()).map(Task::Table));
                tasks.push_back(Task::Config);
                if depth == Depth::Everything {
                    tasks.extend((0..files.all().len()).map(Task::File));
                }
                tables.extend(of.iter().map(|table| Counted {
                    info: TableInfo {
                        name: table.name.clone(),
                        source: table.entry.clone(),
                        ..TableInfo::default()
                    },
                    known: BTreeSet::new(),
                }));
            }
            Body::Stream { .. } => tasks.push_back(Task::Document),
        }
        Self {
            archive,
            rules,
            report,
            files,
            tasks,
            doing: None,
            tables,
            by_name: BTreeMap::new(),
            found: Vec::new(),
            depth,
            described: false,
            overview: Overview {
                product: archive.product(),
                format,
                app_version,
                created_at,
                sealed: archive.sealed.clone(),
                sensitive: false,
                facts,
                tables: Vec::new(),
                rows: 0,
                files: Vec::new(),
                file_bytes: 0,
                files_read: depth == Depth::Everything,
                findings: Vec::new(),
                more_findings: 0,
                errors: 0,
            },
        }
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ForeignError::Archive`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        match &mut self.doing {
            Some(Doing::Table(_, stream) | Doing::Document(stream)) => stream.feed(bytes),
            Some(Doing::Config(reader, _) | Doing::File(_, reader, ..)) => Ok(reader.feed(bytes)?),
            None => Err(crate::request::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            }
            .into()),
        }
    }

    /// Does a bounded piece of work. What is wrong with one table or file is a finding, and the next is read.
    ///
    /// # Errors
    /// What forbids to go on: a document that is none, or a file that changed while it was read.
    pub fn step(&mut self) -> Result<Step, ForeignError> {
        loop {
            let Some(doing) = self.doing.take() else {
                let Some(task) = self.tasks.pop_front() else {
                    return Ok(Step::Done);
                };
                self.doing = self.begin(&task);
                continue;
            };
            let (step, doing) = match doing {
                Doing::Table(index, stream) => self.table(index, stream),
                Doing::Document(stream) => self.document(stream)?,
                Doing::Config(reader, json) => self.config(reader, json),
                Doing::File(index, reader, hasher, size) => self.file(index, reader, hasher, size),
            };
            self.doing = doing;
            if step != Step::Done {
                return Ok(step);
            }
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Overview {
        if self.depth == Depth::Rows {
            for index in 0..self.files.all().len() {
                let size = self.files.all().get(index).map_or(0, |file| file.size);
                self.files.compare(index, size, None, &mut self.report);
            }
        }
        self.rules
            .examine()
            .end(&mut self.overview, &mut self.report, &self.files);
        let (findings, more, errors) = self.report.finish();
        Overview {
            rows: self.tables.iter().map(|table| table.info.rows).sum(),
            tables: self.tables.into_iter().map(|table| table.info).collect(),
            file_bytes: self.files.bytes(),
            files: self.files.into_all(),
            findings,
            more_findings: more,
            errors,
            ..self.overview
        }
    }

    fn begin(&mut self, task: &Task) -> Option<Doing> {
        match task {
            Task::Table(index) => {
                let name = self.tables.get(*index)?.info.name.clone();
                match RowStream::new(self.archive, &name) {
                    Ok(stream) => Some(Doing::Table(*index, Box::new(stream))),
                    Err(error) => {
                        self.damaged(&name, &error);
                        None
                    }
                }
            }
            Task::Document => {
                RowStream::all(self.archive).map(|stream| Doing::Document(Box::new(stream)))
            }
            Task::Config => {
                config(self.archive).map(|reader| Doing::Config(Box::new(reader), Vec::new()))
            }
            Task::File(index) => {
                let entry = self.files.all().get(*index)?.entry.clone();
                match self.archive.file(&entry) {
                    Ok(reader) => Some(Doing::File(*index, Box::new(reader), Hasher::new(), 0)),
                    // Why it can't be read is among the findings of the directory.
                    Err(_) => None,
                }
            }
        }
    }

    fn damaged(&mut self, entry: &str, error: &ForeignError) {
        self.report.add(Problem::Entry {
            entry: entry.to_string(),
            why: error.to_string(),
        });
    }

    fn table(&mut self, index: usize, mut stream: Box<RowStream>) -> (Step, Option<Doing>) {
        let step = stream.step(&mut self.found);
        for found in core::mem::take(&mut self.found) {
            self.row(index, found);
        }
        let entry = self
            .tables
            .get(index)
            .map(|table| table.info.source.clone())
            .unwrap_or_default();
        match step {
            Ok(Step::Done) => {
                self.compare(index, &stream);
                (Step::Done, None)
            }
            Ok(step) => (step, Some(Doing::Table(index, stream))),
            Err(error) => {
                self.damaged(&entry, &error);
                (Step::Done, None)
            }
        }
    }

    /// A table against the archive's list.
    fn compare(&mut self, index: usize, stream: &RowStream) {
        let Body::Zip { tables, .. } = &self.archive.body else {
            return;
        };
        let (Some(table), Some(counted)) = (tables.get(index), self.tables.get(index)) else {
            return;
        };
        let Some(listed) = table.listed else { return };
        if listed.count != counted.info.rows {
            self.report.add(Problem::RowCount {
                table: table.name.clone(),
                declared: listed.count,
                found: counted.info.rows,
            });
        }
        if listed.sha256 != stream.digest() {
            self.report.add(Problem::TableDigest(table.name.clone()));
        }
    }

    fn row(&mut self, index: usize, found: Found) {
        let Some(counted) = self.tables.get_mut(index) else {
            return;
        };
        match found {
            Found::Row { table, number, row } => {
                counted.info.rows += 1;
                counted.columns(&row);
                let at = At {
                    table: &table,
                    row: number,
                };
                let examine = self.rules.examine();
                examine.row(&at, &row, &mut self.report, &mut self.files);
            }
            Found::Bad { table, number, why } => {
                counted.info.rows += 1;
                self.report.add(Problem::Row {
                    table: table.to_string(),
                    row: number,
                    why,
                });
            }
            Found::Part(_) | Found::Metadata(_) => {}
        }
    }

    fn document(
        &mut self,
        mut stream: Box<RowStream>,
    ) -> Result<(Step, Option<Doing>), ForeignError> {
        let step = stream.step(&mut self.found)?;
        for found in core::mem::take(&mut self.found) {
            match found {
                Found::Part(key) => {
                    if let Rules::DBackup(rules) = &mut self.rules {
                        rules.begins(&key, &mut self.report);
                    }
                    if let Some(name) = dbackup::table(&key) {
                        self.counted(name, &key);
                    }
                }
                Found::Metadata(raw) => {
                    let metadata = dbackup::metadata(&raw)?;
                    self.described = true;
                    self.overview.app_version.clone_from(&metadata.version);
                    self.overview.created_at.clone_from(&metadata.exported_at);
                    for (name, is) in [
                        ("secrets", metadata.include_secrets),
                        ("statistics", metadata.include_statistics),
                    ] {
                        let said = if is { "included" } else { "left out" };
                        self.overview
                            .facts
                            .push((name.to_string(), said.to_string()));
                    }
                    if let Rules::DBackup(rules) = &mut self.rules {
                        rules.describe(metadata);
                    }
                }
                Found::Row { ref table, .. } | Found::Bad { ref table, .. } => {
                    let index = self.counted(table, "");
                    self.row(index, found);
                }
            }
        }
        if step != Step::Done {
            return Ok((step, Some(Doing::Document(stream))));
        }
        if self.described {
            Ok((Step::Done, None))
        } else {
            Err(ForeignError::NotSystemBackup("it has no metadata"))
        }
    }

    /// The place of a table of a document, which may be new.
    fn counted(&mut self, name: &str, source: &str) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = self.tables.len();
        self.by_name.insert(name.into(), index);
        let source = match (name, source) {
            ("Account", _) => "users[].accounts",
            ("_Notifications", _) => "jobNotifications",
            _ => source,
        };
        self.tables.push(Counted {
            info: TableInfo {
                name: name.to_string(),
                source: source.to_string(),
                ..TableInfo::default()
            },
            known: BTreeSet::new(),
        });
        index
    }

    fn config(&mut self, mut reader: Box<zip::Reader>, mut json: Vec<u8>) -> (Step, Option<Doing>) {
        match reader.step(&mut json) {
            Ok(Step::Done) => {
                let part = String::from_utf8(json)
                    .ok()
                    .filter(|text| Row::parse(text.as_bytes()).is_ok());
                match part {
                    Some(text) => {
                        let value = Value::Json(text.trim_start().into());
                        let examine = self.rules.examine();
                        examine.part(nojoin::CONFIG, &value, &mut self.report);
                    }
                    None => self.report.add(Problem::Entry {
                        entry: nojoin::CONFIG.to_string(),
                        why: "it is not a JSON object".to_string(),
                    }),
                }
                (Step::Done, None)
            }
            Ok(step) => (step, Some(Doing::Config(reader, json))),
            Err(error) => {
                self.damaged(nojoin::CONFIG, &error.into());
                (Step::Done, None)
            }
        }
    }

    fn file(
        &mut self,
        index: usize,
        mut reader: Box<zip::Reader>,
        mut hasher: Hasher,
        mut size: u64,
    ) -> (Step, Option<Doing>) {
        let mut content = Vec::new();
        match reader.step(&mut content) {
            Ok(Step::Done) => {
                let digest = Some(hasher.finish());
                self.files.compare(index, size, digest, &mut self.report);
                (Step::Done, None)
            }
            Ok(step) => {
                hasher.update(&content);
                size += content.len() as u64;
                (step, Some(Doing::File(index, reader, hasher, size)))
            }
            Err(error) => {
                let entry = self
                    .files
                    .all()
                    .get(index)
                    .map(|file| file.entry.clone())
                    .unwrap_or_default();
                self.damaged(&entry, &error.into());
                (Step::Done, None)
            }
        }
    }
}

impl Counted {
    fn columns(&mut self, row: &Row) {
        if row.values.len() == self.known.len()
            && row.values.iter().all(|(name, _)| self.known.contains(name))
        {
            return;
        }
        for (name, _) in &row.values {
            if self.known.len() < COLUMNS && !self.known.contains(name) {
                self.known.insert(name.clone());
                self.info.columns.push(name.clone());
            }
        }
    }
}
