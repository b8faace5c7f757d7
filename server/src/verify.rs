//! Checking an archive to its last byte: seal, structure, manifest, digests, counts.

use std::sync::Arc;

use coffer_core::{
    archive::{ArchiveError, Limits, Step},
    seal::{ScrubChecker, Sender},
    verify::{Verified, Verifier},
};

use crate::{
    progress::{Phase, Progress},
    read::{Look, OpenArchive, ReadAt, ReadError, Unlock, look},
    signed,
};

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Bytes of all entries.
    pub bytes: u64,
    /// Who sealed the archive: the signature is right, and every stored byte was compared with what was signed. `None`
    /// if nobody signed it.
    #[serde(serialize_with = "signed::as_name")]
    pub sender: Option<Sender>,
}

/// Checks every byte of an archive.
///
/// # Errors
/// [`ReadError`], naming what is damaged.
pub fn verify(
    source: &Arc<dyn ReadAt>,
    unlock: &Unlock,
    progress: &Progress,
) -> Result<VerifyReport, ReadError> {
    scrub_table(&**source)?;
    verify_open(&OpenArchive::open(source.clone(), unlock)?, progress)
}

/// Compares the scrub table of a sealed archive with the footer. With the key, authentication finds everything that the
/// table would; only the table itself remains to be checked.
///
/// # Errors
/// [`ReadError::Seal`] if it is damaged, and as [`look`].
pub fn scrub_table(source: &dyn ReadAt) -> Result<(), ReadError> {
    if let Look::Sealed(sealed) = look(source)? {
        let range = sealed.scrub_range();
        let mut table = vec![0; usize::try_from(range.len).unwrap_or(0)];
        source.read_exact_at(range.offset, &mut table)?;
        ScrubChecker::new(&table, sealed.footer().scrub_root)?;
    }
    Ok(())
}

/// Checks every byte of an archive that is open.
///
/// # Errors
/// As [`verify`].
pub fn verify_open(archive: &OpenArchive, progress: &Progress) -> Result<VerifyReport, ReadError> {
    let manifest = &archive.manifest;
    let files = archive.files()?;
    let total = archive
        .directory
        .entries()
        .iter()
        .map(|entry| entry.size)
        .sum();
    progress.begin(Phase::Verifying, total);
    progress.expect_rows(manifest.total_rows());
    let mut verifier = Verifier::new(&archive.directory, manifest, &files, Limits::default())?;
    let mut before = Verified::default();
    loop {
        if progress.cancelled() {
            return Err(ReadError::Cancelled);
        }
        let step = verifier.step()?;
        let now = verifier.so_far();
        progress.add_bytes(now.bytes - before.bytes);
        progress.add_rows(now.rows - before.rows);
        before = now;
        match step {
            Step::Want(range) => verifier.feed(&archive.plain().read(range)?)?,
            Step::Output => {}
            Step::Done => break,
        }
    }
    archive.plain().compare_rest(progress)?;
    Ok(VerifyReport {
        sender: archive.plain().sender(),
        tables: manifest.tables.len() as u64,
        rows: before.rows,
        files: files.len() as u64,
        bytes: before.bytes,
    })
}

/// The names of the columns whose values an archive holds for a table.
///
/// # Errors
/// [`ReadError::Archive`] if its schema lacks the table, which a validated manifest rules out.
pub fn stored_columns(
    archive: &OpenArchive,
    table: &coffer_core::manifest::TableData,
) -> Result<Vec<String>, ReadError> {
    let shape = archive
        .manifest
        .schema
        .table(&table.table)
        .ok_or_else(|| ArchiveError::NoEntry(table.path.clone()))?;
    Ok(shape
        .stored_columns()
        .map(|column| column.name.clone())
        .collect())
}
