//! The rows of one table, taken out of an archive: all of them in a form that other programs read, or those that hold a
//! text. Sans-I/O; every part is compared with its digest before anything of it is used.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use crate::{
    archive::{ArchiveError, CheckedReader, Directory, Entry, Limits, Step},
    manifest::{EntryDigest, Manifest, TableData},
    preview::PreviewError,
    rows::{
        Format, RowError, RowExport, Rows, TextFields,
        shown::{Field, Kind, Shown},
    },
    schema::{Table, TableName},
};

/// The parts of a table, each whole.
struct Parts {
    limits: Limits,
    waiting: VecDeque<(Entry, EntryDigest)>,
    reading: Option<(CheckedReader, Vec<u8>)>,
}

enum PartStep {
    /// Nothing to be done but what this says.
    Go(Step),
    /// The whole text of the next one.
    Part(Vec<u8>),
}

impl Parts {
    /// The parts from `first` on.
    fn new(
        directory: &Directory,
        data: &TableData,
        first: usize,
        limits: Limits,
    ) -> Result<Self, ArchiveError> {
        let parts = data.parts.iter().enumerate().skip(first);
        Ok(Self {
            limits,
            waiting: parts
                .map(|(index, part)| {
                    if part.bytes > limits.part_bytes {
                        return Err(ArchiveError::Limit {
                            limit: "bytes of one part",
                            found: part.bytes,
                            allowed: limits.part_bytes,
                        });
                    }
                    let entry = directory.entry(&data.part_path(index))?;
                    Ok((entry.clone(), part.digest()))
                })
                .collect::<Result<_, _>>()?,
            reading: None,
        })
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        match &mut self.reading {
            Some((reader, _)) => reader.feed(bytes),
            None => Err(ArchiveError::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            }),
        }
    }

    fn step(&mut self) -> Result<PartStep, ArchiveError> {
        let Some((reader, text)) = &mut self.reading else {
            let Some((entry, digest)) = self.waiting.pop_front() else {
                return Ok(PartStep::Go(Step::Done));
            };
            let reader = CheckedReader::new(&entry, &digest, self.limits)?;
            self.reading = Some((reader, Vec::new()));
            return Ok(PartStep::Go(Step::Output));
        };
        let step = reader.step(text)?;
        if step != Step::Done {
            return Ok(PartStep::Go(step));
        }
        let text = core::mem::take(text);
        self.reading = None;
        Ok(PartStep::Part(text))
    }
}

fn of_table<'a>(
    manifest: &'a Manifest,
    table: &TableName,
) -> Result<(&'a TableData, &'a Table), PreviewError> {
    let missing = || PreviewError::NoTable(table.clone());
    let data = manifest.table(table).ok_or_else(missing)?;
    let shape = manifest.schema.table(table).ok_or_else(missing)?;
    Ok((data, shape))
}

/// Writes all rows of a table.
pub struct TableExport {
    table: TableName,
    parts: Parts,
    /// What stands before the rows, until it is given out.
    start: Vec<u8>,
    /// `None` after the end.
    export: Option<RowExport>,
}

impl core::fmt::Debug for TableExport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("TableExport").field(&self.table).finish()
    }
}

impl TableExport {
    /// Begins on an archive with this directory and manifest.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn new(
        directory: &Directory,
        manifest: &Manifest,
        table: &TableName,
        format: Format,
        limits: Limits,
    ) -> Result<Self, PreviewError> {
        let (data, shape) = of_table(manifest, table)?;
        let mut start = Vec::new();
        Ok(Self {
            table: table.clone(),
            parts: Parts::new(directory, data, 0, limits)?,
            export: Some(RowExport::begin(manifest.engine, shape, format, &mut start)),
            start,
        })
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PreviewError> {
        Ok(self.parts.feed(bytes)?)
    }

    /// Does a bounded piece of work, and appends what came of it. What came before an error is to be thrown away.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, PreviewError> {
        out.append(&mut self.start);
        let Some(export) = &mut self.export else {
            return Ok(Step::Done);
        };
        match self.parts.step()? {
            PartStep::Part(text) => {
                let in_table = |error| PreviewError::Rows {
                    table: self.table.clone(),
                    error,
                };
                export.part(&text, out).map_err(in_table)?;
                Ok(Step::Output)
            }
            PartStep::Go(Step::Done) => {
                if let Some(export) = self.export.take() {
                    export.end(out);
                }
                Ok(Step::Done)
            }
            PartStep::Go(step) => Ok(step),
        }
    }
}

/// Rows that hold a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches {
    /// Names of the stored columns.
    pub columns: Vec<String>,
    /// Their types, in the engine's own spelling.
    pub types: Vec<String>,
    /// Values, a row a list.
    pub rows: Vec<Vec<Shown>>,
    /// Which row of the table each one is, from 0.
    pub numbers: Vec<u64>,
    /// Where to go on; `None` after the table's last row.
    pub next: Option<u64>,
}

/// Looks for rows of a table of which any value holds a text, without regard to capital letters. Values are compared
/// whole, as they are read; blobs of SQLite hold no text.
pub struct RowSearch {
    table: TableName,
    wanted: String,
    kinds: Vec<Kind>,
    fields: TextFields,
    limit: usize,
    parts: Parts,
    /// Rows at the start of the next part that are not looked at.
    skip: u64,
    /// The first row of the next part.
    at: u64,
    found: Matches,
    full: bool,
}

impl core::fmt::Debug for RowSearch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("RowSearch").field(&self.table).finish()
    }
}

impl RowSearch {
    /// Looks for up to `limit` rows after the first `skip`.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn new(
        directory: &Directory,
        manifest: &Manifest,
        table: &TableName,
        text: &str,
        skip: u64,
        limit: usize,
        limits: Limits,
    ) -> Result<Self, PreviewError> {
        let (data, shape) = of_table(manifest, table)?;
        let (mut first, mut at) = (0, 0);
        for part in &data.parts {
            if at + part.rows > skip {
                break;
            }
            at += part.rows;
            first += 1;
        }
        let columns = || shape.stored_columns();
        Ok(Self {
            table: table.clone(),
            wanted: text.to_lowercase(),
            kinds: columns()
                .map(|column| Kind::of(manifest.engine, column))
                .collect(),
            fields: TextFields::new(manifest.engine, shape),
            limit,
            parts: Parts::new(directory, data, first, limits)?,
            skip: skip.saturating_sub(at),
            at,
            found: Matches {
                columns: columns().map(|column| column.name.clone()).collect(),
                types: columns().map(|column| column.type_name.clone()).collect(),
                rows: Vec::new(),
                numbers: Vec::new(),
                next: None,
            },
            full: false,
        })
    }

    /// Rows that were passed, of those of the table.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.at
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PreviewError> {
        Ok(self.parts.feed(bytes)?)
    }

    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn step(&mut self) -> Result<Step, PreviewError> {
        if self.full {
            return Ok(Step::Done);
        }
        match self.parts.step()? {
            PartStep::Part(text) => {
                self.look(&text).map_err(|error| PreviewError::Rows {
                    table: self.table.clone(),
                    error,
                })?;
                Ok(Step::Output)
            }
            PartStep::Go(step) => Ok(step),
        }
    }

    fn look(&mut self, text: &[u8]) -> Result<(), RowError> {
        let columns = self.found.columns.iter().map(String::as_str);
        let mut rows = Rows::new(text, columns)?;
        let first = self.at;
        let mut number = first;
        while let Some(fields) = rows.next_fields()? {
            let row = number;
            number += 1;
            if row < first + self.skip || !self.holds(&fields)? {
                continue;
            }
            if self.found.rows.len() == self.limit {
                self.found.next = Some(row);
                self.full = true;
                self.at = row;
                return Ok(());
            }
            let shown = fields.iter().zip(&self.kinds).map(|(raw, kind)| {
                let mut field = Field::default();
                field.extend(raw);
                kind.show(&field)
            });
            self.found.rows.push(shown.collect::<Result<_, _>>()?);
            self.found.numbers.push(row);
        }
        self.skip = 0;
        self.at = number;
        Ok(())
    }

    fn holds(&self, fields: &[&[u8]]) -> Result<bool, RowError> {
        for (column, field) in fields.iter().enumerate() {
            if let Some(text) = self.fields.text(column, field)?
                && String::from_utf8_lossy(&text)
                    .to_lowercase()
                    .contains(&self.wanted)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Matches {
        self.found
    }
}

#[cfg(test)]
mod tests;
