//! Reading an archive that its sender signed: every block is compared with the table that the signature covers before
//! any byte of it is used.

use std::{cell::RefCell, collections::VecDeque};

use coffer_core::{
    ByteRange,
    seal::{PayloadBlocks, Sealed, Sender},
};
use js_sys::Uint8Array;

use crate::{
    failure::Failure,
    lanes::{self, Lanes},
    source::Source,
};

/// Blocks that are kept, for looking around in one place.
const KEPT: usize = 4;

/// Who signed a sealed archive; `None` if nobody did. Its content isn't compared with that.
pub(crate) async fn sender(source: &Source, sealed: &Sealed) -> Result<Option<Sender>, Failure> {
    let Some(range) = sealed.sender_range() else {
        return Ok(None);
    };
    let prefix = source.read(sealed.prefix_range()).await?;
    let block = source.read(range).await?;
    Ok(Some(sealed.sender(&prefix, &block)?))
}

/// The payload of a signed archive.
#[derive(Debug)]
pub(crate) struct SignedPayload {
    blocks: PayloadBlocks,
    /// Compared blocks, the latest at the end.
    kept: RefCell<VecDeque<(usize, Uint8Array)>>,
}

impl SignedPayload {
    /// `None` if nobody signed the archive. The signature was checked when it was opened.
    pub(crate) async fn open(source: &Source, sealed: &Sealed) -> Result<Option<Self>, Failure> {
        if sealed.sender_range().is_none() {
            return Ok(None);
        }
        let table = source.read(sealed.scrub_range()).await?;
        Ok(Some(Self {
            blocks: PayloadBlocks::new(sealed, &table)?,
            kept: RefCell::default(),
        }))
    }

    /// A range of the payload, compared with what was signed. It is nobody else's.
    pub(crate) async fn read(
        &self,
        source: &Source,
        lanes: Option<&Lanes>,
        range: ByteRange,
    ) -> Result<Uint8Array, Failure> {
        // One range fits into the module's address space, so its parts do.
        let out = Uint8Array::new_with_length(range.len as u32);
        for number in self.blocks.holding(range)? {
            let Some(place) = self.blocks.range(number) else {
                continue;
            };
            let block = self.block(source, lanes, number, place).await?;
            let from = range.offset.max(place.offset);
            let to = range.end().min(place.end());
            let part = block.subarray((from - place.offset) as u32, (to - place.offset) as u32);
            out.set(&part, (from - range.offset) as u32);
        }
        Ok(out)
    }

    async fn block(
        &self,
        source: &Source,
        lanes: Option<&Lanes>,
        number: usize,
        place: ByteRange,
    ) -> Result<Uint8Array, Failure> {
        let kept = self
            .kept
            .borrow()
            .iter()
            .find(|(kept, _)| *kept == number)
            .map(|(_, block)| block.clone());
        if let Some(block) = kept {
            return Ok(block);
        }
        let block = source.read_outside(place).await?;
        match lanes {
            Some(lanes) => {
                let digest = lanes::digest(lanes, &block).await?;
                self.blocks.check_digest(number, digest)?;
            }
            None => self.blocks.check(number, &block.to_vec())?,
        }
        let mut kept = self.kept.borrow_mut();
        kept.push_back((number, block.clone()));
        let over = kept.len().saturating_sub(KEPT);
        kept.drain(..over);
        Ok(block)
    }
}
