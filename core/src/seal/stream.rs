//! Reading a sealed archive from start to end without ever going back: from a pipe, or while it is downloaded.
//!
//! A reader that can't look at the footer first does not know where the payload ends. It need not: the last chunk is
//! always shorter than the others, so a full chunk that authenticates can't be the last one, and whatever follows the
//! full chunks is the last chunk, the scrub table, the sender block and the footer. Their length has a bound that
//! follows from the payload's, so that no more than this has to be held.
//!
//! Failures have the names that [`super::Opening`] and [`super::Unsealer`] give them. Since the footer decides between
//! "cut short" and "damaged", what is wrong with the payload is named at the end of the file.

use alloc::{boxed::Box, vec::Vec};

use super::{
    FOOTER_BYTES, FileKey, Footer, HEADER_UNIT, Header, Locks, PREFIX_BYTES, SEALED_CHUNK_BYTES,
    SENDER_BYTES, SealError, Sender,
    header::block_len,
    open::layout,
    payload::ChunkCipher,
    scrub::{BlockHasher, block_range, table_len},
    sender,
};
use crate::{digest::Digest, range::ByteRange};

const FOOTER_LEN: usize = 72;

/// Turns the bytes of a sealed archive, in order and in any pieces, into its content.
///
/// [`SealedStream::push`] takes no more than the header until [`SealedStream::unlock`] was called. Content that it gives
/// out is authentic, but whether all of it was there is known only after [`SealedStream::finish`]: whoever keeps the
/// content has to be ready to throw it away.
#[derive(Debug)]
pub struct SealedStream {
    state: State,
    /// Bytes taken.
    received: u64,
    /// The last bytes taken: the footer, if nothing follows.
    last: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Header {
        block: Vec<u8>,
    },
    Locked {
        locks: Locks,
        header_len: u64,
    },
    Prefix {
        file_key: FileKey,
        header_len: u64,
        prefix: Vec<u8>,
    },
    Payload(Box<Payload>),
    /// The payload is damaged; the end of the file decides what this is called.
    Damaged {
        header_len: u64,
        error: SealError,
    },
    Failed,
}

/// What [`SealedStream::finish`] has found in a whole archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// The footer.
    pub footer: Footer,
    /// Bytes of the file.
    pub file_len: u64,
    /// Bytes of content.
    pub plain_len: u64,
    /// Who sealed it; all of the payload was compared with the table that the signature covers. `None` if nobody
    /// signed it.
    pub sender: Option<Sender>,
    /// Parts of the file that authenticate, but differ from the scrub table: whoever had the file key changed one of
    /// the two. Empty in an archive as [`super::Sealer`] writes it, and in every one that has a sender.
    pub unlike_table: Vec<ByteRange>,
}

impl Default for SealedStream {
    fn default() -> Self {
        Self::new()
    }
}

impl SealedStream {
    /// Starts at the first byte of a file.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Header { block: Vec::new() },
            received: 0,
            last: Vec::new(),
        }
    }

    /// The ways in, once the header was read and until it is unlocked.
    #[must_use]
    pub const fn locks(&self) -> Option<&Locks> {
        match &self.state {
            State::Locked { locks, .. } => Some(locks),
            _ => None,
        }
    }

    /// Goes on to the content with the file key, which [`Locks`] gives.
    ///
    /// # Errors
    /// [`SealError::HeaderDamaged`] if it is another header's key; it may be called again then.
    /// [`SealError::Misfed`] unless [`SealedStream::locks`] gives something.
    pub fn unlock(&mut self, file_key: &FileKey) -> Result<(), SealError> {
        let State::Locked { locks, header_len } = &self.state else {
            return Err(SealError::Misfed {
                wanted: 0,
                given: 0,
            });
        };
        locks.unlock_with_file_key(file_key)?;
        self.state = State::Prefix {
            file_key: file_key.clone(),
            header_len: *header_len,
            prefix: Vec::with_capacity(PREFIX_BYTES),
        };
        Ok(())
    }

    /// What is wrong with the payload, as far as it shows already. No more content will come, and
    /// [`SealedStream::finish`] will fail with this or with a better name for it.
    #[must_use]
    pub const fn damage(&self) -> Option<&SealError> {
        match &self.state {
            State::Damaged { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Takes bytes, in the file's order, and appends content to `out`. Returns how many it has taken: all of them,
    /// except where the header ends and must be unlocked.
    ///
    /// # Errors
    /// What is wrong with the header; after that, it takes nothing more.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, SealError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self
                .step(rest, out)
                .inspect_err(|_| self.state = State::Failed)?;
            let (now, after) = rest.split_at(taken.min(rest.len()));
            if now.is_empty() {
                break;
            }
            self.received += now.len() as u64;
            self.remember(now);
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn step(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, SealError> {
        match &mut self.state {
            State::Header { block } => {
                // The fixed part says how long the block is; one unit is the least.
                let missing = if block.len() < FIXED_BYTES {
                    FIXED_BYTES - block.len()
                } else {
                    let len = usize::try_from(block_len(block)?).unwrap_or(usize::MAX);
                    len - block.len()
                };
                let taken = missing.min(bytes.len());
                block.extend(bytes.iter().take(taken));
                if block.len() as u64 >= HEADER_UNIT && block_len(block)? == block.len() as u64 {
                    self.state = State::Locked {
                        locks: Locks::new(Header::parse(block)?)?,
                        header_len: block.len() as u64,
                    };
                }
                Ok(taken)
            }
            State::Locked { .. } | State::Failed => Ok(0),
            State::Prefix {
                file_key,
                header_len,
                prefix,
            } => {
                let taken = (PREFIX_BYTES - prefix.len()).min(bytes.len());
                prefix.extend(bytes.iter().take(taken));
                if let Ok(whole) = <&[u8; PREFIX_BYTES]>::try_from(prefix.as_slice()) {
                    self.state = match ChunkCipher::open(&*file_key.payload_key()?, whole) {
                        Ok(cipher) => {
                            State::Payload(Box::new(Payload::new(cipher, *header_len, whole)))
                        }
                        Err(error) => State::Damaged {
                            header_len: *header_len,
                            error,
                        },
                    };
                }
                Ok(taken)
            }
            State::Payload(payload) => {
                payload.push(bytes, out);
                if payload.held.len() as u64 > payload.most_held() {
                    self.state = State::Damaged {
                        header_len: payload.header_len,
                        error: payload.damaged_chunk(payload.next_chunk),
                    };
                }
                Ok(bytes.len())
            }
            State::Damaged { .. } => Ok(bytes.len()),
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(FOOTER_LEN);
        self.last
            .extend_from_slice(bytes.get(from..).unwrap_or_default());
        self.last
            .drain(..self.last.len().saturating_sub(FOOTER_LEN));
    }

    /// Ends the file: appends the rest of the content to `out`.
    ///
    /// # Errors
    /// What is wrong with the archive. All content that was given out, here too, is then authentic but not all there
    /// was, or the archive has other damage.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<StreamEnd, SealError> {
        let length = self.received;
        let header_len = match &self.state {
            State::Header { block } => {
                block_len(block)?;
                return Err(SealError::CutShort { length });
            }
            State::Failed => {
                return Err(SealError::Misfed {
                    wanted: 0,
                    given: 0,
                });
            }
            State::Locked { header_len, .. }
            | State::Prefix { header_len, .. }
            | State::Damaged { header_len, .. } => *header_len,
            State::Payload(payload) => payload.header_len,
        };
        let footer = match <&[u8; FOOTER_LEN]>::try_from(self.last.as_slice()) {
            Ok(last) if length >= header_len + FOOTER_BYTES => Footer::parse(last, length)?,
            _ => return Err(SealError::CutShort { length }),
        };
        let layout = layout(header_len, &footer, length)?;
        let payload = match self.state {
            State::Payload(payload) => payload,
            State::Damaged { error, .. } => return Err(error),
            // A payload has at least its prefix, so one of these files has a footer that contradicts its length.
            _ => return Err(SealError::CutShort { length }),
        };
        payload.finish(footer, layout.chunks, length, out)
    }
}

/// Bytes of the header's fixed part.
const FIXED_BYTES: usize = 16;

/// The chunks, and what follows them.
#[derive(Debug)]
struct Payload {
    cipher: ChunkCipher,
    header_len: u64,
    prefix: [u8; PREFIX_BYTES],
    /// Bytes from the start of the next chunk on that were not opened.
    held: Vec<u8>,
    next_chunk: u64,
    /// The next chunk was tried as a full one and is none: it is the last one, or damaged.
    last_reached: bool,
    blocks: BlockHasher,
    table: Vec<u8>,
}

impl Payload {
    fn new(cipher: ChunkCipher, header_len: u64, prefix: &[u8; PREFIX_BYTES]) -> Self {
        let mut payload = Self {
            cipher,
            header_len,
            prefix: *prefix,
            held: Vec::new(),
            next_chunk: 0,
            last_reached: false,
            blocks: BlockHasher::default(),
            table: Vec::new(),
        };
        payload.account(prefix);
        payload
    }

    /// Where the next chunk starts in the payload region.
    const fn position(&self) -> u64 {
        PREFIX_BYTES as u64 + self.next_chunk * SEALED_CHUNK_BYTES as u64
    }

    /// Most bytes that can follow before the file ends, if the next chunk is the last one.
    fn most_held(&self) -> u64 {
        let chunk = SEALED_CHUNK_BYTES as u64;
        let table = table_len(self.position().saturating_add(chunk)).unwrap_or(u64::MAX);
        [table, u64::from(SENDER_BYTES), FOOTER_BYTES]
            .into_iter()
            .fold(chunk, u64::saturating_add)
    }

    fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.held.is_empty() && !self.last_reached {
            let missing = SEALED_CHUNK_BYTES - self.held.len();
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = rest;
            if self.held.len() == SEALED_CHUNK_BYTES {
                let chunk = core::mem::take(&mut self.held);
                if self.open_full(&chunk, out) {
                    // Keeps its memory for the next piece.
                    self.held = chunk;
                    self.held.clear();
                } else {
                    self.held = chunk;
                }
            }
        }
        if self.held.is_empty() {
            while let Some(chunk) = bytes.get(..SEALED_CHUNK_BYTES) {
                if !self.open_full(chunk, out) {
                    break;
                }
                bytes = bytes.get(SEALED_CHUNK_BYTES..).unwrap_or_default();
            }
        }
        self.held.extend_from_slice(bytes);
    }

    /// Opens the next chunk as a full one.
    fn open_full(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> bool {
        if self.open(chunk, out) {
            self.account(chunk);
            self.next_chunk += 1;
            true
        } else {
            self.last_reached = true;
            false
        }
    }

    /// Appends the next chunk's content, if it authenticates.
    fn open(&self, chunk: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend_from_slice(chunk);
        let opened = out
            .get_mut(start..)
            .and_then(|chunk| self.cipher.open_chunk(self.next_chunk, chunk));
        out.truncate(start + opened.unwrap_or(0));
        opened.is_some()
    }

    /// Hashes payload bytes for the comparison with the scrub table.
    fn account(&mut self, bytes: &[u8]) {
        let table = &mut self.table;
        self.blocks
            .update(bytes, |digest| table.extend_from_slice(&digest.0));
    }

    fn damaged_chunk(&self, chunk: u64) -> SealError {
        let position = PREFIX_BYTES as u64 + chunk.saturating_mul(SEALED_CHUNK_BYTES as u64);
        SealError::ChunkDamaged {
            chunk,
            offset: self.header_len.saturating_add(position),
        }
    }

    fn finish(
        mut self,
        footer: Footer,
        chunks: u64,
        file_len: u64,
        out: &mut Vec<u8>,
    ) -> Result<StreamEnd, SealError> {
        let last_chunk = chunks.saturating_sub(1);
        if self.next_chunk != last_chunk {
            return Err(self.damaged_chunk(last_chunk.min(self.next_chunk)));
        }
        // The lengths were found to add up, so both parts lie in what is held.
        let held = core::mem::take(&mut self.held);
        let cut = |len: u64| usize::try_from(len).unwrap_or(usize::MAX).min(held.len());
        let (chunk, tail) = held.split_at(cut(footer.payload_len - self.position()));
        let start = out.len();
        if !self.open(chunk, out) {
            return Err(self.damaged_chunk(last_chunk));
        }
        let content = (out.len() - start) as u64;
        self.account(chunk);
        let (stored, tail) = tail.split_at(cut(footer.scrub_len).min(tail.len()));
        // The signature covers the table's digest, so it is looked at first, as with random access.
        let sender = if footer.sender_len == 0 {
            None
        } else {
            let block = tail.get(..cut(footer.sender_len.into()).min(tail.len()));
            Some(sender::check(
                block.unwrap_or_default(),
                &self.prefix,
                &footer,
            )?)
        };
        if Digest::of(stored) != footer.scrub_root {
            return Err(SealError::ScrubTableDamaged);
        }
        if let Some(digest) = self.blocks.finish() {
            self.table.extend_from_slice(&digest.0);
        }
        let payload = ByteRange::new(self.header_len, footer.payload_len);
        let mut unlike_table = (0_u64..)
            .zip(stored.chunks(32).zip(self.table.chunks(32)))
            .filter(|(_, (stored, found))| stored != found)
            .map(|(block, _)| (block, block_range(payload, block)));
        if sender.is_some()
            && let Some((block, range)) = unlike_table.next()
        {
            return Err(SealError::NotWhatWasSigned {
                block,
                offset: range.offset,
            });
        }
        let unlike_table = unlike_table.map(|(_, range)| range).collect();
        Ok(StreamEnd {
            footer,
            file_len,
            plain_len: last_chunk * super::CHUNK_BYTES as u64 + content,
            sender,
            unlike_table,
        })
    }
}

#[cfg(test)]
mod tests;
