//! What is known of an upload before its last byte, in a file beside its bytes, so that it can go on after a restart.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::catalog::Id;

/// The ending of a record's name; the bytes have none.
const ENDING: &str = "json";

/// What an upload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A sealed archive, to be kept.
    Archive,
    /// A restore bundle, whose one-time key only the page has that made it.
    Bundle,
}

/// What is known of an upload from its start on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is.
    pub owner: String,
    /// How its sender calls it; for people.
    pub name: String,
    /// Bytes that it will have; `None` until its sender knows.
    pub length: Option<u64>,
    /// When it was begun, RFC 3339.
    pub created_at: String,
}

/// Where the bytes of an upload lie.
pub(super) fn bytes_path(folder: &Path, id: &Id) -> PathBuf {
    folder.join(id.as_str())
}

fn record_path(folder: &Path, id: &Id) -> PathBuf {
    folder.join(id.as_str()).with_extension(ENDING)
}

/// Writes a record, in place of what is there.
pub(super) fn write(folder: &Path, id: &Id, record: &UploadRecord) -> io::Result<()> {
    let path = record_path(folder, id);
    let half = path.with_extension("half");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&half)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    fs::rename(half, path)
}

/// Removes an upload's bytes and its record. It is no error if they are gone already.
pub(super) fn remove(folder: &Path, id: &Id) -> io::Result<()> {
    // The record last: bytes without a record would be nobody's.
    for path in [bytes_path(folder, id), record_path(folder, id)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Uploads that an earlier process left and that can go on: archives, with their bytes so far. Everything else in the
/// folder is removed; the keys of bundles went with that process.
pub(super) fn found(folder: &Path) -> io::Result<Vec<(Id, UploadRecord, fs::Metadata)>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_record = path.extension().is_some_and(|ending| ending == ENDING);
        let id = path
            .file_stem()
            .and_then(|stem| Id::parse(stem.to_str()?).ok());
        let (true, Some(id)) = (is_record, id) else {
            continue;
        };
        let record = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<UploadRecord>(&text).ok())
            .filter(|record| record.purpose == Purpose::Archive);
        let bytes = fs::metadata(bytes_path(folder, &id));
        if let (Some(record), Ok(bytes)) = (record, bytes) {
            kept.push((id, record, bytes));
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let whole = path.extension().is_none_or(|ending| ending == ENDING);
        let known = path
            .file_stem()
            .is_some_and(|stem| kept.iter().any(|(id, ..)| stem == id.as_str()));
        if !(whole && known) && entry.file_type()?.is_file() {
            fs::remove_file(path)?;
        }
    }
    Ok(kept)
}
