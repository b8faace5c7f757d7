//! From a plain archive to a sealed one and back, byte for byte.

use std::{io::Write, sync::Arc};

use coffer_core::{ByteRange, seal::FileKey};

use crate::{
    backup::{BackupError, SealTo, Sink},
    progress::{Phase, Progress},
    read::{OpenArchive, ReadAt, ReadError, Unlock},
    verify,
};

const SLAB_BYTES: u64 = 4 << 20;

/// Why nothing was converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The archive can't be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The other one can't be written.
    #[error("{0}")]
    Write(#[from] BackupError),
}

/// Seals a plain archive, after checking all of it. Returns the bytes written and the key, to check them with.
///
/// # Errors
/// [`ConvertError`].
pub fn seal(
    source: &Arc<dyn ReadAt>,
    out: impl Write,
    to: &SealTo,
    progress: &Progress,
) -> Result<(u64, FileKey), ConvertError> {
    let archive = OpenArchive::open(source.clone(), &Unlock::None)?;
    verify::verify_open(&archive, progress)?;
    let (mut sink, key) = Sink::sealed(out, to)?;
    copy(&archive, &mut sink, progress)?;
    let (_, written) = sink.finish()?;
    Ok((written, key))
}

/// Writes an archive's plain bytes, after checking all of it. Returns the bytes written.
///
/// # Errors
/// [`ConvertError`].
pub fn unseal(
    archive: &OpenArchive,
    out: impl Write,
    progress: &Progress,
) -> Result<u64, ConvertError> {
    verify::verify_open(archive, progress)?;
    let mut sink = Sink::plain(out);
    copy(archive, &mut sink, progress)?;
    let (_, written) = sink.finish()?;
    Ok(written)
}

fn copy<W: Write>(
    archive: &OpenArchive,
    sink: &mut Sink<W>,
    progress: &Progress,
) -> Result<(), ConvertError> {
    let size = archive.plain().size();
    progress.begin(Phase::Finishing, size);
    let mut at = 0;
    while at < size {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let len = SLAB_BYTES.min(size - at);
        sink.write(&archive.plain().read(ByteRange::new(at, len))?)?;
        progress.add_bytes(len);
        at += len;
    }
    Ok(())
}
