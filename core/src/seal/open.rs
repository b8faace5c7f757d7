//! Reading header and footer.

use alloc::vec::Vec;

use super::{
    FOOTER_BYTES, FileKey, Footer, HEADER_UNIT, Header, Lock, Locks, PREFIX_BYTES, Password,
    SealError, SecretKey, Sender, Unsealer, header::block_len, payload::Layout, sender,
};
use crate::{range::ByteRange, request::Request};

#[derive(Debug)]
enum State {
    Start,
    /// What is left of the header, whose start is known.
    HeaderRest(Vec<u8>),
    Footer {
        header: Header,
        header_len: u64,
    },
    Done(Sealed),
    Failed,
}

/// Reads header and footer of a sealed archive, given the ranges that it asks for.
#[derive(Debug)]
pub struct Opening {
    file_len: u64,
    state: State,
    request: Request,
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
        Ok(Self {
            file_len,
            state: State::Start,
            request: Request::new(ByteRange::new(0, HEADER_UNIT.min(file_len))),
        })
    }

    /// The bytes it needs next; `None` when it is done.
    #[must_use]
    pub fn wants(&self) -> Option<ByteRange> {
        self.request.wants()
    }

    /// Takes some or all of the bytes that it wants, from their start.
    ///
    /// # Errors
    /// What is wrong with the file so far.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        let Some((_, bytes)) = self.request.feed(bytes)? else {
            return Ok(());
        };
        match core::mem::replace(&mut self.state, State::Failed) {
            State::Start => {
                let len = block_len(&bytes)?;
                if len + FOOTER_BYTES > self.file_len {
                    return Err(SealError::CutShort {
                        length: self.file_len,
                    });
                }
                if len > HEADER_UNIT {
                    self.state = State::HeaderRest(bytes);
                    self.request = Request::new(ByteRange::new(HEADER_UNIT, len - HEADER_UNIT));
                    Ok(())
                } else {
                    self.header_read(&bytes)
                }
            }
            State::HeaderRest(start) => self.header_read(&[start, bytes].concat()),
            State::Footer { header, header_len } => {
                let footer = Footer::parse(exactly(&bytes)?, self.file_len)?;
                self.state = State::Done(Sealed::new(header, header_len, footer, self.file_len)?);
                Ok(())
            }
            state @ (State::Done(_) | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn header_read(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        let header = Header::parse(bytes)?;
        self.state = State::Footer {
            header,
            header_len: bytes.len() as u64,
        };
        let footer = ByteRange::new(self.file_len - FOOTER_BYTES, FOOTER_BYTES);
        self.request = Request::new(footer);
        Ok(())
    }

    /// What was read.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if it still wants bytes.
    pub fn finish(self) -> Result<Sealed, SealError> {
        match self.state {
            State::Done(sealed) => Ok(sealed),
            _ => Err(self.request.unfed().into()),
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
        sender::check(block, exactly(prefix)?, &self.footer)
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
        Unsealer::new(&*file_key.payload_key()?, exactly(prefix)?, self.layout)
    }
}

/// The bytes, as many as a structure of fixed length has.
pub(super) fn exactly<const LEN: usize>(bytes: &[u8]) -> Result<&[u8; LEN], SealError> {
    bytes.try_into().map_err(|_| SealError::Misfed {
        wanted: LEN as u64,
        given: bytes.len() as u64,
    })
}
