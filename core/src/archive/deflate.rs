//! DEFLATE (RFC 1951), by zlib-rs.

use alloc::{string::ToString, vec, vec::Vec};

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateError, InflateFlush, Status};

use super::{ArchiveError, Entry, Method};

/// Level of compression: fast, since archives are mostly row text, which packs well at any level.
const LEVEL: i32 = 1;
const WINDOW_BITS: u8 = 15;

/// Content made ready to be an entry. Made apart from the writer, so that several can be made side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) size: u64,
    pub(super) data: Vec<u8>,
}

impl Packed {
    /// Content that is kept as it is.
    #[must_use]
    pub fn stored(content: Vec<u8>) -> Self {
        Self {
            method: Method::Store,
            crc32: crc32fast::hash(&content),
            size: content.len() as u64,
            data: content,
        }
    }

    /// Content that another implementation has compressed: `data` is one DEFLATE stream and nothing behind it.
    #[must_use]
    pub fn deflated(content: &[u8], data: Vec<u8>) -> Self {
        Self {
            method: Method::Deflate,
            crc32: crc32fast::hash(content),
            size: content.len() as u64,
            data,
        }
    }

    /// Bytes of the content.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The entry that this content becomes under a name, at the start of an archive.
    #[must_use]
    pub fn entry(&self, name: &str) -> Entry {
        Entry {
            name: name.to_string(),
            method: self.method,
            crc32: self.crc32,
            compressed: self.data.len() as u64,
            size: self.size,
            offset: 0,
            streamed: false,
        }
    }
}

/// Compresses content, or keeps it as it is where that is no longer.
#[must_use]
pub fn pack(content: Vec<u8>) -> Packed {
    match deflate_whole(&content) {
        Some(data) => Packed::deflated(&content, data),
        None => Packed::stored(content),
    }
}

/// The content compressed, if that is shorter.
fn deflate_whole(content: &[u8]) -> Option<Vec<u8>> {
    // No room for more than the content itself: when it is used up, storing is better.
    let mut out = vec![0; content.len().checked_sub(1)?];
    let mut deflate = Deflate::new(LEVEL, false, WINDOW_BITS);
    let status = deflate
        .compress(content, &mut out, DeflateFlush::Finish)
        .ok()?;
    (status == Status::StreamEnd).then(|| {
        out.truncate(usize::try_from(deflate.total_out()).unwrap_or(0));
        out.shrink_to_fit();
        out
    })
}

/// Makes content of unknown length ready to be an entry, as it comes. Made apart from the writer, so that several can
/// be made side by side.
pub struct StreamPacker {
    crc32: crc32fast::Hasher,
    size: u64,
    /// The first piece decides how.
    deflate: Option<StreamDeflate>,
}

/// What a [`StreamPacker`] has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streamed {
    pub(super) crc32: u32,
    pub(super) size: u64,
}

impl core::fmt::Debug for StreamPacker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StreamPacker")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Default for StreamPacker {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamPacker {
    /// Starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            crc32: crc32fast::Hasher::new(),
            size: 0,
            deflate: None,
        }
    }

    /// Adds content, and appends stored bytes to `out`.
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`].
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        self.crc32.update(content);
        self.size += content.len() as u64;
        self.deflate
            .get_or_insert_with(|| StreamDeflate::new(content))
            .push(content, out)
    }

    /// Ends the content, and appends the last stored bytes to `out`.
    ///
    /// # Errors
    /// [`ArchiveError::Misuse`].
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Streamed, ArchiveError> {
        self.deflate
            .unwrap_or_else(|| StreamDeflate::new(&[]))
            .finish(out)?;
        Ok(Streamed {
            crc32: self.crc32.finalize(),
            size: self.size,
        })
    }
}

/// Compresses a stream of unknown length. Content that doesn't compress becomes deflate's stored blocks, so that the
/// entry ends where it says.
struct StreamDeflate {
    deflate: Deflate,
    buffer: Vec<u8>,
}

impl StreamDeflate {
    /// `sample` is the start of the content; what doesn't compress there is not tried further.
    fn new(sample: &[u8]) -> Self {
        let sample = sample.get(..sample.len().min(1 << 16)).unwrap_or_default();
        let gains =
            deflate_whole(sample).is_some_and(|packed| packed.len() < sample.len() / 64 * 63);
        let level = if gains { LEVEL } else { 0 };
        Self {
            deflate: Deflate::new(level, false, WINDOW_BITS),
            buffer: vec![0; 1 << 17],
        }
    }

    fn push(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        self.run(content, DeflateFlush::NoFlush, out)
    }

    fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        self.run(&[], DeflateFlush::Finish, out)
    }

    fn run(
        &mut self,
        content: &[u8],
        flush: DeflateFlush,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let start = self.deflate.total_in();
        loop {
            let used = usize::try_from(self.deflate.total_in() - start).unwrap_or(usize::MAX);
            let before = self.deflate.total_out();
            let rest = content.get(used..).unwrap_or_default();
            let status = self
                .deflate
                .compress(rest, &mut self.buffer, flush)
                .map_err(|_| ArchiveError::Misuse("compression failed"))?;
            let written = usize::try_from(self.deflate.total_out() - before).unwrap_or(0);
            out.extend_from_slice(self.buffer.get(..written).unwrap_or_default());
            let all_read = self.deflate.total_in() - start == content.len() as u64;
            let done = match flush {
                DeflateFlush::Finish => status == Status::StreamEnd,
                _ => all_read && written < self.buffer.len(),
            };
            if done {
                return Ok(());
            }
        }
    }
}

/// What one step of inflating gave.
pub(crate) struct Inflated {
    /// Bytes of input used.
    pub(crate) used: usize,
    /// Bytes of output written.
    pub(crate) written: usize,
    /// The stream has ended.
    pub(crate) ended: bool,
}

/// Decompresses a stream.
pub(crate) struct StreamInflate(Inflate);

impl StreamInflate {
    pub(crate) fn new() -> Self {
        Self(Inflate::new(false, WINDOW_BITS))
    }

    /// `None` if the data is no deflate stream.
    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Option<Inflated> {
        let (before_in, before_out) = (self.0.total_in(), self.0.total_out());
        let ended = match self.0.decompress(input, output, InflateFlush::NoFlush) {
            Ok(status) => status == Status::StreamEnd,
            Err(
                InflateError::NeedDict { .. } | InflateError::StreamError | InflateError::DataError,
            ) => {
                return None;
            }
            Err(InflateError::MemError) => return None,
        };
        Some(Inflated {
            used: usize::try_from(self.0.total_in() - before_in).ok()?,
            written: usize::try_from(self.0.total_out() - before_out).ok()?,
            ended,
        })
    }
}
