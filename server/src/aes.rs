//! AES-256-GCM (NIST SP 800-38D) over batches of chunks, by `ring`: its assembly uses wider instructions than the crate
//! that core uses everywhere, where the processor has them, and takes less than half of the time. Core says which
//! chunk has which nonce.

use std::hint::black_box;

use coffer_core::seal::{Batch, CHUNK_BYTES, PayloadKey, SEALED_CHUNK_BYTES, SealError};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const FAILED: SealError = SealError::Crypto { what: "encryption" };

/// The key of one payload. What `ring` derives from it is overwritten when this is dropped; `ring` itself doesn't.
pub(crate) struct Key(Box<LessSafeKey>);

impl Key {
    pub(crate) fn new(key: &PayloadKey) -> Result<Self, SealError> {
        Ok(Self(Box::new(expanded(key.expose())?)))
    }

    /// Appends the chunks of a batch, sealed, to `out`.
    pub(crate) fn seal(
        &self,
        batch: &Batch,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        if plain.len() != batch.plain_len() {
            return Err(SealError::Misfed {
                wanted: batch.plain_len() as u64,
                given: plain.len() as u64,
            });
        }
        out.reserve(batch.sealed_len());
        for (nonce, chunk) in batch.nonces().zip(plain.chunks(CHUNK_BYTES)) {
            let start = out.len();
            out.extend_from_slice(chunk);
            let text = out.get_mut(start..).unwrap_or_default();
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = self.0.seal_in_place_separate_tag(nonce, Aad::empty(), text);
            out.extend_from_slice(tag.map_err(|_| FAILED)?.as_ref());
        }
        Ok(())
    }

    /// Decrypts the chunks of a batch in place and moves their plaintext together at the start. Returns its length, or the
    /// place, from 0, of the first chunk that isn't authentic.
    pub(crate) fn open(&self, batch: &Batch, sealed: &mut [u8]) -> Result<usize, usize> {
        let mut written = 0;
        for (place, nonce) in batch.nonces().enumerate() {
            let read = place * SEALED_CHUNK_BYTES;
            let end = sealed.len().min(read + SEALED_CHUNK_BYTES);
            let chunk = sealed.get_mut(read..end).ok_or(place)?;
            let nonce = Nonce::assume_unique_for_key(nonce);
            let opened = self.0.open_in_place(nonce, Aad::empty(), chunk);
            let opened = opened.map_err(|_| place)?.len();
            // Close the gap that the tag of the chunk before has left.
            sealed.copy_within(read..read + opened, written);
            written += opened;
        }
        Ok(written)
    }

    /// Whether the chunks of a batch, which it decrypts in place, are authentic and hold these bytes.
    pub(crate) fn holds(&self, batch: &Batch, sealed: &mut [u8], plain: &[u8]) -> bool {
        let lengths = (sealed.len(), plain.len());
        let mut chunks = batch
            .nonces()
            .zip(sealed.chunks_mut(SEALED_CHUNK_BYTES))
            .zip(plain.chunks(CHUNK_BYTES));
        lengths == (batch.sealed_len(), batch.plain_len())
            && chunks.all(|((nonce, chunk), plain)| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let opened = self.0.open_in_place(nonce, Aad::empty(), chunk);
                opened.is_ok_and(|opened| opened == plain)
            })
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if let Ok(nothing) = expanded(&[0; 32]) {
            *self.0 = nothing;
            // Else the compiler may see that nobody reads it any more, and leave it out.
            black_box(&mut *self.0);
        }
    }
}

fn expanded(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| FAILED)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use coffer_core::seal::{FileKey, Sealer, seal_header};
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    #[test]
    fn chunks_are_the_same_as_core_makes_them() {
        let mut rng = UnwrapErr(SysRng);
        let file_key = FileKey::new([7; 32]);
        let header = seal_header(&file_key, &[], &mut rng).unwrap();
        let mut start = Vec::new();
        let mut sealer = Sealer::new(&file_key, &header, &mut rng, &mut start).unwrap();
        let key = Key::new(&sealer.payload_key()).unwrap();
        let plain: Vec<u8> = (0..5 * CHUNK_BYTES).map(|at| (at % 253) as u8).collect();
        // Not from chunk 0 on, so that the number counts.
        for _ in 0..2 {
            let batch = sealer.next_batch(plain.len()).unwrap();
            let (mut here, mut there) = (vec![1, 2, 3], vec![1, 2, 3]);
            key.seal(&batch, &plain, &mut here).unwrap();
            sealer
                .chunk_sealer()
                .seal(&batch, &plain, &mut there)
                .unwrap();
            assert!(here == there);
            let sealed = &here[3..];
            let mut opened = sealed.to_vec();
            assert_eq!(key.open(&batch, &mut opened), Ok(plain.len()));
            assert!(opened[..plain.len()] == plain);
            assert!(key.holds(&batch, &mut sealed.to_vec(), &plain));
            for at in [0, 3 * SEALED_CHUNK_BYTES + 7, sealed.len() - 1] {
                let mut damaged = sealed.to_vec();
                damaged[at] ^= 1;
                assert!(!key.holds(&batch, &mut damaged.clone(), &plain));
                assert_eq!(key.open(&batch, &mut damaged), Err(at / SEALED_CHUNK_BYTES));
            }
            let mut other = plain.clone();
            other[70_000] ^= 1;
            assert!(!key.holds(&batch, &mut sealed.to_vec(), &other));
            assert!(!key.holds(&batch, &mut sealed.to_vec(), &plain[1..]));
            assert!(!key.holds(&batch, &mut sealed[..sealed.len() - 1].to_vec(), &plain));
            assert!(key.seal(&batch, &plain[1..], &mut Vec::new()).is_err());
        }
    }
}
