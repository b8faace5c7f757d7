//! What the threads of a backup do side by side: reading files, hashing, compressing.

use std::{fs::File, io, path::Path, sync::mpsc::SyncSender};

use coffer_core::{
    Digest,
    archive::{Packed, StreamPacker, Streamed},
    digest::Hasher,
    manifest::PartData,
    rows::{Part, RowSet},
};

use super::BackupError;
use crate::{
    deflate::pack,
    files::{Found, Stamp, fill},
    progress::Progress,
};

/// Files up to this size are compressed as a whole; larger ones are streamed.
const WHOLE_FILE_BYTES: u64 = 8 << 20;
const FILE_SLAB_BYTES: usize = 1 << 20;

/// What is to be made ready for the archive.
pub(super) enum Task {
    Part(Part),
    File(Found),
}

/// What comes of it.
pub(super) enum Made {
    Part(Box<MadePart>),
    /// A file as a whole.
    File(FileFacts, Packed),
    /// Stored bytes of a file that is streamed; what there is to know of it follows them.
    Piece(Vec<u8>),
    Streamed(FileFacts, Streamed),
    /// The file was gone before it could be read.
    Vanished,
    /// What the system says.
    Unreadable(io::Error),
    Failed(BackupError),
}

pub(super) struct MadePart {
    pub(super) data: PartData,
    pub(super) set: RowSet,
    pub(super) packed: Packed,
}

/// What was found out about a file while it was read.
pub(super) struct FileFacts {
    pub(super) size: u64,
    pub(super) sha256: Digest,
    pub(super) stamp: Stamp,
    /// It was written to meanwhile.
    pub(super) changed: bool,
}

/// Why a file is not archived, or not to its end.
enum Stop {
    Made(Made),
    /// The writing thread has stopped.
    Unwanted,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Made(Made::Unreadable(error))
    }
}

/// Does one task.
pub(super) fn work(task: Task, to: &SyncSender<Made>, progress: &Progress) {
    let made = match task {
        Task::Part(part) => Ok(made_part(part)),
        Task::File(found) => file(&found, to, progress),
    };
    let last = match made {
        Ok(made) | Err(Stop::Made(made)) => made,
        Err(Stop::Unwanted) => return,
    };
    // Whoever has stopped listening doesn't want the last piece either.
    let _ = to.send(last);
}

fn made_part(part: Part) -> Made {
    let (data, set) = PartData::of(&part);
    Made::Part(Box::new(MadePart {
        data,
        set,
        packed: pack(part.text),
    }))
}

fn file(found: &Found, to: &SyncSender<Made>, progress: &Progress) -> Result<Made, Stop> {
    let mut file = match open_regular(&found.disk) {
        Ok(file) => file,
        Err(error) if is_gone(&error) => return Ok(Made::Vanished),
        Err(error) => return Err(error.into()),
    };
    let stamp = Stamp::of(&file)?;
    if stamp.size > WHOLE_FILE_BYTES {
        return stream(&mut file, stamp, to, progress);
    }
    let mut content = vec![0; usize::try_from(stamp.size).unwrap_or(0)];
    let filled = fill(&mut file, &mut content)?;
    content.truncate(filled);
    let facts = facts(&file, stamp, content.len() as u64, Digest::of(&content))?;
    Ok(Made::File(facts, pack(content)))
}

fn stream(
    file: &mut File,
    stamp: Stamp,
    to: &SyncSender<Made>,
    progress: &Progress,
) -> Result<Made, Stop> {
    let failed = |error: coffer_core::archive::ArchiveError| Stop::Made(Made::Failed(error.into()));
    let mut slab = vec![0; FILE_SLAB_BYTES];
    let (mut hasher, mut size) = (Hasher::new(), 0);
    let mut packer = StreamPacker::new();
    loop {
        if progress.cancelled() {
            return Err(Stop::Made(Made::Failed(BackupError::Cancelled)));
        }
        let filled = fill(file, &mut slab)?;
        let bytes = slab.get(..filled).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        hasher.update(bytes);
        size += bytes.len() as u64;
        let mut piece = Vec::with_capacity(FILE_SLAB_BYTES + FILE_SLAB_BYTES / 16);
        packer.push(bytes, &mut piece).map_err(failed)?;
        to.send(Made::Piece(piece)).map_err(|_| Stop::Unwanted)?;
    }
    let mut piece = Vec::new();
    let streamed = packer.finish(&mut piece).map_err(failed)?;
    to.send(Made::Piece(piece)).map_err(|_| Stop::Unwanted)?;
    let facts = facts(file, stamp, size, hasher.finish())?;
    Ok(Made::Streamed(facts, streamed))
}

fn facts(file: &File, stamp: Stamp, size: u64, sha256: Digest) -> io::Result<FileFacts> {
    Ok(FileFacts {
        changed: Stamp::of(file)? != stamp || size != stamp.size,
        size,
        sha256,
        stamp,
    })
}

/// Whether no file has a path any more: a link in its place is not one.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENOTDIR))
}

/// Opens a file without following a link that was put in its place since it was listed.
fn open_regular(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, sync::mpsc::sync_channel};

    use super::*;

    fn made(path: &Path) -> Made {
        let found = Found {
            disk: path.to_owned(),
            path: "x".to_owned(),
        };
        let (to, results) = sync_channel(16);
        work(Task::File(found), &to, &Progress::default());
        results.try_iter().last().unwrap()
    }

    #[test]
    fn what_is_no_file_any_more_has_vanished_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "content").unwrap();
        assert!(matches!(made(&at("file")), Made::File(facts, _) if facts.size == 7));
        symlink("file", at("link")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for gone in ["missing", "link", "folder", "file/below"] {
            assert!(matches!(made(&at(gone)), Made::Vanished), "{gone}");
        }
    }
}
