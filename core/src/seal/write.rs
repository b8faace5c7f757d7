//! Writing a sealed archive from start to end, without knowing its length and without going back.

use alloc::{sync::Arc, vec::Vec};

use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::{
    Batch, CHUNK_BYTES, ChunkSealer, FOOTER_BYTES, FileKey, Footer, PREFIX_BYTES, PayloadKey,
    SENDER_BYTES, SealError, SenderKey, TAG_BYTES,
    payload::{self, ChunkCipher, MAX_CHUNKS},
    scrub::{BlockHasher, table_len},
};
use crate::digest::Digest;

/// Bytes of a sealed archive that nobody signs, with a header block of `header_len` bytes and `plain_len` bytes of
/// content. `None` if that is more than 64 bits hold.
#[must_use]
pub fn sealed_len(header_len: u64, plain_len: u64) -> Option<u64> {
    // The last chunk is always shorter than a full one, and may be empty.
    let chunks = plain_len / CHUNK_BYTES as u64 + 1;
    let payload = chunks
        .checked_mul(TAG_BYTES as u64)?
        .checked_add(plain_len)?
        .checked_add(PREFIX_BYTES as u64)?;
    [payload, table_len(payload)?, FOOTER_BYTES]
        .into_iter()
        .try_fold(header_len, u64::checked_add)
}

/// Encrypts content as it comes. Every method appends to `out`, which the caller writes on and clears.
#[derive(Debug)]
pub struct Sealer {
    cipher: Arc<ChunkCipher>,
    /// Plaintext of the chunk that isn't full yet.
    pending: Vec<u8>,
    next_chunk: u64,
    /// Number of chunks whose sealed bytes were accounted; less than `next_chunk` while batches are out.
    accepted: u64,
    /// Salt and commitment.
    prefix: [u8; PREFIX_BYTES],
    payload_len: u64,
    hashing: Hashing,
    table: Vec<u8>,
}

/// Who makes the digests of the scrub table.
#[derive(Debug)]
enum Hashing {
    Here(BlockHasher),
    Elsewhere,
}

impl Sealer {
    /// Starts with a header block made by [`seal_header`] for the same key.
    ///
    /// # Errors
    /// [`SealError::Crypto`].
    pub fn new(
        file_key: &FileKey,
        header_block: &[u8],
        rng: &mut impl CryptoRng,
        out: &mut Vec<u8>,
    ) -> Result<Self, SealError> {
        let mut salt = [0; payload::SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let cipher = Arc::new(ChunkCipher::new(&*file_key.payload_key()?, &salt)?);
        out.extend_from_slice(header_block);
        let start = out.len();
        let mut prefix = [0; PREFIX_BYTES];
        for (byte, part) in prefix.iter_mut().zip(salt.iter().chain(&cipher.commitment)) {
            *byte = *part;
        }
        out.extend_from_slice(&prefix);
        let mut sealer = Self {
            cipher,
            pending: Vec::with_capacity(CHUNK_BYTES),
            next_chunk: 0,
            accepted: 0,
            prefix,
            payload_len: 0,
            hashing: Hashing::Here(BlockHasher::default()),
            table: Vec::new(),
        };
        sealer.account(out, start);
        Ok(sealer)
    }

    /// Leaves the digests of the scrub table to the caller, who gives them with [`Sealer::record`]: of every 1 MiB of
    /// what was appended to `out` after the header block, and at last of the rest, up to the end of the last chunk
    /// (see [`Sealer::finish_payload`]). To be called before any content is added.
    #[must_use]
    pub fn hash_elsewhere(mut self) -> Self {
        self.hashing = Hashing::Elsewhere;
        self
    }

    /// Adds content.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] or [`SealError::Crypto`]; [`SealError::Misfed`] while a batch is out.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.nothing_out()?;
        let start = out.len();
        if !self.pending.is_empty() {
            let (now, rest) = plain.split_at(plain.len().min(CHUNK_BYTES - self.pending.len()));
            self.pending.extend_from_slice(now);
            plain = rest;
            if self.pending.len() == CHUNK_BYTES {
                self.cipher
                    .seal_chunk(self.next_chunk, &self.pending, out)?;
                self.next_chunk += 1;
                self.pending.clear();
            }
        }
        let mut chunks = plain.chunks_exact(CHUNK_BYTES);
        for chunk in &mut chunks {
            self.cipher.seal_chunk(self.next_chunk, chunk, out)?;
            self.next_chunk += 1;
        }
        self.pending.extend_from_slice(chunks.remainder());
        self.accepted = self.next_chunk;
        self.account(out, start);
        Ok(())
    }

    /// The next `plain_len` bytes of content as a batch, to be sealed elsewhere and then given to
    /// [`Sealer::accept`]. Several may be out at once.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if it isn't a whole number of chunks, or content was pushed that doesn't fill its chunk;
    /// [`SealError::TooLarge`].
    pub fn next_batch(&mut self, plain_len: usize) -> Result<Batch, SealError> {
        let over = plain_len % CHUNK_BYTES + self.pending.len();
        if over > 0 {
            return Err(SealError::Misfed {
                wanted: 0,
                given: over as u64,
            });
        }
        let chunks = plain_len / CHUNK_BYTES;
        let batch = self.cipher.batch(self.next_chunk, chunks, plain_len);
        self.next_chunk = self
            .next_chunk
            .checked_add(chunks as u64)
            .filter(|next| *next < MAX_CHUNKS)
            .ok_or(SealError::TooLarge)?;
        Ok(batch)
    }

    /// What seals the batches on any thread. See [`Sealer::payload_key`] for what is no thread.
    #[must_use]
    pub fn chunk_sealer(&self) -> ChunkSealer {
        ChunkSealer::new(self.cipher.clone())
    }

    /// The key, to seal batches by another implementation.
    #[must_use]
    pub fn payload_key(&self) -> PayloadKey {
        self.cipher.payload_key()
    }

    /// Accounts a batch that was sealed elsewhere, in the order of [`Sealer::next_batch`].
    ///
    /// # Errors
    /// [`SealError::Misfed`] for another batch than the next one, or bytes that it can't have become.
    pub fn accept(&mut self, batch: &Batch, sealed: &[u8]) -> Result<(), SealError> {
        if sealed.len() != batch.sealed_len() {
            return Err(SealError::Misfed {
                wanted: batch.sealed_len() as u64,
                given: sealed.len() as u64,
            });
        }
        self.accept_unseen(batch)?;
        if let Hashing::Here(blocks) = &mut self.hashing {
            let table = &mut self.table;
            blocks.update(sealed, |digest| table.extend_from_slice(&digest.0));
        }
        Ok(())
    }

    /// As [`Sealer::accept`], where the blocks are hashed elsewhere too.
    ///
    /// # Errors
    /// [`SealError::Misfed`] for another batch than the next one.
    pub fn accept_unseen(&mut self, batch: &Batch) -> Result<(), SealError> {
        if batch.first_chunk() != self.accepted {
            return Err(SealError::Misfed {
                wanted: self.accepted,
                given: batch.first_chunk(),
            });
        }
        self.accepted += batch.chunks() as u64;
        self.payload_len += batch.sealed_len() as u64;
        Ok(())
    }

    /// Takes the digest of the next block, if they are made elsewhere.
    pub fn record(&mut self, digest: Digest) {
        self.table.extend_from_slice(&digest.0);
    }

    /// Ends the content with its last chunk, so that whoever hashes elsewhere sees it before [`Sealer::finish`].
    ///
    /// # Errors
    /// As [`Sealer::finish`].
    pub fn finish_payload(mut self, out: &mut Vec<u8>) -> Result<SealedPayload, SealError> {
        self.nothing_out()?;
        let start = out.len();
        self.cipher
            .seal_chunk(self.next_chunk, &self.pending, out)?;
        self.pending.zeroize();
        self.account(out, start);
        Ok(SealedPayload(self))
    }

    /// Ends the content: last chunk, scrub table, footer.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] or [`SealError::Crypto`]; [`SealError::Misfed`] while a batch is out, or if digests are made
    /// elsewhere and there are more or fewer than blocks.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.finish_payload(out)?.finish(out)
    }

    /// As [`Sealer::finish`], with a signature that says who sealed it.
    ///
    /// # Errors
    /// As there.
    pub fn finish_signed(self, sender: &SenderKey, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.finish_payload(out)?.finish_signed(sender, out)
    }

    fn nothing_out(&self) -> Result<(), SealError> {
        if self.accepted == self.next_chunk {
            Ok(())
        } else {
            Err(SealError::Misfed {
                wanted: self.next_chunk,
                given: self.accepted,
            })
        }
    }

    /// Counts and hashes the payload bytes that were appended from `start` on.
    fn account(&mut self, out: &[u8], start: usize) {
        let added = out.get(start..).unwrap_or_default();
        self.payload_len += added.len() as u64;
        if let Hashing::Here(blocks) = &mut self.hashing {
            let table = &mut self.table;
            blocks.update(added, |digest| table.extend_from_slice(&digest.0));
        }
    }
}

/// A payload that has ended; scrub table and footer are still to be written.
#[derive(Debug)]
pub struct SealedPayload(Sealer);

impl SealedPayload {
    /// As [`Sealer::record`].
    pub fn record(&mut self, digest: Digest) {
        self.0.record(digest);
    }

    /// Appends scrub table and footer.
    ///
    /// # Errors
    /// [`SealError::Misfed`] if digests are made elsewhere and there are more or fewer than blocks.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), SealError> {
        let (table, footer, _) = self.tail()?;
        out.extend_from_slice(&table);
        out.extend_from_slice(&footer.encode());
        Ok(())
    }

    /// Appends scrub table, sender block and footer.
    ///
    /// # Errors
    /// As [`SealedPayload::finish`].
    pub fn finish_signed(self, sender: &SenderKey, out: &mut Vec<u8>) -> Result<(), SealError> {
        let (table, footer, prefix) = self.tail()?;
        let footer = Footer {
            sender_len: SENDER_BYTES,
            ..footer
        };
        out.extend_from_slice(&table);
        out.extend_from_slice(&sender.sign(&prefix, &footer));
        out.extend_from_slice(&footer.encode());
        Ok(())
    }

    /// The scrub table, the footer without a sender, and what the payload begins with.
    fn tail(self) -> Result<(Vec<u8>, Footer, [u8; PREFIX_BYTES]), SealError> {
        let Sealer {
            hashing,
            mut table,
            payload_len,
            prefix,
            ..
        } = self.0;
        if let Hashing::Here(blocks) = hashing
            && let Some(digest) = blocks.finish()
        {
            table.extend_from_slice(&digest.0);
        }
        let scrub_len = table.len() as u64;
        let wanted = table_len(payload_len).ok_or(SealError::TooLarge)?;
        if scrub_len != wanted {
            return Err(SealError::Misfed {
                wanted,
                given: scrub_len,
            });
        }
        let footer = Footer {
            payload_len,
            scrub_len,
            sender_len: 0,
            scrub_root: Digest::of(&table),
        };
        Ok((table, footer, prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        range::ByteRange,
        seal::{
            Access, KeyType, Lock, LockedKey, Opening, Password, Recipient, SEALED_CHUNK_BYTES,
            ScrubChecker, Sealed, SecretKey, seal_header,
            testing::{CHEAP, TestRng},
        },
    };
    use alloc::{string::ToString, vec};

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn seal(plain: &[u8], piece: usize, access: &[Access<'_>], key: &FileKey) -> Vec<u8> {
        let mut rng = TestRng(1);
        let block = seal_header(key, access, &mut rng).unwrap();
        let mut out = Vec::new();
        let mut sealer = Sealer::new(key, &block, &mut rng, &mut out).unwrap();
        for piece in plain.chunks(piece) {
            sealer.push(piece, &mut out).unwrap();
        }
        sealer.finish(&mut out).unwrap();
        out
    }

    fn range(file: &[u8], range: ByteRange) -> &[u8] {
        &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
    }

    fn open(file: &[u8], step: usize) -> Result<Sealed, SealError> {
        let mut opening = Opening::new(file.len() as u64)?;
        while let Some(wanted) = opening.wants() {
            let bytes = range(file, wanted);
            opening.feed(&bytes[..bytes.len().min(step)])?;
        }
        opening.finish()
    }

    fn read(
        file: &[u8],
        sealed: &Sealed,
        key: &FileKey,
        plain: ByteRange,
    ) -> Result<Vec<u8>, SealError> {
        let unsealer = sealed.unsealer(key, range(file, sealed.prefix_range()))?;
        let located = unsealer.locate(plain)?;
        unsealer.open(located, range(file, located.sealed).to_vec())
    }

    #[test]
    fn any_length_any_piece_any_range() {
        let key = FileKey::new([3; 32]);
        for len in [0, 1, 16383, 16384, 16385, 40000, 1_200_000] {
            let plain = content(len);
            for piece in [997, 16384, 1 << 20] {
                let file = seal(&plain, piece, &[], &key);
                let sealed = open(&file, 1000).unwrap();
                sealed.unlock_with_file_key(&key).unwrap();
                for (from, to) in [
                    (0, len),
                    (0, 0),
                    (len / 2, len),
                    (len / 3, len / 2),
                    (len, len),
                ] {
                    let wanted = ByteRange::new(from as u64, (to - from) as u64);
                    assert_eq!(read(&file, &sealed, &key, wanted).unwrap(), plain[from..to]);
                }
                let beyond = ByteRange::new(len as u64, 1);
                assert!(matches!(
                    read(&file, &sealed, &key, beyond),
                    Err(SealError::OutOfRange { .. })
                ));
            }
        }
    }

    #[test]
    fn a_password_opens_and_another_does_not() {
        let key = FileKey::new([4; 32]);
        let password = Password::new("Gru\u{0308}ße");
        let file = seal(
            b"secret",
            10,
            &[Access::Password {
                password: &password,
                cost: CHEAP,
            }],
            &key,
        );
        let sealed = open(&file, 1).unwrap();
        assert_eq!(sealed.locks(), vec![Lock::Password]);
        // The same text, typed on a keyboard that composes.
        assert_eq!(
            sealed
                .unlock(&Password::new("Gr\u{fc}ße"))
                .unwrap()
                .expose(),
            key.expose()
        );
        assert_eq!(
            sealed.unlock(&Password::new("wrong")).err(),
            Some(SealError::WrongPassword)
        );
    }

    #[test]
    fn a_server_can_seal_for_a_password_that_it_does_not_know() {
        for key_type in KeyType::ALL {
            let mut rng = TestRng(77);
            let secret = SecretKey::generate_of(key_type, &mut rng);
            let locked = LockedKey::lock(&secret, &Password::new("pass"), CHEAP, &mut rng).unwrap();
            // Recipient and locked key go to the server as text.
            let recipient = Recipient::parse(&secret.recipient().unwrap().to_string()).unwrap();
            let carried = LockedKey::parse(&locked.to_string()).unwrap();
            let key = FileKey::new([5; 32]);
            let access = [Access::LockedKey(&carried), Access::Recipient(&recipient)];
            let file = seal(b"rows", 10, &access, &key);
            let sealed = open(&file, 4096).unwrap();
            let fingerprint = recipient.fingerprint();
            assert_eq!(
                sealed.locks(),
                vec![
                    Lock::LockedKey(fingerprint),
                    Lock::Key {
                        key_type,
                        fingerprint
                    }
                ]
            );
            assert_eq!(
                sealed.unlock(&Password::new("pass")).unwrap().expose(),
                key.expose()
            );
            assert_eq!(
                sealed.unlock(&Password::new("other")).err(),
                Some(SealError::WrongPassword)
            );
            assert_eq!(
                sealed.unlock_with_key(&secret).unwrap().expose(),
                key.expose()
            );
            for other in KeyType::ALL {
                let stranger = SecretKey::generate_of(other, &mut rng);
                assert_eq!(
                    sealed.unlock_with_key(&stranger).err(),
                    Some(SealError::NotARecipient)
                );
            }
        }
    }

    #[test]
    fn a_costly_header_is_refused_before_it_costs() {
        let key = FileKey::new([6; 32]);
        let password = Password::new("x");
        let file = seal(
            b"",
            1,
            &[Access::Password {
                password: &password,
                cost: CHEAP,
            }],
            &key,
        );
        let text = b"-> argon2id 64 1 1 ";
        let at = file
            .windows(text.len())
            .position(|window| window == text)
            .unwrap();
        let mut bomb = file[..at].to_vec();
        bomb.extend_from_slice(b"-> argon2id 4294967295 1 1 ");
        bomb.extend_from_slice(&file[at + text.len()..4096 - 8]);
        bomb.extend_from_slice(&file[4096..]);
        let added = 8_u32;
        let len = u32::from_be_bytes(bomb[12..16].try_into().unwrap()) + added;
        bomb[12..16].copy_from_slice(&len.to_be_bytes());
        let sealed = open(&bomb, 4096).unwrap();
        assert_eq!(
            sealed.unlock(&password).err(),
            Some(SealError::CostTooHigh {
                memory_kib: u32::MAX,
                passes: 1,
                lanes: 1
            })
        );
    }

    #[test]
    fn every_truncation_and_addition_is_noticed() {
        let key = FileKey::new([7; 32]);
        let file = seal(&content(50_000), 4096, &[], &key);
        for len in 0..file.len() {
            assert!(open(&file[..len], 1 << 20).is_err(), "cut to {len}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert!(matches!(
            open(&longer, 1 << 20),
            Err(SealError::CutShort { .. })
        ));
        let mut doubled = file.clone();
        doubled.extend_from_slice(&file);
        assert!(matches!(
            open(&doubled, 1 << 20),
            Err(SealError::LengthMismatch { .. })
        ));
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let key = FileKey::new([8; 32]);
        let plain = content(20_000);
        let file = seal(&plain, 4096, &[], &key);
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let result = open(&changed, 1 << 20).and_then(|sealed| {
                sealed.unlock_with_file_key(&key)?;
                let table = range(&changed, sealed.scrub_range());
                let mut checker = ScrubChecker::new(table, sealed.footer().scrub_root)?;
                checker.update(range(&changed, sealed.payload_range()));
                let rotten = checker.finish();
                let read = read(
                    &changed,
                    &sealed,
                    &key,
                    ByteRange::new(0, plain.len() as u64),
                );
                // The scrub table finds in the payload what authentication finds.
                assert_eq!(rotten.is_empty(), read.is_ok(), "byte {at}");
                read
            });
            assert!(result.is_err(), "byte {at}");
        }
    }

    #[test]
    fn swapped_chunks_are_noticed() {
        let key = FileKey::new([9; 32]);
        let mut file = seal(&content(40_000), 4096, &[], &key);
        let start = 4096 + PREFIX_BYTES;
        let (first, second) = file[start..].split_at_mut(SEALED_CHUNK_BYTES);
        first.swap_with_slice(&mut second[..SEALED_CHUNK_BYTES]);
        let sealed = open(&file, 1 << 20).unwrap();
        assert_eq!(
            read(&file, &sealed, &key, ByteRange::new(20_000, 10)),
            Err(SealError::ChunkDamaged {
                chunk: 1,
                offset: start as u64 + 16400
            })
        );
    }
}
