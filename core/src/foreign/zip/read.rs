//! Reading one entry of a foreign ZIP.

use alloc::vec::Vec;
use core::fmt;

use super::Item;
use crate::{
    archive::{
        ArchiveError, Entry, Fault, Field, Finding, Limits, Step,
        content::Content,
        raw::{
            self, DESCRIPTOR_SIGNATURE, FLAG_DESCRIPTOR, FLAG_UTF8, FLAGS_ENCRYPTED, LOCAL_FIXED,
            LOCAL_SIGNATURE, MAX32, ZIP64_TAG, number, short,
        },
        read_whole,
    },
    range::ByteRange,
    request::Intake,
};

/// Longest data descriptor.
const DESCRIPTOR_BYTES: u64 = 24;

enum State {
    Header,
    Data,
    Descriptor,
    Done,
}

/// Reads one entry of a foreign ZIP, as [`crate::archive::EntryReader`] reads one of an archive.
pub struct Reader {
    content: Content,
    raw_name: Vec<u8>,
    flags: u16,
    state: State,
    /// It ends where the next record begins.
    intake: Intake,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("entry", self.content.entry())
            .field("position", &self.intake.position())
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader for an entry.
    ///
    /// # Errors
    /// [`ArchiveError::Entry`] if the directory already shows that it can't be read.
    pub fn new(item: &Item, limits: Limits) -> Result<Self, ArchiveError> {
        if let Some(fault) = item.unreadable {
            return Err(ArchiveError::Entry(Finding {
                entry: item.entry.name.clone(),
                fault,
            }));
        }
        Ok(Self {
            content: Content::new(&item.entry, limits),
            raw_name: item.raw_name.clone(),
            flags: item.flags,
            state: State::Header,
            intake: Intake::new(item.entry.offset, item.room),
        })
    }

    /// Bytes of content, as the directory says.
    #[must_use]
    pub const fn size(&self) -> u64 {
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
                    let Some(header) = local_header(self.intake.waiting()) else {
                        return self.want(LOCAL_FIXED as u64 + 65_535 * 2);
                    };
                    let len = header.len();
                    if let Some(field) = self.header_difference(header) {
                        return Err(self.content.fault(Fault::LocalHeader(field)));
                    }
                    self.intake.consume(len);
                    let data_end = self
                        .intake
                        .unused()
                        .saturating_add(self.content.entry().compressed);
                    if data_end > self.intake.end() {
                        return Err(self.content.fault(Fault::Overlap {
                            end: data_end,
                            next: self.intake.end(),
                        }));
                    }
                    self.state = State::Data;
                }
                State::Data => {
                    let before = out.len();
                    let input = self.intake.waiting();
                    let taken = self.content.step(input, out)?;
                    self.intake.consume(taken.used);
                    if out.len() > before {
                        return Ok(Step::Output);
                    }
                    if !taken.ended {
                        return self.want(self.content.left());
                    }
                    self.state = State::Descriptor;
                }
                State::Descriptor => {
                    if self.flags & FLAG_DESCRIPTOR != 0 {
                        let due = DESCRIPTOR_BYTES.min(self.intake.end() - self.intake.unused());
                        if (self.intake.waiting().len() as u64) < due {
                            return self.want(due);
                        }
                        if let Some(field) =
                            descriptor_difference(self.content.entry(), self.intake.waiting())
                        {
                            return Err(self.content.fault(Fault::Descriptor(field)));
                        }
                    }
                    self.content.finish()?;
                    self.state = State::Done;
                }
                State::Done => return Ok(Step::Done),
            }
        }
    }

    /// Reads a whole entry that is small enough to hold, through `read`, which gives the bytes of a range.
    ///
    /// # Errors
    /// As [`Reader::step`], and what `read` gives.
    pub fn read_all<E: From<ArchiveError>>(
        mut self,
        limit: &'static str,
        allowed: u64,
        mut read: impl FnMut(ByteRange) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let size = self.content.entry().size;
        read_whole(size, limit, allowed, |wanted, out| {
            if let Some(range) = wanted {
                self.feed(&read(range)?)?;
            }
            Ok(self.step(out)?)
        })
    }

    /// Asks for the rest of what `ahead` bytes from the first unused one are, and the bytes behind the data with it.
    fn want(&self, ahead: u64) -> Result<Step, ArchiveError> {
        let due = self.intake.unused().saturating_add(ahead);
        let end = due
            .saturating_add(self.content.left())
            .saturating_add(DESCRIPTOR_BYTES);
        // When all of its room is read it still is not whole.
        let overlap = Fault::Overlap {
            end: due,
            next: self.intake.end(),
        };
        self.intake
            .want_up_to(end)
            .map(Step::Want)
            .ok_or_else(|| self.content.fault(overlap))
    }

    /// The first field of the local header that contradicts the directory.
    fn header_difference(&self, header: &[u8]) -> Option<Field> {
        let entry = self.content.entry();
        let name_end = LOCAL_FIXED + usize::from(short(header, 26));
        let extra = header.get(name_end..).unwrap_or_default();
        let flags = FLAGS_ENCRYPTED | FLAG_DESCRIPTOR | FLAG_UTF8;
        let differs = [
            (
                Field::Signature,
                number(header, 0, 4) != u64::from(LOCAL_SIGNATURE),
            ),
            (Field::Flags, short(header, 6) & flags != self.flags & flags),
            (Field::Method, short(header, 8) != entry.method.number()),
            (
                Field::Name,
                header.get(LOCAL_FIXED..name_end) != Some(&self.raw_name),
            ),
            (
                Field::Extra,
                raw::extra_fields(extra).any(|field| field.is_err()),
            ),
        ];
        if let Some((field, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Some(field);
        }
        let (mut size, mut compressed) = (number(header, 22, 4), number(header, 18, 4));
        if let Some(wide) = raw::field(extra, ZIP64_TAG) {
            let mut values = wide.chunks_exact(8).map(|value| number(value, 0, 8));
            for value in [&mut size, &mut compressed] {
                if *value == MAX32 {
                    *value = values.next().unwrap_or(MAX32);
                }
            }
        }
        // Before a data descriptor they may be left open.
        let open = self.flags & FLAG_DESCRIPTOR != 0;
        let values = [
            (Field::Crc, number(header, 14, 4), u64::from(entry.crc32)),
            (Field::Compressed, compressed, entry.compressed),
            (Field::Size, size, entry.size),
        ];
        values
            .into_iter()
            .find(|(_, local, central)| local != central && !(open && *local == 0))
            .map(|(field, ..)| field)
    }
}

/// The local header at the start of `bytes`, with name and extra fields, once all of it is there. What is no local
/// header at all is given as far as it has the length of one's fixed part.
fn local_header(bytes: &[u8]) -> Option<&[u8]> {
    let fixed = bytes.get(..LOCAL_FIXED)?;
    if number(fixed, 0, 4) != u64::from(LOCAL_SIGNATURE) {
        return Some(fixed);
    }
    let len = LOCAL_FIXED + usize::from(short(fixed, 26)) + usize::from(short(fixed, 28));
    bytes.get(..len)
}

/// The field in which a data descriptor contradicts the directory. It has four forms (APPNOTE 4.3.9): with a signature
/// or without, with sizes of 4 or 8 bytes; which one it is, nothing says.
fn descriptor_difference(entry: &Entry, bytes: &[u8]) -> Option<Field> {
    let signed = number(bytes, 0, 4) == u64::from(DESCRIPTOR_SIGNATURE);
    let is = |at: usize, width: usize| {
        bytes.len() >= at + 4 + 2 * width
            && number(bytes, at, 4) == u64::from(entry.crc32)
            && number(bytes, at + 4, width) == entry.compressed
            && number(bytes, at + 4 + width, width) == entry.size
    };
    if is(0, 4) || is(0, 8) || (signed && (is(4, 4) || is(4, 8))) {
        return None;
    }
    let at = if signed { 4 } else { 0 };
    Some(if number(bytes, at, 4) == u64::from(entry.crc32) {
        Field::Size
    } else {
        Field::Crc
    })
}
