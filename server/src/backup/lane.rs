//! What the threads of a backup do side by side: reading files, hashing, compressing.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, mpsc::SyncSender},
};

use coffer_core::{
    Digest,
    app_secret::Wrapping,
    archive::{Packed, StreamPacker, Streamed},
    digest::Hasher,
    manifest::PartData,
    rows::{Part, RowSet},
    schema::TableName,
    withhold::{FreshSecrets, RowRules},
};

use super::BackupError;
use crate::{
    app_secrets::AppSecretsError,
    deflate::pack,
    files::{Found, Stamp, fill},
    progress::Progress,
    transform::{Failed, Renames, Transformer},
};

/// Files up to this size are compressed as a whole; larger ones are streamed.
const WHOLE_FILE_BYTES: u64 = 8 << 20;
const FILE_SLAB_BYTES: usize = 1 << 20;

/// What is to be made ready for the archive.
pub(super) enum Task {
    /// Rows of a table, and what is to be changed in them.
    Part(Part, Rewriting),
    File(Found, Transforming),
}

/// What is to be changed in a part.
pub(super) struct Rewriting {
    /// Credentials that take looking at whole rows.
    pub(super) withhold: Option<Withhold>,
    /// Values that the application's own secret is taken off.
    pub(super) unwrap: Option<Arc<Wrapping>>,
    /// Of the part, which no other has.
    pub(super) number: u64,
    /// New paths in place of those of transformed files.
    pub(super) renames: Option<(TableName, Arc<Renames>)>,
}

/// The rules for a table's credentials, and what makes fresh ones.
#[derive(Clone)]
pub(super) struct Withhold {
    pub(super) rules: Arc<RowRules>,
    pub(super) secrets: Arc<FreshSecrets>,
}

impl Rewriting {
    /// The part as it is archived, and how many rows of it each rule left out.
    fn run(self, mut part: Part) -> Result<(Part, Vec<u64>), BackupError> {
        let mut left_out = Vec::new();
        if let Some(Withhold { rules, secrets }) = self.withhold {
            left_out = vec![0; rules.leaving_out()];
            part = rules.part(part, &secrets.of_part(self.number), &mut left_out)?;
        }
        if let Some(unwrap) = self.unwrap {
            part = unwrap.part(part).map_err(AppSecretsError::from)?;
        }
        let part = match self.renames {
            Some((table, renames)) => renames.rewrite(&table, part),
            None => part,
        };
        Ok((part, left_out))
    }
}

/// What is to be done with a file before it is packed.
pub(super) enum Transforming {
    /// Nothing.
    No,
    /// It would be transformed, but for this.
    Refused(String),
    /// It is given to a program.
    By(Arc<Transformer>),
}

/// What comes of it.
pub(super) enum Made {
    Part(Box<MadePart>),
    /// What follows is what a program made of the file.
    Transformed,
    /// What follows is the file as it was, though a program is for it: why.
    Kept(String),
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
    /// Rows that each rule left out.
    pub(super) left_out: Vec<u64>,
}

/// What was found out about a file while it was read.
pub(super) struct FileFacts {
    pub(super) size: u64,
    pub(super) sha256: Digest,
    /// Of the file on disk, also where a program made something else of it.
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
        Task::Part(part, rewriting) => Ok(match rewriting.run(part) {
            Ok((part, left_out)) => made_part(part, left_out),
            Err(error) => Made::Failed(error),
        }),
        Task::File(found, transforming) => file(&found, &transforming, to, progress),
    };
    let last = match made {
        Ok(made) | Err(Stop::Made(made)) => made,
        Err(Stop::Unwanted) => return,
    };
    // Whoever has stopped listening doesn't want the last piece either.
    let _ = to.send(last);
}

fn made_part(part: Part, left_out: Vec<u64>) -> Made {
    let (data, set) = PartData::of(&part);
    Made::Part(Box::new(MadePart {
        data,
        set,
        packed: pack(part.text),
        left_out,
    }))
}

fn file(
    found: &Found,
    transforming: &Transforming,
    to: &SyncSender<Made>,
    progress: &Progress,
) -> Result<Made, Stop> {
    let mut file = match open_regular(&found.disk) {
        Ok(file) => file,
        Err(error) if is_gone(&error) => return Ok(Made::Vanished),
        Err(error) => return Err(error.into()),
    };
    let stamp = Stamp::of(&file)?;
    let made = match transforming {
        Transforming::No => None,
        Transforming::Refused(why) => Some(Err(why.clone())),
        Transforming::By(transformer) => {
            Some(match transformer.run(&found.disk, stamp.size, progress) {
                Err(Failed::Cancelled) => {
                    return Err(Stop::Made(Made::Failed(BackupError::Cancelled)));
                }
                Err(Failed::Because(why)) => Err(why),
                Ok(_) if !is_at(&file, &found.disk)? => {
                    Err("another file took its place while a program read it".to_owned())
                }
                Ok(made) => Ok(made),
            })
        }
    };
    let say = |made| to.send(made).map_err(|_| Stop::Unwanted);
    let packed = match made {
        Some(Ok(mut made)) => {
            say(Made::Transformed)?;
            let size = Stamp::of(&made.file)?.size;
            packed(&mut made.file, size, to, progress)?
        }
        Some(Err(why)) => {
            say(Made::Kept(why))?;
            packed(&mut file, stamp.size, to, progress)?
        }
        None => packed(&mut file, stamp.size, to, progress)?,
    };
    let facts = FileFacts {
        changed: Stamp::of(&file)? != stamp || packed.size != packed.expected,
        size: packed.size,
        sha256: packed.sha256,
        stamp,
    };
    Ok(match packed.content {
        Content::Whole(content) => Made::File(facts, content),
        Content::Streamed(content) => Made::Streamed(facts, content),
    })
}

/// A file that was read to its end.
struct PackedFile {
    /// Bytes that it was to have.
    expected: u64,
    size: u64,
    sha256: Digest,
    content: Content,
}

enum Content {
    Whole(Packed),
    Streamed(Streamed),
}

fn packed(
    file: &mut File,
    expected: u64,
    to: &SyncSender<Made>,
    progress: &Progress,
) -> Result<PackedFile, Stop> {
    if expected > WHOLE_FILE_BYTES {
        return stream(file, expected, to, progress);
    }
    let mut content = vec![0; usize::try_from(expected).unwrap_or(0)];
    let filled = fill(file, &mut content)?;
    content.truncate(filled);
    Ok(PackedFile {
        expected,
        size: content.len() as u64,
        sha256: Digest::of(&content),
        content: Content::Whole(pack(content)),
    })
}

fn stream(
    file: &mut File,
    expected: u64,
    to: &SyncSender<Made>,
    progress: &Progress,
) -> Result<PackedFile, Stop> {
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
    Ok(PackedFile {
        expected,
        size,
        sha256: hasher.finish(),
        content: Content::Streamed(streamed),
    })
}

/// Whether an open file is the one at a path: a program that was given the path has read this one then.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    Ok(fs::symlink_metadata(path)
        .is_ok_and(|found| (found.dev(), found.ino()) == (open.dev(), open.ino())))
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
    use std::{os::unix::fs::symlink, sync::mpsc::sync_channel};

    use super::*;

    fn made(path: &Path) -> Made {
        let found = Found {
            disk: path.to_owned(),
            path: "x".to_owned(),
        };
        let (to, results) = sync_channel(16);
        work(
            Task::File(found, Transforming::No),
            &to,
            &Progress::default(),
        );
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
