//! Coffer's readers, driven from memory.

use coffer_core::{
    ByteRange,
    archive::{ArchiveError, EntryReader, Finding, Limits, Opening, Step},
    foreign::zip,
    manifest::{FILES_INDEX_PATH, FilesIndexError, MANIFEST_PATH, Manifest, ManifestError, files},
    verify::{Verified, Verifier, VerifyError},
};

/// What a reader says of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Its structure, or an entry.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// Its manifest.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Its files index.
    #[error("{0}")]
    Index(#[from] FilesIndexError),
    /// Its rows.
    #[error("{0}")]
    Content(VerifyError),
}

impl From<VerifyError> for Wrong {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Archive(error) => Self::Archive(error),
            error @ VerifyError::Rows { .. } => Self::Content(error),
        }
    }
}

pub(crate) fn bytes(file: &[u8], range: ByteRange) -> &[u8] {
    &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
}

/// Checks a file as `coffer verify` does, with limits.
///
/// # Errors
/// What is wrong.
pub fn verify(file: &[u8], limits: Limits) -> Result<Verified, Wrong> {
    let mut opening = Opening::new(file.len() as u64, limits)?;
    while let Some(wanted) = opening.wants() {
        opening.feed(bytes(file, wanted))?;
    }
    let directory = opening.finish()?;
    let whole = |name, limit, allowed| -> Result<Vec<u8>, Wrong> {
        EntryReader::new(directory.entry(name)?, limits)
            .read_all(limit, allowed, |range| Ok(bytes(file, range).to_vec()))
    };
    let manifest = Manifest::parse(&whole(
        MANIFEST_PATH,
        "bytes of the manifest",
        limits.manifest_bytes,
    )?)?;
    let files = match manifest.files_index {
        Some(_) => files::parse(&whole(
            FILES_INDEX_PATH,
            "bytes of the files index",
            limits.index_bytes,
        )?)?,
        None => Vec::new(),
    };
    let mut verifier = Verifier::new(&directory, &manifest, &files, limits)?;
    loop {
        match verifier.step()? {
            Step::Want(range) => verifier.feed(bytes(file, range))?,
            Step::Output => {}
            Step::Done => return Ok(verifier.so_far()),
        }
    }
}

/// What the reader of other people's ZIPs makes of a file that it does not refuse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// What it found in the directory.
    pub findings: Vec<Finding>,
    /// The entries that can't be read, besides those that the directory shows to be unreadable.
    pub damaged: Vec<ArchiveError>,
    /// The entries that can be read, with their content; folders have none.
    pub content: Vec<(String, Vec<u8>)>,
}

/// Reads a file as somebody else's ZIP.
///
/// # Errors
/// Why it is refused as a whole.
pub fn foreign(file: &[u8], limits: Limits) -> Result<Foreign, ArchiveError> {
    let mut opening = zip::Opening::new(file.len() as u64, limits)?;
    while let Some(wanted) = opening.wants() {
        opening.feed(bytes(file, wanted))?;
    }
    let zip = opening.finish()?;
    let mut done = Foreign {
        findings: zip.findings().to_vec(),
        ..Foreign::default()
    };
    for item in zip.items().iter().filter(|item| item.unreadable.is_none()) {
        let read = zip::Reader::new(item, limits).and_then(|reader| {
            reader.read_all("bytes of a test", u64::MAX, |range| {
                Ok(bytes(file, range).to_vec())
            })
        });
        match read {
            Ok(content) => done.content.push((item.entry.name.clone(), content)),
            Err(error) => done.damaged.push(error),
        }
    }
    Ok(done)
}
