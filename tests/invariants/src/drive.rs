//! Drivers for readers: the whole file is in memory, and is fed in pieces of any size.

use coffer_core::{
    ByteRange, Digest,
    archive::{self, ArchiveError, Directory, Entry, EntryReader, Limits, Step},
    foreign::{
        self,
        zip::{Item, Zip},
    },
    manifest::{FILES_INDEX_PATH, FilesIndexError, MANIFEST_PATH, Manifest, ManifestError, files},
    rows::RowError,
    seal::{self, FileKey, ScrubChecker, SealError, Sealed, SealedStream, StreamEnd},
    verify::{Verified, Verifier, VerifyError},
};

/// Sizes of the pieces that a reader is fed, over and over. Never empty, and no size is 0.
#[derive(Clone, Debug)]
pub struct Pieces(Vec<usize>);

impl Pieces {
    /// Everything that a reader asks for, at once.
    #[must_use]
    pub fn whole() -> Self {
        Self(vec![usize::MAX])
    }

    /// These sizes; what is 0 counts as 1.
    #[must_use]
    pub fn of(sizes: impl IntoIterator<Item = usize>) -> Self {
        let sizes: Vec<usize> = sizes.into_iter().map(|size| size.max(1)).collect();
        if sizes.is_empty() {
            Self::whole()
        } else {
            Self(sizes)
        }
    }

    /// The sizes, without end.
    pub fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied().cycle()
    }

    /// `bytes` cut into these pieces.
    #[must_use]
    pub fn cut<'b>(&self, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut sizes = self.sizes();
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(size);
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// The bytes of a range that a reader asks for, which must lie inside of the file and not be empty.
///
/// # Panics
/// If it doesn't, or is.
#[must_use]
pub fn slice(file: &[u8], range: ByteRange) -> &[u8] {
    assert!(range.len > 0, "a reader asked for nothing");
    let at = |position| usize::try_from(position).unwrap();
    file.get(at(range.offset)..at(range.end()))
        .unwrap_or_else(|| panic!("a reader asked for {range:?} of {} bytes", file.len()))
}

/// Feeds a reader every range that it asks for, in pieces.
///
/// # Errors
/// What the reader says.
pub fn feed_all<R, E>(
    file: &[u8],
    pieces: &Pieces,
    reader: &mut R,
    wants: impl Fn(&R) -> Option<ByteRange>,
    feed: impl Fn(&mut R, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut sizes = pieces.sizes();
    while let Some(wanted) = wants(reader) {
        let bytes = slice(file, wanted);
        let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
        feed(reader, &bytes[..size])?;
    }
    Ok(())
}

/// Opens a sealed archive.
///
/// # Errors
/// What the reader says.
pub fn open_sealed(file: &[u8], pieces: &Pieces) -> Result<Sealed, SealError> {
    let mut opening = seal::Opening::new(file.len() as u64)?;
    feed_all(
        file,
        pieces,
        &mut opening,
        seal::Opening::wants,
        seal::Opening::feed,
    )?;
    opening.finish()
}

/// Reads a range of a sealed archive's content.
///
/// # Errors
/// What the reader says.
pub fn unseal(
    file: &[u8],
    sealed: &Sealed,
    key: &FileKey,
    plain: ByteRange,
) -> Result<Vec<u8>, SealError> {
    let unsealer = sealed.unsealer(key, slice(file, sealed.prefix_range()))?;
    let located = unsealer.locate(plain)?;
    unsealer.open(located, slice(file, located.sealed).to_vec())
}

/// Reads a sealed archive from start to end: what was given out, and how it ended.
///
/// # Panics
/// If the reader stops taking bytes for no reason.
pub fn unseal_in_sequence(
    file: &[u8],
    key: &FileKey,
    pieces: &Pieces,
) -> (Vec<u8>, Result<StreamEnd, SealError>) {
    let mut stream = SealedStream::new();
    let mut out = Vec::new();
    let run = |stream: &mut SealedStream, out: &mut Vec<u8>| -> Result<(), SealError> {
        for mut piece in pieces.cut(file) {
            while !piece.is_empty() {
                let taken = stream.push(piece, out)?;
                piece = &piece[taken..];
                if stream.locks().is_some() {
                    stream.unlock(key)?;
                } else {
                    assert!(piece.is_empty(), "it stops though it is not locked");
                }
            }
        }
        Ok(())
    };
    let end = run(&mut stream, &mut out).and_then(|()| stream.finish(&mut out));
    (out, end)
}

/// Compares the payload with the scrub table; gives the damaged blocks.
///
/// # Errors
/// If the table itself is damaged.
pub fn scrub(file: &[u8], sealed: &Sealed, pieces: &Pieces) -> Result<Vec<u64>, SealError> {
    let table = slice(file, sealed.scrub_range());
    let mut checker = ScrubChecker::new(table, sealed.footer().scrub_root)?;
    for piece in pieces.cut(slice(file, sealed.payload_range())) {
        checker.update(piece);
    }
    Ok(checker.finish())
}

/// Reads the directory of an archive.
///
/// # Errors
/// What the reader says.
pub fn open_archive(
    file: &[u8],
    limits: Limits,
    pieces: &Pieces,
) -> Result<Directory, ArchiveError> {
    let mut opening = archive::Opening::new(file.len() as u64, limits)?;
    feed_all(
        file,
        pieces,
        &mut opening,
        archive::Opening::wants,
        archive::Opening::feed,
    )?;
    opening.finish()
}

/// Reads one entry.
///
/// # Errors
/// What the reader says.
pub fn read_entry(
    file: &[u8],
    entry: &Entry,
    limits: Limits,
    pieces: &Pieces,
) -> Result<Vec<u8>, ArchiveError> {
    let mut reader = EntryReader::new(entry, limits);
    let mut sizes = pieces.sizes();
    let mut out = Vec::new();
    loop {
        let before = out.len();
        let step = reader.step(&mut out)?;
        assert!(
            out.len() - before <= 1 << 20,
            "a step gave more than 1 MiB of content"
        );
        match step {
            Step::Want(wanted) => {
                let bytes = slice(file, wanted);
                let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
                reader.feed(&bytes[..size])?;
            }
            Step::Output => assert!(out.len() > before, "no content, and none asked for"),
            Step::Done => return Ok(out),
        }
    }
}

/// Reads the directory of somebody else's ZIP.
///
/// # Errors
/// What the reader says.
pub fn open_foreign(file: &[u8], limits: Limits, pieces: &Pieces) -> Result<Zip, ArchiveError> {
    let mut opening = foreign::zip::Opening::new(file.len() as u64, limits)?;
    feed_all(
        file,
        pieces,
        &mut opening,
        foreign::zip::Opening::wants,
        foreign::zip::Opening::feed,
    )?;
    opening.finish()
}

/// Reads one entry of somebody else's ZIP.
///
/// # Errors
/// What the reader says.
pub fn read_foreign(
    file: &[u8],
    item: &Item,
    limits: Limits,
    pieces: &Pieces,
) -> Result<Vec<u8>, ArchiveError> {
    let mut reader = foreign::zip::Reader::new(item, limits)?;
    let mut sizes = pieces.sizes();
    let mut out = Vec::new();
    loop {
        match reader.step(&mut out)? {
            Step::Want(wanted) => {
                let bytes = slice(file, wanted);
                let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
                reader.feed(&bytes[..size])?;
            }
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}

/// Why an archive is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotWhole {
    /// Its structure, or an entry.
    Archive(ArchiveError),
    /// Its manifest.
    Manifest(ManifestError),
    /// Its files index.
    FilesIndex(FilesIndexError),
    /// Its files index is not the one that the manifest names.
    OtherFilesIndex,
    /// Rows of a table.
    Rows(RowError),
}

impl From<ArchiveError> for NotWhole {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<VerifyError> for NotWhole {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Archive(error) => Self::Archive(error),
            VerifyError::Rows { error, .. } => Self::Rows(error),
        }
    }
}

/// Checks a whole archive the way `coffer verify` does: directory, manifest, files index, every entry.
///
/// # Errors
/// [`NotWhole`].
pub fn verify_archive(file: &[u8], pieces: &Pieces) -> Result<Verified, NotWhole> {
    let limits = Limits::default();
    let directory = open_archive(file, limits, pieces)?;
    let content = |name: &str| read_entry(file, directory.entry(name)?, limits, pieces);
    let manifest = Manifest::parse(&content(MANIFEST_PATH)?).map_err(NotWhole::Manifest)?;
    let files = match &manifest.files_index {
        None => Vec::new(),
        Some(expected) => {
            let index = content(FILES_INDEX_PATH)?;
            if Digest::of(&index) != expected.sha256 {
                return Err(NotWhole::OtherFilesIndex);
            }
            files::parse(&index).map_err(NotWhole::FilesIndex)?
        }
    };
    let mut verifier = Verifier::new(&directory, &manifest, &files, limits)?;
    let mut sizes = pieces.sizes();
    loop {
        match verifier.step()? {
            Step::Want(wanted) => {
                let bytes = slice(file, wanted);
                let size = sizes.next().unwrap_or(usize::MAX).min(bytes.len());
                verifier.feed(&bytes[..size])?;
            }
            Step::Output => {}
            Step::Done => return Ok(verifier.so_far()),
        }
    }
}
