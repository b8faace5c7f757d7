//! A range of bytes that a sans-I/O reader asks for.

/// `len` bytes from `offset` on. Readers say which range they want; the caller answers with some or all of its
/// bytes, from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Position of the first byte, from the start of the file.
    pub offset: u64,
    /// Number of bytes, never 0 in a request.
    pub len: u64,
}

impl ByteRange {
    /// The range of `len` bytes from `offset` on.
    #[must_use]
    pub const fn new(offset: u64, len: u64) -> Self {
        Self { offset, len }
    }

    /// Position after the last byte, saturating at `u64::MAX`.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}
