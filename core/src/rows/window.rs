//! Some rows out of a part, as it streams by.

use alloc::vec::Vec;
use core::mem;

use super::{
    RowError,
    header::HeaderLine,
    shown::{Field, Kind, Shown},
};

/// Takes `limit` rows after the first `skip` out of one part, from pieces of any size. Of each value only the start
/// is held, so a row may be of any length.
#[derive(Debug)]
pub struct RowWindow {
    header: HeaderLine,
    kinds: Vec<Kind>,
    skip: u64,
    limit: usize,
    row: u64,
    values: Vec<Shown>,
    field: Field,
    rows: Vec<Vec<Shown>>,
}

impl RowWindow {
    /// A window on a part of a table with these stored columns, each with how its values are shown.
    #[must_use]
    pub fn new<'a>(
        columns: impl IntoIterator<Item = &'a str>,
        kinds: Vec<Kind>,
        skip: u64,
        limit: usize,
    ) -> Self {
        Self {
            header: HeaderLine::new(columns),
            kinds,
            skip,
            limit,
            row: 0,
            values: Vec::new(),
            field: Field::default(),
            rows: Vec::new(),
        }
    }

    /// Whether it has all the rows that it is to take.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.len() >= self.limit
    }

    /// Adds the next bytes of the part.
    ///
    /// # Errors
    /// [`RowError`] of what was added; rows that are skipped are only counted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        let mut rest = self.header.strip(bytes)?;
        while self.row < self.skip {
            let Some(at) = memchr::memchr(b'\n', rest) else {
                return Ok(());
            };
            self.row += 1;
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        while !self.is_full() {
            let Some(at) = memchr::memchr2(b'\t', b'\n', rest) else {
                self.field.extend(rest);
                return Ok(());
            };
            let (value, after) = rest.split_at(at);
            self.field.extend(value);
            self.end_field()?;
            if after.first() == Some(&b'\n') {
                self.end_row()?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    fn end_field(&mut self) -> Result<(), RowError> {
        let field = mem::take(&mut self.field);
        let found = self.values.len() + 1;
        let kind = self.kinds.get(self.values.len()).ok_or(self.count(found))?;
        self.values.push(kind.show(&field)?);
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), RowError> {
        let values = mem::take(&mut self.values);
        if values.len() != self.kinds.len() {
            return Err(self.count(values.len()));
        }
        self.row += 1;
        self.rows.push(values);
        Ok(())
    }

    fn count(&self, found: usize) -> RowError {
        RowError::FieldCount {
            row: self.row + 1,
            found,
            expected: self.kinds.len(),
        }
    }

    /// The rows that it has taken.
    #[must_use]
    pub fn into_rows(self) -> Vec<Vec<Shown>> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn window(
        part: &[u8],
        piece: usize,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<Vec<Option<String>>>, RowError> {
        let mut window = RowWindow::new(["id", "name"], alloc::vec![Kind::Text; 2], skip, limit);
        part.chunks(piece)
            .try_for_each(|piece| window.push(piece))?;
        Ok(window
            .into_rows()
            .into_iter()
            .map(|row| row.into_iter().map(|value| value.text).collect())
            .collect())
    }

    #[test]
    fn any_window_from_any_pieces() {
        let part = b"id\tname\n1\tAnn\n2\t\\N\n3\ta\\tb\n4\t\n";
        let all = [
            ("1", Some("Ann")),
            ("2", None),
            ("3", Some("a\tb")),
            ("4", Some("")),
        ]
        .map(|(id, name)| alloc::vec![Some(String::from(id)), name.map(String::from)]);
        for piece in [1, 3, 5, part.len()] {
            for skip in 0..5 {
                for limit in 0..5 {
                    let expected: Vec<_> = all.iter().skip(skip).take(limit).cloned().collect();
                    assert_eq!(window(part, piece, skip as u64, limit), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn other_numbers_of_fields_are_errors() {
        for (part, found) in [(&b"id\tname\n1\n"[..], 1), (b"id\tname\n1\t2\t3\n", 3)] {
            assert_eq!(
                window(part, 2, 0, 9),
                Err(RowError::FieldCount {
                    row: 1,
                    found,
                    expected: 2
                })
            );
        }
    }
}
