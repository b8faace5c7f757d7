//! Writing an archive from start to end, without going back.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    ArchiveError, Entry, Fault, Finding, Method, Packed, deflate::StreamDeflate, name,
    record::end_records,
};

/// Writes an archive. Every method appends to `out`, which the caller writes on and clears.
pub struct ArchiveWriter {
    offset: u64,
    entries: u64,
    directory: Vec<u8>,
    names: BTreeSet<String>,
    streaming: Option<Streaming>,
}

struct Streaming {
    entry: Entry,
    crc: crc32fast::Hasher,
    kind: StreamKind,
}

enum StreamKind {
    /// Compresses content; the first piece decides how.
    Compress(Option<StreamDeflate>),
    /// Takes stored bytes as they are; counts them down.
    Copy { left: u64 },
}

impl core::fmt::Debug for ArchiveWriter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("entries", &self.entries)
            .field("offset", &self.offset)
            .finish()
    }
}

impl Default for ArchiveWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ArchiveWriter {
    /// Starts an archive.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            offset: 0,
            entries: 0,
            directory: Vec::new(),
            names: BTreeSet::new(),
            streaming: None,
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Adds an entry whose content is at hand.
    ///
    /// # Errors
    /// [`ArchiveError::Entry`] for a name that is not allowed or was used.
    pub fn add(
        &mut self,
        name: &str,
        packed: &Packed,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let entry = Entry {
            offset: self.offset,
            ..packed.entry(name)
        };
        self.check_name(name)?;
        let start = out.len();
        out.extend_from_slice(&entry.local_header());
        out.extend_from_slice(&packed.data);
        self.offset += (out.len() - start) as u64;
        self.record(&entry);
        Ok(())
    }

    /// Begins an entry whose content comes in pieces and whose size isn't known.
    ///
    /// # Errors
    /// As [`ArchiveWriter::add`].
    pub fn begin(&mut self, name: &str, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let entry = Entry {
            name: name.to_string(),
            method: Method::Deflate,
            crc32: 0,
            compressed: 0,
            size: 0,
            offset: self.offset,
            streamed: true,
        };
        self.start(entry, StreamKind::Compress(None), out)
    }

    /// Begins an entry that is copied from another archive: its stored bytes follow by [`ArchiveWriter::push`].
    /// Whoever copies must have read the entry to its end, and throw the new archive away if it was damaged.
    ///
    /// # Errors
    /// As [`ArchiveWriter::add`].
    pub fn begin_copy(&mut self, from: &Entry, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let entry = Entry {
            offset: self.offset,
            streamed: false,
            ..from.clone()
        };
        let left = entry.compressed;
        self.start(entry, StreamKind::Copy { left }, out)
    }

    fn start(
        &mut self,
        entry: Entry,
        kind: StreamKind,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        self.check_name(&entry.name)?;
        let header = entry.local_header();
        out.extend_from_slice(&header);
        self.offset += header.len() as u64;
        self.streaming = Some(Streaming {
            entry,
            crc: crc32fast::Hasher::new(),
            kind,
        });
        Ok(())
    }

    /// Adds to the entry that was begun: content, or stored bytes for a copy.
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`] if none was begun, or if a copy has more bytes than its entry.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let start = out.len();
        let streaming = self
            .streaming
            .as_mut()
            .ok_or(ArchiveError::Misuse("no entry was begun"))?;
        match &mut streaming.kind {
            StreamKind::Compress(deflate) => {
                streaming.crc.update(bytes);
                streaming.entry.size += bytes.len() as u64;
                deflate
                    .get_or_insert_with(|| StreamDeflate::new(bytes))
                    .push(bytes, out)?;
                streaming.entry.compressed += (out.len() - start) as u64;
            }
            StreamKind::Copy { left } => {
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or(ArchiveError::Misuse("a copied entry is longer than it was"))?;
                out.extend_from_slice(bytes);
            }
        }
        self.offset += (out.len() - start) as u64;
        Ok(())
    }

    /// Ends the entry that was begun.
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`] if none was begun, or if a copy has fewer bytes than its entry.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let start = out.len();
        let Streaming {
            mut entry,
            crc,
            kind,
        } = self
            .streaming
            .take()
            .ok_or(ArchiveError::Misuse("no entry was begun"))?;
        match kind {
            StreamKind::Compress(deflate) => {
                deflate
                    .unwrap_or_else(|| StreamDeflate::new(&[]))
                    .finish(out)?;
                entry.compressed += (out.len() - start) as u64;
                entry.crc32 = crc.finalize();
                out.extend_from_slice(&entry.descriptor());
            }
            StreamKind::Copy { left: 0 } => {}
            StreamKind::Copy { .. } => {
                return Err(ArchiveError::Misuse(
                    "a copied entry is shorter than it was",
                ));
            }
        }
        self.offset += (out.len() - start) as u64;
        self.record(&entry);
        Ok(())
    }

    /// Ends the archive: central directory and end records.
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`] if an entry was begun and not ended.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        if self.streaming.is_some() {
            return Err(ArchiveError::Misuse("an entry was not ended"));
        }
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&end_records(
            self.entries,
            self.offset,
            self.directory.len() as u64,
        ));
        Ok(())
    }

    fn check_name(&mut self, name: &str) -> Result<(), ArchiveError> {
        if self.streaming.is_some() {
            return Err(ArchiveError::Misuse("an entry was not ended"));
        }
        let fault = |fault| {
            ArchiveError::Entry(Finding {
                entry: name.to_string(),
                fault,
            })
        };
        name::check(name).map_err(|error| fault(Fault::Name(error)))?;
        if !self.names.insert(name::fold(name)) {
            return Err(fault(Fault::DuplicateName));
        }
        Ok(())
    }

    fn record(&mut self, entry: &Entry) {
        self.directory.extend_from_slice(&entry.central_header());
        self.entries += 1;
    }
}
