//! The content of one entry, from its stored bytes: counted, limited and compared with what the directory says.

use alloc::vec::Vec;

use super::{
    ArchiveError, Entry, Fault, Finding, Limits, Method,
    deflate::{Inflated, StreamInflate},
};

/// Bytes of content that one step gives at most.
const STEP_BYTES: usize = 1 << 20;
/// Bytes of content that there is room for, however little there is to inflate.
const LEAST_ROOM: usize = 4 << 10;
/// The ratio limit is not applied below this many bytes of content.
const RATIO_FROM: u64 = 1 << 20;

/// Turns an entry's stored bytes into its content.
pub(crate) struct Content {
    entry: Entry,
    limits: Limits,
    inflate: Option<StreamInflate>,
    inflate_ended: bool,
    /// Stored bytes used so far.
    consumed: u64,
    /// Bytes of content given so far.
    written: u64,
    crc: crc32fast::Hasher,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Stored bytes used.
    pub(crate) used: usize,
    /// All content was given.
    pub(crate) ended: bool,
}

impl Content {
    pub(crate) fn new(entry: &Entry, limits: Limits) -> Self {
        Self {
            limits,
            inflate: (entry.method == Method::Deflate).then(StreamInflate::new),
            inflate_ended: false,
            consumed: 0,
            written: 0,
            crc: crc32fast::Hasher::new(),
            entry: entry.clone(),
        }
    }

    pub(crate) const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Stored bytes that were not used yet.
    pub(crate) const fn left(&self) -> u64 {
        self.entry.compressed - self.consumed
    }

    /// Appends at most 1 MiB of content to `out`, from `input`: the stored bytes that follow those used so far, and
    /// whatever lies behind them.
    ///
    /// # Errors
    /// [`ArchiveError::Entry`] or [`ArchiveError::Limit`].
    pub(crate) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Taken, ArchiveError> {
        let left = self.left();
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let available = input.get(..len).unwrap_or_default();
        let start = out.len();
        let (used, ended) = match self.inflate.as_mut() {
            None => {
                let now = available
                    .get(..available.len().min(STEP_BYTES))
                    .unwrap_or_default();
                out.extend_from_slice(now);
                (now.len(), now.len() as u64 == left)
            }
            Some(_) if self.inflate_ended => (0, true),
            Some(inflate) => {
                // Little input seldom gives much content, and each byte of room costs time to make.
                let room = available.len().saturating_mul(8);
                out.resize(start + room.clamp(LEAST_ROOM, STEP_BYTES), 0);
                let room = out.get_mut(start..).unwrap_or_default();
                let result = inflate.run(available, room);
                out.truncate(start + result.as_ref().map_or(0, |result| result.written));
                let Some(Inflated { used, ended, .. }) = result else {
                    return Err(self.fault(Fault::Deflate));
                };
                (used, ended)
            }
        };
        self.consumed += used as u64;
        self.inflate_ended = ended;
        let produced = out.get(start..).unwrap_or_default();
        self.crc.update(produced);
        self.written += produced.len() as u64;
        self.check_limits()?;
        let all_read = self.consumed == self.entry.compressed;
        // The stream ends before its data does, or its data before the stream.
        if ended != all_read && (ended || produced.is_empty()) {
            return Err(self.fault(Fault::Deflate));
        }
        Ok(Taken { used, ended })
    }

    /// Compares what was counted with what the directory says, once all content was given.
    ///
    /// # Errors
    /// [`Fault::Size`] or [`Fault::Crc`].
    pub(crate) fn finish(&self) -> Result<(), ArchiveError> {
        if self.written != self.entry.size {
            return Err(self.size_fault());
        }
        if self.crc.clone().finalize() != self.entry.crc32 {
            return Err(self.fault(Fault::Crc));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ArchiveError> {
        let limit = |limit, allowed| ArchiveError::Limit {
            limit,
            found: self.written,
            allowed,
        };
        if self.written > self.limits.entry_bytes {
            return Err(limit("bytes of one entry", self.limits.entry_bytes));
        }
        if self.written > self.entry.size {
            return Err(self.size_fault());
        }
        let by_ratio = self.consumed.saturating_mul(self.limits.ratio);
        if self.written > by_ratio.max(RATIO_FROM) {
            return Err(limit("the compression ratio of one entry", by_ratio));
        }
        Ok(())
    }

    fn size_fault(&self) -> ArchiveError {
        self.fault(Fault::Size {
            declared: self.entry.size,
            found: self.written,
        })
    }

    pub(crate) fn fault(&self, fault: Fault) -> ArchiveError {
        ArchiveError::Entry(Finding {
            entry: self.entry.name.clone(),
            fault,
        })
    }
}
