//! Finding the entries of a damaged archive.
//!
//! The strict profile makes this exact rather than a guess: a record is only taken for one if it is, byte by byte, what
//! the writer would have written. Three ways lead to an entry, and how far one can rely on it differs:
//!
//! 1. **Listed**: a central header names it, in the directory that the end record points at.
//! 2. **Walked**: the records before it, from byte 0 or from a listed one on, lie back to back.
//! 3. **Searched**: the record before it is damaged so that its end is unknown, and the next local header was looked for
//!    byte by byte. An uploaded file can itself be an archive, so such an entry may be one of another archive *inside* of
//!    this one. It is not this archive's until a digest of the manifest says so.
//!
//! What an entry holds is not looked at here, but where it ends only its content tells.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use super::{
    ArchiveError, Entry, Fault, Field, Finding, Limits, Method,
    deflate::{Inflated, StreamInflate},
    end, name,
    raw::{
        CENTRAL_FIXED, CENTRAL_SIGNATURE, Central, FLAG_DESCRIPTOR, FLAG_UTF8, LOCAL_FIXED,
        LOCAL_SIGNATURE, MAX32, number, short,
    },
};
use crate::{range::ByteRange, request::Request};

const TAIL_BYTES: u64 = 64 << 10;
/// The longest local header: fixed part, longest name, ZIP64 field.
const LONGEST_HEADER: u64 = (LOCAL_FIXED + name::MAX_NAME_BYTES + 20) as u64;
const SLAB_BYTES: u64 = 4 << 20;
/// Bytes of the longest descriptor.
const DESCRIPTOR_BYTES: usize = 24;
/// The ratio limit is not applied below this many bytes of content.
const RATIO_FROM: u64 = 1 << 20;

/// How an entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The directory names it.
    Listed,
    /// The records before it lead there.
    Walked,
    /// It was looked for, and may belong to another archive inside of this one.
    Searched,
    /// Its two headers name it differently, and one of them is damaged.
    Doubtful,
}

/// An entry of a damaged archive. Its content is still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// The entry.
    pub entry: Entry,
    /// How it was found.
    pub origin: Origin,
}

impl FoundEntry {
    /// What to try after [`EntryReader::new`](super::EntryReader::new) has failed for this entry with `error`: its content
    /// without the records around it, for they may be what is damaged. `None` if that would fail too.
    #[must_use]
    pub fn second_try(&self, error: &ArchiveError) -> Option<Self> {
        let ArchiveError::Entry(Finding { fault, .. }) = error else {
            return None;
        };
        let origin = match fault {
            // Which of the two names is the right one, only a digest can tell.
            Fault::LocalHeader(Field::Name) => Origin::Doubtful,
            Fault::LocalHeader(_) | Fault::Descriptor(_) => self.origin,
            _ => return None,
        };
        Some(Self {
            entry: self.entry.clone(),
            origin,
        })
    }
}

/// What is left of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// All of it: the entries found are those that there were.
    Whole,
    /// Some of it.
    Part,
    /// Nothing.
    Lost,
}

/// A part of the archive in which no records were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it is.
    pub range: ByteRange,
    /// The entry that begins there, if its local header is left.
    pub entry: Option<String>,
}

/// What a search gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The entries, in the order of their places. Two can have one name, or one place if its two headers differ.
    pub entries: Vec<FoundEntry>,
    /// What lies between.
    pub gaps: Vec<Gap>,
    /// What is left of the directory.
    pub directory: DirectoryState,
}

/// Looks for entries, given the ranges that it asks for.
pub struct Search {
    len: u64,
    limits: Limits,
    state: State,
    request: Request,
    /// Entries that central headers name, by offset.
    listed: BTreeMap<u64, Entry>,
    directory: DirectoryState,
    /// Whether the way to the next record led through a search.
    searched: bool,
    entries: Vec<FoundEntry>,
    gaps: Vec<Gap>,
}

enum State {
    Tail,
    Directory {
        entries: u64,
    },
    /// A record is due here.
    Record,
    /// An entry whose end only its content tells.
    Content(Streamed),
    /// A local header is looked for; the gap began earlier.
    Lookout(Gap),
    Done,
}

/// An entry whose sizes stand behind it.
struct Streamed {
    entry: Entry,
    inflate: StreamInflate,
    room: Vec<u8>,
    crc: crc32fast::Hasher,
    ended: bool,
}

impl core::fmt::Debug for Search {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Search")
            .field("wanted", &self.wants())
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Search {
    /// Starts on an archive of `len` bytes.
    #[must_use]
    pub fn new(len: u64, limits: Limits) -> Self {
        let tail = len.min(TAIL_BYTES);
        Self {
            len,
            limits,
            state: if len == 0 { State::Done } else { State::Tail },
            request: Request::new(ByteRange::new(len - tail, tail)),
            listed: BTreeMap::new(),
            directory: DirectoryState::Lost,
            searched: false,
            entries: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        self.request.wants()
    }

    /// Takes some or all of the bytes that it wants, from their start. What is known to be lost is given as zeros.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`], and [`ArchiveError::Limit`] for more entries than are allowed. Damage is no error here.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some((at, bytes)) = self.request.feed(bytes)? else {
            return Ok(());
        };
        match core::mem::replace(&mut self.state, State::Done) {
            State::Tail => self.tail_read(&bytes),
            State::Directory { entries } => self.directory_read(at, &bytes, entries),
            State::Record => self.record_read(at, &bytes)?,
            State::Content(streamed) => self.content_read(at, streamed, &bytes)?,
            State::Lookout(gap) => self.look_out(at, gap, &bytes)?,
            State::Done => {}
        }
        Ok(())
    }

    /// The entries and what lies between.
    ///
    /// # Errors
    /// [`ArchiveError::Misfed`] if it still wants bytes.
    pub fn finish(mut self) -> Result<Found, ArchiveError> {
        if self.wants().is_some() {
            return Err(self.request.unfed().into());
        }
        // A damaged size can lead past entries that the directory names.
        let reached: BTreeSet<u64> = self
            .entries
            .iter()
            .filter(|found| found.origin == Origin::Listed)
            .map(|found| found.entry.offset)
            .collect();
        let passed = core::mem::take(&mut self.listed)
            .into_values()
            .filter(|entry| !reached.contains(&entry.offset));
        self.entries.extend(passed.map(|entry| FoundEntry {
            entry,
            origin: Origin::Listed,
        }));
        self.entries.sort_by_key(|found| found.entry.offset);
        Ok(Found {
            entries: self.entries,
            gaps: self.gaps,
            directory: self.directory,
        })
    }

    fn want(&mut self, state: State, offset: u64, len: u64) {
        self.state = state;
        self.request = Request::new(ByteRange::new(offset, len));
    }

    fn tail_read(&mut self, tail: &[u8]) {
        // Findings don't matter here: what the end record says is believed as far as the headers bear it out.
        let end = end::read(tail, self.len, &mut Vec::new()).ok();
        let directory = end.filter(|end| {
            end.len >= CENTRAL_FIXED as u64
                && end.len <= self.limits.directory_bytes
                && end.offset.checked_add(end.len).is_some_and(|stop| {
                    // Directly before the end records, which are in the tail. That also rules out the end of an archive
                    // inside of this one, whose offsets are counted from its own start.
                    stop <= self.len && self.ends_there(stop, tail, end)
                })
        });
        match directory {
            Some(end) => self.want(
                State::Directory {
                    entries: end.entries,
                },
                end.offset,
                end.len,
            ),
            None => self.next_record(0),
        }
    }

    /// Whether the end records that say `end` stand at `stop`.
    fn ends_there(&self, stop: u64, tail: &[u8], end: &end::EndOfDirectory) -> bool {
        let records = super::record::end_records(end.entries, end.offset, end.len);
        let tail_at = self.len - tail.len() as u64;
        stop.checked_sub(tail_at)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| tail.get(at..))
            .is_some_and(|found| found.starts_with(&records))
    }

    fn directory_read(&mut self, at: u64, bytes: &[u8], entries: u64) {
        let mut rest = bytes;
        let mut whole = true;
        let mut next = 0;
        while !rest.is_empty() {
            match central_entry(rest) {
                Some((entry, len)) => {
                    whole &= entry.offset == next;
                    next = end_of(&entry);
                    self.listed.insert(entry.offset, entry);
                    rest = rest.get(len..).unwrap_or_default();
                }
                None => {
                    whole = false;
                    // No name can hold the signature, so this can only be the next header.
                    let signature = CENTRAL_SIGNATURE.to_le_bytes();
                    let skip = find(rest.get(1..).unwrap_or_default(), &signature);
                    rest = skip
                        .and_then(|skip| rest.get(skip + 1..))
                        .unwrap_or_default();
                }
            }
        }
        whole &= self.listed.len() as u64 == entries && next == at;
        if whole {
            self.directory = DirectoryState::Whole;
            self.entries = core::mem::take(&mut self.listed)
                .into_values()
                .map(|entry| FoundEntry {
                    entry,
                    origin: Origin::Listed,
                })
                .collect();
            return;
        }
        if !self.listed.is_empty() {
            self.directory = DirectoryState::Part;
        }
        self.next_record(0);
    }

    /// Goes on at a place where a record is due.
    fn next_record(&mut self, at: u64) {
        let left = self.len.saturating_sub(at);
        if left > 0 {
            self.want(State::Record, at, left.min(LONGEST_HEADER));
        }
    }

    fn record_read(&mut self, at: u64, bytes: &[u8]) -> Result<(), ArchiveError> {
        let listed = self.listed.get(&at).cloned();
        if listed.is_some() {
            self.searched = false;
        }
        // A streamed entry's local header has no sizes, so it adds nothing to a central one.
        let local = local_entry(bytes, at).filter(|local| listed.is_none() || !local.streamed);
        let walked = if self.searched {
            Origin::Searched
        } else {
            Origin::Walked
        };
        match (listed, local) {
            (Some(listed), Some(local)) if local.name == listed.name && local != listed => {
                // One of the two headers is damaged, and the content will tell which. The right one ends where another
                // entry begins.
                let ends_well = |entry: &Entry| self.listed.contains_key(&end_of(entry));
                let end = if ends_well(&listed) || !ends_well(&local) {
                    end_of(&listed)
                } else {
                    end_of(&local)
                };
                self.push(local, walked)?;
                self.push(listed, Origin::Listed)?;
                self.next_record(end.min(self.len));
                Ok(())
            }
            (Some(entry), _) => {
                let end = end_of(&entry);
                self.push(entry, Origin::Listed)?;
                self.next_record(end.min(self.len));
                Ok(())
            }
            (None, Some(entry)) if entry.streamed => {
                let data = entry.content_range().offset;
                self.want_content(
                    Streamed {
                        entry,
                        inflate: StreamInflate::new(),
                        room: alloc::vec![0; 1 << 17],
                        crc: crc32fast::Hasher::new(),
                        ended: false,
                    },
                    data,
                );
                Ok(())
            }
            (None, Some(entry)) => {
                let end = end_of(&entry);
                self.push(entry, walked)?;
                self.next_record(end.min(self.len));
                Ok(())
            }
            (None, None) => {
                let directory = number(bytes, 0, 4) == u64::from(CENTRAL_SIGNATURE);
                // The directory, or one of an archive inside of this one.
                if !directory || self.searched {
                    self.lose(at, None);
                }
                Ok(())
            }
        }
    }

    fn push(&mut self, entry: Entry, origin: Origin) -> Result<(), ArchiveError> {
        let found = self.entries.len() as u64 + 1;
        if found > self.limits.entries {
            return Err(ArchiveError::Limit {
                limit: "the number of entries",
                found,
                allowed: self.limits.entries,
            });
        }
        self.entries.push(FoundEntry { entry, origin });
        Ok(())
    }

    /// Gives up on what begins at `at`, and goes on at the next record that is known, or looks for one.
    fn lose(&mut self, at: u64, entry: Option<String>) {
        let gap = Gap {
            range: ByteRange::new(at, 0),
            entry,
        };
        // A damaged offset can lie behind the file: nothing can be read there, but much may be found before.
        match self.listed.range(at + 1..self.len).next() {
            Some((next, _)) => {
                let next = *next;
                self.close(gap, next);
                self.next_record(next);
            }
            None => self.want_lookout(gap, at + 1),
        }
    }

    fn close(&mut self, mut gap: Gap, end: u64) {
        gap.range.len = end.saturating_sub(gap.range.offset);
        self.gaps.push(gap);
    }

    fn want_lookout(&mut self, gap: Gap, at: u64) {
        let left = self.len.saturating_sub(at);
        // A local header has to follow with all of its fixed part.
        if left < LOCAL_FIXED as u64 {
            return self.close(gap, self.len);
        }
        self.want(State::Lookout(gap), at, left.min(SLAB_BYTES));
    }

    fn look_out(&mut self, at: u64, gap: Gap, bytes: &[u8]) -> Result<(), ArchiveError> {
        let signature = LOCAL_SIGNATURE.to_le_bytes();
        let mut from = 0;
        while let Some(skip) = find(bytes.get(from..).unwrap_or_default(), &signature) {
            let place = from + skip;
            let position = at + place as u64;
            let rest = bytes.get(place..).unwrap_or_default();
            let cut = (rest.len() as u64) < LONGEST_HEADER && at + (bytes.len() as u64) < self.len;
            if cut {
                // Perhaps a header that goes on behind what was read. A slab is longer than any, so this is not its start.
                self.want_lookout(gap, position);
                return Ok(());
            }
            if local_entry(rest, position).is_some() {
                self.close(gap, position);
                self.searched = true;
                self.next_record(position);
                return Ok(());
            }
            from = place + 1;
        }
        // The signature may begin in the last bytes.
        let kept = bytes.len().saturating_sub(3).max(1);
        self.want_lookout(gap, at + kept as u64);
        Ok(())
    }

    fn want_content(&mut self, streamed: Streamed, at: u64) {
        let left = self.len.saturating_sub(at);
        let least = if streamed.ended {
            DESCRIPTOR_BYTES as u64
        } else {
            1
        };
        if left < least {
            let Entry { name, offset, .. } = streamed.entry;
            // What was cut off can't be found again.
            return self.close(
                Gap {
                    range: ByteRange::new(offset, 0),
                    entry: Some(name),
                },
                self.len,
            );
        }
        let len = if streamed.ended {
            least
        } else {
            left.min(SLAB_BYTES)
        };
        self.want(State::Content(streamed), at, len);
    }

    fn content_read(
        &mut self,
        at: u64,
        mut streamed: Streamed,
        bytes: &[u8],
    ) -> Result<(), ArchiveError> {
        if streamed.ended {
            if streamed.entry.descriptor() == bytes {
                let origin = if self.searched {
                    Origin::Searched
                } else {
                    Origin::Walked
                };
                self.push(streamed.entry, origin)?;
                self.next_record(at + bytes.len() as u64);
                return Ok(());
            }
        } else {
            match streamed.run(bytes, &self.limits) {
                Some(used) => {
                    self.want_content(streamed, at + used as u64);
                    return Ok(());
                }
                None => streamed.ended = false,
            }
        }
        let Entry { name, offset, .. } = streamed.entry;
        self.lose(offset, Some(name));
        Ok(())
    }
}

impl Streamed {
    /// Inflates what it is given and counts. Returns the bytes used, or `None` if they are no deflate stream.
    fn run(&mut self, bytes: &[u8], limits: &Limits) -> Option<usize> {
        let mut used = 0;
        loop {
            let input = bytes.get(used..).unwrap_or_default();
            let Inflated {
                used: now,
                written,
                ended,
            } = self.inflate.run(input, &mut self.room)?;
            used += now;
            self.crc.update(self.room.get(..written)?);
            self.entry.compressed += now as u64;
            self.entry.size += written as u64;
            let by_ratio = self.entry.compressed.saturating_mul(limits.ratio);
            if self.entry.size > limits.entry_bytes || self.entry.size > by_ratio.max(RATIO_FROM) {
                return None;
            }
            if ended {
                self.ended = true;
                self.entry.crc32 = self.crc.clone().finalize();
                return Some(used);
            }
            if now == 0 && written == 0 {
                // More input is needed, and there was some: a stream that takes none of it is none.
                return (used == bytes.len()).then_some(used);
            }
        }
    }
}

fn find(bytes: &[u8], signature: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, signature)
}

/// Where an entry's record ends, by its own word.
fn end_of(entry: &Entry) -> u64 {
    entry
        .record_len()
        .and_then(|len| entry.offset.checked_add(len))
        .unwrap_or(u64::MAX)
}

fn method(number: u16) -> Option<Method> {
    match number {
        0 => Some(Method::Store),
        8 => Some(Method::Deflate),
        _ => None,
    }
}

/// The entry of the central header at the start of `bytes`, if it is one of the profile, and the header's length.
fn central_entry(bytes: &[u8]) -> Option<(Entry, usize)> {
    let raw = Central::parse(bytes)?;
    let entry = Entry {
        name: usable_name(raw.name)?,
        method: method(raw.method)?,
        crc32: raw.crc32,
        compressed: raw.compressed,
        size: raw.size,
        offset: raw.offset,
        streamed: raw.flags & FLAG_DESCRIPTOR != 0,
    };
    (entry.central_header() == raw.bytes).then_some((entry, raw.bytes.len()))
}

/// The entry of the local header at the start of `bytes`, if it is one of the profile. Sizes and CRC of a streamed entry
/// are zero.
fn local_entry(bytes: &[u8], offset: u64) -> Option<Entry> {
    let name_end = LOCAL_FIXED + usize::from(short(bytes, 26));
    let name = usable_name(bytes.get(LOCAL_FIXED..name_end)?)?;
    let flags = short(bytes, 6);
    let mut entry = Entry {
        name,
        method: method(short(bytes, 8))?,
        crc32: u32::try_from(number(bytes, 14, 4)).ok()?,
        compressed: number(bytes, 18, 4),
        size: number(bytes, 22, 4),
        offset,
        streamed: flags == FLAG_UTF8 | FLAG_DESCRIPTOR,
    };
    if entry.size == MAX32 && entry.compressed == MAX32 {
        entry.size = number(bytes, name_end + 4, 8);
        entry.compressed = number(bytes, name_end + 12, 8);
    }
    if entry.streamed && entry.method != Method::Deflate {
        return None;
    }
    // The whole header is compared: what it says, it must say as the writer would.
    let expected = entry.local_header();
    bytes.starts_with(&expected).then_some(entry)
}

fn usable_name(bytes: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(bytes).ok()?;
    name::check(name).ok()?;
    Some(name.into())
}

#[cfg(test)]
mod tests;
