//! Scrubbing in slices: a large store is checked a part a day, and every block comes up once in a round.

use alloc::vec::Vec;
use core::{fmt, ops::Range, str::FromStr};

use crate::range::ByteRange;

/// One of several equal parts of a scrub, such as the third of thirty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// From 1.
    number: u32,
    of: u32,
}

impl Slice {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Part `number`, from 1, of `of` parts. `None` if there is no such part.
    #[must_use]
    pub const fn new(number: u32, of: u32) -> Option<Self> {
        if number == 0 || number > of {
            None
        } else {
            Some(Self { number, of })
        }
    }

    /// The blocks of this slice, of `total`. The slices of a round share no block and leave none out; their sizes differ
    /// by one block at most.
    #[must_use]
    pub fn blocks(self, total: usize) -> Range<usize> {
        let up_to = |part: u32| {
            let blocks = total as u128 * u128::from(part) / u128::from(self.of);
            usize::try_from(blocks).unwrap_or(total)
        };
        up_to(self.number - 1)..up_to(self.number)
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Slice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let number = |text: &str| text.parse::<u32>().ok();
        text.split_once('/')
            .and_then(|(part, of)| Self::new(number(part)?, number(of)?))
            .ok_or("a slice is written as 3/30: the third of thirty, from 1/30 to 30/30")
    }
}

/// Ranges in order, those that touch made one.
#[must_use]
pub fn merge_ranges(ranges: impl IntoIterator<Item = ByteRange>) -> Vec<ByteRange> {
    let mut merged: Vec<ByteRange> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.end() == range.offset => last.len += range.len,
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn slices_cover_every_block_once() {
        for total in [0, 1, 2, 29, 30, 31, 1000, usize::MAX] {
            for of in [1, 2, 7, 30, 1000] {
                let mut next = 0;
                let mut sizes = Vec::new();
                for number in 1..=of {
                    let blocks = Slice::new(number, of).unwrap().blocks(total);
                    assert_eq!(blocks.start, next, "{number}/{of} of {total}");
                    next = blocks.end;
                    sizes.push(blocks.len());
                }
                assert_eq!(next, total);
                let least = sizes.iter().min().unwrap();
                assert!(sizes.iter().max().unwrap() - least <= 1);
            }
        }
    }

    #[test]
    fn slices_are_written_as_parts() {
        let third: Slice = "3/30".parse().unwrap();
        assert_eq!(third, Slice::new(3, 30).unwrap());
        assert_eq!(third.to_string(), "3/30");
        assert_eq!("1/1".parse(), Ok(Slice::WHOLE));
        for wrong in ["0/3", "4/3", "1/0", "1", "/", "1/2/3", "a/b", "-1/2", ""] {
            assert!(wrong.parse::<Slice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn neighbours_are_merged() {
        let ranges = [(0, 5), (5, 5), (11, 1), (12, 3), (20, 0)];
        let ranges = ranges.map(|(offset, len)| ByteRange::new(offset, len));
        assert_eq!(
            merge_ranges(ranges),
            [(0, 10), (11, 4), (20, 0)].map(|(offset, len)| ByteRange::new(offset, len))
        );
    }
}
