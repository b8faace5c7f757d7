//! What of a damaged sealed archive still authenticates.
//!
//! Chunk k stands at a place that follows from k, and authenticates only there: its number is in its nonce. So every
//! place is tried for itself, and damage costs the chunks that it touches and no more. Besides flipped bytes this
//! finds what is left when
//!
//! - the file is **cut off**, anywhere behind the header. Without a footer it isn't known which chunk is the last one
//!   and how long it is; what follows the last full chunk is then tried as a chunk of every length that a last chunk
//!   can have. A scrub table or footer that is left can't be mistaken for content, since it does not authenticate;
//! - something was **added** behind the footer: the footer is looked for in the last megabytes;
//! - bytes are **missing** or were **put in** at one place: the footer then gives another length than the file has, and
//!   the chunks behind that place are all moved by the difference.
//!
//! A commitment that doesn't fit is noted and passed over: it rules out that one file opens under two keys, and a chunk
//! that authenticates under the key at hand is content all the same.

use alloc::{vec, vec::Vec};

use super::{
    CHUNK_BYTES, FOOTER_BYTES, FileKey, Footer, PREFIX_BYTES, SEALED_CHUNK_BYTES, SealError,
    TAG_BYTES,
    footer::FOOTER_MAGIC,
    open::exactly,
    payload::{ChunkCipher, Layout, MAX_CHUNKS},
};
use crate::{digest::Digest, range::ByteRange, request::Request};

/// Bytes at the end of the file in which a footer is looked for, with the scrub table of up to 64 GiB before it.
const TAIL_BYTES: u64 = 2 << 20;
/// Chunks that are asked for at once.
const SLAB_CHUNKS: u64 = 256;
/// Places at which a last chunk of unknown length is tried. Each costs up to 16,384 attempts, a tenth of a second.
const LAST_CHUNK_PLACES: u64 = 2;

/// Consecutive chunks that authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    count: u64,
    /// Where the first one starts in the file.
    offset: u64,
}

/// The last chunk, if it authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastChunk {
    number: u64,
    offset: u64,
    sealed_len: u64,
}

/// Tries every chunk of a file, given the ranges that it asks for.
#[derive(Debug)]
pub struct Survey {
    file_len: u64,
    header_len: u64,
    file_key: FileKey,
    cipher: Option<ChunkCipher>,
    state: State,
    request: Request,
    /// What the footer says, if there is one.
    layout: Option<Layout>,
    /// How far the footer stands behind its place; negative if before it.
    moved: i64,
    runs: Vec<Run>,
    last: Option<LastChunk>,
    findings: Vec<SealError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tail,
    Prefix,
    /// Full chunks from `next` on, at their places moved by the bytes that are missing or were put in.
    Full {
        next: u64,
        moved: bool,
    },
    /// A last chunk of known length.
    Last {
        offset: u64,
    },
    /// A last chunk of any length.
    AnyLast {
        number: u64,
        tries: u64,
    },
    Done,
}

impl Survey {
    /// A survey of a file whose header is known, so far as to give the file key.
    #[must_use]
    pub fn new(file_len: u64, header_len: u64, file_key: &FileKey) -> Self {
        let tail = file_len.saturating_sub(header_len).min(TAIL_BYTES);
        let mut survey = Self {
            file_len,
            header_len,
            file_key: file_key.clone(),
            cipher: None,
            state: State::Tail,
            request: Request::new(ByteRange::new(file_len - tail, tail)),
            layout: None,
            moved: 0,
            runs: Vec::new(),
            last: None,
            findings: Vec::new(),
        };
        if tail < PREFIX_BYTES as u64 {
            survey
                .findings
                .push(SealError::CutShort { length: file_len });
            survey.state = State::Done;
            survey.request = Request::none();
        }
        survey
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        self.request.wants()
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// [`SealError::Misfed`], and [`SealError::Crypto`]. Damage is no error here.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        let Some((offset, bytes)) = self.request.feed(bytes)? else {
            return Ok(());
        };
        match self.state {
            State::Tail => {
                self.find_footer(&bytes);
                self.want(
                    State::Prefix,
                    ByteRange::new(self.header_len, PREFIX_BYTES as u64),
                );
            }
            State::Prefix => {
                let prefix = exactly(&bytes)?;
                let (cipher, fits) =
                    ChunkCipher::open_regardless(&*self.file_key.payload_key()?, prefix)?;
                if !fits {
                    self.findings.push(SealError::CommitmentMismatch);
                }
                self.cipher = Some(cipher);
                self.want_full(0, false);
            }
            State::Full { next, moved } => {
                let next = self.try_full(next, offset, bytes);
                self.want_full(next, moved);
            }
            State::Last { offset } => {
                let number = self.layout.map_or(0, |layout| layout.chunks - 1);
                self.try_last(number, offset, &bytes);
                self.after_last(offset);
            }
            State::AnyLast { number, tries } => {
                // From the longest on: a file that is cut behind its payload has little after the last chunk.
                let found = (TAG_BYTES..=bytes.len().min(SEALED_CHUNK_BYTES - 1))
                    .rev()
                    .any(|len| self.try_last(number, offset, bytes.get(..len).unwrap_or_default()));
                if found {
                    self.state = State::Done;
                } else {
                    self.want_any_last(number + 1, tries + 1);
                }
            }
            State::Done => {}
        }
        Ok(())
    }

    fn want(&mut self, state: State, range: ByteRange) {
        self.state = state;
        self.request = Request::new(range);
    }

    /// Where a chunk starts in an undamaged file.
    const fn place(&self, chunk: u64) -> u64 {
        self.header_len + PREFIX_BYTES as u64 + chunk * SEALED_CHUNK_BYTES as u64
    }

    /// The footer at the end of the file, or before something that was added.
    fn find_footer(&mut self, tail: &[u8]) {
        let tail_at = self.file_len - tail.len() as u64;
        let ends = (0..=tail.len().saturating_sub(FOOTER_MAGIC.len()))
            .rev()
            .filter(|at| {
                tail.get(*at..)
                    .is_some_and(|rest| rest.starts_with(&FOOTER_MAGIC))
            })
            .map(|at| at + FOOTER_MAGIC.len());
        let mut best = None;
        for end in ends {
            let Some(footer) = end
                .checked_sub(72)
                .and_then(|start| tail.get(start..end))
                .and_then(|bytes| <&[u8; 72]>::try_from(bytes).ok())
            else {
                continue;
            };
            let end = tail_at + end as u64;
            let Ok(footer) = Footer::parse(footer, end) else {
                continue;
            };
            let Ok(layout) = Layout::new(self.header_len, footer.payload_len) else {
                continue;
            };
            let expected = [
                footer.payload_len,
                footer.scrub_len,
                u64::from(footer.sender_len),
                FOOTER_BYTES,
            ]
            .into_iter()
            .try_fold(self.header_len, u64::checked_add);
            // A footer that names more than 64 bits hold is no help in finding what there is.
            let Some(moved) = expected.and_then(|expected| end.checked_signed_diff(expected))
            else {
                continue;
            };
            // One that doesn't stand where it should must have its table with it, or it may be anything.
            let table_end =
                end - FOOTER_BYTES - u64::from(footer.sender_len).min(end - FOOTER_BYTES);
            let table = table_end
                .checked_sub(footer.scrub_len)
                .and_then(|start| start.checked_sub(tail_at))
                .and_then(|start| usize::try_from(start).ok())
                .and_then(|start| {
                    tail.get(start..)?
                        .get(..usize::try_from(footer.scrub_len).ok()?)
                });
            if moved != 0 && table.map(Digest::of) != Some(footer.scrub_root) {
                continue;
            }
            // One that stands where it should is better than a later one, which may be another archive's.
            if moved == 0 || best.is_none() {
                best = Some((layout, moved, end, expected));
            }
            if moved == 0 {
                break;
            }
        }
        let Some((layout, moved, end, expected)) = best else {
            self.findings.push(SealError::CutShort {
                length: self.file_len,
            });
            return;
        };
        if end < self.file_len {
            self.findings.push(SealError::CutShort {
                length: self.file_len,
            });
        }
        if moved != 0 {
            self.findings.push(SealError::LengthMismatch {
                expected: expected.unwrap_or(u64::MAX),
                found: end,
            });
        }
        self.layout = Some(layout);
        self.moved = moved;
    }

    /// How many full chunks may be there: at their own places as many as the file has room for, whatever the footer
    /// says, and at moved ones as many as it says.
    fn full_chunks(&self, moved: bool) -> u64 {
        match self.layout {
            Some(layout) if moved => layout.chunks - 1,
            _ => self.file_len.saturating_sub(self.place(0)) / SEALED_CHUNK_BYTES as u64,
        }
        .min(MAX_CHUNKS)
    }

    /// Asks for full chunks from `next` on, or goes on to what comes after them.
    fn want_full(&mut self, next: u64, moved: bool) {
        let by = if moved { self.moved } else { 0 };
        let mut next = next;
        if moved {
            // Those before the place where bytes are missing or were put in are known already.
            next = next.max(
                self.runs
                    .first()
                    .filter(|run| run.first == 0)
                    .map_or(0, |run| run.count),
            );
            // Bytes missing at the start would put the first ones before the file.
            let before = by.min(0).unsigned_abs().saturating_sub(self.place(0));
            next = next.max(before.div_ceil(SEALED_CHUNK_BYTES as u64));
        }
        let chunk = SEALED_CHUNK_BYTES as u64;
        if next < self.full_chunks(moved)
            && let Some(offset) = self.place(next).checked_add_signed(by)
        {
            let room = self.file_len.saturating_sub(offset) / chunk;
            let count = SLAB_CHUNKS.min(self.full_chunks(moved) - next).min(room);
            if count > 0 {
                return self.want(
                    State::Full { next, moved },
                    ByteRange::new(offset, count * chunk),
                );
            }
        }
        if !moved && self.moved != 0 {
            return self.want_full(0, true);
        }
        // A footer with fewer chunks than were found is another file's.
        let own = self
            .layout
            .filter(|layout| self.next_after_runs() < layout.chunks);
        self.layout = own;
        match own {
            Some(layout) => {
                let offset = self.place(layout.chunks - 1).checked_add_signed(self.moved);
                self.want_last(layout, offset.unwrap_or(u64::MAX));
            }
            None => self.want_any_last(self.next_after_runs(), 0),
        }
    }

    fn want_last(&mut self, layout: Layout, offset: u64) {
        let len =
            layout.len - PREFIX_BYTES as u64 - (layout.chunks - 1) * SEALED_CHUNK_BYTES as u64;
        match offset.checked_add(len) {
            Some(end) if end <= self.file_len => {
                self.want(State::Last { offset }, ByteRange::new(offset, len));
            }
            _ => self.after_last(offset),
        }
    }

    /// A last chunk may also be at its own place, before bytes that are missing from what follows it.
    fn after_last(&mut self, tried: u64) {
        let own = self
            .layout
            .map(|layout| (layout, self.place(layout.chunks - 1)));
        match own {
            Some((layout, own)) if self.last.is_none() && own != tried => {
                self.want_last(layout, own);
            }
            _ => self.state = State::Done,
        }
    }

    fn next_after_runs(&self) -> u64 {
        self.runs
            .iter()
            .map(|run| run.first + run.count)
            .max()
            .unwrap_or(0)
    }

    /// Asks for what may hold a last chunk of unknown length.
    fn want_any_last(&mut self, number: u64, tries: u64) {
        let offset = self.place(number);
        let len = self
            .file_len
            .saturating_sub(offset)
            .min(SEALED_CHUNK_BYTES as u64 - 1);
        if tries < LAST_CHUNK_PLACES && len >= TAG_BYTES as u64 {
            self.want(
                State::AnyLast { number, tries },
                ByteRange::new(offset, len),
            );
        } else {
            self.state = State::Done;
        }
    }

    /// Tries the full chunks in `bytes`, which stand at `offset`. Returns the number of the next one.
    fn try_full(&mut self, first: u64, offset: u64, mut bytes: Vec<u8>) -> u64 {
        let mut number = first;
        let mut at = offset;
        for chunk in bytes.chunks_exact_mut(SEALED_CHUNK_BYTES) {
            let opened = self
                .cipher
                .as_ref()
                .and_then(|cipher| cipher.open_chunk(number, chunk));
            if opened.is_some() {
                self.found(number, at);
            }
            number += 1;
            at += SEALED_CHUNK_BYTES as u64;
        }
        number
    }

    fn found(&mut self, number: u64, offset: u64) {
        let place = self
            .runs
            .partition_point(|run| run.first + run.count <= number);
        // The other of the two places that a chunk is tried at may have given it already.
        if self.runs.get(place).is_some_and(|run| run.first <= number) {
            return;
        }
        if let Some(before) = place.checked_sub(1).and_then(|at| self.runs.get_mut(at))
            && before.first + before.count == number
            && before.offset + before.count * SEALED_CHUNK_BYTES as u64 == offset
        {
            before.count += 1;
            return;
        }
        self.runs.insert(
            place,
            Run {
                first: number,
                count: 1,
                offset,
            },
        );
    }

    fn try_last(&mut self, number: u64, offset: u64, bytes: &[u8]) -> bool {
        let mut chunk = bytes.to_vec();
        let opened = self
            .cipher
            .as_ref()
            .and_then(|cipher| cipher.open_chunk(number, &mut chunk));
        if opened.is_some() {
            self.last = Some(LastChunk {
                number,
                offset,
                sealed_len: bytes.len() as u64,
            });
        }
        opened.is_some()
    }

    /// What was found.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Survivors, SealError> {
        if self.wants().is_some() {
            return Err(self.request.unfed().into());
        }
        let chunk = CHUNK_BYTES as u64;
        let after_runs = self.next_after_runs();
        let whole_len = match (self.last, self.layout) {
            (Some(last), _) => Some(last.number * chunk + last.sealed_len - TAG_BYTES as u64),
            (None, Some(layout)) => Some(layout.plain_len),
            (None, None) => None,
        };
        // Content never ends before what was found.
        let plain_len = whole_len.unwrap_or(0).max(after_runs * chunk);
        Ok(Survivors {
            cipher: self.cipher,
            plain_len,
            end_known: whole_len.is_some(),
            runs: self.runs,
            last: self.last,
            findings: self.findings,
        })
    }
}

/// The content of a damaged archive, with holes.
#[derive(Debug)]
pub struct Survivors {
    cipher: Option<ChunkCipher>,
    plain_len: u64,
    end_known: bool,
    runs: Vec<Run>,
    last: Option<LastChunk>,
    findings: Vec<SealError>,
}

/// A piece of the content: what to read for it, if it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes of content.
    pub plain: ByteRange,
    /// The bytes of the file to read: whole chunks. `None` for a hole.
    pub sealed: Option<ByteRange>,
    first_chunk: u64,
    skip: u64,
}

impl Survivors {
    /// Bytes of content: as many as there were, or where that isn't known as many as reach to the last that is there.
    #[must_use]
    pub const fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Whether it is known how much content there was.
    #[must_use]
    pub const fn end_known(&self) -> bool {
        self.end_known
    }

    /// What is wrong with the file as a whole; damaged chunks are the [`Survivors::holes`].
    #[must_use]
    pub fn findings(&self) -> &[SealError] {
        &self.findings
    }

    /// Bytes of content that are there.
    #[must_use]
    pub fn saved(&self) -> u64 {
        let last = self
            .last
            .map_or(0, |last| last.sealed_len - TAG_BYTES as u64);
        self.runs
            .iter()
            .map(|run| run.count * CHUNK_BYTES as u64)
            .sum::<u64>()
            + last
    }

    /// Content that does not authenticate or isn't there, in order. It is read as zeros.
    #[must_use]
    pub fn holes(&self) -> Vec<ByteRange> {
        self.pieces(ByteRange::new(0, self.plain_len))
            .into_iter()
            .filter(|piece| piece.sealed.is_none())
            .map(|piece| piece.plain)
            .collect()
    }

    /// What to read for a range of content, in order. What lies behind its end is left out.
    #[must_use]
    pub fn pieces(&self, plain: ByteRange) -> Vec<Piece> {
        let chunk = CHUNK_BYTES as u64;
        let end = plain.end().min(self.plain_len);
        let mut at = plain.offset;
        let mut pieces = Vec::new();
        let last = self.last.map(|last| {
            let start = last.number * chunk;
            let len = last.sealed_len - TAG_BYTES as u64;
            (last.number, last.offset, start, len)
        });
        let runs = self
            .runs
            .iter()
            .map(|run| (run.first, run.offset, run.first * chunk, run.count * chunk));
        for (first, offset, start, len) in runs.chain(last) {
            let (from, to) = (start.max(at), (start + len).min(end));
            if from >= to {
                continue;
            }
            if from > at {
                pieces.push(hole(at, from));
            }
            let (skipped, stop) = ((from - start) / chunk, (to - start).div_ceil(chunk));
            let sealed_at = offset + skipped * SEALED_CHUNK_BYTES as u64;
            // The last chunk is shorter, and always a piece of its own.
            let sealed_len = (stop - skipped) * SEALED_CHUNK_BYTES as u64;
            let sealed_len = if len < chunk {
                len + TAG_BYTES as u64
            } else {
                sealed_len
            };
            pieces.push(Piece {
                plain: ByteRange::new(from, to - from),
                sealed: Some(ByteRange::new(sealed_at, sealed_len)),
                first_chunk: first + skipped,
                skip: (from - start) % chunk,
            });
            at = to;
        }
        if at < end {
            pieces.push(hole(at, end));
        }
        pieces
    }

    /// The content of a piece, from what was read for it; zeros for a hole.
    ///
    /// # Errors
    /// [`SealError::Misfed`], or [`SealError::ChunkDamaged`] if the file has changed since.
    pub fn open(&self, piece: &Piece, mut sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let take = usize::try_from(piece.plain.len).map_err(|_| SealError::TooLarge)?;
        let Some(range) = piece.sealed else {
            return Ok(vec![0; take]);
        };
        let misfed = SealError::Misfed {
            wanted: range.len,
            given: sealed.len() as u64,
        };
        if sealed.len() as u64 != range.len {
            return Err(misfed);
        }
        let cipher = self.cipher.as_ref().ok_or(misfed)?;
        let mut plain = Vec::with_capacity(sealed.len());
        let chunks = sealed.chunks_mut(SEALED_CHUNK_BYTES);
        for ((number, place), chunk) in (piece.first_chunk..).zip(0_u64..).zip(chunks) {
            let opened = cipher
                .open_chunk(number, chunk)
                .and_then(|len| chunk.get(..len))
                .ok_or(SealError::ChunkDamaged {
                    chunk: number,
                    offset: range.offset + place * SEALED_CHUNK_BYTES as u64,
                })?;
            plain.extend_from_slice(opened);
        }
        let skip = usize::try_from(piece.skip).map_err(|_| SealError::TooLarge)?;
        plain.drain(..skip.min(plain.len()));
        plain.truncate(take);
        Ok(plain)
    }
}

const fn hole(from: u64, to: u64) -> Piece {
    Piece {
        plain: ByteRange::new(from, to - from),
        sealed: None,
        first_chunk: 0,
        skip: 0,
    }
}

#[cfg(test)]
mod tests;
