//! Writing an archive from start to end, without going back.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    ArchiveError, Entry, Fault, Finding, Method, Packed, StreamPacker, Streamed, name,
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
    kind: StreamKind,
}

enum StreamKind {
    /// Compresses content.
    Compress(StreamPacker),
    /// Takes stored bytes that a [`StreamPacker`] elsewhere makes.
    Packed,
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
        self.start_streamed(name, StreamKind::Compress(StreamPacker::new()), out)
    }

    /// Begins an entry whose content a [`StreamPacker`] packs elsewhere: what that appends follows by
    /// [`ArchiveWriter::push`], and [`ArchiveWriter::end_packed`] ends it.
    ///
    /// # Errors
    /// As [`ArchiveWriter::add`].
    pub fn begin_packed(&mut self, name: &str, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        self.start_streamed(name, StreamKind::Packed, out)
    }

    fn start_streamed(
        &mut self,
        name: &str,
        kind: StreamKind,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let entry = Entry {
            name: name.to_string(),
            method: Method::Deflate,
            crc32: 0,
            compressed: 0,
            size: 0,
            offset: self.offset,
            streamed: true,
        };
        self.start(entry, kind, out)
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
        self.streaming = Some(Streaming { entry, kind });
        Ok(())
    }

    /// Adds to the entry that was begun: content, or stored bytes where they come from elsewhere.
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
            StreamKind::Compress(packer) => {
                packer.push(bytes, out)?;
                streaming.entry.compressed += (out.len() - start) as u64;
            }
            StreamKind::Packed => {
                out.extend_from_slice(bytes);
                streaming.entry.compressed += bytes.len() as u64;
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
        let Streaming { mut entry, kind } = self.begun()?;
        let start = out.len();
        match kind {
            StreamKind::Compress(packer) => {
                let streamed = packer.finish(out)?;
                entry.compressed += (out.len() - start) as u64;
                self.offset += (out.len() - start) as u64;
                self.describe(entry, streamed, out);
            }
            StreamKind::Copy { left: 0 } => self.record(&entry),
            StreamKind::Copy { .. } => {
                return Err(ArchiveError::Misuse(
                    "a copied entry is shorter than it was",
                ));
            }
            StreamKind::Packed => {
                return Err(ArchiveError::Misuse(
                    "an entry that is packed elsewhere was not ended there",
                ));
            }
        }
        Ok(())
    }

    /// Ends the entry that was begun with [`ArchiveWriter::begin_packed`].
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`] if none was.
    pub fn end_packed(
        &mut self,
        streamed: Streamed,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let Streaming { entry, kind } = self.begun()?;
        if !matches!(kind, StreamKind::Packed) {
            return Err(ArchiveError::Misuse("the entry is not packed elsewhere"));
        }
        self.describe(entry, streamed, out);
        Ok(())
    }

    fn begun(&mut self) -> Result<Streaming, ArchiveError> {
        self.streaming
            .take()
            .ok_or(ArchiveError::Misuse("no entry was begun"))
    }

    /// Ends an entry whose facts are known now, with the data descriptor that has them.
    fn describe(&mut self, entry: Entry, streamed: Streamed, out: &mut Vec<u8>) {
        let entry = Entry {
            crc32: streamed.crc32,
            size: streamed.size,
            ..entry
        };
        let descriptor = entry.descriptor();
        out.extend_from_slice(&descriptor);
        self.offset += descriptor.len() as u64;
        self.record(&entry);
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
