//! The files index: one line a file, in the form of row text.
//!
//! Columns: `set`, `path` (as on disk, `/` between segments), `entry` (its name in the archive), `size`,
//! `sha256`, `mode` (octal permission bits) and `mtime` (seconds since 1970, UTC).

use alloc::{format, string::String, vec::Vec};

use super::EntryDigest;
use crate::{
    digest::Digest,
    rows::{self, RowError, Rows},
};

const COLUMNS: [&str; 7] = ["set", "path", "entry", "size", "sha256", "mode", "mtime"];

/// One file of a file set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The file set.
    pub set: String,
    /// Path within the set as it was on disk, UTF-8, segments joined by `/`.
    pub path: String,
    /// Name of its entry in the archive.
    pub entry: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Permission bits, at most `0o7777`.
    pub mode: u32,
    /// Last change, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
}

impl FileEntry {
    /// Size and SHA-256 of its content.
    #[must_use]
    pub const fn digest(&self) -> EntryDigest {
        EntryDigest {
            bytes: self.size,
            sha256: self.sha256,
        }
    }
}

/// Why a files index can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesIndexError {
    /// Its text is malformed.
    #[error("the files index is malformed: {0}")]
    Rows(#[from] RowError),
    /// A field has a value that it can't have.
    #[error("the files index has an impossible {column} in line {line}")]
    Field {
        /// Number of the line after the header, from 1.
        line: u64,
        /// The column.
        column: &'static str,
    },
}

impl FilesIndexError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rows(error) => error.code(),
            Self::Field { .. } => "field",
        }
    }
}

/// Appends the header line.
pub fn push_header(out: &mut Vec<u8>) {
    rows::push_header(COLUMNS, out);
}

/// Appends one file's line.
pub fn push_entry(file: &FileEntry, out: &mut Vec<u8>) {
    let fields: [&str; 7] = [
        &file.set,
        &file.path,
        &file.entry,
        &format!("{}", file.size),
        &format!("{}", file.sha256),
        &format!("{:o}", file.mode),
        &format!("{}", file.mtime),
    ];
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        rows::push_escaped(field.as_bytes(), out);
    }
    out.push(b'\n');
}

/// Reads a files index. Paths are checked: relative, no empty, `.` or `..` segment, no NUL.
///
/// # Errors
/// [`FilesIndexError`].
pub fn parse(text: &[u8]) -> Result<Vec<FileEntry>, FilesIndexError> {
    let mut rows = Rows::new(text, COLUMNS)?;
    let mut files = Vec::new();
    while let Some(fields) = rows.next_fields()? {
        let line = files.len() as u64 + 1;
        files.push(parse_line(&fields, line)?);
    }
    Ok(files)
}

fn parse_line(fields: &[&[u8]], line: u64) -> Result<FileEntry, FilesIndexError> {
    let text = |index: usize| -> Result<String, FilesIndexError> {
        let column = COLUMNS.get(index).copied().unwrap_or_default();
        let value = rows::unescape(fields.get(index).copied().unwrap_or_default())?
            .ok_or(FilesIndexError::Field { line, column })?;
        String::from_utf8(value.into_owned()).map_err(|_| FilesIndexError::Field { line, column })
    };
    let wrong = |column| FilesIndexError::Field { line, column };
    let file = FileEntry {
        set: text(0)?,
        path: text(1)?,
        entry: text(2)?,
        size: text(3)?.parse().map_err(|_| wrong("size"))?,
        sha256: Digest::from_hex(&text(4)?).ok_or_else(|| wrong("sha256"))?,
        mode: u32::from_str_radix(&text(5)?, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)
            .ok_or_else(|| wrong("mode"))?,
        mtime: text(6)?.parse().map_err(|_| wrong("mtime"))?,
    };
    if !is_safe_path(&file.path) {
        return Err(wrong("path"));
    }
    if file.set.is_empty() {
        return Err(wrong("set"));
    }
    Ok(file)
}

/// Whether a path on disk stays inside its folder: relative, with no empty, `.` or `..` segment and no NUL.
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    !path.contains('\0')
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            set: "uploads".into(),
            path: path.into(),
            entry: "files/uploads/x".into(),
            size: 12,
            sha256: Digest::of(b"x"),
            mode: 0o640,
            mtime: -5,
        }
    }

    #[test]
    fn files_round_trip() {
        let files = vec![file("a/b c.txt"), file("tab\there\nand line")];
        let mut text = Vec::new();
        push_header(&mut text);
        files.iter().for_each(|file| push_entry(file, &mut text));
        assert_eq!(parse(&text), Ok(files));
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in ["../x", "/etc/passwd", "a//b", "a/./b", "", "a/..", "nul\0"] {
            let mut text = Vec::new();
            push_header(&mut text);
            push_entry(&file(path), &mut text);
            assert_eq!(
                parse(&text),
                Err(FilesIndexError::Field {
                    line: 1,
                    column: "path"
                }),
                "{path:?}"
            );
        }
    }
}
