//! Puts other values into columns as rows stream by.

use alloc::vec::Vec;
use core::mem;

use super::{NULL, RowError, header::HeaderLine};

/// Bytes of rows after which no further field is written at once.
const PIECE_BYTES: usize = 1 << 20;

/// Writes the rows of a part anew, with other fields in some columns, from pieces of any size. NULL stays NULL, and the
/// rest of the row stays as it is, byte for byte. Of a value that is replaced nothing is held.
#[derive(Debug)]
pub struct RowReplacer {
    header: HeaderLine,
    /// For each column: the field that stands in place of a value, or nothing where values stay.
    fields: Vec<Option<Vec<u8>>>,
    row: u64,
    column: usize,
    seen: Seen,
}

/// What was seen so far of a field that is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Nothing,
    Backslash,
    /// Exactly what stands for NULL.
    Null,
    Value,
}

impl Seen {
    fn add(self, bytes: &[u8]) -> Self {
        match (self, bytes) {
            (seen, []) => seen,
            (Self::Nothing, [b'\\']) => Self::Backslash,
            (Self::Nothing, [b'\\', b'N']) | (Self::Backslash, [b'N']) => Self::Null,
            _ => Self::Value,
        }
    }
}

impl RowReplacer {
    /// For a table with these stored columns, each with the field, escaped, that stands in place of its values.
    #[must_use]
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Option<Vec<u8>>)>) -> Self {
        let (names, fields): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        Self {
            header: HeaderLine::new(names),
            fields,
            row: 0,
            column: 0,
            seen: Seen::Nothing,
        }
    }

    /// Adds the next bytes of the part, and appends to `out` the rows that they make, without a header line. Returns what
    /// is left of the bytes: to be given again once `out` was emptied, since a few bytes can make many.
    ///
    /// # Errors
    /// [`RowError::Header`] or [`RowError::FieldCount`].
    pub fn push<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8], RowError> {
        let mut rest = self.header.strip(bytes)?;
        while let Some(at) = memchr::memchr2(b'\t', b'\n', rest) {
            let (field, after) = rest.split_at(at);
            self.extend(field, out)?;
            self.end_field(out)?;
            let (end, after) = after.split_at(1.min(after.len()));
            out.extend_from_slice(end);
            if end == b"\n" {
                self.end_row()?;
            }
            rest = after;
            if out.len() >= PIECE_BYTES {
                return Ok(rest);
            }
        }
        self.extend(rest, out)?;
        Ok(&[])
    }

    fn extend(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
        match self.fields.get(self.column) {
            Some(None) => out.extend_from_slice(bytes),
            Some(Some(_)) => self.seen = self.seen.add(bytes),
            None => return Err(self.count(self.column + 1)),
        }
        Ok(())
    }

    fn end_field(&mut self, out: &mut Vec<u8>) -> Result<(), RowError> {
        let seen = mem::take(&mut self.seen);
        match self.fields.get(self.column) {
            Some(Some(_)) if seen == Seen::Null => out.extend_from_slice(NULL),
            Some(Some(field)) => out.extend_from_slice(field),
            Some(None) => {}
            None => return Err(self.count(self.column + 1)),
        }
        self.column += 1;
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), RowError> {
        let found = mem::take(&mut self.column);
        if found != self.fields.len() {
            return Err(self.count(found));
        }
        self.row += 1;
        Ok(())
    }

    fn count(&self, found: usize) -> RowError {
        RowError::FieldCount {
            row: self.row + 1,
            found,
            expected: self.fields.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn replace(part: &[u8], piece: usize) -> Result<String, RowError> {
        let mut replacer = RowReplacer::new([
            ("id", None),
            ("secret", Some(b"\\\\x".to_vec())),
            ("note", None),
            ("token", Some(NULL.to_vec())),
        ]);
        let mut out = Vec::new();
        for piece in part.chunks(piece) {
            assert_eq!(replacer.push(piece, &mut out)?, b"");
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_go_and_null_stays_whatever_the_pieces() {
        let part = b"id\tsecret\tnote\ttoken\n\
            1\thunter2\tkept \\\\N\tabc\n\
            2\t\\N\t\\N\t\\N\n\
            3\t\t\t\n\
            4\t\\\\N\t\\\\\t\\\\N\n\
            5\t\\N\\N\ta\\tb\tN\n\
            6\t\\NN\t\xc3\xbc\t\\\n";
        let expected = "1\t\\\\x\tkept \\\\N\t\\N\n\
            2\t\\N\t\\N\t\\N\n\
            3\t\\\\x\t\t\\N\n\
            4\t\\\\x\t\\\\\t\\N\n\
            5\t\\\\x\ta\\tb\t\\N\n\
            6\t\\\\x\t\u{fc}\t\\N\n";
        for piece in 1..=part.len() {
            assert_eq!(replace(part, piece).as_deref(), Ok(expected), "{piece}");
        }
    }

    #[test]
    fn a_few_bytes_that_make_many_are_taken_bit_by_bit() {
        let field = std::vec![b'x'; 100_000];
        let mut replacer = RowReplacer::new([("secret", Some(field.clone()))]);
        let part = [b"secret\n".as_slice(), &b"1\n".repeat(100)].concat();
        let (mut rest, mut all) = (part.as_slice(), Vec::new());
        while !rest.is_empty() {
            let mut out = Vec::new();
            rest = replacer.push(rest, &mut out).unwrap();
            assert!(out.len() < PIECE_BYTES + field.len() + 2);
            all.extend(out);
        }
        assert_eq!(all, [field.as_slice(), b"\n"].concat().repeat(100));
    }

    #[test]
    fn other_forms_are_refused() {
        let with = |rows: &str| [b"id\tsecret\tnote\ttoken\n", rows.as_bytes()].concat();
        let count = |found| RowError::FieldCount {
            row: 2,
            found,
            expected: 4,
        };
        for piece in [1, 100] {
            assert_eq!(replace(b"id\tsecret\n", piece), Err(RowError::Header));
            assert_eq!(replace(&with("1\t2\t3\t4\n1\t2\n"), piece), Err(count(2)));
            assert_eq!(
                replace(&with("1\t2\t3\t4\n1\t2\t3\t4\t5\n"), piece),
                Err(count(5))
            );
        }
    }
}
