//! What each entry of an archive has to hold.

use alloc::{collections::BTreeMap, string::String};

use super::VerifyError;
use crate::{
    archive::{self, ArchiveError, Directory},
    manifest::{EntryDigest, FILES_INDEX_PATH, FileEntry, Manifest, PartData},
    schema::Table,
};

/// One part of a table's rows, as the manifest describes it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Number of the table in the manifest.
    pub table: usize,
    /// The table's schema.
    pub shape: &'a Table,
    /// Digest, size and rows of the part.
    pub data: &'a PartData,
}

/// What the entries have to hold, by their names. The manifest is in neither list: no digest names it.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// The parts of the tables.
    pub parts: BTreeMap<String, Part<'a>>,
    /// The files and their index.
    pub files: BTreeMap<&'a str, EntryDigest>,
}

impl<'a> Expected<'a> {
    /// Compares the directory with manifest and files index (parsed; empty if there is none): nothing was added, and
    /// nothing is missing.
    ///
    /// # Errors
    /// [`ArchiveError::Profile`] with everything that was added, is missing or has another size.
    pub fn new(
        directory: &Directory,
        manifest: &'a Manifest,
        files: &'a [FileEntry],
    ) -> Result<Self, VerifyError> {
        let findings = archive::account(directory, manifest, files);
        if !findings.is_empty() {
            return Err(ArchiveError::Profile(findings).into());
        }
        let mut parts = BTreeMap::new();
        for (table, data) in manifest.tables.iter().enumerate() {
            let shape = manifest
                .schema
                .table(&data.table)
                .ok_or_else(|| ArchiveError::NoEntry(data.path.clone()))?;
            for (index, part) in data.parts.iter().enumerate() {
                let part = Part {
                    table,
                    shape,
                    data: part,
                };
                parts.insert(data.part_path(index), part);
            }
        }
        let index = manifest
            .files_index
            .iter()
            .map(|digest| (FILES_INDEX_PATH, *digest));
        let files = files
            .iter()
            .map(|file| (file.entry.as_str(), file.digest()));
        Ok(Self {
            parts,
            files: files.chain(index).collect(),
        })
    }
}
