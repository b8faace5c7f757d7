//! Unsealing an archive that comes through a pipe, once and in order.

use std::io::{Read, Write};

use coffer_core::seal::{FileKey, Locks, SealError, SealedStream};

use crate::{
    progress::{Phase, Progress},
    read::ReadError,
};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Why nothing was unsealed.
#[derive(Debug, thiserror::Error)]
pub enum PipedError {
    /// The archive can't be read or unlocked, or is damaged.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The plain archive can't be written.
    #[error(
        "the archive cannot be written: {0}; nothing was published, check the disk's free space"
    )]
    Write(std::io::Error),
    /// Whoever has the file key changed the payload or the scrub table.
    #[error(
        "the content differs from the scrub table at byte {offset} of the file: it was changed by somebody who can open it; \
         nothing was published"
    )]
    UnlikeTable {
        /// Start of the first such part of the file.
        offset: u64,
    },
}

impl From<SealError> for PipedError {
    fn from(error: SealError) -> Self {
        Self::Read(error.into())
    }
}

/// Writes the content of a sealed archive to `out`. It is the archive's only after this has returned well. `unlock` is
/// asked once, when the header was read. Returns the bytes written.
///
/// # Errors
/// [`PipedError`].
pub fn unseal(
    mut input: impl Read,
    mut out: impl Write,
    unlock: impl FnOnce(&Locks) -> Result<FileKey, ReadError>,
    progress: &Progress,
) -> Result<u64, PipedError> {
    progress.begin(Phase::Finishing, 0);
    let mut stream = SealedStream::new();
    let mut unlock = Some(unlock);
    let mut piece = vec![0; PIECE_BYTES];
    let mut content = Vec::new();
    loop {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let read = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReadError::Io(error).into()),
        };
        let mut rest = piece.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            let taken = stream.push(rest, &mut content)?;
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(locks) = stream.locks()
                && let Some(unlock) = unlock.take()
            {
                let file_key = unlock(locks)?;
                stream.unlock(&file_key)?;
            }
        }
        out.write_all(&content).map_err(PipedError::Write)?;
        content.clear();
        progress.add_bytes(read as u64);
    }
    let end = stream.finish(&mut content)?;
    out.write_all(&content).map_err(PipedError::Write)?;
    out.flush().map_err(PipedError::Write)?;
    match end.unlike_table.first() {
        Some(range) => Err(PipedError::UnlikeTable {
            offset: range.offset,
        }),
        None => Ok(end.plain_len),
    }
}
