//! What every sans-I/O reader does with the bytes it is fed: collect the range it asked for, or keep what it has not used yet.

use alloc::vec::Vec;

use crate::{archive::ArchiveError, range::ByteRange, seal::SealError};

/// The caller gave other bytes than were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfed {
    /// Bytes asked for.
    pub(crate) wanted: u64,
    /// Bytes given.
    pub(crate) given: u64,
}

impl From<Misfed> for ArchiveError {
    fn from(Misfed { wanted, given }: Misfed) -> Self {
        Self::Misfed { wanted, given }
    }
}

impl From<Misfed> for SealError {
    fn from(Misfed { wanted, given }: Misfed) -> Self {
        Self::Misfed { wanted, given }
    }
}

/// A range that a reader needs as a whole, and what it was given of it.
#[derive(Debug)]
pub(crate) struct Request {
    range: ByteRange,
    given: Vec<u8>,
}

impl Request {
    /// Asks for a range.
    pub(crate) const fn new(range: ByteRange) -> Self {
        Self {
            range,
            given: Vec::new(),
        }
    }

    /// Asks for nothing.
    pub(crate) const fn none() -> Self {
        Self::new(ByteRange::new(0, 0))
    }

    /// What is still to be given; `None` if nothing is asked for, or all of it was given.
    pub(crate) fn wants(&self) -> Option<ByteRange> {
        let given = self.given.len() as u64;
        (given < self.range.len)
            .then(|| ByteRange::new(self.range.offset + given, self.range.len - given))
    }

    /// Takes some or all of the bytes that are still to be given, from their start. Once the range is complete, gives its
    /// place and its bytes, and asks for nothing more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<(u64, Vec<u8>)>, Misfed> {
        let (wanted, given) = (self.wanted(), bytes.len() as u64);
        if given == 0 || given > wanted {
            return Err(Misfed { wanted, given });
        }
        self.given.extend_from_slice(bytes);
        if given < wanted {
            return Ok(None);
        }
        let complete = core::mem::replace(self, Self::none());
        Ok(Some((complete.range.offset, complete.given)))
    }

    /// What it is to say of a caller who takes it for complete too early.
    pub(crate) fn unfed(&self) -> Misfed {
        Misfed {
            wanted: self.wanted(),
            given: 0,
        }
    }

    fn wanted(&self) -> u64 {
        self.wants().map_or(0, |range| range.len)
    }
}

/// Bytes that are read from one place to another and used as far as they go.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Place of the first byte that was not yet fed.
    position: u64,
    end: u64,
    /// Bytes fed, the first `used` of which are used.
    fed: Vec<u8>,
    used: usize,
}

impl Intake {
    /// Bytes asked for at once at most.
    const SLAB_BYTES: u64 = 4 << 20;

    /// What lies from `start` up to `end`.
    pub(crate) const fn new(start: u64, end: u64) -> Self {
        Self {
            position: start,
            end,
            fed: Vec::new(),
            used: 0,
        }
    }

    /// Takes bytes from [`Intake::position`] on.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Misfed> {
        let (wanted, given) = (self.end - self.position, bytes.len() as u64);
        if given == 0 || given > wanted {
            return Err(Misfed { wanted, given });
        }
        self.fed.drain(..self.used);
        self.used = 0;
        self.fed.extend_from_slice(bytes);
        self.position += given;
        Ok(())
    }

    /// The bytes that were fed and not used.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.fed.get(self.used..).unwrap_or_default()
    }

    /// Marks the first `len` waiting bytes as used.
    pub(crate) fn consume(&mut self, len: usize) {
        self.used = self.used.saturating_add(len).min(self.fed.len());
    }

    /// Place of the first byte that was not yet fed.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Place of the first byte that was not yet used.
    pub(crate) fn unused(&self) -> u64 {
        self.position - self.waiting().len() as u64
    }

    /// Place behind the last byte that may be read.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// What to ask for next to have what lies before `end`; `None` if that was all fed.
    pub(crate) fn want_up_to(&self, end: u64) -> Option<ByteRange> {
        let len = end.min(self.end).checked_sub(self.position)?;
        (len > 0).then(|| ByteRange::new(self.position, len.min(Self::SLAB_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_complete_when_all_of_it_was_given() {
        let mut request = Request::new(ByteRange::new(10, 5));
        assert_eq!(request.wants(), Some(ByteRange::new(10, 5)));
        assert_eq!(request.feed(b"ab"), Ok(None));
        assert_eq!(request.wants(), Some(ByteRange::new(12, 3)));
        for wrong in [&b""[..], b"cdef"] {
            let given = wrong.len() as u64;
            assert_eq!(request.feed(wrong), Err(Misfed { wanted: 3, given }));
        }
        assert_eq!(
            request.unfed(),
            Misfed {
                wanted: 3,
                given: 0
            }
        );
        assert_eq!(request.feed(b"cde"), Ok(Some((10, b"abcde".to_vec()))));
        assert_eq!(request.wants(), None);
        assert_eq!(
            request.feed(b"f"),
            Err(Misfed {
                wanted: 0,
                given: 1
            })
        );
    }

    #[test]
    fn what_is_taken_in_is_used_in_order() {
        let mut intake = Intake::new(10, 16);
        assert_eq!(intake.want_up_to(12), Some(ByteRange::new(10, 2)));
        assert_eq!(intake.want_up_to(99), Some(ByteRange::new(10, 6)));
        intake.feed(b"abcd").unwrap();
        intake.consume(3);
        assert_eq!((intake.waiting(), intake.unused()), (&b"d"[..], 13));
        assert_eq!(intake.want_up_to(14), None);
        assert_eq!(
            intake.feed(b"efg"),
            Err(Misfed {
                wanted: 2,
                given: 3
            })
        );
        assert_eq!(
            intake.feed(b""),
            Err(Misfed {
                wanted: 2,
                given: 0
            })
        );
        intake.feed(b"ef").unwrap();
        assert_eq!(
            (intake.waiting(), intake.position()),
            (&b"def"[..], intake.end())
        );
        intake.consume(3);
        assert_eq!((intake.unused(), intake.want_up_to(99)), (16, None));
    }

    #[test]
    fn no_slab_is_larger_than_four_mebibytes() {
        let intake = Intake::new(7, u64::MAX);
        assert_eq!(
            intake.want_up_to(u64::MAX),
            Some(ByteRange::new(7, 4 << 20))
        );
    }
}
