//! Opening an archive, sealed or not, from anything that can be read at a position: drives core's sans-I/O readers.

use std::{io, sync::Arc};

use coffer_core::{
    ByteRange, Digest,
    archive::{self, ArchiveError, CheckedReader, Directory, EntryReader, Limits, Step},
    manifest::{
        self, EntryDigest, FILES_INDEX_PATH, FileEntry, FilesIndexError, MANIFEST_PATH, Manifest,
        ManifestError,
    },
    plan::Origin,
    rows::RowError,
    seal::{self, FileKey, Locks, Password, SealError, Sealed, SecretKey, Sender, Unsealer},
    verify::VerifyError,
};

pub use crate::read_at::{FileSource, ReadAt};
use crate::{
    aes,
    progress::Progress,
    read_at::SourceError,
    signed::{SenderError, SignedPayload},
};

/// What opens a sealed archive.
#[derive(Clone, Debug)]
pub enum Unlock {
    /// Nothing: only archives that are not sealed.
    None,
    /// A password.
    Password(Password),
    /// A secret key.
    Key(SecretKey),
    /// The archive's file key.
    FileKey(FileKey),
}

/// Why an archive can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system can't read the bytes.
    #[error("the archive cannot be read: {0}; nothing was changed")]
    Io(#[from] io::Error),
    /// The seal is wrong.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// The archive is wrong.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The manifest is wrong.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// The files index is wrong.
    #[error("{0}")]
    FilesIndex(#[from] FilesIndexError),
    /// Rows are wrong.
    #[error("table {table}: {error}")]
    Rows {
        /// The table.
        table: String,
        /// What is wrong.
        error: RowError,
    },
    /// The content is wrong.
    #[error("{0}")]
    Content(#[from] VerifyError),
    /// Sealed, and nothing was given to open it.
    #[error("the archive is sealed; a password or key is needed to open it")]
    Locked,
    /// Not by somebody who is trusted.
    #[error("{0}")]
    Sender(#[from] SenderError),
    /// Neither sealed nor a ZIP.
    #[error("this is not a Coffer archive: it is neither sealed nor a ZIP file")]
    Unknown,
    /// The run was cancelled.
    #[error("cancelled; nothing was changed")]
    Cancelled,
}

impl ReadError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(error) => SourceError::inside(error).map_or("read_failed", SourceError::code),
            Self::Seal(error) => error.code(),
            Self::Archive(error) => error.code(),
            Self::Manifest(_) => "manifest_invalid",
            Self::FilesIndex(_) => "files_index_invalid",
            Self::Content(VerifyError::Archive(error)) => error.code(),
            Self::Rows { .. } | Self::Content(VerifyError::Rows { .. }) => "rows_invalid",
            Self::Locked => "locked",
            Self::Sender(error) => error.code(),
            Self::Unknown => "not_an_archive",
            Self::Cancelled => "cancelled",
        }
    }
}

pub(crate) fn read_range(source: &dyn ReadAt, range: ByteRange) -> io::Result<Vec<u8>> {
    let len =
        usize::try_from(range.len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut buffer = vec![0; len];
    source.read_exact_at(range.offset, &mut buffer)?;
    Ok(buffer)
}

/// What a file is, as far as it shows without a key.
#[derive(Debug)]
pub enum Look {
    /// A sealed archive.
    Sealed(Box<Sealed>),
    /// A ZIP, of Coffer or not.
    Zip,
}

/// Looks at a file without any key.
///
/// # Errors
/// [`ReadError::Unknown`] for other files, or what is wrong with the seal.
pub fn look(source: &dyn ReadAt) -> Result<Look, ReadError> {
    let size = source.size();
    if size == 0 {
        return Err(SealError::Empty.into());
    }
    let start = read_range(source, ByteRange::new(0, size.min(4)))?;
    if start.starts_with(b"PK") {
        return Ok(Look::Zip);
    }
    let mut opening = seal::Opening::new(size)?;
    while let Some(range) = opening.wants() {
        opening
            .feed(&read_range(source, range)?)
            .map_err(|error| match error {
                SealError::NotSealed => ReadError::Unknown,
                other => other.into(),
            })?;
    }
    Ok(Look::Sealed(Box::new(opening.finish()?)))
}

/// The content of a file: as it is, or decrypted.
pub struct Plain {
    source: Arc<dyn ReadAt>,
    unsealer: Option<(Unsealer, aes::Key)>,
    /// Of a signed archive; then nothing is used that was not compared with what was signed.
    signed: Option<SignedPayload>,
    origin: Origin,
}

impl Plain {
    /// Unlocks a file.
    ///
    /// # Errors
    /// As [`look`], [`ReadError::Locked`], what the key is answered with, and what is wrong with the sender's
    /// signature, if there is one.
    pub fn open(source: Arc<dyn ReadAt>, unlock: &Unlock) -> Result<Self, ReadError> {
        let Look::Sealed(sealed) = look(&*source)? else {
            return Ok(Self {
                source,
                unsealer: None,
                signed: None,
                origin: Origin::Unsaid,
            });
        };
        let signed = SignedPayload::open(&source, &sealed)?;
        let (file_key, by_key) = file_key(sealed.header_locks(), unlock)?;
        let prefix = match &signed {
            Some(signed) => signed.read(sealed.prefix_range())?,
            None => read_range(&*source, sealed.prefix_range())?,
        };
        let origin = match &signed {
            Some(signed) => Origin::Signed(signed.sender().fingerprint()),
            None if by_key => Origin::Anybody,
            None => Origin::Unsaid,
        };
        let unsealer = sealed.unsealer(&file_key, &prefix)?;
        let key = aes::Key::new(&unsealer.payload_key())?;
        Ok(Self {
            unsealer: Some((unsealer, key)),
            source,
            signed,
            origin,
        })
    }

    /// Who sealed the file, if somebody signed it.
    #[must_use]
    pub fn sender(&self) -> Option<Sender> {
        self.signed.as_ref().map(SignedPayload::sender)
    }

    /// What is known of who made it.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Compares what was signed and nobody has read yet, so that all of it was compared. Nothing to do for a file that
    /// nobody signed.
    ///
    /// # Errors
    /// [`ReadError::Seal`] if it differs; [`ReadError::Io`] or [`ReadError::Cancelled`].
    pub fn compare_rest(&self, progress: &Progress) -> Result<(), ReadError> {
        self.signed
            .as_ref()
            .map_or(Ok(()), |signed| signed.compare_rest(progress))
    }

    /// Whether the file is sealed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.unsealer.is_some()
    }

    /// Bytes of content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.unsealer
            .as_ref()
            .map_or_else(|| self.source.size(), |(unsealer, _)| unsealer.plain_len())
    }

    /// A range of the content.
    ///
    /// # Errors
    /// [`ReadError::Io`] or [`ReadError::Seal`].
    pub fn read(&self, range: ByteRange) -> Result<Vec<u8>, ReadError> {
        match &self.unsealer {
            None => Ok(read_range(&*self.source, range)?),
            Some((unsealer, key)) => {
                let located = unsealer.locate(range)?;
                let mut bytes = match &self.signed {
                    Some(signed) => signed.read(located.sealed)?,
                    None => read_range(&*self.source, located.sealed)?,
                };
                let batch = unsealer.batch(&located)?;
                let wanted = unsealer.settle(&located, key.open(&batch, &mut bytes))?;
                bytes.truncate(wanted.end);
                bytes.drain(..wanted.start);
                Ok(bytes)
            }
        }
    }
}

/// The file key, and whether a key opened the archive that anybody can seal to.
pub(crate) fn file_key(locks: &Locks, unlock: &Unlock) -> Result<(FileKey, bool), ReadError> {
    let unlocked = match unlock {
        Unlock::None => return Err(ReadError::Locked),
        Unlock::Password(password) => locks.open(password)?,
        Unlock::Key(key) => locks.open_with_key(key)?,
        Unlock::FileKey(key) => {
            locks.unlock_with_file_key(key)?;
            return Ok((key.clone(), false));
        }
    };
    // Whoever wraps the file key under a password has to know the password. A key needs its public half only, also if
    // a password unlocks it.
    Ok((unlocked.file_key, unlocked.secret.is_some()))
}

/// An open archive: its directory and manifest are read and checked.
pub struct OpenArchive {
    plain: Arc<Plain>,
    limits: Limits,
    /// The entries.
    pub directory: Directory,
    /// The manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes.
    pub manifest_digest: Digest,
}

impl OpenArchive {
    /// Opens an archive and reads its manifest.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(source: Arc<dyn ReadAt>, unlock: &Unlock) -> Result<Self, ReadError> {
        Self::of(Arc::new(Plain::open(source, unlock)?))
    }

    /// Reads the directory and the manifest of content that is unlocked.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn of(plain: Arc<Plain>) -> Result<Self, ReadError> {
        let limits = Limits::default();
        let mut opening = archive::Opening::new(plain.size(), limits)?;
        while let Some(range) = opening.wants() {
            opening.feed(&plain.read(range)?)?;
        }
        let directory = opening.finish()?;
        let json = EntryReader::new(directory.entry(MANIFEST_PATH)?, limits).read_all(
            "bytes of the manifest",
            limits.manifest_bytes,
            |range| plain.read(range),
        )?;
        let manifest = Manifest::parse(&json)?;
        Ok(Self {
            plain,
            limits,
            directory,
            manifest,
            manifest_digest: Digest::of(&json),
        })
    }

    /// Whether the archive is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.plain.is_sealed()
    }

    /// The archive's bytes, decrypted.
    #[must_use]
    pub fn plain(&self) -> &Plain {
        &self.plain
    }

    /// The files that the files index lists; empty if there are no file sets.
    ///
    /// # Errors
    /// [`ReadError`]; a digest other than the manifest's is one.
    pub fn files(&self) -> Result<Vec<FileEntry>, ReadError> {
        let Some(expected) = &self.manifest.files_index else {
            return Ok(Vec::new());
        };
        let text = self.checked(FILES_INDEX_PATH, expected)?.read_all(
            "bytes of the files index",
            self.limits.index_bytes,
            |range| self.plain.read(range),
        )?;
        Ok(manifest::files::parse(&text)?)
    }

    /// One part of a table's row text, compared with the manifest's digest.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn part(&self, table: &manifest::TableData, index: usize) -> Result<Vec<u8>, ReadError> {
        let path = table.part_path(index);
        let part = table
            .parts
            .get(index)
            .ok_or_else(|| ArchiveError::NoEntry(path.clone()))?;
        self.checked(&path, &part.digest())?.read_all(
            "bytes of one part",
            self.limits.part_bytes,
            |range| self.plain.read(range),
        )
    }

    fn checked(&self, name: &str, expected: &EntryDigest) -> Result<CheckedReader, ReadError> {
        let entry = self.directory.entry(name)?;
        Ok(CheckedReader::new(entry, expected, self.limits)?)
    }

    /// Streams a file's content into `sink` and compares it with the index's digest at the end.
    ///
    /// # Errors
    /// [`ReadError`], or the sink's own; what `sink` was given before is then not to be used.
    pub fn read_file<E: From<ReadError>>(
        &self,
        file: &FileEntry,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.checked(&file.entry, &file.digest())?;
        let mut out = Vec::new();
        loop {
            match reader.step(&mut out).map_err(ReadError::from)? {
                Step::Want(range) => {
                    let bytes = self.plain.read(range)?;
                    reader.feed(&bytes).map_err(ReadError::from)?;
                }
                Step::Output => {
                    sink(&out)?;
                    out.clear();
                }
                Step::Done => return Ok(()),
            }
        }
    }
}
