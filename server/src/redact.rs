//! A standard archive made of one that holds credentials.

use std::io::Write;

use coffer_core::{
    archive::{Limits, Step},
    manifest::Manifest,
    redact::{RedactError as CoreError, Redaction, Redactor},
    seal::FileKey,
};

use crate::{
    backup::{BackupError, SealTo, Sink, fresh_secrets},
    progress::{Phase, Progress},
    read::{OpenArchive, ReadError},
};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The archive can't be redacted, or is damaged.
    #[error("{0}")]
    Redact(#[from] CoreError),
    /// The archive can't be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The new one can't be written.
    #[error("{0}")]
    Write(#[from] BackupError),
}

/// What was written.
#[derive(Debug)]
pub struct Redacted {
    /// The new archive's manifest.
    pub manifest: Manifest,
    /// The key that it was sealed with, to check the stored bytes; `None` for a plain archive.
    pub file_key: Option<FileKey>,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes what `redaction` leaves of an archive, from start to end. Every digest of what is read is compared. The
/// caller publishes the new archive after checking it, or throws it away on an error.
///
/// # Errors
/// [`RedactError`].
pub fn redact(
    archive: &OpenArchive,
    redaction: &Redaction,
    out: impl Write,
    seal: Option<&SealTo>,
    progress: &Progress,
) -> Result<Redacted, RedactError> {
    let files = archive.files()?;
    let mut redactor = Redactor::new(
        &archive.directory,
        &archive.manifest,
        &files,
        redaction,
        Limits::default(),
        fresh_secrets()?,
    )?;
    let (mut sink, file_key) = match seal {
        None => (Sink::plain(out), None),
        Some(to) => {
            let (sink, key) = Sink::sealed(out, to)?;
            (sink, Some(key))
        }
    };
    progress.begin(Phase::Redacting, archive.plain().size());
    let mut buffer = Vec::new();
    loop {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let step = redactor.step(&mut buffer)?;
        sink.write(&buffer)?;
        buffer.clear();
        match step {
            Step::Want(range) => {
                redactor.feed(&archive.plain().read(range)?)?;
                progress.add_bytes(range.len);
            }
            Step::Output => {}
            Step::Done => break,
        }
    }
    let (_, bytes) = sink.finish()?;
    Ok(Redacted {
        manifest: redactor.manifest().clone(),
        file_key,
        bytes,
    })
}
