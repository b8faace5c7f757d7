//! Checking an archive to its last byte: seal, structure, manifest, digests, counts.

use std::{io, sync::Arc};

use coffer_core::{
    Digest,
    archive::{ArchiveError, Fault, Finding},
    manifest::MANIFEST_PATH,
    seal::{ScrubChecker, Sender},
};

use crate::{
    lanes,
    progress::{Phase, Progress},
    read::{Look, OpenArchive, ReadAt, ReadError, Unlock, look},
    signed,
};

mod entry;

use entry::{Expected, Found, Rows};

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
    check(archive, Rows::Check, &[], progress)
}

/// Checks every byte of an archive that is open, but not the rows one by one: for whoever compares the rows that the
/// database then holds with the manifest. The files of the sets `compared` are left out: they were read from this same
/// archive to their ends, and compared with their digests.
///
/// # Errors
/// As [`verify`].
pub fn verify_rest(
    archive: &OpenArchive,
    compared: &[String],
    progress: &Progress,
) -> Result<VerifyReport, ReadError> {
    check(archive, Rows::Trust, compared, progress)
}

/// Checks every byte of an archive that was written a moment ago, by whoever knows the digest of its manifest: that the
/// stored bytes are those that were written. Form and set of the rows follow from that, since they were found from bytes
/// of the same digests.
///
/// # Errors
/// As [`verify`].
pub fn verify_written(
    source: &Arc<dyn ReadAt>,
    unlock: &Unlock,
    manifest: Digest,
    progress: &Progress,
) -> Result<VerifyReport, ReadError> {
    scrub_table(&**source)?;
    let archive = OpenArchive::open(source.clone(), unlock)?;
    if archive.manifest_digest != manifest {
        return Err(ArchiveError::Entry(Finding {
            entry: MANIFEST_PATH.to_owned(),
            fault: Fault::Digest,
        })
        .into());
    }
    check(&archive, Rows::Trust, &[], progress)
}

/// Checks all entries, several side by side. What is wrong first in the archive's order is what is told.
fn check(
    archive: &OpenArchive,
    rows: Rows,
    compared: &[String],
    progress: &Progress,
) -> Result<VerifyReport, ReadError> {
    let manifest = &archive.manifest;
    let files = archive.files()?;
    let entries = archive.directory.entries();
    progress.begin(
        Phase::Verifying,
        entries.iter().map(|entry| entry.size).sum(),
    );
    progress.expect_rows(manifest.total_rows());
    let expected = Expected::new(archive, &files, compared)?;
    let mut found = Found::new(manifest);
    lanes::each(
        entries,
        |entry| expected.check(entry, rows, progress),
        || io::Error::other("a thread that checks an archive ended because of a defect").into(),
        |checked| found.add(checked),
    )?;
    if rows == Rows::Check {
        found.compare_row_sets(manifest)?;
    }
    archive.plain().compare_rest(progress)?;
    Ok(VerifyReport {
        sender: archive.plain().sender(),
        tables: manifest.tables.len() as u64,
        rows: found.rows,
        files: files.len() as u64,
        bytes: found.bytes,
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
