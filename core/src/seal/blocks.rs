//! The payload by the blocks of the scrub table, for a reader that relies on the sender's signature.
//!
//! The signature covers the table, not the payload itself. Whoever else can open the archive has its file key and can
//! write chunks that authenticate, but none that a signed table names. So such a reader takes whole blocks and
//! compares each with the table before it uses any byte of it, again every time that it reads one: the file may change.

use alloc::vec::Vec;

use super::{SCRUB_BLOCK_BYTES, SealError, Sealed};
use crate::{digest::Digest, range::ByteRange};

/// The blocks of a payload, as the scrub table names them.
#[derive(Clone, Debug)]
pub struct PayloadBlocks {
    payload: ByteRange,
    table: Vec<Digest>,
}

impl PayloadBlocks {
    /// From the bytes of [`Sealed::scrub_range`].
    ///
    /// # Errors
    /// [`SealError::ScrubTableDamaged`] if they are not what the footer names.
    pub fn new(sealed: &Sealed, table: &[u8]) -> Result<Self, SealError> {
        if Digest::of(table) != sealed.footer().scrub_root {
            return Err(SealError::ScrubTableDamaged);
        }
        let (table, rest) = table.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(SealError::ScrubTableDamaged);
        }
        Ok(Self {
            payload: sealed.payload_range(),
            table: table.iter().copied().map(Digest).collect(),
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.table.len()
    }

    /// Where block `number` lies in the file; the last one is shorter. `None` if there are fewer.
    #[must_use]
    pub fn range(&self, number: usize) -> Option<ByteRange> {
        self.table.get(number)?;
        let before = (number as u64).checked_mul(SCRUB_BLOCK_BYTES)?;
        let len = SCRUB_BLOCK_BYTES.min(self.payload.len.checked_sub(before)?);
        Some(ByteRange::new(self.payload.offset + before, len))
    }

    /// The numbers of the blocks that hold a range of the file.
    ///
    /// # Errors
    /// [`SealError::OutOfRange`] for what does not lie in the payload.
    pub fn holding(&self, range: ByteRange) -> Result<core::ops::Range<usize>, SealError> {
        let inside = range.offset >= self.payload.offset
            && range
                .offset
                .checked_add(range.len)
                .is_some_and(|end| end <= self.payload.end());
        if !inside {
            return Err(SealError::OutOfRange {
                offset: range.offset,
                len: range.len,
                size: self.payload.end(),
            });
        }
        if range.len == 0 {
            return Ok(0..0);
        }
        let start = (range.offset - self.payload.offset) / SCRUB_BLOCK_BYTES;
        let end = (range.end() - self.payload.offset).div_ceil(SCRUB_BLOCK_BYTES);
        // No more blocks than the table has entries, which are in memory.
        let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(index(start)..index(end))
    }

    /// Compares the bytes of block `number` with the table.
    ///
    /// # Errors
    /// [`SealError::NotWhatWasSigned`].
    pub fn check(&self, number: usize, bytes: &[u8]) -> Result<(), SealError> {
        self.check_digest(number, Digest::of(bytes))
    }

    /// Compares the SHA-256 of block `number`, made elsewhere, with the table.
    ///
    /// # Errors
    /// [`SealError::NotWhatWasSigned`].
    pub fn check_digest(&self, number: usize, digest: Digest) -> Result<(), SealError> {
        let offset = self.range(number).map_or(0, |range| range.offset);
        if self.table.get(number) == Some(&digest) {
            Ok(())
        } else {
            Err(SealError::NotWhatWasSigned {
                block: number as u64,
                offset,
            })
        }
    }
}
