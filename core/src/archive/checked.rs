//! Reading one entry whose content the manifest or the files index names by size and SHA-256.

use alloc::vec::Vec;
use core::fmt;

use super::{ArchiveError, Entry, EntryReader, Fault, Finding, Limits, Step};
use crate::{
    digest::{Digest, Hasher},
    manifest::EntryDigest,
};

/// An [`EntryReader`] that at the end also compares SHA-256.
pub struct CheckedReader {
    reader: EntryReader,
    hasher: Hasher,
    expected: Digest,
    name: alloc::string::String,
}

impl fmt::Debug for CheckedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}

impl CheckedReader {
    /// A reader for an entry of the directory.
    ///
    /// # Errors
    /// [`Fault::ManifestSize`] if the directory already shows another size.
    pub fn new(
        entry: &Entry,
        expected: &EntryDigest,
        limits: Limits,
    ) -> Result<Self, ArchiveError> {
        if entry.size != expected.bytes {
            return Err(ArchiveError::Entry(Finding {
                entry: entry.name.clone(),
                fault: Fault::ManifestSize {
                    expected: expected.bytes,
                    found: entry.size,
                },
            }));
        }
        Ok(Self {
            reader: EntryReader::new(entry, limits),
            hasher: Hasher::new(),
            expected: expected.sha256,
            name: entry.name.clone(),
        })
    }

    /// As [`EntryReader::keep_raw`].
    #[must_use]
    pub fn keep_raw(mut self) -> Self {
        self.reader = self.reader.keep_raw();
        self
    }

    /// As [`EntryReader::take_raw`].
    pub fn take_raw(&mut self) -> Vec<u8> {
        self.reader.take_raw()
    }

    /// As [`EntryReader::feed`].
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.reader.feed(bytes)
    }

    /// As [`EntryReader::step`]; [`Step::Done`] also means that SHA-256 is the one expected.
    ///
    /// # Errors
    /// As [`EntryReader::step`], and [`Fault::Digest`].
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, ArchiveError> {
        let start = out.len();
        let step = self.reader.step(out)?;
        self.hasher.update(out.get(start..).unwrap_or_default());
        if step == Step::Done && self.hasher.clone().finish() != self.expected {
            return Err(ArchiveError::Entry(Finding {
                entry: self.name.clone(),
                fault: Fault::Digest,
            }));
        }
        Ok(step)
    }
}
