//! Reading header and footer.

use alloc::vec::Vec;

use super::{
    FOOTER_BYTES, FileKey, Footer, HEADER_UNIT, Header, Lock, Locks, PREFIX_BYTES, Password,
    SealError, SecretKey, Sender, Unsealer, header::block_len, payload::Layout, sender,
};
use crate::range::ByteRange;

#[derive(Debug)]
enum State {
    Start,
    HeaderRest,
    Footer { header: Header, header_len: u64 },
    Done(Sealed),
    Failed,
}

/// Reads header and footer of a sealed archive, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    file_len: u64,
    state: State,
    wanted: ByteRange,
    buffer: Vec<u8>,
}

impl Opening {
    /// Starts on a file of `file_len` bytes.
    ///
    /// # Errors
    /// [`SealError::Empty`].
    pub fn new(file_len: u64) -> Result<Self, SealError> {
        if file_len == 0 {
            return Err(SealError::Empty);
        }
        let wanted = ByteRange::new(0, HEADER_UNIT.min(file_len));
        Ok(Self {
            file_len,
            state: State::Start,
            wanted,
            buffer: Vec::new(),
        })
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        match self.state {
            State::Done(_) | State::Failed => None,
            _ => {
                let given = self.buffer.len() as u64;
                let before = match self.state {
                    State::HeaderRest => HEADER_UNIT,
                    _ => 0,
                };
                let given = given - before;
                Some(ByteRange::new(
                    self.wanted.offset + given,
                    self.wanted.len - given,
                ))
            }
        }
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// What is wrong with the file so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        let Some(wanted) = self.wants() else {
            return Err(SealError::Misfed {
                wanted: 0,
                given: bytes.len() as u64,
            });
        };
        if bytes.len() as u64 > wanted.len || bytes.is_empty() {
            return Err(SealError::Misfed {
                wanted: wanted.len,
                given: bytes.len() as u64,
            });
        }
        self.buffer.extend_from_slice(bytes);
        if (bytes.len() as u64) < wanted.len {
            return Ok(());
        }
        self.step().inspect_err(|_| self.state = State::Failed)
    }

    fn step(&mut self) -> Result<(), SealError> {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                let len = block_len(&self.buffer)?;
                if len + FOOTER_BYTES > self.file_len {
                    return Err(SealError::CutShort {
                        length: self.file_len,
                    });
                }
                if len > HEADER_UNIT {
                    self.state = State::HeaderRest;
                    self.wanted = ByteRange::new(HEADER_UNIT, len - HEADER_UNIT);
                    Ok(())
                } else {
                    self.header_read()
                }
            }
            State::HeaderRest => self.header_read(),
            State::Footer { header, header_len } => {
                let bytes = self
                    .buffer
                    .as_slice()
                    .try_into()
                    .map_err(|_| SealError::Misfed {
                        wanted: FOOTER_BYTES,
                        given: self.buffer.len() as u64,
                    })?;
                let footer = Footer::parse(bytes, self.file_len)?;
                self.state = State::Done(Sealed::new(header, header_len, footer, self.file_len)?);
                Ok(())
            }
            state @ (State::Done(_) | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn header_read(&mut self) -> Result<(), SealError> {
        let header = Header::parse(&self.buffer)?;
        self.state = State::Footer {
            header,
            header_len: self.buffer.len() as u64,
        };
        self.wanted = ByteRange::new(self.file_len - FOOTER_BYTES, FOOTER_BYTES);
        self.buffer.clear();
        Ok(())
    }

    /// What was read.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Sealed, SealError> {
        let wanted = self.wants().map_or(0, |range| range.len);
        match self.state {
            State::Done(sealed) => Ok(sealed),
            _ => Err(SealError::Misfed { wanted, given: 0 }),
        }
    }
}

/// What follows from the lengths, which must add up to the file's.
pub(super) fn layout(header_len: u64, footer: &Footer, file_len: u64) -> Result<Layout, SealError> {
    let parts = [
        header_len,
        footer.payload_len,
        footer.scrub_len,
        u64::from(footer.sender_len),
        FOOTER_BYTES,
    ];
    let expected = parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(*part));
    if expected != Some(file_len) {
        return Err(SealError::LengthMismatch {
            expected: expected.unwrap_or(u64::MAX),
            found: file_len,
        });
    }
    Layout::new(header_len, footer.payload_len)
}

/// What can be said about a sealed archive without a key.
#[derive(Debug)]
pub struct Sealed {
    locks: Locks,
    header_len: u64,
    footer: Footer,
    layout: Layout,
}

impl Sealed {
    fn new(
        header: Header,
        header_len: u64,
        footer: Footer,
        file_len: u64,
    ) -> Result<Self, SealError> {
        Ok(Self {
            layout: layout(header_len, &footer, file_len)?,
            locks: Locks::new(header)?,
            header_len,
            footer,
        })
    }

    /// The ways in, which the header alone holds.
    #[must_use]
    pub const fn header_locks(&self) -> &Locks {
        &self.locks
    }

    /// As [`Locks::list`].
    #[must_use]
    pub fn locks(&self) -> Vec<Lock> {
        self.locks.list()
    }

    /// Bytes of the header block.
    #[must_use]
    pub const fn header_len(&self) -> u64 {
        self.header_len
    }

    /// The footer.
    #[must_use]
    pub const fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The payload region in the file.
    #[must_use]
    pub const fn payload_range(&self) -> ByteRange {
        ByteRange::new(self.layout.offset, self.layout.len)
    }

    /// The scrub table in the file.
    #[must_use]
    pub const fn scrub_range(&self) -> ByteRange {
        ByteRange::new(self.layout.offset + self.layout.len, self.footer.scrub_len)
    }

    /// The sender block in the file; `None` if nobody signed the archive.
    #[must_use]
    pub const fn sender_range(&self) -> Option<ByteRange> {
        if self.footer.sender_len == 0 {
            return None;
        }
        let start = self.layout.offset + self.layout.len + self.footer.scrub_len;
        Some(ByteRange::new(start, self.footer.sender_len as u64))
    }

    /// Who signed the archive, from the bytes of [`Sealed::prefix_range`] and [`Sealed::sender_range`]. The signature
    /// then fits the scrub table that the footer names; the payload itself is to be compared with that table by
    /// [`super::PayloadBlocks`].
    ///
    /// # Errors
    /// [`SealError::SenderMalformed`] or [`SealError::SenderSignatureWrong`].
    pub fn sender(&self, prefix: &[u8], block: &[u8]) -> Result<Sender, SealError> {
        sender::check(block, prefix_of(prefix)?, &self.footer)
    }

    /// The first bytes of the payload region, which [`Sealed::unsealer`] and [`Sealed::sender`] need.
    #[must_use]
    pub const fn prefix_range(&self) -> ByteRange {
        ByteRange::new(self.layout.offset, PREFIX_BYTES as u64)
    }

    /// As [`Locks::unlock`].
    ///
    /// # Errors
    /// As there.
    pub fn unlock(&self, password: &Password) -> Result<FileKey, SealError> {
        self.locks.unlock(password)
    }

    /// As [`Locks::unlock_with_key`].
    ///
    /// # Errors
    /// As there.
    pub fn unlock_with_key(&self, secret: &SecretKey) -> Result<FileKey, SealError> {
        self.locks.unlock_with_key(secret)
    }

    /// As [`Locks::unlock_with_file_key`].
    ///
    /// # Errors
    /// As there.
    pub fn unlock_with_file_key(&self, file_key: &FileKey) -> Result<(), SealError> {
        self.locks.unlock_with_file_key(file_key)
    }

    /// Ready to decrypt, from the bytes of [`Sealed::prefix_range`].
    ///
    /// # Errors
    /// [`SealError::CommitmentMismatch`].
    pub fn unsealer(&self, file_key: &FileKey, prefix: &[u8]) -> Result<Unsealer, SealError> {
        Unsealer::new(&*file_key.payload_key()?, prefix_of(prefix)?, self.layout)
    }
}

fn prefix_of(bytes: &[u8]) -> Result<&[u8; PREFIX_BYTES], SealError> {
    bytes.try_into().map_err(|_| SealError::Misfed {
        wanted: PREFIX_BYTES as u64,
        given: bytes.len() as u64,
    })
}
