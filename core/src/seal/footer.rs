//! The footer: the last 72 bytes of a sealed archive.
//!
//! | offset | bytes | content                                   |
//! |--------|-------|-------------------------------------------|
//! | 0      | 2     | version, 1                                |
//! | 2      | 2     | zero                                      |
//! | 4      | 4     | length of the sender block, 0 or 96       |
//! | 8      | 8     | length of the payload region              |
//! | 16     | 8     | length of the scrub table                 |
//! | 24     | 8     | zero                                      |
//! | 32     | 32    | SHA-256 of the scrub table                |
//! | 64     | 8     | magic                                     |
//!
//! Integers are big-endian. The header's length isn't here, so that rewriting the header leaves the footer alone.

use super::{SENDER_BYTES, SealError};
use crate::digest::Digest;

/// Bytes of the footer.
pub const FOOTER_BYTES: u64 = 72;
const LEN: usize = 72;
/// The last bytes of every sealed archive: the header's magic with another letter.
pub(super) const FOOTER_MAGIC: [u8; 8] = *b"\x89CFE\r\n\x1a\n";

/// Lengths and digest that the footer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Bytes of the payload region: salt, commitment and chunks.
    pub payload_len: u64,
    /// Bytes of the scrub table.
    pub scrub_len: u64,
    /// Bytes of the sender block: none, or [`SENDER_BYTES`].
    pub sender_len: u32,
    /// SHA-256 of the scrub table.
    pub scrub_root: Digest,
}

impl Footer {
    /// The footer's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[0..2].copy_from_slice(&1_u16.to_be_bytes());
        out[4..8].copy_from_slice(&self.sender_len.to_be_bytes());
        out[8..16].copy_from_slice(&self.payload_len.to_be_bytes());
        out[16..24].copy_from_slice(&self.scrub_len.to_be_bytes());
        out[32..64].copy_from_slice(&self.scrub_root.0);
        out[64..].copy_from_slice(&FOOTER_MAGIC);
        out
    }

    /// Reads a footer from the last bytes of a file of `file_len` bytes.
    ///
    /// # Errors
    /// [`SealError::CutShort`] without the magic, else [`SealError::FooterMalformed`].
    pub fn parse(bytes: &[u8; LEN], file_len: u64) -> Result<Self, SealError> {
        let malformed = |what| SealError::FooterMalformed { what };
        if bytes[64..] != FOOTER_MAGIC {
            return Err(SealError::CutShort { length: file_len });
        }
        if bytes[0..2] != 1_u16.to_be_bytes() {
            return Err(malformed("its version is not 1"));
        }
        if bytes[2..4] != [0; 2] || bytes[24..32] != [0; 8] {
            return Err(malformed("reserved bytes are not zero"));
        }
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(eight)
        };
        let mut sender = [0; 4];
        sender.copy_from_slice(&bytes[4..8]);
        let mut root = [0; 32];
        root.copy_from_slice(&bytes[32..64]);
        let footer = Self {
            payload_len: number(8),
            scrub_len: number(16),
            sender_len: u32::from_be_bytes(sender),
            scrub_root: Digest(root),
        };
        if footer.sender_len != 0 && footer.sender_len != SENDER_BYTES {
            return Err(malformed("it names a sender signature of an unknown form"));
        }
        if super::scrub::table_len(footer.payload_len) != Some(footer.scrub_len) {
            return Err(malformed("the scrub table does not fit the payload"));
        }
        Ok(footer)
    }
}
