//! The pieces of an archive that go from thread to thread, in buffers that are used again.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a slab: a whole number of chunks, so that each slab is sealed on its own. Only the last one is shorter.
pub(super) const SLAB_BYTES: usize = 4 << 20;

/// Bytes that a thread works on at once: few enough to stay in the processor's cache from one step to the next, and a
/// whole number of chunks.
pub(super) const PIECE_BYTES: usize = 512 << 10;

/// Buffers that nobody uses at the moment. Getting fresh memory from the system for every slab takes longer than
/// encrypting it.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    /// A buffer with anything in it.
    pub(super) fn take(&self) -> Buffer {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer {
            bytes: bytes.unwrap_or_default(),
            pool: Some(self.clone()),
        }
    }
}

/// Bytes that go back to their pool, if they have one.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    pool: Option<Pool>,
}

impl Buffer {
    /// What it holds.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it, with this length and anything in it.
    pub(super) fn sized(&mut self, len: u64) -> &mut [u8] {
        // No slab has more bytes than memory.
        self.bytes.resize(usize::try_from(len).unwrap_or(0), 0);
        &mut self.bytes
    }

    /// The buffer, emptied, to append to.
    pub(super) fn emptied(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        &mut self.bytes
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(Pool(pool)) = &self.pool {
            let bytes = std::mem::take(&mut self.bytes);
            pool.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bytes);
        }
    }
}

/// A piece of the plain archive.
pub(super) struct Slab {
    /// Place of its first byte in the archive.
    pub(super) at: u64,
    buffer: Buffer,
}

impl Slab {
    pub(super) const fn new(at: u64, buffer: Buffer) -> Self {
        Self { at, buffer }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Its bytes from place `offset` of the archive on, at most `len` of them; `None` if it has none of these.
    pub(super) fn from(&self, offset: u64, len: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.at)?).ok()?;
        let rest = self.bytes().get(start..).filter(|rest| !rest.is_empty())?;
        rest.get(..rest.len().min(usize::try_from(len).unwrap_or(usize::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let pool = Pool::default();
        let mut first = pool.take();
        first.sized(100).fill(7);
        let address = first.bytes().as_ptr();
        drop(first);
        drop(Buffer::from(vec![1; 10]));
        let mut second = pool.take();
        assert_eq!(second.bytes().as_ptr(), address);
        assert_eq!(second.sized(50), &[7; 50]);
        assert!(second.emptied().is_empty());
        assert_eq!(pool.take().bytes(), b"");
    }

    #[test]
    fn a_slab_gives_what_it_has_of_a_range() {
        let slab = Slab::new(10, vec![0, 1, 2, 3].into());
        assert_eq!(slab.from(10, 2), Some(&[0, 1][..]));
        assert_eq!(slab.from(12, 100), Some(&[2, 3][..]));
        assert_eq!(slab.from(14, 1), None);
        assert_eq!(slab.from(9, 1), None);
    }
}
