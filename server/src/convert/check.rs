//! The thread that checks the archive's content, as `coffer verify` does, from the slabs that come by.

use std::sync::{Arc, mpsc::Receiver};

use coffer_core::{
    archive::{Limits, Step},
    manifest::FileEntry,
    verify::Verifier,
};

use super::{PIECE_BYTES, Slab, Stop};
use crate::{
    progress::Progress,
    read::{OpenArchive, ReadError},
};

/// Checks an archive whose bytes come as slabs, in order.
pub(super) fn run(
    archive: &OpenArchive,
    files: &[FileEntry],
    slabs: Receiver<Arc<Slab>>,
    progress: &Progress,
) -> Result<(), Stop> {
    let (directory, manifest) = (&archive.directory, &archive.manifest);
    progress.expect_rows(manifest.total_rows());
    let mut verifier =
        Verifier::new(directory, manifest, files, Limits::default()).map_err(ReadError::from)?;
    let mut slab: Option<Arc<Slab>> = None;
    let mut rows = 0;
    loop {
        let step = verifier.step().map_err(ReadError::from)?;
        let now = verifier.so_far().rows;
        progress.add_rows(now - rows);
        rows = now;
        match step {
            Step::Want(range) => loop {
                // It asks for the entries' bytes in the archive's order, each once.
                let bytes = slab
                    .as_ref()
                    .and_then(|slab| slab.from(range.offset, range.len.min(PIECE_BYTES as u64)));
                if let Some(bytes) = bytes {
                    verifier.feed(bytes).map_err(ReadError::from)?;
                    break;
                }
                slab = Some(slabs.recv().map_err(|_| Stop::Neighbour)?);
            },
            Step::Output => {}
            Step::Done => break,
        }
    }
    // The directory behind the entries was checked when the archive was opened.
    drop(slab);
    slabs.iter().for_each(drop);
    Ok(())
}
