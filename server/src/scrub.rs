//! Comparing a sealed archive's stored bytes with its scrub table, without any key.

use coffer_core::{
    ByteRange,
    seal::{PayloadBlocks, Sealed, Slice, merge_ranges},
};

use crate::{
    progress::{Phase, Progress},
    read::ReadError,
    read_at::ReadAt,
};

/// Blocks that are read at once.
const SLAB_BLOCKS: usize = 4;

/// What a scrub has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blocks of 1 MiB that were compared.
    pub blocks: usize,
    /// Blocks of the whole archive.
    pub blocks_in_all: usize,
    /// Bytes that were compared.
    pub bytes: u64,
    /// Damaged parts of the file, neighbours merged; empty if all is well.
    pub damaged: Vec<ByteRange>,
}

/// Scrubs a slice of an archive. That it has a header and a footer that fit each other was found by whoever opened it;
/// the scrub table and the sender's signature, where there is one, are checked with every slice.
///
/// # Errors
/// [`ReadError`], also if the table or the signature is damaged.
pub fn scrub(
    source: &dyn ReadAt,
    sealed: &Sealed,
    slice: Slice,
    progress: &Progress,
) -> Result<Scrubbed, ReadError> {
    let read = |range: ByteRange| -> Result<Vec<u8>, ReadError> {
        let mut buffer = vec![0; usize::try_from(range.len).unwrap_or(0)];
        source.read_exact_at(range.offset, &mut buffer)?;
        Ok(buffer)
    };
    let blocks = PayloadBlocks::new(sealed, &read(sealed.scrub_range())?)?;
    if let Some(block) = sealed.sender_range() {
        sealed.sender(&read(sealed.prefix_range())?, &read(block)?)?;
    }
    let wanted = slice.blocks(blocks.count());
    let ranges: Vec<(usize, ByteRange)> = wanted
        .filter_map(|number| Some((number, blocks.range(number)?)))
        .collect();
    let mut scrubbed = Scrubbed {
        blocks: ranges.len(),
        blocks_in_all: blocks.count(),
        bytes: ranges.iter().map(|(_, range)| range.len).sum(),
        damaged: Vec::new(),
    };
    progress.begin(Phase::Verifying, scrubbed.bytes);
    let mut damaged = Vec::new();
    for slab in ranges.chunks(SLAB_BLOCKS) {
        if progress.cancelled() {
            return Err(ReadError::Cancelled);
        }
        let (Some((_, first)), Some((_, last))) = (slab.first(), slab.last()) else {
            continue;
        };
        let bytes = read(ByteRange::new(first.offset, last.end() - first.offset))?;
        let mut rest = bytes.as_slice();
        for (number, range) in slab {
            let len = usize::try_from(range.len).unwrap_or(usize::MAX);
            let (block, after) = rest.split_at(len.min(rest.len()));
            if blocks.check(*number, block).is_err() {
                damaged.push(*range);
            }
            rest = after;
        }
        progress.add_bytes(bytes.len() as u64);
    }
    scrubbed.damaged = merge_ranges(damaged);
    Ok(scrubbed)
}
