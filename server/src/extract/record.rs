//! Taking single records out of an archive, each with all that belongs to it, the rows that these refer to, and the files
//! that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use coffer_core::{
    manifest::{Record, Selection, TableData},
    merge::{About, Gather, Program},
    plan::Mode,
    policy::{FileColumn, Preset, names},
    rows::{RowError, RowExport, Rows, TextFields, push_header},
    schema::{Table, TableName},
};
use serde::Serialize;

use super::{ExtractError, Format};
use crate::{
    progress::Progress,
    read::{OpenArchive, ReadError},
};

/// What was taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordReport {
    /// The tables with rows, in the order of their names.
    pub tables: Vec<RecordTable>,
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files that rows name and the archive lacks: the file set's name, a slash, and the path.
    pub missing_files: Vec<String>,
}

/// Rows of one table that were taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordTable {
    /// The table.
    pub table: String,
    /// Rows that are records that were asked for, or belong to one.
    pub belong: u64,
    /// Rows that these refer to.
    pub referred: u64,
}

/// Takes records out into a folder: `belongs/TABLE` and `referred/TABLE` in this format, and `files/SET/PATH`.
///
/// # Errors
/// [`ExtractError`]; what is in the folder then is not to be used.
pub fn record(
    archive: &OpenArchive,
    preset: &Preset,
    records: Vec<Record>,
    format: Format,
    folder: &Path,
    progress: &Progress,
) -> Result<RecordReport, ExtractError> {
    let manifest = &archive.manifest;
    let preset = preset.fitted(&manifest.schema);
    let selection = Selection::of_records(manifest, Some(&preset), records)?;
    let loaded: BTreeMap<TableName, Vec<String>> = manifest
        .schema
        .tables
        .iter()
        .map(|table| {
            let columns = table.stored_columns().map(|column| column.name.clone());
            (table.name.clone(), columns.collect())
        })
        .collect();
    // As into an installation that has nothing of it.
    let program = Program::new(
        Mode::Skip,
        manifest,
        &manifest.schema,
        &selection,
        Some(&preset),
        &loaded,
    )?;
    let found = gather(archive, &program, progress)?;
    let mut taken = Taken {
        archive,
        preset: &preset,
        format,
        folder,
        report: RecordReport::default(),
        files: BTreeSet::new(),
    };
    for (table, rows) in program.tables.iter().zip(&found) {
        taken.table(&table.table, rows)?;
    }
    taken.report.tables.sort_by(|a, b| a.table.cmp(&b.table));
    taken.files()?;
    Ok(taken.report)
}

/// The rows that the program's records are about, table by table.
fn gather(
    archive: &OpenArchive,
    program: &Program,
    progress: &Progress,
) -> Result<Vec<BTreeMap<u64, About>>, ExtractError> {
    let mut gather = Gather::new(program);
    while let Some(index) = gather.next_table() {
        if let Some(table) = program.tables.get(index) {
            each_row(archive, &table.table, progress, |number, fields, text| {
                let value = |column: usize| -> Option<String> {
                    let text = text.text(column, fields.get(column)?).ok()??;
                    Some(String::from_utf8_lossy(&text).into_owned())
                };
                gather.look(index, number, &value);
                Ok(())
            })?;
        }
    }
    if let Some(record) = gather.missing() {
        let table = archive.manifest.table(&record.table);
        return Err(ExtractError::NoSuchRecord {
            record: record.to_string(),
            rows: table.map_or(0, |table| table.rows),
        });
    }
    let tables = 0..program.tables.len();
    Ok(tables
        .map(|index| gather.found(index).cloned().unwrap_or_default())
        .collect())
}

/// Shows each row of a table: its number, its fields, and what reads them as text. Each part is compared with its digest first.
fn each_row(
    archive: &OpenArchive,
    name: &TableName,
    progress: &Progress,
    mut show: impl FnMut(u64, &[&[u8]], &TextFields) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    let (data, shape) = table_of(archive, name)?;
    let text = TextFields::new(archive.manifest.engine, shape);
    let in_table = in_table(name);
    let mut number = 0;
    for index in 0..data.parts.len() {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let part = archive.part(data, index)?;
        let columns = shape.stored_columns().map(|column| column.name.as_str());
        let mut rows = Rows::new(&part, columns).map_err(&in_table)?;
        while let Some(fields) = rows.next_fields().map_err(&in_table)? {
            show(number, &fields, &text)?;
            number += 1;
        }
    }
    Ok(())
}

fn in_table(name: &TableName) -> impl Fn(RowError) -> ReadError {
    let table = name.to_string();
    move |error| ReadError::Rows {
        table: table.clone(),
        error,
    }
}

fn table_of<'a>(
    archive: &'a OpenArchive,
    name: &TableName,
) -> Result<(&'a TableData, &'a Table), ExtractError> {
    let data = archive.manifest.table(name);
    let shape = archive.manifest.schema.table(name);
    data.zip(shape).ok_or_else(|| ExtractError::NotInArchive {
        what: format!("table {name}"),
    })
}

/// A file that rows are written to one by one.
struct RowFile {
    export: RowExport,
    out: BufWriter<File>,
    /// What a part of the table begins with.
    header: Vec<u8>,
    buffer: Vec<u8>,
}

impl RowFile {
    fn row(
        &mut self,
        fields: &[&[u8]],
        in_table: &dyn Fn(RowError) -> ReadError,
    ) -> Result<(), ExtractError> {
        let mut part = self.header.clone();
        part.extend_from_slice(&fields.join(&b'\t'));
        part.push(b'\n');
        let written = self.export.part(&part, &mut self.buffer);
        written.map_err(in_table)?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn end(mut self) -> Result<(), ExtractError> {
        self.export.end(&mut self.buffer);
        self.out.write_all(&self.buffer)?;
        Ok(self.out.flush()?)
    }
}

struct Taken<'a> {
    archive: &'a OpenArchive,
    preset: &'a Preset,
    format: Format,
    folder: &'a Path,
    report: RecordReport,
    /// The sets and paths of files that rows name.
    files: BTreeSet<(String, String)>,
}

impl Taken<'_> {
    /// Writes the rows of a table that were found.
    fn table(&mut self, name: &TableName, rows: &BTreeMap<u64, About>) -> Result<(), ExtractError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (_, shape) = table_of(self.archive, name)?;
        let named = self.naming(shape);
        let mut counted = RecordTable {
            table: name.to_string(),
            belong: 0,
            referred: 0,
        };
        let (mut files, in_table) = (Vec::new(), in_table(name));
        let (mut belongs, mut referred) = (None, None);
        each_row(
            self.archive,
            name,
            &Progress::default(),
            |number, fields, text| {
                let (writer, folder) = match rows.get(&number) {
                    None => return Ok(()),
                    Some(About::Belongs) => {
                        counted.belong += 1;
                        for (column, set, prefix) in &named {
                            let value = fields.get(*column).map(|field| text.text(*column, field));
                            let value = value.transpose().map_err(&in_table)?.flatten();
                            let value = value.as_deref().map(String::from_utf8_lossy);
                            let path = value
                                .as_deref()
                                .and_then(|value| value.strip_prefix(prefix));
                            files.extend(path.map(|path| (set.clone(), path.to_owned())));
                        }
                        (&mut belongs, "belongs")
                    }
                    Some(About::Referred) => {
                        counted.referred += 1;
                        (&mut referred, "referred")
                    }
                };
                let writer = match writer {
                    Some(writer) => writer,
                    None => writer.insert(self.writer(folder, shape)?),
                };
                writer.row(fields, &in_table)
            },
        )?;
        for writer in [belongs, referred].into_iter().flatten() {
            writer.end()?;
        }
        self.files.extend(files);
        self.report.tables.push(counted);
        Ok(())
    }

    fn writer(&self, folder: &str, shape: &Table) -> Result<RowFile, ExtractError> {
        let folder = self.folder.join(folder);
        fs::create_dir_all(&folder)?;
        let suffix = match self.format {
            Format::Stored => "tsv",
            Format::Csv => "csv",
            Format::Json => "json",
        };
        // Whatever a table is called, its name is no path.
        let name: String = shape.name.to_string();
        let name: String = name
            .chars()
            .map(|letter| {
                if letter == '/' || letter.is_control() {
                    '_'
                } else {
                    letter
                }
            })
            .collect();
        let file = File::create_new(folder.join(format!("{name}.{suffix}")))?;
        let mut header = Vec::new();
        let columns = shape.stored_columns().map(|column| column.name.as_str());
        push_header(columns, &mut header);
        let engine = self.archive.manifest.engine;
        let mut buffer = Vec::new();
        Ok(RowFile {
            export: RowExport::begin(engine, shape, self.format, &mut buffer),
            out: BufWriter::new(file),
            header,
            buffer,
        })
    }

    /// The columns of a table that name files: with their sets, and what stands before the path.
    fn naming(&self, table: &Table) -> Vec<(usize, String, String)> {
        let columns = self.preset.file_sets.iter().flat_map(|set| {
            let columns = set.columns.iter().map(move |column| (set, column));
            columns.filter(|(_, column)| names(&column.table, &table.name))
        });
        let place = |column: &FileColumn| {
            let mut stored = table.stored_columns();
            stored.position(|stored| stored.name == column.column)
        };
        columns
            .filter_map(|(set, column)| {
                Some((place(column)?, set.name.clone(), column.prefix.clone()))
            })
            .collect()
    }

    /// Writes the files that rows name.
    fn files(&mut self) -> Result<(), ExtractError> {
        if self.files.is_empty() {
            return Ok(());
        }
        let all = self.archive.files()?;
        let all: BTreeMap<(&str, &str), _> = all
            .iter()
            .map(|file| ((file.set.as_str(), file.path.as_str()), file))
            .collect();
        for (set, path) in &self.files {
            // Only what the archive itself holds becomes a path, and its names are checked.
            let Some(file) = all.get(&(set.as_str(), path.as_str())) else {
                self.report.missing_files.push(format!("{set}/{path}"));
                continue;
            };
            let to = self.folder.join("files").join(&file.set).join(&file.path);
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut out = BufWriter::new(File::create_new(to)?);
            self.archive
                .read_file(file, |bytes| Ok::<_, ExtractError>(out.write_all(bytes)?))?;
            out.flush()?;
            self.report.files += 1;
            self.report.bytes += file.size;
        }
        Ok(())
    }
}
