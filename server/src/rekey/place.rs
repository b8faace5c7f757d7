//! Writing a header block over one of the same length.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use coffer_core::{ByteRange, Digest, seal::FileKey};

use super::{Journal, RekeyFileError, identify, journal_path, prove, read_at, sync_folder};

/// Writes a block at the start of a file, waits for the disk, and reads it back.
pub(super) fn put(file: &File, block: &[u8]) -> io::Result<()> {
    file.write_all_at(block, 0)?;
    file.sync_all()?;
    if read_at(file, ByteRange::new(0, block.len() as u64))? != block {
        return Err(io::Error::other("it reads back differently"));
    }
    Ok(())
}

/// Replaces the header block by one as long.
pub(super) fn replace(
    file: &File,
    path: &Path,
    file_key: &FileKey,
    block: &[u8],
) -> Result<(), RekeyFileError> {
    let failed = |error| RekeyFileError::file("read", path, error);
    let archive = identify(file)
        .map_err(failed)?
        .ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    let old = read_at(file, ByteRange::new(0, block.len() as u64)).map_err(failed)?;
    let journal = Journal {
        archive,
        old: Digest::of(&old),
        block: block.to_vec(),
    };
    write_journal(path, &journal)?;
    let result = put(file, block)
        .map_err(|error| RekeyFileError::file("write", path, error))
        .and_then(|()| prove(file, path, file_key).map(drop));
    if let Err(error) = result {
        // Back to the old block, which was just read. If even that fails, the journal stays to finish it.
        put(file, &old).map_err(|error| RekeyFileError::half_written(path, error))?;
        remove_journal(path)?;
        return Err(error);
    }
    remove_journal(path)
}

fn write_journal(archive: &Path, journal: &Journal) -> Result<(), RekeyFileError> {
    let path = journal_path(archive);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(&journal.encode())?;
        file.sync_all()?;
        sync_folder(&path)
    };
    write().map_err(|error| {
        // The archive is untouched, so the journal is of no use, and a whole one would only ask for a recovery.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&path);
        }
        RekeyFileError::file("write", &path, error)
    })
}

pub(super) fn remove_journal(archive: &Path) -> Result<(), RekeyFileError> {
    let path = journal_path(archive);
    fs::remove_file(&path)
        .and_then(|()| sync_folder(&path))
        .map_err(|error| RekeyFileError::JournalLeft {
            journal: path,
            error,
        })
}
