//! Taking single tables, files and records out of an archive, without the application and without reading the rest.

use std::io::{self, Write};

use coffer_core::{merge::MergeError, rows::RowExport, schema::TableName};

pub use coffer_core::rows::Format;

use crate::{
    progress::{Phase, Progress},
    read::{OpenArchive, ReadError},
};

mod record;

pub use record::{RecordReport, RecordTable, record};

/// Why nothing, or not everything, was taken out.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The archive.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The archive doesn't hold it.
    #[error("the archive holds no {what}; nothing was written")]
    NotInArchive {
        /// What was asked for.
        what: String,
    },
    /// The archive doesn't hold a record.
    #[error(
        "the archive holds no record {record} among its {rows} rows of that table; nothing was written"
    )]
    NoSuchRecord {
        /// The record.
        record: String,
        /// Rows of its table.
        rows: u64,
    },
    /// What belongs to a record is not known, or nothing says which record is meant.
    #[error("{0}")]
    Records(#[from] MergeError),
    /// The output.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes the rows of one table. Every part is compared with its digest before any of it is written.
///
/// # Errors
/// [`ExtractError`].
pub fn table(
    archive: &OpenArchive,
    name: &TableName,
    format: Format,
    mut out: impl Write,
    progress: &Progress,
) -> Result<u64, ExtractError> {
    let missing = || ExtractError::NotInArchive {
        what: format!("table {name}"),
    };
    let data = archive.manifest.table(name).ok_or_else(missing)?;
    let shape = archive.manifest.schema.table(name).ok_or_else(missing)?;
    progress.begin(Phase::Rows, data.bytes);
    progress.expect_rows(data.rows);
    let mut buffer = Vec::new();
    let mut export = RowExport::begin(archive.manifest.engine, shape, format, &mut buffer);
    for index in 0..data.parts.len() {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let text = archive.part(data, index)?;
        let in_table = |error| ReadError::Rows {
            table: data.table.to_string(),
            error,
        };
        export.part(&text, &mut buffer).map_err(in_table)?;
        out.write_all(&buffer)?;
        buffer.clear();
        progress.add_bytes(text.len() as u64);
    }
    export.end(&mut buffer);
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(data.rows)
}

/// Writes one file of a file set. Its digest is known at its end: on an error, what was written is not to be used.
///
/// # Errors
/// [`ExtractError`].
pub fn file(
    archive: &OpenArchive,
    set: &str,
    path: &str,
    mut out: impl Write,
) -> Result<u64, ExtractError> {
    let files = archive.files()?;
    let found = files
        .iter()
        .find(|file| file.set == set && file.path == path);
    let found = found.ok_or_else(|| ExtractError::NotInArchive {
        what: format!("file {set}/{path}"),
    })?;
    archive.read_file(found, |bytes| Ok::<_, ExtractError>(out.write_all(bytes)?))?;
    out.flush()?;
    Ok(found.size)
}
