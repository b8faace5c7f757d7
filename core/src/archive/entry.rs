//! Reading one entry: asks for its bytes, gives its content, believes nothing that it has not counted itself.

use alloc::{vec, vec::Vec};
use core::fmt;

use super::{ArchiveError, Entry, Fault, Limits, content::Content, record};
use crate::range::ByteRange;

/// Bytes that are asked for at once at most.
pub(crate) const SLAB_BYTES: u64 = 4 << 20;

/// What a reader says after each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It needs these bytes of the archive, or some of them from their start.
    Want(ByteRange),
    /// It has appended content; call again.
    Output,
    /// All content was given, and it is what the directory says.
    Done,
}

enum State {
    Header,
    Data,
    Descriptor,
    Done,
}

/// Reads one entry of an archive.
pub struct EntryReader {
    content: Content,
    state: State,
    /// Position in the archive of the first byte that was not yet fed.
    position: u64,
    end: u64,
    /// Bytes fed and not yet used.
    input: Vec<u8>,
    used: usize,
    raw: Option<Vec<u8>>,
    /// Whether local header and data descriptor are compared too.
    records: bool,
}

impl fmt::Debug for EntryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryReader")
            .field("entry", self.content.entry())
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl EntryReader {
    /// A reader for an entry of the directory.
    #[must_use]
    pub fn new(entry: &Entry, limits: Limits) -> Self {
        let end = entry
            .record_len()
            .and_then(|len| entry.offset.checked_add(len));
        Self {
            content: Content::new(entry, limits),
            state: State::Header,
            position: entry.offset,
            // The directory was checked to hold only records whose end lies inside of the file.
            end: end.unwrap_or(entry.offset),
            input: Vec::new(),
            used: 0,
            raw: None,
            records: true,
        }
    }

    /// Leaves out the records around the content, which may be damaged where something is saved.
    #[must_use]
    pub fn content_only(mut self) -> Self {
        let entry = self.content.entry();
        self.position = self
            .position
            .saturating_add(entry.local_header().len() as u64);
        self.end = self.position.saturating_add(entry.compressed);
        self.state = State::Data;
        self.records = false;
        self
    }

    /// Also keeps the stored bytes as they are, to be taken with [`EntryReader::take_raw`].
    #[must_use]
    pub fn keep_raw(mut self) -> Self {
        self.raw = Some(Vec::new());
        self
    }

    /// The stored bytes that were read since the last call, if they are kept.
    pub fn take_raw(&mut self) -> Vec<u8> {
        self.raw.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Bytes of content, as the directory says.
    pub(super) const fn size(&self) -> u64 {
        self.content.entry().size
    }

    /// Takes bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let given = bytes.len() as u64;
        let wanted = self.end - self.position;
        if bytes.is_empty() || given > wanted {
            return Err(ArchiveError::Misfed { wanted, given });
        }
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
        self.position += given;
        Ok(())
    }

    /// Does a bounded piece of work: appends at most 1 MiB of content to `out`.
    ///
    /// # Errors
    /// [`ArchiveError::Entry`] or [`ArchiveError::Limit`]; what was given out before is then not to be trusted.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, ArchiveError> {
        loop {
            match self.state {
                State::Header => {
                    let entry = self.content.entry();
                    let Some(found) = self.waiting(entry.local_header().len()) else {
                        return Ok(self.want());
                    };
                    if let Some(field) = record::local_difference(entry, found) {
                        return Err(self.content.fault(Fault::LocalHeader(field)));
                    }
                    self.used += found.len();
                    self.state = State::Data;
                }
                State::Data => {
                    let before = out.len();
                    let input = self.input.get(self.used..).unwrap_or_default();
                    let taken = self.content.step(input, out)?;
                    if let Some(raw) = &mut self.raw {
                        raw.extend_from_slice(input.get(..taken.used).unwrap_or_default());
                    }
                    self.used += taken.used;
                    if out.len() > before {
                        return Ok(Step::Output);
                    }
                    if !taken.ended {
                        return Ok(self.want());
                    }
                    self.state = State::Descriptor;
                }
                State::Descriptor if !self.records => {
                    self.content.finish()?;
                    self.state = State::Done;
                }
                State::Descriptor => {
                    let entry = self.content.entry();
                    let Some(found) = self.waiting(entry.descriptor().len()) else {
                        return Ok(self.want());
                    };
                    if let Some(field) = record::descriptor_difference(entry, found) {
                        return Err(self.content.fault(Fault::Descriptor(field)));
                    }
                    self.used += found.len();
                    self.content.finish()?;
                    self.state = State::Done;
                }
                State::Done => return Ok(Step::Done),
            }
        }
    }

    fn want(&self) -> Step {
        Step::Want(ByteRange::new(
            self.position,
            (self.end - self.position).min(SLAB_BYTES),
        ))
    }

    /// The next `len` bytes, once they are all there.
    fn waiting(&self, len: usize) -> Option<&[u8]> {
        self.input.get(self.used..self.used.checked_add(len)?)
    }

    /// Reads a whole entry that is small enough to hold, through `read`, which gives the bytes of a range.
    ///
    /// # Errors
    /// As [`EntryReader::step`], and what `read` gives.
    pub fn read_all<E: From<ArchiveError>>(
        mut self,
        limit: &'static str,
        allowed: u64,
        mut read: impl FnMut(ByteRange) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let size = self.size();
        read_whole(size, limit, allowed, |wanted, out| {
            if let Some(range) = wanted {
                self.feed(&read(range)?)?;
            }
            Ok(self.step(out)?)
        })
    }
}

/// Reads all content of an entry that says it has `size` bytes. `step` is given the range that the step before wanted.
pub(crate) fn read_whole<E: From<ArchiveError>>(
    size: u64,
    limit: &'static str,
    allowed: u64,
    mut step: impl FnMut(Option<ByteRange>, &mut Vec<u8>) -> Result<Step, E>,
) -> Result<Vec<u8>, E> {
    if size > allowed {
        return Err(ArchiveError::Limit {
            limit,
            found: size,
            allowed,
        }
        .into());
    }
    let mut out = vec![];
    let mut wanted = None;
    loop {
        wanted = match step(wanted, &mut out)? {
            Step::Want(range) => Some(range),
            Step::Output => None,
            Step::Done => return Ok(out),
        };
    }
}
