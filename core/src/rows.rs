//! The text form of table rows: PostgreSQL's COPY text format (PostgreSQL manual, COPY, "Text Format").
//!
//! One row a line; fields separated by tabs; `\N` for NULL; backslash escapes for backslash and the control
//! characters that would break a line. A part starts with a header line that names the columns, escaped the
//! same way. [`sqlite`] adds tags for values whose storage class is not the column's own.

use alloc::{borrow::Cow, string::String, vec::Vec};

mod check;
mod convert;
mod cutter;
mod export;
mod header;
mod map;
mod replace;
mod row_set;
pub mod shown;
pub mod sqlite;
mod text;
mod window;

pub use check::RowCheck;
pub use convert::Conversion;
pub use cutter::{Part, PartCutter, TARGET_PART_BYTES};
pub use export::{Format, RowExport};
pub use map::{Mapped, RowMap, Rule};
pub use replace::RowReplacer;
pub use row_set::RowSet;
pub use text::TextFields;
pub use window::RowWindow;

/// The field that stands for NULL.
pub const NULL: &[u8] = b"\\N";

/// Why row text can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The last line has no line feed.
    #[error("the rows are cut off: the last line, of {length} bytes, does not end")]
    Unfinished {
        /// Bytes after the last line feed.
        length: usize,
    },
    /// The part has no header line or another one than its table.
    #[error("the header line names other columns than the table has")]
    Header,
    /// A line has more or fewer fields than the table has columns.
    #[error("row {row} has {found} fields where the table has {expected} columns")]
    FieldCount {
        /// Number of the row in its part, from 1.
        row: u64,
        /// Fields found.
        found: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// A backslash is followed by something that the format doesn't know.
    #[error("a field has an unknown escape sequence at its byte {at}")]
    Escape {
        /// Position of the backslash in the field.
        at: usize,
    },
    /// A tagged or typed SQLite value can't be read.
    #[error("a field is not a valid {class} value")]
    Value {
        /// What it should be.
        class: &'static str,
    },
    /// A value doesn't fit into the column that it is for.
    #[error("row {row} has a value in {column} that does not fit into the target's column")]
    DoesNotFit {
        /// Number of the row among those of its table, from 1.
        row: u64,
        /// The column.
        column: String,
    },
}

impl RowError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "unfinished",
            Self::Header => "header",
            Self::FieldCount { .. } => "field_count",
            Self::Escape { .. } => "escape",
            Self::Value { .. } => "value",
            Self::DoesNotFit { .. } => "does_not_fit",
        }
    }
}

/// Appends one value, escaped.
pub fn push_escaped(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    // Most values need no escape at all, so find the next byte that does and copy everything before it at once.
    while let Some(at) = rest.iter().position(|byte| escape_for(*byte).is_some()) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, after)) = special.split_first() {
            if let Some(letter) = escape_for(*byte) {
                out.extend_from_slice(&[b'\\', letter]);
            }
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

const fn escape_for(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0B => Some(b'v'),
        0x0C => Some(b'f'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

/// The value of one raw field; `None` is NULL.
///
/// # Errors
/// [`RowError::Escape`] for a backslash that starts no known sequence.
pub fn unescape(field: &[u8]) -> Result<Option<Cow<'_, [u8]>>, RowError> {
    if field == NULL {
        return Ok(None);
    }
    let Some(first) = memchr::memchr(b'\\', field) else {
        return Ok(Some(Cow::Borrowed(field)));
    };
    let mut out = Vec::with_capacity(field.len());
    out.extend_from_slice(field.get(..first).unwrap_or_default());
    let mut bytes = field.iter().enumerate().skip(first);
    while let Some((at, byte)) = bytes.next() {
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        out.push(match bytes.next() {
            Some((_, b'\\')) => b'\\',
            Some((_, b'b')) => 0x08,
            Some((_, b't')) => b'\t',
            Some((_, b'n')) => b'\n',
            Some((_, b'v')) => 0x0B,
            Some((_, b'f')) => 0x0C,
            Some((_, b'r')) => b'\r',
            _ => return Err(RowError::Escape { at }),
        });
    }
    Ok(Some(Cow::Owned(out)))
}

/// Appends the header line of a part.
pub fn push_header<'a>(columns: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (index, column) in columns.into_iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        push_escaped(column.as_bytes(), out);
    }
    out.push(b'\n');
}

/// The rows of one part, checked line by line.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    rest: &'a [u8],
    columns: usize,
    row: u64,
}

impl<'a> Rows<'a> {
    /// Checks the part's header line against the stored columns of its table.
    ///
    /// # Errors
    /// [`RowError::Header`] or [`RowError::Unfinished`].
    pub fn new<'c>(
        part: &'a [u8],
        columns: impl IntoIterator<Item = &'c str>,
    ) -> Result<Self, RowError> {
        let mut header = Vec::new();
        let mut count = 0;
        push_header(columns.into_iter().inspect(|_| count += 1), &mut header);
        let rest = part
            .strip_prefix(header.as_slice())
            .ok_or(RowError::Header)?;
        if rest.last().is_some_and(|byte| *byte != b'\n') {
            let length = rest.len() - memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
            return Err(RowError::Unfinished { length });
        }
        Ok(Self {
            rest,
            columns: count,
            row: 0,
        })
    }

    /// Everything after the header line, as it goes into COPY.
    #[must_use]
    pub const fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// The next row's line without its line feed.
    pub fn next_line(&mut self) -> Option<&'a [u8]> {
        let at = memchr::memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at(at);
        self.rest = rest.get(1..).unwrap_or_default();
        self.row += 1;
        Some(line)
    }

    /// The next row's raw fields, as many as the table has columns.
    ///
    /// # Errors
    /// [`RowError::FieldCount`].
    pub fn next_fields(&mut self) -> Result<Option<Vec<&'a [u8]>>, RowError> {
        let Some(line) = self.next_line() else {
            return Ok(None);
        };
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        if fields.len() == self.columns {
            Ok(Some(fields))
        } else {
            Err(RowError::FieldCount {
                row: self.row,
                found: fields.len(),
                expected: self.columns,
            })
        }
    }
}

/// A field as text for people: NULL is `None`; bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As [`unescape`].
pub fn display(field: &[u8]) -> Result<Option<String>, RowError> {
    Ok(unescape(field)?.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let mut field = Vec::new();
        push_escaped(&all, &mut field);
        assert!(!field.contains(&b'\t') && !field.contains(&b'\n'));
        assert_eq!(unescape(&field).unwrap().unwrap().as_ref(), all.as_slice());
    }

    #[test]
    fn null_is_not_the_text_backslash_n() {
        assert_eq!(unescape(NULL).unwrap(), None);
        let mut field = Vec::new();
        push_escaped(b"\\N", &mut field);
        assert_eq!(unescape(&field).unwrap().unwrap().as_ref(), b"\\N");
    }

    #[test]
    fn unknown_escapes_are_errors() {
        assert_eq!(unescape(b"ab\\q"), Err(RowError::Escape { at: 2 }));
        assert_eq!(unescape(b"ab\\"), Err(RowError::Escape { at: 2 }));
    }

    #[test]
    fn rows_are_checked_against_their_table() {
        let part = b"id\tname\n1\tAnn\n2\t\\N\n";
        let mut rows = Rows::new(part, ["id", "name"]).unwrap();
        assert_eq!(rows.next_fields().unwrap(), Some(vec![&b"1"[..], b"Ann"]));
        assert_eq!(rows.next_fields().unwrap(), Some(vec![&b"2"[..], b"\\N"]));
        assert_eq!(rows.next_fields().unwrap(), None);
        assert_eq!(Rows::new(part, ["id"]).err(), Some(RowError::Header));
        assert_eq!(
            Rows::new(b"id\n1\n23", ["id"]).err(),
            Some(RowError::Unfinished { length: 2 })
        );
        let mut short = Rows::new(b"id\tname\n1\n", ["id", "name"]).unwrap();
        assert_eq!(
            short.next_fields(),
            Err(RowError::FieldCount {
                row: 1,
                found: 1,
                expected: 2
            })
        );
    }
}
