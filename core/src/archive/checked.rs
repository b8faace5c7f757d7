//! Reading one entry whose content the manifest or the files index names by size and SHA-256.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{ArchiveError, Entry, EntryReader, Fault, Finding, Limits, Step, read_whole};
use crate::{
    digest::{Digest, Hasher},
    manifest::EntryDigest,
    range::ByteRange,
};

/// An [`EntryReader`] that at the end also compares SHA-256.
pub struct CheckedReader {
    reader: EntryReader,
    /// `None` if the content is hashed elsewhere.
    hasher: Option<Hasher>,
    expected: ExpectedDigest,
}

/// The digest that an entry's content should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedDigest {
    entry: String,
    digest: Digest,
}

impl ExpectedDigest {
    /// Compares it with the one found.
    ///
    /// # Errors
    /// [`Fault::Digest`].
    pub fn compare(&self, found: Digest) -> Result<(), ArchiveError> {
        if found == self.digest {
            return Ok(());
        }
        Err(ArchiveError::Entry(Finding {
            entry: self.entry.clone(),
            fault: Fault::Digest,
        }))
    }
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
            hasher: Some(Hasher::new()),
            expected: ExpectedDigest {
                entry: entry.name.clone(),
                digest: expected.sha256,
            },
        })
    }

    /// Leaves the content's SHA-256 to the caller, who is given what to compare it with.
    #[must_use]
    pub fn hash_elsewhere(mut self) -> (Self, ExpectedDigest) {
        self.hasher = None;
        let expected = self.expected.clone();
        (self, expected)
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
        if let Some(hasher) = &mut self.hasher {
            hasher.update(out.get(start..).unwrap_or_default());
        }
        if step == Step::Done
            && let Some(hasher) = self.hasher.take()
        {
            self.expected.compare(hasher.finish())?;
        }
        Ok(step)
    }

    /// As [`EntryReader::read_all`].
    ///
    /// # Errors
    /// As [`CheckedReader::step`], and what `read` gives.
    pub fn read_all<E: From<ArchiveError>>(
        mut self,
        limit: &'static str,
        allowed: u64,
        mut read: impl FnMut(ByteRange) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let size = self.reader.size();
        read_whole(size, limit, allowed, |wanted, out| {
            if let Some(range) = wanted {
                self.feed(&read(range)?)?;
            }
            Ok(self.step(out)?)
        })
    }
}
