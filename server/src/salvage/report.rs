//! What a salvage has saved and what is lost, for people and programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use coffer_core::{
    ByteRange,
    archive::{DirectoryState, Found},
    manifest::Manifest,
};
use serde::Serialize;

use super::Expected;

/// Losses that the text names at most; `--json` and `--report` have all of them.
const NAMED: usize = 50;

/// A part of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

impl From<ByteRange> for Place {
    fn from(range: ByteRange) -> Self {
        Self {
            offset: range.offset,
            len: range.len,
        }
    }
}

/// An entry that was there and can't be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostEntry {
    /// Its name.
    pub name: String,
    /// Where it begins in the content, if that is known.
    pub offset: Option<u64>,
    /// Why it is lost.
    pub reason: String,
}

/// How much of a table is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Rows that it had.
    pub rows: u64,
    /// Rows in parts that are saved.
    pub rows_saved: u64,
    /// Parts that it had.
    pub parts: usize,
    /// Parts that are saved.
    pub parts_saved: usize,
}

/// How much of a file set is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSetReport {
    /// The file set.
    pub name: String,
    /// Files that it had.
    pub files: u64,
    /// Files that are saved; not known without the files index.
    pub files_saved: Option<u64>,
    /// Paths of the files that are lost.
    pub lost: Vec<String>,
}

/// What was saved and what is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing is lost: what is written is the whole archive.
    pub whole: bool,
    /// Whether the archive is sealed.
    pub sealed: bool,
    /// What is wrong with a sealed file as a whole.
    pub findings: Vec<String>,
    /// Bytes of content.
    pub content_bytes: u64,
    /// Whether it is known where the content ended.
    pub end_known: bool,
    /// Parts of the content of a sealed archive that do not authenticate.
    pub holes: Vec<Place>,
    /// What is left of the ZIP's directory: `whole`, `part`, `lost`.
    pub directory: &'static str,
    /// Whether the manifest is left.
    pub manifest: bool,
    /// Whether the files index is left.
    pub files_index: bool,
    /// Entries that are saved under their own names.
    pub saved: usize,
    /// Entries that are written below `unconfirmed/`.
    pub unconfirmed: Vec<String>,
    /// Entries that are lost.
    pub lost: Vec<LostEntry>,
    /// Parts of the content in which no entry was found.
    pub gaps: Vec<Place>,
    /// The tables, if the manifest is left.
    pub tables: Vec<TableReport>,
    /// The file sets, if the manifest is left.
    pub file_sets: Vec<FileSetReport>,
}

impl Report {
    pub(super) fn new(found: &Found, content_bytes: u64, holes: &[ByteRange]) -> Self {
        let named = found.gaps.iter().filter_map(|gap| {
            Some(LostEntry {
                name: gap.entry.clone()?,
                offset: Some(gap.range.offset),
                reason: "its end is damaged, cut off, or cannot be found".to_owned(),
            })
        });
        Self {
            whole: false,
            sealed: false,
            findings: Vec::new(),
            content_bytes,
            end_known: true,
            holes: holes.iter().copied().map(Place::from).collect(),
            directory: match found.directory {
                DirectoryState::Whole => "whole",
                DirectoryState::Part => "part",
                DirectoryState::Lost => "lost",
            },
            manifest: false,
            files_index: false,
            saved: 0,
            unconfirmed: Vec::new(),
            lost: named.collect(),
            gaps: found.gaps.iter().map(|gap| gap.range.into()).collect(),
            tables: Vec::new(),
            file_sets: Vec::new(),
        }
    }

    /// Counts what is saved, and names what the manifest leads to and nobody found.
    pub(super) fn account(
        &mut self,
        manifest: Option<&Manifest>,
        expected: &BTreeMap<String, Expected>,
        saved: &BTreeSet<String>,
    ) {
        let known: BTreeSet<String> = self.lost.iter().map(|lost| lost.name.clone()).collect();
        for name in expected.keys() {
            if !saved.contains(name) && !known.contains(name) {
                self.lost.push(LostEntry {
                    name: name.clone(),
                    offset: None,
                    reason: "it was not found".to_owned(),
                });
            }
        }
        self.lost.retain(|lost| !saved.contains(&lost.name));
        self.saved = saved.len();
        if let Some(manifest) = manifest {
            self.manifest = true;
            self.tables = manifest
                .tables
                .iter()
                .map(|table| {
                    let saved = table
                        .parts
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| saved.contains(&table.part_path(*index)));
                    let (parts_saved, rows_saved) = saved
                        .fold((0, 0), |(parts, rows), (_, part)| {
                            (parts + 1, rows + part.rows)
                        });
                    TableReport {
                        table: table.table.to_string(),
                        rows: table.rows,
                        rows_saved,
                        parts: table.parts.len(),
                        parts_saved,
                    }
                })
                .collect();
            self.file_sets = manifest
                .file_sets
                .iter()
                .map(|set| {
                    let files = expected.iter().filter_map(|(entry, expected)| {
                        let (name, path) = expected.file.as_ref()?;
                        (*name == set.name).then_some((entry, path))
                    });
                    let (kept, lost): (Vec<_>, Vec<_>) =
                        files.partition(|(entry, _)| saved.contains(*entry));
                    FileSetReport {
                        name: set.name.clone(),
                        files: set.files,
                        files_saved: self.files_index.then_some(kept.len() as u64),
                        lost: lost.into_iter().map(|(_, path)| path.clone()).collect(),
                    }
                })
                .collect();
        }
        self.whole = self.manifest && self.lost.is_empty() && self.unconfirmed.is_empty();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let lost: u64 = self.holes.iter().map(|hole| hole.len).sum();
        if lost > 0 {
            writeln!(
                f,
                "{lost} of {} bytes of content do not authenticate",
                self.content_bytes
            )?;
        }
        if !self.manifest {
            writeln!(
                f,
                "the manifest is lost: what is saved has the right checksums, but what is missing cannot be told"
            )?;
        }
        for table in &self.tables {
            if table.rows_saved < table.rows || table.parts_saved < table.parts {
                writeln!(
                    f,
                    "table {}: {} of {} rows saved, {} of {} parts",
                    table.table, table.rows_saved, table.rows, table.parts_saved, table.parts
                )?;
            }
        }
        for set in &self.file_sets {
            match set.files_saved {
                Some(saved) if saved == set.files => {}
                Some(saved) => {
                    writeln!(
                        f,
                        "file set {}: {saved} of {} files saved",
                        set.name, set.files
                    )?;
                }
                None => writeln!(
                    f,
                    "file set {}: its index is lost, so it is not known which of {} files are missing",
                    set.name, set.files
                )?,
            }
        }
        for lost in self.lost.iter().take(NAMED) {
            writeln!(f, "lost: {} ({})", lost.name, lost.reason)?;
        }
        if let Some(more @ 1..) = self.lost.len().checked_sub(NAMED) {
            writeln!(f, "and {more} more are lost")?;
        }
        if !self.unconfirmed.is_empty() {
            writeln!(
                f,
                "{} entries may belong to an archive inside of this one; they are below unconfirmed/",
                self.unconfirmed.len()
            )?;
        }
        writeln!(f, "{} entries saved", self.saved)
    }
}
