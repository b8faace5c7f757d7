//! Checks the rows of a part as they stream by, holding none of them.

use core::mem;

use super::{RowError, RowSet, header::HeaderLine};
use crate::digest::Hasher;

/// Counts the rows of one part, checks their form and takes their [`RowSet`], from pieces of any size.
#[derive(Debug)]
pub struct RowCheck {
    header: HeaderLine,
    set: RowSet,
    rows: u64,
    /// The line that isn't at its end yet: its bytes so far, its tabs, its digest.
    length: usize,
    tabs: usize,
    line: Hasher,
}

impl RowCheck {
    /// A check for a part of a table with these stored columns.
    #[must_use]
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            header: HeaderLine::new(columns),
            set: RowSet::new(),
            rows: 0,
            length: 0,
            tabs: 0,
            line: Hasher::new(),
        }
    }

    /// Adds the next bytes of the part.
    ///
    /// # Errors
    /// [`RowError::Header`] or [`RowError::FieldCount`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        let mut rest = self.header.strip(bytes)?;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            self.extend(line);
            self.end_line()?;
            rest = after.get(1..).unwrap_or_default();
        }
        self.extend(rest);
        Ok(())
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.tabs += memchr::memchr_iter(b'\t', bytes).count();
        self.line.update(bytes);
    }

    fn end_line(&mut self) -> Result<(), RowError> {
        self.rows += 1;
        let found = self.tabs + 1;
        if found != self.header.columns() {
            return Err(RowError::FieldCount {
                row: self.rows,
                found,
                expected: self.header.columns(),
            });
        }
        self.set.add_digest(mem::take(&mut self.line).finish());
        self.length = 0;
        self.tabs = 0;
        Ok(())
    }

    /// Number of rows and their set, at the end of the part.
    ///
    /// # Errors
    /// [`RowError::Header`] or [`RowError::Unfinished`].
    pub fn finish(self) -> Result<(u64, RowSet), RowError> {
        self.header.finish()?;
        if self.length > 0 {
            return Err(RowError::Unfinished {
                length: self.length,
            });
        }
        Ok((self.rows, self.set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn check(part: &[u8], piece: usize) -> Result<(u64, RowSet), RowError> {
        let mut check = RowCheck::new(["id", "name"]);
        part.chunks(piece).try_for_each(|piece| check.push(piece))?;
        check.finish()
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let rows: Vec<u8> = (0..300_u32)
            .flat_map(|n| std::format!("{n}\tname {n}\n").into_bytes())
            .collect();
        let mut set = RowSet::new();
        set.add_rows(&rows);
        let part = [b"id\tname\n".as_slice(), &rows].concat();
        for piece in [1, 2, 7, 100, part.len()] {
            assert_eq!(check(&part, piece), Ok((300, set)));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(check(b"id\tnam", 3), Err(RowError::Header));
        assert_eq!(check(b"id\tnome\n", 3), Err(RowError::Header));
        assert_eq!(
            check(b"id\tname\n1\t2\n1\n", 4),
            Err(RowError::FieldCount {
                row: 2,
                found: 1,
                expected: 2
            })
        );
        assert_eq!(
            check(b"id\tname\n1\t2", 4),
            Err(RowError::Unfinished { length: 3 })
        );
    }
}
