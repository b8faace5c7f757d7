//! The scrub table of a payload whose bytes are hashed by the browser.

use coffer_core::{digest::Digest, seal::SCRUB_BLOCK_BYTES};
use js_sys::Uint8Array;

use crate::{
    failure::Failure,
    lanes::{self, Lanes, Worked},
};

/// Joins what pieces of the payload hold of blocks that lie across their bounds.
#[derive(Debug)]
pub(crate) struct Blocks {
    lanes: Lanes,
    /// Room for one block.
    begun: Uint8Array,
    filled: u32,
}

impl Blocks {
    /// At the start of the payload region.
    pub(crate) fn new(lanes: &Lanes) -> Self {
        Self {
            lanes: lanes.clone(),
            begun: Uint8Array::new_with_length(SCRUB_BLOCK_BYTES as u32),
            filled: 0,
        }
    }

    /// Digests of the blocks that end in the next batch.
    pub(crate) async fn after(&mut self, worked: &Worked) -> Result<Vec<Digest>, Failure> {
        let mut digests = self.join(&worked.head()).await?;
        digests.extend(lanes::digests(&worked.digests()));
        digests.extend(self.join(&worked.tail()).await?);
        Ok(digests)
    }

    /// The same for bytes that no lane has cut: at most as many as end one block.
    pub(crate) async fn after_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Digest>, Failure> {
        let room = (self.begun.length() - self.filled) as usize;
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        let mut digests = self.join(&Uint8Array::from(head)).await?;
        digests.extend(self.join(&Uint8Array::from(tail)).await?);
        Ok(digests)
    }

    /// Digest of the last block, if it has any bytes.
    pub(crate) async fn end(&mut self) -> Result<Option<Digest>, Failure> {
        if self.filled == 0 {
            return Ok(None);
        }
        let last = self.begun.subarray(0, self.filled);
        self.filled = 0;
        Ok(Some(lanes::digest(&self.lanes, &last).await?))
    }

    /// Adds bytes that lie in one block.
    async fn join(&mut self, bytes: &Uint8Array) -> Result<Vec<Digest>, Failure> {
        if bytes.length() == 0 {
            return Ok(Vec::new());
        }
        self.begun.set(bytes, self.filled);
        self.filled += bytes.length();
        if self.filled < self.begun.length() {
            return Ok(Vec::new());
        }
        Ok(self.end().await?.into_iter().collect())
    }
}
