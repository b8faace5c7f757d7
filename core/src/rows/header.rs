//! The header line of a part, compared as it streams by.

use alloc::vec::Vec;

use super::{RowError, push_header};

/// The header line that a part must start with.
#[derive(Clone, Debug)]
pub(super) struct HeaderLine {
    expected: Vec<u8>,
    matched: usize,
    columns: usize,
}

impl HeaderLine {
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut expected = Vec::new();
        let mut count = 0;
        push_header(columns.into_iter().inspect(|_| count += 1), &mut expected);
        Self {
            expected,
            matched: 0,
            columns: count,
        }
    }

    /// Number of columns.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// What follows the header line in the next bytes of the part.
    pub(super) fn strip<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], RowError> {
        let missing = self.expected.get(self.matched..).unwrap_or_default();
        let (start, rest) = bytes.split_at(missing.len().min(bytes.len()));
        if !missing.starts_with(start) {
            return Err(RowError::Header);
        }
        self.matched += start.len();
        Ok(rest)
    }

    /// Whether the part was long enough to hold it.
    pub(super) fn finish(&self) -> Result<(), RowError> {
        if self.matched == self.expected.len() {
            Ok(())
        } else {
            Err(RowError::Header)
        }
    }
}
