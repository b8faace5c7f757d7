//! Some rows of a table, read out of as little of the archive as possible.

use alloc::{collections::VecDeque, string::String, vec::Vec};

use crate::{
    archive::{ArchiveError, Directory, Entry, EntryReader, Limits, Step},
    manifest::Manifest,
    rows::{
        RowError, RowWindow,
        shown::{Kind, Shown},
    },
    schema::TableName,
};

/// Why rows can't be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// The archive holds no rows of this table.
    #[error("the archive holds no table {0}")]
    NoTable(TableName),
    /// An entry can't be read.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// Its rows are malformed.
    #[error("the rows of {table} are damaged: {error}")]
    Rows {
        /// The table.
        table: TableName,
        /// What is wrong.
        error: RowError,
    },
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Names of the stored columns.
    pub columns: Vec<String>,
    /// Their types, in the engine's own spelling.
    pub types: Vec<String>,
    /// Values, a row a list.
    pub rows: Vec<Vec<Shown>>,
    /// Whether no row follows.
    pub end: bool,
}

/// Reads up to `limit` rows after the first `skip`. Parts that lie before are not read at all, and the last one only as
/// far as needed.
///
/// A part whose reading stops early has not been compared with its digest: what is shown is what the archive holds,
/// authentic if it was sealed, but not proven to be what was backed up. [`crate::verify`] proves that.
#[derive(Debug)]
pub struct Preview {
    table: TableName,
    columns: Vec<String>,
    types: Vec<String>,
    kinds: Vec<Kind>,
    limits: Limits,
    /// Parts that are still to be read.
    parts: VecDeque<Entry>,
    /// Rows to skip in the next part.
    skip: u64,
    limit: usize,
    reading: Option<(EntryReader, RowWindow)>,
    rows: Vec<Vec<Shown>>,
    /// The first row that is not on this page, and how many there are.
    next: u64,
    total: u64,
    content: Vec<u8>,
}

impl Preview {
    /// A reader for rows of one table.
    ///
    /// # Errors
    /// [`PreviewError::NoTable`], or [`ArchiveError::NoEntry`] if a part is missing.
    pub fn new(
        directory: &Directory,
        manifest: &Manifest,
        table: &TableName,
        skip: u64,
        limit: usize,
        limits: Limits,
    ) -> Result<Self, PreviewError> {
        let no_table = || PreviewError::NoTable(table.clone());
        let data = manifest.table(table).ok_or_else(no_table)?;
        let shape = manifest.schema.table(table).ok_or_else(no_table)?;
        let mut in_part = skip;
        let mut parts = VecDeque::new();
        for (index, part) in data.parts.iter().enumerate() {
            if parts.is_empty() && in_part >= part.rows {
                in_part -= part.rows;
            } else {
                parts.push_back(directory.entry(&data.part_path(index))?.clone());
            }
        }
        let columns = || shape.stored_columns();
        Ok(Self {
            table: table.clone(),
            columns: columns().map(|column| column.name.clone()).collect(),
            types: columns().map(|column| column.type_name.clone()).collect(),
            kinds: columns()
                .map(|column| Kind::of(manifest.engine, column))
                .collect(),
            limits,
            parts,
            skip: in_part,
            limit,
            reading: None,
            rows: Vec::new(),
            next: skip.saturating_add(limit as u64),
            total: data.rows,
            content: Vec::new(),
        })
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PreviewError> {
        match &mut self.reading {
            Some((reader, _)) => Ok(reader.feed(bytes)?),
            None => Err(ArchiveError::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            }
            .into()),
        }
    }

    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// [`PreviewError`].
    pub fn step(&mut self) -> Result<Step, PreviewError> {
        loop {
            if self.rows.len() >= self.limit {
                return Ok(Step::Done);
            }
            let Some((reader, window)) = &mut self.reading else {
                let Some(entry) = self.parts.pop_front() else {
                    return Ok(Step::Done);
                };
                let window = RowWindow::new(
                    self.columns.iter().map(String::as_str),
                    self.kinds.clone(),
                    core::mem::take(&mut self.skip),
                    self.limit - self.rows.len(),
                );
                self.reading = Some((EntryReader::new(&entry, self.limits), window));
                continue;
            };
            self.content.clear();
            let step = reader.step(&mut self.content)?;
            window
                .push(&self.content)
                .map_err(|error| PreviewError::Rows {
                    table: self.table.clone(),
                    error,
                })?;
            if step == Step::Done || window.is_full() {
                if let Some((_, window)) = self.reading.take() {
                    self.rows.extend(window.into_rows());
                }
            } else {
                return Ok(step);
            }
        }
    }

    /// What was read.
    #[must_use]
    pub fn finish(self) -> Page {
        Page {
            columns: self.columns,
            types: self.types,
            rows: self.rows,
            end: self.next >= self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, changed, fixture, note};
    use alloc::vec;

    /// A page, and how many bytes of the archive were read for it.
    fn page(
        archive: &Fixture,
        table: &str,
        skip: u64,
        limit: usize,
        step: usize,
    ) -> Result<(Page, usize), PreviewError> {
        let mut preview = Preview::new(
            &archive.directory,
            &archive.manifest,
            &TableName::new("public", table),
            skip,
            limit,
            Limits::default(),
        )?;
        let mut read = 0;
        loop {
            match preview.step()? {
                Step::Want(wanted) => {
                    let bytes = archive.range(wanted);
                    let bytes = &bytes[..bytes.len().min(step)];
                    read += bytes.len();
                    preview.feed(bytes)?;
                }
                Step::Output => {}
                Step::Done => return Ok((preview.finish(), read)),
            }
        }
    }

    #[test]
    fn every_page_of_every_size() {
        let archive = fixture();
        for (skip, limit) in [
            (0, 5),
            (0, 0),
            (398, 1),
            (398, 2),
            (398, 3),
            (399, 4),
            (400, 1),
            (401, 10),
            (990, 10),
            (991, 9),
            (991, 10),
            (1000, 1),
            (5000, 1),
            (0, 2000),
        ] {
            for step in [7, usize::MAX] {
                let (page, _) = page(&archive, "notes", skip, limit, step).unwrap();
                let expected: Vec<_> = (0..1000)
                    .skip(usize::try_from(skip).unwrap())
                    .take(limit)
                    .map(note)
                    .collect();
                let texts: Vec<Vec<_>> = page
                    .rows
                    .into_iter()
                    .map(|row| row.into_iter().map(|value| value.text).collect())
                    .collect();
                assert_eq!(texts, expected, "{skip} {limit}");
                assert_eq!(page.columns, vec!["id", "body"]);
                assert_eq!(page.types, vec!["integer", "text"]);
                assert_eq!(page.end, skip + limit as u64 >= 1000, "{skip} {limit}");
            }
        }
        assert!(page(&archive, "empty", 0, 5, 9).unwrap().0.end);
    }

    #[test]
    fn only_what_is_needed_is_read() {
        let archive = fixture();
        let (_, first) = page(&archive, "notes", 0, 3, 64).unwrap();
        let (_, all) = page(&archive, "notes", 0, 1000, 64).unwrap();
        assert!(first * 5 < all, "{first} of {all}");
        let (_, second) = page(&archive, "notes", 400, 1, 64).unwrap();
        assert!(second < 300, "{second}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let archive = fixture();
        assert_eq!(
            page(&archive, "nope", 0, 1, 9).err(),
            Some(PreviewError::NoTable(TableName::new("public", "nope")))
        );
        let archive = changed(|entries, _| entries[0].1 = b"id\tbody\n1\n".to_vec());
        assert_eq!(
            page(&archive, "notes", 0, 1, 9).err(),
            Some(PreviewError::Rows {
                table: TableName::new("public", "notes"),
                error: RowError::FieldCount {
                    row: 1,
                    found: 1,
                    expected: 2
                }
            })
        );
    }
}
