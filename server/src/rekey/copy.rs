//! Writing an archive anew with a longer header block, under its old name.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use coffer_core::{
    ByteRange, Digest,
    digest::Hasher,
    seal::{FileKey, Sealed},
};

use super::{RekeyFileError, folder_of, prove, read_at, sync_folder};
use crate::{
    progress::{Phase, Progress},
    unfinished,
};

const SLAB_BYTES: u64 = 4 << 20;

/// Replaces the archive by a copy of itself behind another header block.
pub(super) fn replace(
    file: &File,
    path: &Path,
    sealed: &Sealed,
    file_key: &FileKey,
    block: &[u8],
    progress: &Progress,
) -> Result<(), RekeyFileError> {
    let failed = |error| RekeyFileError::file("write a copy of", path, error);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.nlink() > 1 {
        return Err(RekeyFileError::OtherNames {
            path: path.to_owned(),
            names: metadata.nlink(),
        });
    }
    let rest = ByteRange::new(
        sealed.header_len(),
        metadata.len().saturating_sub(sealed.header_len()),
    );
    // Dropping it removes it.
    let mut copy = unfinished::begin(folder_of(path)).map_err(failed)?;
    copy.write_all(block).map_err(failed)?;
    progress.begin(Phase::Finishing, rest.len);
    let copied = digest(file, rest, progress, |slab| copy.write_all(slab))
        .map_err(|error| error.or_failed(path))?;
    let copy_file = copy.as_file();
    keep_owner(copy_file, &metadata).map_err(failed)?;
    copy_file.sync_all().map_err(failed)?;

    // Proven from what is stored, before the old one goes.
    progress.begin(Phase::Verifying, rest.len);
    prove(copy_file, copy.path(), file_key)?;
    let stored = ByteRange::new(block.len() as u64, rest.len);
    let stored =
        digest(copy_file, stored, progress, |_| Ok(())).map_err(|error| error.or_failed(path))?;
    if stored != copied {
        return Err(RekeyFileError::NotStored {
            path: path.to_owned(),
        });
    }
    copy.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(path).map_err(failed)
}

/// Owner and mode of the old file; the mode last, since a change of owner may clear bits of it.
fn keep_owner(copy: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = copy.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(copy, Some(old.uid()), Some(old.gid()))?;
    }
    copy.set_permissions(Permissions::from_mode(old.mode() & 0o7777))
}

enum Stop {
    Cancelled,
    Io(io::Error),
}

impl Stop {
    fn or_failed(self, path: &Path) -> RekeyFileError {
        match self {
            Self::Cancelled => RekeyFileError::Cancelled,
            Self::Io(error) => RekeyFileError::file("write a copy of", path, error),
        }
    }
}

/// SHA-256 of a range of a file, which `sink` sees slab by slab.
fn digest(
    file: &File,
    range: ByteRange,
    progress: &Progress,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Digest, Stop> {
    let mut hasher = Hasher::new();
    let mut at = range.offset;
    while at < range.end() {
        if progress.cancelled() {
            return Err(Stop::Cancelled);
        }
        let len = SLAB_BYTES.min(range.end() - at);
        let slab = read_at(file, ByteRange::new(at, len)).map_err(Stop::Io)?;
        hasher.update(&slab);
        sink(&slab).map_err(Stop::Io)?;
        progress.add_bytes(len);
        at += len;
    }
    Ok(hasher.finish())
}
