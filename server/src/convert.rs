//! From a plain archive to a sealed one and back, byte for byte, in one pass that also proves it.
//!
//! A row of threads, each of which does one thing with a slab of the archive and hands it on: read; check the content;
//! encrypt (when sealing); write, and read back what was written. Few slabs are under way at once, so memory is bounded.
//! Nothing of the new file is to be used unless all of them end well.

use std::{
    fs::File,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use coffer_core::{ByteRange, seal::SealError};

use crate::{
    aes,
    backup::{BackupError, SealTo, begin_sealed},
    progress::{Phase, Progress},
    read::{FileSource, OpenArchive, Plain, ReadAt, ReadError, Unlock},
    verify,
};

mod check;
mod encrypt;
mod slab;
mod store;

use slab::{Buffer, PIECE_BYTES, Pool, SLAB_BYTES, Slab};

/// Slabs that wait between two threads.
const QUEUE: usize = 2;
/// Pieces of slabs that wait between two threads.
const PIECES: usize = QUEUE * SLAB_BYTES / PIECE_BYTES;

/// Why nothing was converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The archive can't be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The other one can't be written.
    #[error("{0}")]
    Write(#[from] BackupError),
    /// The system doesn't give back what was written.
    #[error(
        "what is stored is not what was written, from byte {offset} of the new file on; nothing was published, check the \
         disk"
    )]
    Stored {
        /// Place in the new file.
        offset: u64,
    },
}

impl From<SealError> for ConvertError {
    fn from(error: SealError) -> Self {
        Self::Write(error.into())
    }
}

/// Why one of the threads stopped.
enum Stop {
    /// Its own error.
    Error(ConvertError),
    /// A neighbour stopped, which has the error.
    Neighbour,
}

impl<E: Into<ConvertError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// What is done with the content of an archive that is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is checked to its last byte.
    Check,
    /// It is sealed as it is: somebody has checked it already.
    Trust,
}

/// Seals a plain archive into an empty file, which is open for reading too: checks all of the archive, unless its
/// content is trusted, and opens again all that was stored. Returns the bytes written.
///
/// # Errors
/// [`ConvertError`].
pub fn seal(
    source: &Arc<dyn ReadAt>,
    out: &File,
    to: &SealTo,
    content: Content,
    progress: &Progress,
) -> Result<u64, ConvertError> {
    let archive = OpenArchive::open(source.clone(), &Unlock::None)?;
    let files = archive.files()?;
    let beginning = begin_sealed(to)?;
    let (size, pool) = (source.size(), Pool::default());
    let key = aes::Key::new(&beginning.sealer.payload_key())?;
    progress.begin(Phase::Copying, size);
    let mut last = None;
    thread::scope(|scope| {
        let (to_check, slabs_to_check) = sync_channel(QUEUE);
        let (to_encrypt, slabs_to_encrypt) = sync_channel(QUEUE);
        let (to_store, pieces) = sync_channel(PIECES);
        let mut receivers = vec![to_encrypt];
        let checking = (content == Content::Check).then(|| {
            receivers.push(to_check);
            scope.spawn(|| check::run(&archive, &files, slabs_to_check, progress))
        });
        let storing = scope.spawn(|| store::run(out, &pool, pieces));
        let encrypting = scope.spawn(|| {
            let sender = to.sender.as_ref();
            let encrypter = encrypt::Encrypter::new(&key, sender, &pool, to_store);
            encrypter.run(beginning.sealer, beginning.bytes, size, slabs_to_encrypt)
        });
        let read = read(size, progress, receivers, |range| {
            let mut buffer = pool.take();
            source
                .read_exact_at(range.offset, buffer.sized(range.len))
                .map_err(ReadError::from)?;
            Ok(buffer)
        });
        let encrypted = joined(encrypting).map(|slab| last = slab);
        let checked = checking.map_or(Ok(()), joined);
        first_error([checked, encrypted, joined(storing), read])
    })?;
    let stored =
        FileSource::of(out.try_clone().map_err(BackupError::Write)?).map_err(BackupError::Write)?;
    let (written, stored): (_, Arc<dyn ReadAt>) = (stored.size(), Arc::new(stored));
    let opened = Plain::open(stored.clone(), &Unlock::FileKey(beginning.file_key))?;
    verify::scrub_table(&*stored)?;
    // What was not sealed by the slab: the rest, and the last chunk even if it is empty.
    let (at, rest) = last
        .as_ref()
        .map_or((size, &[][..]), |slab: &Arc<Slab>| (slab.at, slab.bytes()));
    let read_back = opened.read(ByteRange::new(at, rest.len() as u64))?;
    if opened.size() != size || read_back != rest {
        return Err(ConvertError::Stored { offset: at });
    }
    Ok(written)
}

/// Writes an archive's plain bytes into an empty file, which is open for reading too: checks all of the archive, and
/// compares all that was stored. Returns the bytes written.
///
/// # Errors
/// [`ConvertError`].
pub fn unseal(archive: &OpenArchive, out: &File, progress: &Progress) -> Result<u64, ConvertError> {
    let files = archive.files()?;
    let (plain, pool) = (archive.plain(), Pool::default());
    let size = plain.size();
    progress.begin(Phase::Copying, size);
    thread::scope(|scope| {
        let (to_check, slabs_to_check) = sync_channel(QUEUE);
        let (to_store, slabs) = sync_channel(QUEUE);
        let checking = scope.spawn(|| check::run(archive, &files, slabs_to_check, progress));
        let storing = scope.spawn(|| store::run::<Arc<Slab>>(out, &pool, slabs));
        let read = read(size, progress, vec![to_check, to_store], |range| {
            Ok(Buffer::from(plain.read(range)?))
        });
        first_error([joined(checking), joined(storing), read])
    })?;
    plain.compare_rest(progress)?;
    Ok(size)
}

/// Reads an archive of `size` bytes slab by slab, each for all of `to`, and hangs up. It stops when one of them has.
fn read(
    size: u64,
    progress: &Progress,
    to: Vec<SyncSender<Arc<Slab>>>,
    mut read: impl FnMut(ByteRange) -> Result<Buffer, ReadError>,
) -> Result<(), Stop> {
    let mut at = 0;
    while at < size {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let len = (SLAB_BYTES as u64).min(size - at);
        let slab = Arc::new(Slab::new(at, read(ByteRange::new(at, len))?));
        for receiver in &to {
            receiver.send(slab.clone()).map_err(|_| Stop::Neighbour)?;
        }
        progress.add_bytes(len);
        at += len;
    }
    Ok(())
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Stop>>) -> Result<T, Stop> {
    thread
        .join()
        .unwrap_or_else(|_| Err(BackupError::Defect.into()))
}

/// The first error that isn't a neighbour's.
fn first_error<const N: usize>(results: [Result<(), Stop>; N]) -> Result<(), ConvertError> {
    let mut stopped = false;
    for result in results {
        match result {
            Ok(()) => {}
            Err(Stop::Neighbour) => stopped = true,
            Err(Stop::Error(error)) => return Err(error),
        }
    }
    if stopped {
        return Err(BackupError::Defect.into());
    }
    Ok(())
}
