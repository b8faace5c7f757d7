//! Chunks that are sealed or opened elsewhere: on other threads, or by the browser's WebCrypto.
//!
//! Which chunk has which nonce, which one is the last and what a failure is called stays here. What happens elsewhere
//! is AES-256-GCM without associated data, over pieces whose bounds and nonces a [`Batch`] gives.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use zeroize::Zeroizing;

use super::{
    CHUNK_BYTES, PREFIX_BYTES, SEALED_CHUNK_BYTES, SealError, TAG_BYTES, payload::ChunkCipher,
};

/// The AES-256-GCM key of one payload, for an implementation outside of this crate. Whoever has it and the nonces can
/// read and forge the payload.
pub struct PayloadKey(Zeroizing<[u8; 32]>);

impl PayloadKey {
    pub(super) const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The key's bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(…)")
    }
}

/// Consecutive chunks of one payload. Piece `i` of the plaintext starts at `i` × [`CHUNK_BYTES`], piece `i` of the
/// sealed bytes at `i` × [`SEALED_CHUNK_BYTES`], tag last; only the last piece may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    base_nonce: [u8; 12],
    first_chunk: u64,
    chunks: usize,
    plain_len: usize,
}

impl Batch {
    pub(super) const fn new(
        base_nonce: [u8; 12],
        first_chunk: u64,
        chunks: usize,
        plain_len: usize,
    ) -> Self {
        Self {
            base_nonce,
            first_chunk,
            chunks,
            plain_len,
        }
    }

    /// Number of the first chunk.
    #[must_use]
    pub const fn first_chunk(&self) -> u64 {
        self.first_chunk
    }

    /// Number of chunks.
    #[must_use]
    pub const fn chunks(&self) -> usize {
        self.chunks
    }

    /// Bytes of plaintext.
    #[must_use]
    pub const fn plain_len(&self) -> usize {
        self.plain_len
    }

    /// Bytes when sealed.
    #[must_use]
    pub const fn sealed_len(&self) -> usize {
        self.plain_len + self.chunks * TAG_BYTES
    }

    /// Place of its first sealed byte in the payload region.
    #[must_use]
    pub const fn payload_offset(&self) -> u64 {
        PREFIX_BYTES as u64 + self.first_chunk * SEALED_CHUNK_BYTES as u64
    }

    /// The nonce of each chunk, in order.
    pub fn nonces(&self) -> impl Iterator<Item = [u8; 12]> + '_ {
        (self.first_chunk..)
            .take(self.chunks)
            .map(|chunk| nonce(&self.base_nonce, chunk))
    }
}

/// The base nonce with the chunk's number XORed into it, big-endian.
pub(super) fn nonce(base: &[u8; 12], chunk: u64) -> [u8; 12] {
    let mut nonce = *base;
    for (byte, number) in nonce[4..].iter_mut().zip(chunk.to_be_bytes()) {
        *byte ^= number;
    }
    nonce
}

/// Seals the batches that a [`super::Sealer`] gives out, on any thread and in any order.
#[derive(Clone, Debug)]
pub struct ChunkSealer(Arc<ChunkCipher>);

impl ChunkSealer {
    pub(super) const fn new(cipher: Arc<ChunkCipher>) -> Self {
        Self(cipher)
    }

    /// Appends the batch's chunks, sealed, to `out`.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if `plain` has another length than the batch; [`SealError::Crypto`].
    pub fn seal(&self, batch: &Batch, plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        if plain.len() != batch.plain_len {
            return Err(SealError::Misfed {
                wanted: batch.plain_len as u64,
                given: plain.len() as u64,
            });
        }
        out.reserve(batch.sealed_len());
        for (number, chunk) in (batch.first_chunk..).zip(plain.chunks(CHUNK_BYTES)) {
            self.0.seal_chunk(number, chunk, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digest::Digest,
        range::ByteRange,
        seal::{FileKey, HEADER_UNIT, Opening, Sealed, Sealer, seal_header, testing::TestRng},
    };

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn begin(key: &FileKey, out: &mut Vec<u8>) -> Sealer {
        let mut rng = TestRng(1);
        let block = seal_header(key, &[], &mut rng).unwrap();
        Sealer::new(key, &block, &mut rng, out).unwrap()
    }

    fn seal(plain: &[u8], key: &FileKey) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sealer = begin(key, &mut out);
        sealer.push(plain, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        out
    }

    fn range(file: &[u8], range: ByteRange) -> &[u8] {
        &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
    }

    fn open(file: &[u8]) -> Sealed {
        let mut opening = Opening::new(file.len() as u64).unwrap();
        while let Some(wanted) = opening.wants() {
            opening.feed(range(file, wanted)).unwrap();
        }
        opening.finish().unwrap()
    }

    #[test]
    fn batches_sealed_elsewhere_give_the_same_file() {
        let key = FileKey::new([6; 32]);
        let plain = content(5 * (1 << 18) + 333);
        let expected = seal(&plain, &key);
        for elsewhere in [false, true] {
            let mut out = Vec::new();
            let mut sealer = begin(&key, &mut out);
            if elsewhere {
                sealer = sealer.hash_elsewhere();
            }
            let slabs: Vec<&[u8]> = plain.chunks(1 << 18).collect();
            let (last, whole) = slabs.split_last().unwrap();
            let batches: Vec<Batch> = whole
                .iter()
                .map(|slab| sealer.next_batch(slab.len()).unwrap())
                .collect();
            let worker = sealer.chunk_sealer();
            // The last first: order matters only for taking them back.
            let mut sealed: Vec<Vec<u8>> = batches
                .iter()
                .zip(whole)
                .rev()
                .map(|(batch, slab)| {
                    let mut out = Vec::new();
                    worker.seal(batch, slab, &mut out).unwrap();
                    out
                })
                .collect();
            sealed.reverse();
            assert!(sealer.accept(&batches[1], &sealed[1]).is_err());
            assert!(sealer.accept(&batches[0], &sealed[1][1..]).is_err());
            assert!(sealer.push(last, &mut out).is_err(), "batches are out");
            for (batch, sealed) in batches.iter().zip(&sealed) {
                if elsewhere {
                    sealer.accept_unseen(batch).unwrap();
                } else {
                    sealer.accept(batch, sealed).unwrap();
                }
                out.extend_from_slice(sealed);
            }
            sealer.push(last, &mut out).unwrap();
            assert!(sealer.next_batch(CHUNK_BYTES).is_err(), "a chunk is begun");
            let mut payload = sealer.finish_payload(&mut out).unwrap();
            if elsewhere {
                for block in out[HEADER_UNIT as usize..].chunks(1 << 20) {
                    payload.record(Digest::of(block));
                }
            }
            payload.finish(&mut out).unwrap();
            assert!(out == expected, "elsewhere: {elsewhere}");
        }
    }

    #[test]
    fn a_digest_too_few_or_too_many_is_refused() {
        for digests in [0, 2] {
            let mut out = Vec::new();
            let sealer = begin(&FileKey::new([7; 32]), &mut out);
            let mut payload = sealer.hash_elsewhere().finish_payload(&mut out).unwrap();
            (0..digests).for_each(|_| payload.record(Digest::of(b"")));
            assert!(matches!(
                payload.finish(&mut out),
                Err(SealError::Misfed { wanted: 32, .. })
            ));
        }
    }

    #[test]
    fn batches_opened_elsewhere_give_the_same_range() {
        use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead};
        let key = FileKey::new([8; 32]);
        let plain = content(100_000);
        let file = seal(&plain, &key);
        let sealed = open(&file);
        let unsealer = sealed
            .unsealer(&key, range(&file, sealed.prefix_range()))
            .unwrap();
        let cipher = Aes256Gcm::new(unsealer.payload_key().expose().into());
        for wanted in [
            (0, 100_000),
            (20_000, 70_000),
            (98_304, 1_696),
            (100_000, 0),
        ] {
            let wanted = ByteRange::new(wanted.0, wanted.1);
            let located = unsealer.locate(wanted).unwrap();
            let batch = unsealer.batch(&located).unwrap();
            let bytes = range(&file, located.sealed);
            assert_eq!(batch.sealed_len(), bytes.len());
            let opened: Vec<u8> = batch
                .nonces()
                .zip(bytes.chunks(SEALED_CHUNK_BYTES))
                .flat_map(|(nonce, chunk)| cipher.decrypt(&nonce.into(), chunk).unwrap())
                .collect();
            let part = unsealer.settle(&located, Ok(opened.len())).unwrap();
            assert_eq!(opened[part], *range(&plain, wanted));
            assert!(unsealer.settle(&located, Ok(opened.len() + 1)).is_err());
        }
        let located = unsealer.locate(ByteRange::new(20_000, 70_000)).unwrap();
        let mut damaged = range(&file, located.sealed).to_vec();
        damaged[2 * SEALED_CHUNK_BYTES + 5] ^= 1;
        let here = unsealer.open(located, damaged);
        assert_eq!(
            here.err(),
            unsealer.settle(&located, Err(2)).err(),
            "named the same"
        );
    }
}
