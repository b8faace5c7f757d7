//! Checking single entries, on any thread, and adding up what was found.

use coffer_core::{
    archive::{ArchiveError, CheckedReader, Entry, Fault, Finding, Limits, Step},
    manifest::{EntryDigest, FileEntry, Manifest},
    rows::{RowCheck, RowSet},
    verify::{self, Part, VerifyError},
};

use crate::{
    progress::Progress,
    read::{OpenArchive, Plain, ReadError},
};

/// Whether the rows of parts are looked at one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Check,
    /// The digest of a part says enough.
    Trust,
}

/// What each entry has to hold, as manifest and files index say.
pub(super) struct Expected<'a> {
    plain: &'a Plain,
    wanted: verify::Expected<'a>,
}

/// What an entry was found to hold.
#[derive(Debug, Default)]
pub(super) struct Checked {
    bytes: u64,
    rows: u64,
    /// Of a table's part: the table's number, and the set of its rows.
    set: Option<(usize, RowSet)>,
}

impl<'a> Expected<'a> {
    /// Compares the directory with manifest and files index: nothing was added, and nothing is missing. The files of the
    /// sets `compared` were compared already.
    pub(super) fn new(
        archive: &'a OpenArchive,
        files: &'a [FileEntry],
        compared: &[String],
    ) -> Result<Self, VerifyError> {
        let mut wanted = verify::Expected::new(&archive.directory, &archive.manifest, files)?;
        for file in files.iter().filter(|file| compared.contains(&file.set)) {
            wanted.files.remove(file.entry.as_str());
        }
        Ok(Self {
            plain: archive.plain(),
            wanted,
        })
    }

    /// Checks one entry to its last byte.
    pub(super) fn check(
        &self,
        entry: &Entry,
        rows: Rows,
        progress: &Progress,
    ) -> Result<Checked, ReadError> {
        if let Some(part) = self.wanted.parts.get(&entry.name) {
            let expected = part.data.digest();
            return match rows {
                Rows::Check => self.check_rows(entry, part, progress),
                Rows::Trust => {
                    let bytes = self.read(entry, &expected, progress, |_| Ok(()))?;
                    let rows = part.data.rows;
                    progress.add_rows(rows);
                    Ok(Checked {
                        bytes,
                        rows,
                        set: None,
                    })
                }
            };
        }
        let bytes = match self.wanted.files.get(entry.name.as_str()) {
            Some(expected) => self.read(entry, expected, progress, |_| Ok(()))?,
            // Every entry was found in the manifest or the index. What is left is the manifest, which was read to its end
            // when the archive was opened, and files that were compared already.
            None => {
                progress.add_bytes(entry.size);
                entry.size
            }
        };
        Ok(Checked {
            bytes,
            ..Checked::default()
        })
    }

    fn check_rows(
        &self,
        entry: &Entry,
        part: &Part<'_>,
        progress: &Progress,
    ) -> Result<Checked, ReadError> {
        let in_table = |error| VerifyError::Rows {
            table: part.shape.name.clone(),
            error,
        };
        let columns = part.shape.stored_columns();
        let mut check = RowCheck::new(columns.map(|column| column.name.as_str()));
        let bytes = self.read(entry, &part.data.digest(), progress, |content| {
            Ok(check.push(content).map_err(in_table)?)
        })?;
        let (found, set) = check.finish().map_err(in_table)?;
        let expected = part.data.rows;
        if found != expected {
            return Err(VerifyError::from(ArchiveError::Entry(Finding {
                entry: entry.name.clone(),
                fault: Fault::Rows { expected, found },
            }))
            .into());
        }
        progress.add_rows(found);
        Ok(Checked {
            bytes,
            rows: found,
            set: Some((part.table, set)),
        })
    }

    /// Reads an entry, gives its content to `take`, and compares all that is known of it. Returns its size.
    fn read(
        &self,
        entry: &Entry,
        expected: &EntryDigest,
        progress: &Progress,
        mut take: impl FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<u64, ReadError> {
        let mut reader =
            CheckedReader::new(entry, expected, Limits::default()).map_err(VerifyError::from)?;
        let mut content = Vec::new();
        loop {
            if progress.cancelled() {
                return Err(ReadError::Cancelled);
            }
            match reader.step(&mut content).map_err(VerifyError::from)? {
                Step::Want(range) => reader
                    .feed(&self.plain.read(range)?)
                    .map_err(VerifyError::from)?,
                Step::Output => {
                    take(&content)?;
                    progress.add_bytes(content.len() as u64);
                    content.clear();
                }
                Step::Done => return Ok(entry.size),
            }
        }
    }
}

/// What was found in all entries.
pub(super) struct Found {
    pub(super) bytes: u64,
    pub(super) rows: u64,
    sets: Vec<RowSet>,
}

impl Found {
    pub(super) fn new(manifest: &Manifest) -> Self {
        Self {
            bytes: 0,
            rows: 0,
            sets: vec![RowSet::new(); manifest.tables.len()],
        }
    }

    pub(super) fn add(&mut self, checked: Checked) {
        self.bytes += checked.bytes;
        self.rows += checked.rows;
        if let Some((table, set)) = checked.set
            && let Some(sum) = self.sets.get_mut(table)
        {
            sum.add(set);
        }
    }

    /// Compares the set of each table's rows with the manifest's.
    pub(super) fn compare_row_sets(&self, manifest: &Manifest) -> Result<(), VerifyError> {
        let different = manifest
            .tables
            .iter()
            .zip(&self.sets)
            .find(|(data, set)| data.row_set != **set);
        match different {
            None => Ok(()),
            Some((data, _)) => Err(ArchiveError::Entry(Finding {
                entry: data.path.clone(),
                fault: Fault::Digest,
            })
            .into()),
        }
    }
}
