//! Archives of other products, read from anything that can be read at a position: drives core's sans-I/O readers.

use std::{io, sync::Arc};

use coffer_core::{
    ByteRange,
    archive::Step,
    foreign::{
        Archive, Decrypted, Depth, ForeignError, Found, Look, Opening, Overview, RowStream, Secret,
        Survey, Unlocking, dbackup::Sidecar,
    },
};

use crate::{
    progress::{Phase, Progress},
    read::{ReadAt, ReadError, read_range},
};

mod convert;

pub use convert::{ConvertError, ConvertRequest, convert, keeps_in_the_clear};

/// Why an archive of another product can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its bytes can't be had, or the job was cancelled.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// It is wrong.
    #[error("{0}")]
    Foreign(#[from] ForeignError),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

/// What a file is, as far as it shows without a key; `None` if it begins like none of the products' archives. Of a ZIP the
/// directory tells more: see [`open`].
///
/// # Errors
/// [`Error`]: a version that is not known, or a file that is cut short.
pub fn look(source: &dyn ReadAt, sidecar: Option<&Sidecar>) -> Result<Option<Look>, Error> {
    let size = source.size();
    let start = read_range(source, ByteRange::new(0, size.min(START_BYTES)))?;
    // Coffer's own archives begin with one of these entries, and need not be looked at twice.
    let own = |name: &[u8]| {
        start
            .get(LOCAL_FIXED..)
            .unwrap_or_default()
            .starts_with(name)
    };
    if start.starts_with(b"PK") && [&b"tables/"[..], b"index/files.tsv"].into_iter().any(own) {
        return Ok(None);
    }
    Ok(match Look::at(&start, size, sidecar)? {
        Look::Other => None,
        look => Some(look),
    })
}

/// Bytes of a ZIP's local header before the name.
const LOCAL_FIXED: usize = 30;
const START_BYTES: u64 = {
    let least = LOCAL_FIXED as u64 + 16;
    if Look::START_BYTES > least {
        Look::START_BYTES
    } else {
        least
    }
};

/// An archive of another product that is unlocked and open.
pub struct Open {
    content: Bytes,
    archive: Archive,
}

/// Content, decrypted if need be.
enum Bytes {
    Plain(Arc<dyn ReadAt>),
    Decrypted(Arc<dyn ReadAt>, Decrypted),
}

impl Bytes {
    fn size(&self) -> u64 {
        match self {
            Self::Plain(source) => source.size(),
            Self::Decrypted(_, decrypted) => decrypted.plain_len(),
        }
    }

    fn read(&self, range: ByteRange) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Plain(source) => read_range(&**source, range)?,
            Self::Decrypted(source, decrypted) => {
                let stored = read_range(&**source, decrypted.locate(range))?;
                decrypted.open(range, stored)?
            }
        })
    }
}

/// Unlocks an archive, and reads its directory and description.
///
/// # Errors
/// [`Error`]; [`ForeignError::Unknown`] for a ZIP of something else.
pub fn open(
    source: Arc<dyn ReadAt>,
    look: &Look,
    secret: &Secret,
    sidecar: Option<&Sidecar>,
    progress: &Progress,
) -> Result<Open, Error> {
    let mut how = None;
    let (content, kind) = match Unlocking::new(look, secret)? {
        Some(mut unlocking) => {
            progress.begin(Phase::Verifying, source.size());
            while let Some(range) = unlocking.wants() {
                go_on(progress)?;
                unlocking.feed(&read_range(&*source, range)?)?;
                progress.add_bytes(range.len);
            }
            how = look.encryption();
            let (decrypted, kind) = unlocking.finish()?;
            (Bytes::Decrypted(source, decrypted), kind)
        }
        None => {
            let Look::Plain(kind) = look else {
                return Err(ForeignError::Unknown.into());
            };
            (Bytes::Plain(source), *kind)
        }
    };
    let mut opening = Opening::new(kind, content.size(), how, sidecar)?;
    while let Some(range) = opening.wants() {
        opening.feed(&content.read(range)?)?;
    }
    Ok(Open {
        archive: opening.finish()?,
        content,
    })
}

fn go_on(progress: &Progress) -> Result<(), Error> {
    if progress.cancelled() {
        return Err(ReadError::Cancelled.into());
    }
    Ok(())
}

impl Open {
    /// What was opened.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Reads all rows, and all files if it is to.
    ///
    /// # Errors
    /// [`Error`]; what is wrong with one table or file is a finding.
    pub fn survey(&self, depth: Depth, progress: &Progress) -> Result<Overview, Error> {
        progress.begin(Phase::Verifying, self.content.size());
        let mut survey = Survey::new(&self.archive, depth);
        loop {
            go_on(progress)?;
            match survey.step()? {
                Step::Want(range) => {
                    survey.feed(&self.content.read(range)?)?;
                    progress.add_bytes(range.len);
                }
                Step::Output => {}
                Step::Done => return Ok(survey.finish()),
            }
        }
    }

    /// Gives all rows of a table, in the order of the archive.
    ///
    /// # Errors
    /// [`Error`], or the sink's own.
    pub fn rows<E: From<Error>>(
        &self,
        table: &str,
        progress: &Progress,
        mut sink: impl FnMut(Found) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stream = RowStream::new(&self.archive, table).map_err(Error::from)?;
        let mut found = Vec::new();
        loop {
            go_on(progress)?;
            let step = stream.step(&mut found).map_err(Error::from)?;
            for found in found.drain(..) {
                sink(found)?;
            }
            match step {
                Step::Want(range) => stream
                    .feed(&self.content.read(range)?)
                    .map_err(Error::from)?,
                Step::Output => {}
                Step::Done => return Ok(()),
            }
        }
    }

    /// Streams an uploaded file into `sink`.
    ///
    /// # Errors
    /// [`Error`], or the sink's own; what `sink` was given before is then not to be used.
    pub fn file<E: From<Error>>(
        &self,
        entry: &str,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = self.archive.file(entry).map_err(Error::from)?;
        let mut out = Vec::new();
        loop {
            let step = reader
                .step(&mut out)
                .map_err(|error| Error::from(ForeignError::from(error)))?;
            match step {
                Step::Want(range) => {
                    let bytes = self.content.read(range)?;
                    reader
                        .feed(&bytes)
                        .map_err(|error| Error::from(ForeignError::from(error)))?;
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
