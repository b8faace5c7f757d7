//! A table's rows out of the archive, in the form in which the target's table takes them.

use bytes::Bytes;
use coffer_core::{
    app_secret::{SecretMark, Wrapping},
    manifest::TableData,
    policy::AppSecretForm,
    rows::{Mapped, RowError, RowMap, Rows},
};
use tokio::sync::mpsc;

use super::{RestoreError, RestoreRequest};
use crate::{
    app_secrets::AppSecretsError,
    clock,
    progress::Progress,
    read::{OpenArchive, ReadError},
    verify,
};

/// Reads a table's parts, each compared with its digest before any of it is sent on, and says what came of the rows.
pub(super) fn read(
    archive: &OpenArchive,
    table: &TableData,
    (wrap, map): (Option<&Wrapping>, &RowMap),
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
        let wrapped = match wrap {
            Some(wrap) => {
                let mut wrapped = Vec::with_capacity(rows.len() * 2);
                let made = wrap.rows(rows, &mut wrapped);
                made.map_err(AppSecretsError::from)?;
                Some(wrapped)
            }
            None => None,
        };
        let rows = wrapped.as_deref().unwrap_or(rows);
        let piece = if as_it_is && let Some(wrapped) = wrapped {
            mapped.set.add_rows(&wrapped);
            Bytes::from(wrapped)
        } else if as_it_is {
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
    if as_it_is && wrap.is_none() {
        mapped.set = table.row_set;
    }
    Ok(mapped)
}

/// What wraps the values of a table that are in the archive without the application's own secret.
pub(super) fn wrapping(
    request: &RestoreRequest,
    archive: &OpenArchive,
    table: &TableData,
) -> Result<Option<Wrapping>, RestoreError> {
    let manifest = &archive.manifest;
    let is_concerned = |mark: &SecretMark| {
        mark.unwrapped
            && mark
                .columns
                .iter()
                .any(|column| column.table == table.table)
    };
    if !manifest.app_secrets.iter().any(is_concerned) {
        return Ok(None);
    }
    // Only the guard knows in which rows a merge has put them.
    let bound = |mark: &SecretMark| is_concerned(mark) && mark.form == AppSecretForm::Coffer;
    if request.merges() && request.guard.is_none() && manifest.app_secrets.iter().any(bound) {
        return Err(RestoreError::NeedsGuard);
    }
    let secrets = request
        .target
        .app_secrets
        .that_wrap(&manifest.app_secrets)?;
    let shape = manifest
        .schema
        .table(&table.table)
        .ok_or(RestoreError::Defect)?;
    // The same archive gives the same values each time.
    let time = clock::parse(&manifest.created_at).map_or(0, |time| time.unix_timestamp());
    let time = u64::try_from(time).unwrap_or(0);
    let marks = &manifest.app_secrets;
    let wrapping = Wrapping::new(manifest.engine, shape, marks, &secrets, Some(time));
    let wrapping = wrapping.map_err(AppSecretsError::from)?;
    Ok(if request.merges() {
        wrapping.map(Wrapping::for_any_row)
    } else {
        wrapping
    })
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
