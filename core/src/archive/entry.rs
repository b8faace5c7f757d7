//! Reading one entry: asks for its bytes, gives its content, believes nothing that it has not counted itself.

use alloc::{vec, vec::Vec};
use core::fmt;

use super::{ArchiveError, Entry, Fault, Limits, content::Content, record};
use crate::{range::ByteRange, request::Intake};

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
    intake: Intake,
    raw: Option<Vec<u8>>,
    /// Whether local header and data descriptor are compared too.
    records: bool,
}

impl fmt::Debug for EntryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryReader")
            .field("entry", self.content.entry())
            .field("position", &self.intake.position())
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
            // The directory was checked to hold only records whose end lies inside of the file.
            intake: Intake::new(entry.offset, end.unwrap_or(entry.offset)),
            raw: None,
            records: true,
        }
    }

    /// Leaves out the records around the content, which may be damaged where something is saved.
    #[must_use]
    pub fn content_only(mut self) -> Self {
        let entry = self.content.entry();
        let start = entry
            .offset
            .saturating_add(entry.local_header().len() as u64);
        self.intake = Intake::new(start, start.saturating_add(entry.compressed));
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
        Ok(self.intake.feed(bytes)?)
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
                        return self.want();
                    };
                    if let Some(field) = record::local_difference(entry, found) {
                        return Err(self.content.fault(Fault::LocalHeader(field)));
                    }
                    let len = found.len();
                    self.intake.consume(len);
                    self.state = State::Data;
                }
                State::Data => {
                    let before = out.len();
                    let input = self.intake.waiting();
                    let taken = self.content.step(input, out)?;
                    if let Some(raw) = &mut self.raw {
                        raw.extend_from_slice(input.get(..taken.used).unwrap_or_default());
                    }
                    self.intake.consume(taken.used);
                    if out.len() > before {
                        return Ok(Step::Output);
                    }
                    if !taken.ended {
                        return self.want();
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
                        return self.want();
                    };
                    if let Some(field) = record::descriptor_difference(entry, found) {
                        return Err(self.content.fault(Fault::Descriptor(field)));
                    }
                    let len = found.len();
                    self.intake.consume(len);
                    self.content.finish()?;
                    self.state = State::Done;
                }
                State::Done => return Ok(Step::Done),
            }
        }
    }

    fn want(&self) -> Result<Step, ArchiveError> {
        // What the directory gave room to ends before the room does, or it is a defect.
        let next = self.intake.want_up_to(self.intake.end());
        next.map(Step::Want).ok_or(ArchiveError::Misfed {
            wanted: 0,
            given: 0,
        })
    }

    /// The next `len` bytes, once they are all there.
    fn waiting(&self, len: usize) -> Option<&[u8]> {
        self.intake.waiting().get(..len)
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
