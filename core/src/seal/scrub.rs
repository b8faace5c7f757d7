//! The scrub table: SHA-256 of every 1 MiB of the payload region, so that whoever stores an archive can look for
//! rot without any key. It finds accidents, not attackers: who can change the payload can change the table. The
//! payload's own authentication finds those.

use alloc::vec::Vec;
use core::mem;

use super::SealError;
use crate::{
    digest::{Digest, Hasher},
    range::ByteRange,
};

/// Bytes of the payload region that one digest of the table covers.
pub const SCRUB_BLOCK_BYTES: u64 = 1 << 20;
const DIGEST_BYTES: u64 = 32;

/// Bytes of the table for a payload region; `None` if that is more than 64 bits hold.
pub(super) fn table_len(payload_len: u64) -> Option<u64> {
    payload_len
        .div_ceil(SCRUB_BLOCK_BYTES)
        .checked_mul(DIGEST_BYTES)
}

/// How a piece of the payload region falls into the table's blocks, for hashing them elsewhere: `head` bytes that go on
/// with a block begun before, then `whole` blocks, then `tail` bytes that begin another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockCut {
    /// Bytes that belong to the block that was begun before the piece; 0 if none was.
    pub head: usize,
    /// Number of blocks that lie in the piece from start to end.
    pub whole: usize,
    /// Bytes after them.
    pub tail: usize,
}

impl BlockCut {
    /// The cut of `len` bytes at `offset` in the payload region.
    #[must_use]
    pub fn of(offset: u64, len: usize) -> Self {
        const BLOCK: usize = 1 << 20;
        let begun = offset % SCRUB_BLOCK_BYTES;
        let missing = usize::try_from((SCRUB_BLOCK_BYTES - begun) % SCRUB_BLOCK_BYTES).unwrap_or(0);
        let head = missing.min(len);
        let rest = len - head;
        Self {
            head,
            whole: rest / BLOCK,
            tail: rest % BLOCK,
        }
    }
}

/// Where the table's block of this number lies in the file, given where the payload region does.
pub(super) fn block_range(payload: ByteRange, block: u64) -> ByteRange {
    let start = payload
        .offset
        .saturating_add(block.saturating_mul(SCRUB_BLOCK_BYTES))
        .min(payload.end());
    ByteRange::new(start, SCRUB_BLOCK_BYTES.min(payload.end() - start))
}

/// Hashes the payload region block by block.
#[derive(Debug, Default)]
pub(super) struct BlockHasher {
    hasher: Hasher,
    filled: u64,
}

impl BlockHasher {
    /// Adds payload bytes; calls `block` with the digest of every block that is full.
    pub(super) fn update(&mut self, mut bytes: &[u8], mut block: impl FnMut(Digest)) {
        while !bytes.is_empty() {
            let room = usize::try_from(SCRUB_BLOCK_BYTES - self.filled).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(now);
            self.filled += now.len() as u64;
            if self.filled == SCRUB_BLOCK_BYTES {
                block(mem::take(&mut self.hasher).finish());
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    /// The digest of the last block, if it has any bytes.
    pub(super) fn finish(self) -> Option<Digest> {
        (self.filled > 0).then(|| self.hasher.finish())
    }
}

/// Compares payload bytes, given from the start and in order, with the scrub table.
#[derive(Debug)]
pub struct ScrubChecker {
    table: Vec<Digest>,
    hasher: BlockHasher,
    next: usize,
    damaged: Vec<u64>,
}

impl ScrubChecker {
    /// A checker for the table's bytes, which must have the digest that the footer names.
    ///
    /// # Errors
    /// [`SealError::ScrubTableDamaged`].
    pub fn new(table: &[u8], root: Digest) -> Result<Self, SealError> {
        if Digest::of(table) != root {
            return Err(SealError::ScrubTableDamaged);
        }
        let table = table
            .chunks_exact(32)
            .map(|chunk| chunk.try_into().map(Digest))
            .collect::<Result<_, _>>()
            .map_err(|_| SealError::ScrubTableDamaged)?;
        Ok(Self {
            table,
            hasher: BlockHasher::default(),
            next: 0,
            damaged: Vec::new(),
        })
    }

    /// Adds the next bytes of the payload region.
    pub fn update(&mut self, bytes: &[u8]) {
        let mut hasher = mem::take(&mut self.hasher);
        hasher.update(bytes, |digest| self.accept(digest));
        self.hasher = hasher;
    }

    /// Takes the digest of the next block, hashed elsewhere. Not to be mixed with [`ScrubChecker::update`].
    pub fn accept(&mut self, digest: Digest) {
        if self.table.get(self.next) != Some(&digest) {
            self.damaged.push(self.next as u64);
        }
        self.next += 1;
    }

    /// Numbers of the damaged blocks, from 0; empty if all is well.
    #[must_use]
    pub fn finish(mut self) -> Vec<u64> {
        if let Some(digest) = mem::take(&mut self.hasher).finish() {
            self.accept(digest);
        }
        self.damaged
            .extend((self.next..self.table.len()).map(|block| block as u64));
        self.damaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes a region from pieces the way that somebody outside of this crate does it.
    fn hash_elsewhere(region: &[u8], piece: usize) -> Vec<Digest> {
        let mut digests = Vec::new();
        let mut begun = Vec::new();
        let mut offset = 0;
        for piece in region.chunks(piece) {
            let cut = BlockCut::of(offset, piece.len());
            assert_eq!(cut.head + cut.whole * (1 << 20) + cut.tail, piece.len());
            let (head, rest) = piece.split_at(cut.head);
            begun.extend_from_slice(head);
            if begun.len() == 1 << 20 {
                digests.push(Digest::of(&mem::take(&mut begun)));
            }
            let (whole, tail) = rest.split_at(cut.whole << 20);
            assert!(begun.is_empty() || rest.is_empty());
            digests.extend(whole.chunks(1 << 20).map(Digest::of));
            begun.extend_from_slice(tail);
            offset += piece.len() as u64;
        }
        if !begun.is_empty() {
            digests.push(Digest::of(&begun));
        }
        digests
    }

    #[test]
    fn blocks_hashed_elsewhere_are_those_of_the_table() {
        let region: Vec<u8> = (0..(3 << 20) + 77).map(|at| (at % 251) as u8).collect();
        let mut table = Vec::new();
        let mut hasher = BlockHasher::default();
        hasher.update(&region, |digest| table.push(digest));
        table.extend(hasher.finish());
        for piece in [56, 100_000, 1 << 20, (1 << 20) + 1, region.len()] {
            assert_eq!(hash_elsewhere(&region, piece), table, "{piece}");
        }
        let bytes: Vec<u8> = table.iter().flat_map(|digest| digest.0).collect();
        let check = |digests: &[Digest]| {
            let mut checker = ScrubChecker::new(&bytes, Digest::of(&bytes)).unwrap();
            digests.iter().for_each(|digest| checker.accept(*digest));
            checker.finish()
        };
        assert!(check(&table).is_empty());
        assert_eq!(check(&table[..3]), [3]);
        let other = [table[0], Digest::of(b"rot"), table[2], table[3]];
        assert_eq!(check(&other), [1]);
    }
}
