//! A table's rows out of the archive, in the form in which the target's table takes them.

use bytes::Bytes;
use coffer_core::{
    manifest::TableData,
    rows::{Mapped, RowError, RowMap, Rows},
};
use tokio::sync::mpsc;

use super::RestoreError;
use crate::{
    progress::Progress,
    read::{OpenArchive, ReadError},
    verify,
};

/// Reads a table's parts, each compared with its digest before any of it is sent on, and says what came of the rows.
pub(super) fn read(
    archive: &OpenArchive,
    table: &TableData,
    map: &RowMap,
    send: &mpsc::Sender<Bytes>,
    progress: &Progress,
) -> Result<Mapped, RestoreError> {
    let mut mapped = map.begin();
    let as_it_is = map.is_identity();
    for (index, part) in table.parts.iter().enumerate() {
        if progress.cancelled() {
            return Err(RestoreError::Cancelled);
        }
        let text = archive.part(table, index)?;
        let length = text.len() as u64;
        let rows = without_header(archive, table, &text)?;
        let piece = if as_it_is {
            let header = text.len() - rows.len();
            Bytes::from(text).slice(header..)
        } else {
            let mut made = Vec::with_capacity(rows.len());
            map.apply(rows, &mut mapped, &mut made)
                .map_err(|error| wrong(table, error))?;
            Bytes::from(made)
        };
        if send.blocking_send(piece).is_err() {
            // The loading side has ended; its own error says why.
            break;
        }
        progress.add_rows(part.rows);
        progress.add_bytes(length);
    }
    if as_it_is {
        mapped.set = table.row_set;
    }
    Ok(mapped)
}

/// The rows of one part, once its header line is known to be the table's.
pub(super) fn without_header<'t>(
    archive: &OpenArchive,
    table: &TableData,
    text: &'t [u8],
) -> Result<&'t [u8], RestoreError> {
    let columns = verify::stored_columns(archive, table)?;
    let rows = Rows::new(text, columns.iter().map(String::as_str));
    Ok(rows.map_err(|error| wrong(table, error))?.remaining())
}

pub(super) fn wrong(table: &TableData, error: RowError) -> ReadError {
    ReadError::Rows {
        table: table.table.to_string(),
        error,
    }
}
