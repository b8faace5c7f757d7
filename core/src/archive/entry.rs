//! Reading one entry: asks for its bytes, gives its content, believes nothing that it has not counted itself.

use alloc::{vec, vec::Vec};
use core::fmt;

use super::{
    ArchiveError, Entry, Fault, Finding, Limits, Method,
    deflate::{Inflated, StreamInflate},
    record,
};
use crate::range::ByteRange;

/// Bytes that are asked for at once at most.
const SLAB_BYTES: u64 = 4 << 20;
/// Bytes of content that one step gives at most.
const STEP_BYTES: usize = 1 << 20;
/// Bytes of content that there is room for, however little there is to inflate.
const LEAST_ROOM: usize = 4 << 10;
/// The ratio limit is not applied below this many bytes of content.
const RATIO_FROM: u64 = 1 << 20;

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
    entry: Entry,
    limits: Limits,
    state: State,
    /// Position in the archive of the first byte that was not yet fed.
    position: u64,
    end: u64,
    /// Bytes fed and not yet used.
    input: Vec<u8>,
    used: usize,
    /// Bytes of compressed data used so far.
    consumed: u64,
    inflate: Option<StreamInflate>,
    inflate_ended: bool,
    crc: crc32fast::Hasher,
    written: u64,
    raw: Option<Vec<u8>>,
}

impl fmt::Debug for EntryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryReader")
            .field("entry", &self.entry)
            .field("written", &self.written)
            .finish()
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
            limits,
            state: State::Header,
            position: entry.offset,
            // The directory was checked to hold only records whose end lies inside of the file.
            end: end.unwrap_or(entry.offset),
            input: Vec::new(),
            used: 0,
            consumed: 0,
            inflate: (entry.method == Method::Deflate).then(StreamInflate::new),
            inflate_ended: false,
            crc: crc32fast::Hasher::new(),
            written: 0,
            raw: None,
            entry: entry.clone(),
        }
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
                    let Some(found) = self.take(self.entry.local_header().len()) else {
                        return Ok(self.want());
                    };
                    if let Some(field) = record::local_difference(&self.entry, &found) {
                        return Err(self.fault(Fault::LocalHeader(field)));
                    }
                    self.state = State::Data;
                }
                State::Data => {
                    let before = out.len();
                    let more = self.data(out)?;
                    if out.len() > before {
                        return Ok(Step::Output);
                    }
                    match more {
                        More::Input => return Ok(self.want()),
                        More::End => self.state = State::Descriptor,
                    }
                }
                State::Descriptor => {
                    let Some(found) = self.take(self.entry.descriptor().len()) else {
                        return Ok(self.want());
                    };
                    if let Some(field) = record::descriptor_difference(&self.entry, &found) {
                        return Err(self.fault(Fault::Descriptor(field)));
                    }
                    if self.written != self.entry.size {
                        return Err(self.size_fault());
                    }
                    if self.crc.clone().finalize() != self.entry.crc32 {
                        return Err(self.fault(Fault::Crc));
                    }
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
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let bytes = self
            .input
            .get(self.used..self.used.checked_add(len)?)?
            .to_vec();
        self.used += len;
        Some(bytes)
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Result<More, ArchiveError> {
        let left = self.entry.compressed - self.consumed;
        let available = self.input.get(self.used..).unwrap_or_default();
        let available = available
            .get(
                ..usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(available.len()),
            )
            .unwrap_or_default();
        let start = out.len();
        let (used, ended) = match self.inflate.as_mut() {
            None => {
                let now = available
                    .get(..available.len().min(STEP_BYTES))
                    .unwrap_or_default();
                out.extend_from_slice(now);
                (
                    now.len(),
                    self.consumed + now.len() as u64 == self.entry.compressed,
                )
            }
            Some(_) if self.inflate_ended => (0, true),
            Some(inflate) => {
                // Little input seldom gives much content, and each byte of room costs time to make.
                let room = available.len().saturating_mul(8);
                out.resize(start + room.clamp(LEAST_ROOM, STEP_BYTES), 0);
                let room = out.get_mut(start..).unwrap_or_default();
                let result = inflate.run(available, room);
                out.truncate(start + result.as_ref().map_or(0, |result| result.written));
                let Some(Inflated { used, ended, .. }) = result else {
                    return Err(self.fault(Fault::Deflate));
                };
                (used, ended)
            }
        };
        if let Some(raw) = &mut self.raw {
            raw.extend_from_slice(available.get(..used).unwrap_or_default());
        }
        self.used += used;
        self.consumed += used as u64;
        self.inflate_ended = ended;
        let produced = out.get(start..).unwrap_or_default();
        self.crc.update(produced);
        self.written += produced.len() as u64;
        self.check_limits()?;
        let all_read = self.consumed == self.entry.compressed;
        match (ended, all_read) {
            (true, true) => Ok(More::End),
            // The stream ends before its data does, or its data before the stream.
            (true, false) => Err(self.fault(Fault::Deflate)),
            (false, true) if produced.is_empty() => Err(self.fault(Fault::Deflate)),
            (false, _) => Ok(More::Input),
        }
    }

    fn check_limits(&self) -> Result<(), ArchiveError> {
        let limit = |limit, allowed| ArchiveError::Limit {
            limit,
            found: self.written,
            allowed,
        };
        if self.written > self.limits.entry_bytes {
            return Err(limit("bytes of one entry", self.limits.entry_bytes));
        }
        if self.written > self.entry.size {
            return Err(self.size_fault());
        }
        let by_ratio = self.consumed.saturating_mul(self.limits.ratio);
        if self.written > by_ratio.max(RATIO_FROM) {
            return Err(limit("the compression ratio of one entry", by_ratio));
        }
        Ok(())
    }

    fn size_fault(&self) -> ArchiveError {
        self.fault(Fault::Size {
            declared: self.entry.size,
            found: self.written,
        })
    }

    fn fault(&self, fault: Fault) -> ArchiveError {
        ArchiveError::Entry(Finding {
            entry: self.entry.name.clone(),
            fault,
        })
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
        if self.entry.size > allowed {
            return Err(ArchiveError::Limit {
                limit,
                found: self.entry.size,
                allowed,
            }
            .into());
        }
        let mut out = vec![];
        loop {
            match self.step(&mut out)? {
                Step::Want(range) => self.feed(&read(range)?)?,
                Step::Output => {}
                Step::Done => return Ok(out),
            }
        }
    }
}

enum More {
    Input,
    End,
}
