//! A digest of a set of rows that does not depend on their order.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The sum, modulo 2^256, of the SHA-256 of every row's line.
///
/// Tables have no order, and a restored table may give its rows back in another one; this tells whether it
/// holds the same rows, each as often. It finds what went wrong on the way, not what somebody forged with
/// intent: that is the part digests' work, which bind the exact bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowSet(Digest);

impl Default for RowSet {
    fn default() -> Self {
        Self(Digest([0; 32]))
    }
}

impl RowSet {
    /// The row set of no rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one row, given as its line without the line feed.
    pub fn add_line(&mut self, line: &[u8]) {
        self.add_digest(Digest::of(line));
    }

    /// Adds one row, given as SHA-256 of its line without the line feed.
    pub fn add_digest(&mut self, line: Digest) {
        self.add(Self(line));
    }

    /// Adds every line of `text`, which holds whole rows without a header.
    pub fn add_rows(&mut self, text: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            self.add_line(text.get(start..end).unwrap_or_default());
            start = end + 1;
        }
    }

    /// Adds all rows of another set.
    pub fn add(&mut self, other: Self) {
        let mut carry = 0_u16;
        for (mine, theirs) in self.0.0.iter_mut().zip(other.0.0).rev() {
            let sum = u16::from(*mine) + u16::from(theirs) + carry;
            let [high, low] = sum.to_be_bytes();
            *mine = low;
            carry = u16::from(high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_but_multiplicity_does() {
        let set = |text: &[u8]| {
            let mut set = RowSet::new();
            set.add_rows(text);
            set
        };
        assert_eq!(set(b"a\nb\nc\n"), set(b"c\na\nb\n"));
        assert_ne!(set(b"a\nb\n"), set(b"a\nb\nb\n"));
        assert_ne!(set(b"a\n"), set(b"b\n"));
        let mut joined = set(b"a\n");
        joined.add(set(b"b\n"));
        assert_eq!(joined, set(b"b\na\n"));
    }

    #[test]
    fn the_sum_carries_through_all_bytes() {
        let mut set = RowSet(Digest([0xff; 32]));
        let mut one = [0; 32];
        one[31] = 1;
        set.add(RowSet(Digest(one)));
        assert_eq!(set, RowSet::new());
    }
}
