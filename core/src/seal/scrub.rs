//! The scrub table: SHA-256 of every 1 MiB of the payload region, so that whoever stores an archive can look for
//! rot without any key. It finds accidents, not attackers: who can change the payload can change the table. The
//! payload's own authentication finds those.

use alloc::vec::Vec;
use core::mem;

use super::SealError;
use crate::digest::{Digest, Hasher};

/// Bytes of the payload region that one digest of the table covers.
pub const SCRUB_BLOCK_BYTES: u64 = 1 << 20;
const DIGEST_BYTES: u64 = 32;

/// Bytes of the table for a payload region; `None` if that is more than 64 bits hold.
pub(super) fn table_len(payload_len: u64) -> Option<u64> {
    payload_len
        .div_ceil(SCRUB_BLOCK_BYTES)
        .checked_mul(DIGEST_BYTES)
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
        let Self {
            table,
            hasher,
            next,
            damaged,
        } = self;
        hasher.update(bytes, |digest| {
            if table.get(*next) != Some(&digest) {
                damaged.push(*next as u64);
            }
            *next += 1;
        });
    }

    /// Numbers of the damaged blocks, from 0; empty if all is well.
    #[must_use]
    pub fn finish(mut self) -> Vec<u64> {
        if let Some(digest) = self.hasher.finish() {
            if self.table.get(self.next) != Some(&digest) {
                self.damaged.push(self.next as u64);
            }
            self.next += 1;
        }
        self.damaged
            .extend((self.next..self.table.len()).map(|block| block as u64));
        self.damaged
    }
}
