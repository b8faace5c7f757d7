//! Cuts a stream of row text into parts at row ends.

use alloc::vec::Vec;
use core::mem;

use super::RowError;

/// Bytes of row text that a part aims at; a part is larger only by its last row.
pub const TARGET_PART_BYTES: usize = 8 << 20;

/// One part: a header line and whole rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Header line and rows.
    pub text: Vec<u8>,
    /// Number of rows, the header not counted.
    pub rows: u64,
}

/// Cuts row text, which may come in pieces of any size, into [`Part`]s.
#[derive(Debug)]
pub struct PartCutter {
    header: Vec<u8>,
    text: Vec<u8>,
    rows: u64,
    /// Bytes of `text` that end with the last complete row.
    complete: usize,
    target: usize,
}

impl PartCutter {
    /// A cutter for rows of these columns, aiming at [`TARGET_PART_BYTES`].
    #[must_use]
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self::with_target(columns, TARGET_PART_BYTES)
    }

    /// A cutter that aims at parts of `target` bytes.
    #[must_use]
    pub fn with_target<'a>(columns: impl IntoIterator<Item = &'a str>, target: usize) -> Self {
        let mut header = Vec::new();
        super::push_header(columns, &mut header);
        let text = header.clone();
        Self {
            complete: header.len(),
            header,
            text,
            rows: 0,
            target,
        }
    }

    /// Adds row text; returns a part when enough has come together.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Part> {
        let newlines = memchr::memchr_iter(b'\n', bytes);
        let mut last = None;
        for at in newlines {
            self.rows += 1;
            last = Some(at);
        }
        if let Some(last) = last {
            self.complete = self.text.len() + last + 1;
        }
        self.text.extend_from_slice(bytes);
        (self.rows > 0 && self.complete >= self.target).then(|| self.cut())
    }

    fn cut(&mut self) -> Part {
        let mut next = Vec::with_capacity(self.target.min(self.text.len()) + self.target / 16);
        next.extend_from_slice(&self.header);
        next.extend_from_slice(self.text.get(self.complete..).unwrap_or_default());
        let mut text = mem::replace(&mut self.text, next);
        text.truncate(self.complete);
        self.complete = self.header.len();
        Part {
            text,
            rows: mem::take(&mut self.rows),
        }
    }

    /// The last part, if any row is left.
    ///
    /// # Errors
    /// [`RowError::Unfinished`] if the text doesn't end with a whole row.
    pub fn finish(mut self) -> Result<Option<Part>, RowError> {
        if self.complete < self.text.len() {
            return Err(RowError::Unfinished {
                length: self.text.len() - self.complete,
            });
        }
        Ok((self.rows > 0).then(|| self.cut()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_whole_rows_whatever_the_pieces() {
        let text: Vec<u8> = (0..500_u32)
            .flat_map(|n| std::format!("{n}\tname {n}\n").into_bytes())
            .collect();
        for piece in [1, 7, 64, 1000, text.len()] {
            let mut cutter = PartCutter::with_target(["id", "name"], 300);
            let mut parts: Vec<Part> = text
                .chunks(piece)
                .filter_map(|chunk| cutter.push(chunk))
                .collect();
            parts.extend(cutter.finish().unwrap());
            let mut all = Vec::new();
            for part in &parts {
                let rows = part.text.strip_prefix(b"id\tname\n").unwrap();
                assert_eq!(
                    rows.iter().filter(|byte| **byte == b'\n').count() as u64,
                    part.rows
                );
                all.extend_from_slice(rows);
            }
            assert_eq!(all, text);
        }
    }

    #[test]
    fn a_part_has_rows_however_small_it_is_to_be() {
        let mut cutter = PartCutter::with_target(["id"], 0);
        assert_eq!(cutter.push(b"1"), None);
        let part = Part {
            text: b"id\n1\n".to_vec(),
            rows: 1,
        };
        assert_eq!(cutter.push(b"\n"), Some(part));
        assert_eq!(cutter.finish(), Ok(None));
    }

    #[test]
    fn no_rows_no_part_and_half_a_row_is_an_error() {
        assert_eq!(PartCutter::new(["id"]).finish(), Ok(None));
        let mut cutter = PartCutter::new(["id"]);
        assert_eq!(cutter.push(b"1\n2"), None);
        assert_eq!(cutter.finish(), Err(RowError::Unfinished { length: 1 }));
    }
}
