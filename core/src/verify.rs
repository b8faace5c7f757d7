//! Checking every byte of an archive: nothing added, nothing missing, nothing changed.

use alloc::{boxed::Box, vec::Vec};
use core::ops::RangeInclusive;

use crate::{
    archive::{
        ArchiveError, CheckedReader, Directory, Entry, EntryReader, ExpectedDigest, Fault, Finding,
        Limits, Step,
    },
    manifest::{EntryDigest, FileEntry, Manifest},
    rows::{RowCheck, RowError, RowSet},
    schema::TableName,
};

mod expected;

pub use expected::{Expected, Part};

/// What is wrong with an archive's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Its structure, or an entry.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The rows of a table.
    #[error("the rows of {table} are damaged: {error}")]
    Rows {
        /// The table.
        table: TableName,
        /// What is wrong.
        error: RowError,
    },
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries.
    pub entries: u64,
    /// Bytes of all entries, inflated.
    pub bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
}

enum Reading<'a> {
    /// The manifest, which was parsed from the same bytes: no digest names it.
    Manifest(EntryReader),
    /// The files index or a file.
    Content(CheckedReader),
    Rows {
        reader: CheckedReader,
        check: Box<RowCheck>,
        part: Part<'a>,
        entry: &'a Entry,
    },
}

/// Checks an archive in the order of its bytes, each read once: sizes, CRC-32 and SHA-256 of every entry, form and
/// number of rows, and each table's [`RowSet`].
pub struct Verifier<'a> {
    directory: &'a Directory,
    manifest: &'a Manifest,
    limits: Limits,
    wanted: Expected<'a>,
    sets: Vec<RowSet>,
    reading: Option<Reading<'a>>,
    /// Sizes of the entries that are hashed elsewhere.
    elsewhere: Option<RangeInclusive<u64>>,
    /// What the entry that is being read should have, if it is one of them.
    expected: Option<ExpectedDigest>,
    /// It was read to its end.
    whole: bool,
    /// Content: of the last step, or all so far of an entry that is hashed elsewhere.
    content: Vec<u8>,
    done: Verified,
}

/// A whole entry whose SHA-256 is still to be compared.
#[derive(Debug)]
pub struct Unhashed<'a> {
    /// The content.
    pub content: &'a [u8],
    /// What its digest has to be.
    pub expected: ExpectedDigest,
}

impl core::fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verifier")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl<'a> Verifier<'a> {
    /// A check of the archive with this directory, manifest and files index (parsed; empty if it has none).
    ///
    /// # Errors
    /// [`ArchiveError::Profile`] with everything that was added, is missing or has another size.
    pub fn new(
        directory: &'a Directory,
        manifest: &'a Manifest,
        files: &'a [FileEntry],
        limits: Limits,
    ) -> Result<Self, VerifyError> {
        Ok(Self {
            directory,
            manifest,
            limits,
            wanted: Expected::new(directory, manifest, files)?,
            sets: alloc::vec![RowSet::new(); manifest.tables.len()],
            reading: None,
            elsewhere: None,
            expected: None,
            whole: false,
            content: Vec::new(),
            done: Verified::default(),
        })
    }

    /// Leaves the SHA-256 of entries of these sizes to the caller, who asks [`Verifier::unhashed`] after every step,
    /// whatever came of it. Each of them is held as a whole. A digest that differs comes before whatever is found later.
    #[must_use]
    pub fn hash_elsewhere(mut self, sizes: RangeInclusive<u64>) -> Self {
        self.elsewhere = Some(sizes);
        self
    }

    /// The entry that the last step has completed, if its SHA-256 is left to the caller.
    pub fn unhashed(&mut self) -> Option<Unhashed<'_>> {
        if !core::mem::take(&mut self.whole) {
            return None;
        }
        let expected = self.expected.take()?;
        Some(Unhashed {
            content: &self.content,
            expected,
        })
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        match &mut self.reading {
            Some(Reading::Manifest(reader)) => reader.feed(bytes)?,
            Some(Reading::Content(reader) | Reading::Rows { reader, .. }) => reader.feed(bytes)?,
            None => {
                return Err(ArchiveError::Misfed {
                    wanted: 0,
                    given: bytes.len() as u64,
                }
                .into());
            }
        }
        Ok(())
    }

    /// Does a bounded piece of work.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn step(&mut self) -> Result<Step, VerifyError> {
        if self.whole {
            return Err(ArchiveError::Misuse("an entry's digest was not compared").into());
        }
        loop {
            let Some(reading) = &mut self.reading else {
                let next = usize::try_from(self.done.entries).unwrap_or(usize::MAX);
                let Some(entry) = self.directory.entries().get(next) else {
                    self.compare_row_sets()?;
                    return Ok(Step::Done);
                };
                self.reading = Some(self.start(entry)?);
                continue;
            };
            if self.expected.is_none() {
                self.content.clear();
            }
            let before = self.content.len();
            let step = match reading {
                Reading::Manifest(reader) => reader.step(&mut self.content)?,
                Reading::Content(reader) => reader.step(&mut self.content)?,
                Reading::Rows {
                    reader,
                    check,
                    part,
                    ..
                } => {
                    let step = reader.step(&mut self.content)?;
                    check
                        .push(self.content.get(before..).unwrap_or_default())
                        .map_err(|error| part.error(error))?;
                    step
                }
            };
            self.done.bytes += (self.content.len() - before) as u64;
            if step != Step::Done {
                return Ok(step);
            }
            self.done.entries += 1;
            self.whole = self.expected.is_some();
            if let Some(Reading::Rows {
                check, part, entry, ..
            }) = self.reading.take()
            {
                self.end_part(*check, part, entry)?;
            }
            if self.whole {
                return Ok(Step::Output);
            }
        }
    }

    /// A reader that hashes the entry's content, or leaves that to the caller.
    fn checked(
        &mut self,
        entry: &Entry,
        expected: &EntryDigest,
    ) -> Result<CheckedReader, ArchiveError> {
        let reader = CheckedReader::new(entry, expected, self.limits)?;
        if !self
            .elsewhere
            .as_ref()
            .is_some_and(|sizes| sizes.contains(&entry.size))
        {
            return Ok(reader);
        }
        let (reader, expected) = reader.hash_elsewhere();
        self.expected = Some(expected);
        self.content.clear();
        // The size was compared with the manifest's, and is at most the largest that the caller wants to hold.
        let size = usize::try_from(entry.size).unwrap_or(0);
        self.content.reserve_exact(size);
        Ok(reader)
    }

    fn start(&mut self, entry: &'a Entry) -> Result<Reading<'a>, ArchiveError> {
        // An entry that was left half-read by a failure is not to be taken for this one.
        self.expected = None;
        if let Some(part) = self.wanted.parts.get(&entry.name).copied() {
            let columns = part.shape.stored_columns();
            return Ok(Reading::Rows {
                reader: self.checked(entry, &part.data.digest())?,
                check: Box::new(RowCheck::new(columns.map(|column| column.name.as_str()))),
                part,
                entry,
            });
        }
        // Every entry but the manifest was found in the manifest or the index before anything was read.
        Ok(match self.wanted.files.get(entry.name.as_str()).copied() {
            Some(expected) => Reading::Content(self.checked(entry, &expected)?),
            None => Reading::Manifest(EntryReader::new(entry, self.limits)),
        })
    }

    fn end_part(
        &mut self,
        check: RowCheck,
        part: Part<'a>,
        entry: &Entry,
    ) -> Result<(), VerifyError> {
        let (found, set) = check.finish().map_err(|error| part.error(error))?;
        let expected = part.data.rows;
        if found != expected {
            return Err(ArchiveError::Entry(Finding {
                entry: entry.name.clone(),
                fault: Fault::Rows { expected, found },
            })
            .into());
        }
        self.done.rows += found;
        if let Some(sum) = self.sets.get_mut(part.table) {
            sum.add(set);
        }
        Ok(())
    }

    fn compare_row_sets(&self) -> Result<(), VerifyError> {
        let different = self
            .manifest
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

    /// What was checked so far.
    #[must_use]
    pub const fn so_far(&self) -> Verified {
        self.done
    }
}

impl Part<'_> {
    fn error(&self, error: RowError) -> VerifyError {
        VerifyError::Rows {
            table: self.shape.name.clone(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        fixture::{Fixture, changed, fixture},
    };
    use alloc::string::{String, ToString};

    fn verify(archive: &Fixture, step: usize) -> Result<Verified, VerifyError> {
        let Fixture {
            directory,
            manifest,
            files,
            ..
        } = archive;
        let mut verifier = Verifier::new(directory, manifest, files, Limits::default())?;
        let mut next = 0;
        loop {
            match verifier.step()? {
                Step::Want(wanted) => {
                    assert_eq!(wanted.offset, next, "not in order, or a byte twice");
                    let bytes = archive.range(wanted);
                    let bytes = &bytes[..bytes.len().min(step)];
                    next += bytes.len() as u64;
                    verifier.feed(bytes)?;
                }
                Step::Output => {}
                Step::Done => return Ok(verifier.so_far()),
            }
        }
    }

    /// The same with digests made elsewhere, and compared only at the end.
    fn verify_late(archive: &Fixture) -> Result<Verified, VerifyError> {
        let Fixture {
            directory,
            manifest,
            files,
            ..
        } = archive;
        let mut verifier = Verifier::new(directory, manifest, files, Limits::default())?
            .hash_elsewhere(1..=30_000);
        let mut late = Vec::new();
        let result = loop {
            let step = verifier.step();
            if let Some(Unhashed { content, expected }) = verifier.unhashed() {
                late.push((expected, Digest::of(content)));
            }
            match step {
                Ok(Step::Want(wanted)) => verifier.feed(archive.range(wanted))?,
                Ok(Step::Output) => {}
                Ok(Step::Done) => break Ok(verifier.so_far()),
                Err(error) => break Err(error),
            }
        };
        assert!(!late.is_empty() || result.is_err());
        for (expected, found) in late {
            expected.compare(found)?;
        }
        result
    }

    #[test]
    fn digests_made_elsewhere_find_the_same() {
        let mut archive = fixture();
        let sizes = || archive.directory.entries().iter().map(|entry| entry.size);
        assert!(sizes().any(|size| size > 30_000) && sizes().any(|size| size <= 30_000));
        assert_eq!(verify_late(&archive), verify(&archive, usize::MAX));
        for at in (0..archive.file.len()).step_by(997) {
            archive.file[at] ^= 4;
            assert_eq!(verify_late(&archive), verify(&archive, usize::MAX), "{at}");
            archive.file[at] ^= 4;
        }
        let archive = changed(|entries, manifest| {
            // Two things wrong with one part, and one with a later file.
            let at = entries[0].1.len() - 2;
            entries[0].1[at] ^= 1;
            manifest.tables[1].parts[0].rows -= 1;
            manifest.tables[1].parts[1].rows += 1;
            entries[3].1[0] ^= 1;
        });
        let first = "tables/public.notes/000001.tsv".to_string();
        assert_eq!(entry(&archive), (first, Fault::Digest));
        assert_eq!(verify_late(&archive), verify(&archive, usize::MAX));
    }

    #[test]
    fn a_digest_that_nobody_compares_is_no_success() {
        let Fixture {
            directory,
            manifest,
            files,
            ..
        } = &fixture();
        let mut verifier = Verifier::new(directory, manifest, files, Limits::default())
            .unwrap()
            .hash_elsewhere(0..=u64::MAX);
        let error = loop {
            match verifier.step() {
                Ok(Step::Want(wanted)) => verifier.feed(fixture().range(wanted)).unwrap(),
                Ok(Step::Output) => {}
                Ok(Step::Done) => panic!("nothing was compared"),
                Err(error) => break error,
            }
        };
        assert!(matches!(
            error,
            VerifyError::Archive(ArchiveError::Misuse(_))
        ));
    }

    fn entry(archive: &Fixture) -> (String, Fault) {
        match verify(archive, usize::MAX) {
            Err(VerifyError::Archive(ArchiveError::Entry(finding))) => {
                (finding.entry, finding.fault)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_archive_passes_in_any_pieces() {
        let archive = fixture();
        let entries = archive.directory.entries();
        for step in [11, 4096, usize::MAX] {
            let done = verify(&archive, step).unwrap();
            assert_eq!(done.entries, entries.len() as u64);
            assert_eq!(
                done.bytes,
                entries.iter().map(|entry| entry.size).sum::<u64>()
            );
            assert_eq!(done.rows, 1000);
        }
    }

    #[test]
    fn every_flipped_byte_of_an_entry_is_found() {
        let mut archive = fixture();
        let end = archive
            .directory
            .entries()
            .last()
            .map_or(0, |entry| usize::try_from(entry.offset).unwrap());
        // Not every byte, which would take minutes: the step shares no factor with the entries' sizes.
        for at in (0..end).step_by(97) {
            archive.file[at] ^= 4;
            assert!(verify(&archive, usize::MAX).is_err(), "byte {at}");
            archive.file[at] ^= 4;
        }
        assert!(verify(&archive, usize::MAX).is_ok());
    }

    #[test]
    fn content_of_the_same_size_is_found_by_its_digest() {
        let first = "tables/public.notes/000001.tsv".to_string();
        let archive = changed(|entries, _| {
            let at = entries[0].1.len() - 2;
            entries[0].1[at] ^= 1;
        });
        assert_eq!(entry(&archive), (first, Fault::Digest));
        let archive = changed(|entries, _| entries[3].1[0] ^= 1);
        assert_eq!(
            entry(&archive),
            ("files/uploads/a/noise.bin".to_string(), Fault::Digest)
        );
    }

    #[test]
    fn counts_and_sets_of_rows_are_compared() {
        let archive = changed(|_, manifest| {
            let notes = &mut manifest.tables[1];
            notes.parts[0].rows -= 1;
            notes.parts[1].rows += 1;
        });
        let first = "tables/public.notes/000001.tsv".to_string();
        let rows = Fault::Rows {
            expected: 399,
            found: 400,
        };
        assert_eq!(entry(&archive), (first, rows));
        let archive = changed(|_, manifest| manifest.tables[1].row_set.add_line(b"x"));
        assert_eq!(
            entry(&archive),
            ("tables/public.notes".to_string(), Fault::Digest)
        );
    }

    #[test]
    fn nothing_may_be_added_or_missing() {
        for archive in [
            changed(|entries, _| entries.push(("extra".to_string(), Vec::new()))),
            changed(|entries, _| drop(entries.remove(1))),
        ] {
            assert!(matches!(
                verify(&archive, usize::MAX),
                Err(VerifyError::Archive(ArchiveError::Profile(findings))) if findings.len() == 1
            ));
        }
    }
}
