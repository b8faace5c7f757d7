//! Which bytes to read, so that reading in small steps costs few requests and looking here and there costs few bytes.

use coffer_core::{ByteRange, seal::CHUNK_BYTES};

/// Bytes read at a place where nothing was read before.
const SMALL: u64 = 64 << 10;
/// Bytes read at once at most.
pub(crate) const SLAB_BYTES: u64 = 4 << 20;
/// Reads start and end at the bounds of sealed chunks, so that none is decrypted twice.
const ALIGNMENT: u64 = CHUNK_BYTES as u64;

/// How much is read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Somebody looks at a place: little, and more only as they go on from there.
    Looking,
    /// All that is wanted will be used.
    Streaming,
    /// All up to here will be used, in order.
    Straight {
        /// The first byte that may not be.
        until: u64,
    },
}

/// The bytes that were read last.
#[derive(Debug)]
pub(crate) struct Window {
    len: u64,
    reading: Reading,
    step: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// A window on `len` bytes.
    pub(crate) const fn new(len: u64, reading: Reading) -> Self {
        Self {
            len,
            reading,
            step: SMALL,
            start: 0,
            bytes: Vec::new(),
        }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// As many of the wanted bytes, from their start, as were read already; maybe none.
    pub(crate) fn held(&self, wanted: ByteRange) -> &[u8] {
        let from = wanted
            .offset
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok());
        let held = from
            .and_then(|from| self.bytes.get(from..))
            .unwrap_or_default();
        let len = usize::try_from(wanted.len).unwrap_or(usize::MAX);
        held.get(..len).unwrap_or(held)
    }

    /// What to read, where none of the wanted bytes are held. It starts at or shortly before the first of them.
    pub(crate) fn next(&mut self, wanted: ByteRange) -> ByteRange {
        let goes_on = !self.bytes.is_empty() && wanted.offset == self.end();
        self.step = if goes_on {
            (self.step * 2).min(SLAB_BYTES)
        } else {
            SMALL
        };
        let start = wanted.offset / ALIGNMENT * ALIGNMENT;
        let all = wanted.end().saturating_sub(start).min(SLAB_BYTES);
        let whole = self.reading != Reading::Looking || wanted.len <= SMALL;
        let len = if whole { self.step.max(all) } else { self.step };
        let end = start
            .saturating_add(len)
            .next_multiple_of(ALIGNMENT)
            .min(self.len.max(wanted.end()));
        ByteRange::new(start, end.saturating_sub(start))
    }

    /// Holds what was read, which `fill` puts in the place of what is held.
    pub(crate) fn fill(&mut self, start: u64, fill: impl FnOnce(&mut Vec<u8>)) {
        self.start = start;
        fill(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `wanted` to its end through a window; gives the ranges that were fetched.
    fn read(window: &mut Window, content: &[u8], wanted: ByteRange) -> Vec<ByteRange> {
        let mut fetched = Vec::new();
        let (mut at, end) = (wanted.offset, wanted.end());
        while at < end {
            let rest = ByteRange::new(at, end - at);
            if window.held(rest).is_empty() {
                let range = window.next(rest);
                let bytes = &content[range.offset as usize..range.end() as usize];
                window.fill(range.offset, |held| *held = bytes.to_vec());
                fetched.push(range);
            }
            let held = window.held(rest);
            assert!(!held.is_empty());
            assert_eq!(held, &content[at as usize..at as usize + held.len()]);
            at += held.len() as u64;
        }
        fetched
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn small_steps_fetch_ever_larger_pieces_each_byte_once() {
        let content = content(20 << 20);
        for reading in [Reading::Looking, Reading::Streaming] {
            let mut window = Window::new(content.len() as u64, reading);
            let mut fetched = Vec::new();
            for at in (0..content.len() as u64).step_by(1000) {
                let len = 1000.min(content.len() as u64 - at);
                fetched.extend(read(&mut window, &content, ByteRange::new(at, len)));
            }
            let mut end = 0;
            for range in &fetched {
                assert_eq!(range.offset, end);
                end = range.end();
            }
            assert_eq!(end, content.len() as u64);
            assert_eq!(fetched[0].len, SMALL);
            assert!(fetched.len() < 14, "{}", fetched.len());
            assert!(fetched.iter().all(|range| range.len <= SLAB_BYTES));
        }
    }

    #[test]
    fn a_look_into_much_reads_little() {
        let mut window = Window::new(1 << 40, Reading::Looking);
        let wanted = ByteRange::new((1 << 39) + 5, 4 << 20);
        assert_eq!(window.next(wanted), ByteRange::new(1 << 39, SMALL));
        let mut window = Window::new(1 << 40, Reading::Streaming);
        let read = window.next(wanted);
        assert!(read.len >= SLAB_BYTES && read.len <= SLAB_BYTES + ALIGNMENT);
    }

    #[test]
    fn a_small_range_is_read_at_once_and_never_beyond_the_end() {
        let content = content(100_000);
        let mut window = Window::new(100_000, Reading::Looking);
        let tail = ByteRange::new(100_000 - 65_536, 65_536);
        assert_eq!(read(&mut window, &content, tail).len(), 1);
        assert_eq!(window.held(tail).len(), 65_536);
        assert!(window.held(ByteRange::new(0, 10)).is_empty());
        assert_eq!(window.next(ByteRange::new(0, 4)), ByteRange::new(0, SMALL));
    }
}
