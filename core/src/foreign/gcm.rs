//! One AES-256-GCM message (NIST SP 800-38D) of any length, opened in bounded memory: nothing is given out before all of it
//! was authenticated.
//!
//! The tag stands at the end, so the message is read twice: once to compute the tag, then wherever its plaintext is wanted,
//! because counter mode can begin anywhere. What is read the second time could be something else than what was
//! authenticated, so a digest of every block is kept from the first time (32 bytes for each 256 KiB) and compared.

use alloc::{vec, vec::Vec};
use core::fmt;

use aes_gcm::aes::{
    Aes256,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};
use ctr::{
    Ctr32BE,
    cipher::{KeyIvInit, StreamCipher, StreamCipherSeek},
};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::ForeignError;
use crate::{ByteRange, Digest};

/// Bytes of ciphertext that have one digest.
const BLOCK_BYTES: u64 = 256 << 10;
/// Longest message: 2^39 − 256 bits (section 5.2.1.1).
const MAX_BYTES: u64 = (1 << 36) - 32;
/// Bytes asked for at once.
const READ_BYTES: u64 = 4 << 20;

/// A key of 256 bits.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// A message whose tag was not yet compared.
pub(super) struct Message {
    key: Key,
    /// The first counter block, J0.
    start: [u8; 16],
    text: ByteRange,
    tag: [u8; 16],
    hash: GHash,
    digests: Vec<Digest>,
    /// Bytes of the current block.
    block: Vec<u8>,
    /// Bytes authenticated.
    done: u64,
}

impl Message {
    /// A message whose ciphertext lies at `text`; `iv` has 12 bytes or any other number but none (section 7.1).
    pub(super) fn new(
        key: &Key,
        iv: &[u8],
        text: ByteRange,
        tag: [u8; 16],
    ) -> Result<Self, ForeignError> {
        if text.len > MAX_BYTES {
            return Err(ForeignError::TooLong {
                bytes: text.len,
                allowed: MAX_BYTES,
            });
        }
        let mut subkey = Block::<Aes256>::default();
        Aes256::new((&**key).into()).encrypt_block(&mut subkey);
        let hash = GHash::new(&subkey);
        let mut start = [0; 16];
        if let Ok(short) = <[u8; 12]>::try_from(iv) {
            start[..12].copy_from_slice(&short);
            start[15] = 1;
        } else {
            let mut of_iv = hash.clone();
            of_iv.update_padded(iv);
            of_iv.update(&[lengths(0, iv.len() as u64).into()]);
            start.copy_from_slice(&of_iv.finalize());
        }
        Ok(Self {
            key: key.clone(),
            start,
            text,
            tag,
            hash,
            digests: Vec::new(),
            block: Vec::new(),
            done: 0,
        })
    }

    /// What of the ciphertext comes next; `None` when all of it was given.
    pub(super) fn wants(&self) -> Option<ByteRange> {
        let fed = self.done + self.block.len() as u64;
        let len = (self.text.len - fed).min(READ_BYTES);
        (len > 0).then(|| ByteRange::new(self.text.offset + fed, len))
    }

    /// The next bytes of the ciphertext.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let due = BLOCK_BYTES.min(self.text.len - self.done);
            let room = usize::try_from(due)
                .unwrap_or(usize::MAX)
                .saturating_sub(self.block.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() as u64 == due {
                self.hash.update_padded(&self.block);
                self.digests.push(Digest::of(&self.block));
                self.done += due;
                self.block.clear();
                if due == 0 {
                    return;
                }
            }
        }
    }

    /// The plaintext of the first bytes, which nobody vouches for: only to see whether the key can be the right one.
    pub(super) fn peek(&self, first: &[u8]) -> Vec<u8> {
        let mut bytes = first.to_vec();
        apply(&self.key, &self.start, 0, &mut bytes);
        bytes
    }

    /// The message, if its tag is right.
    pub(super) fn finish(mut self) -> Option<Decrypted> {
        self.hash.update(&[lengths(0, self.text.len).into()]);
        let mut tag = Block::<Aes256>::from(self.start);
        Aes256::new((&*self.key).into()).encrypt_block(&mut tag);
        for (byte, hashed) in tag.iter_mut().zip(self.hash.finalize()) {
            *byte ^= hashed;
        }
        let whole = self.done == self.text.len;
        (whole && bool::from(tag.as_slice().ct_eq(&self.tag))).then_some(Decrypted {
            key: self.key,
            start: self.start,
            text: self.text,
            digests: self.digests,
        })
    }
}

/// A message that was authenticated.
#[derive(Clone)]
pub struct Decrypted {
    key: Key,
    start: [u8; 16],
    text: ByteRange,
    digests: Vec<Digest>,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted")
            .field("text", &self.text)
            .finish_non_exhaustive()
    }
}

impl Decrypted {
    /// Bytes of plaintext.
    #[must_use]
    pub const fn plain_len(&self) -> u64 {
        self.text.len
    }

    /// The bytes of the file that are needed for a range of the plaintext.
    #[must_use]
    pub fn locate(&self, plain: ByteRange) -> ByteRange {
        let start = plain.offset.min(self.text.len) / BLOCK_BYTES * BLOCK_BYTES;
        let end = plain
            .end()
            .checked_next_multiple_of(BLOCK_BYTES)
            .unwrap_or(u64::MAX)
            .min(self.text.len);
        ByteRange::new(self.text.offset + start, end.saturating_sub(start))
    }

    /// A range of the plaintext from what [`Decrypted::locate`] says is needed.
    ///
    /// # Errors
    /// [`ForeignError::Changed`] if those are other bytes than were authenticated.
    pub fn open(&self, plain: ByteRange, mut stored: Vec<u8>) -> Result<Vec<u8>, ForeignError> {
        let located = self.locate(plain);
        let at = located.offset - self.text.offset;
        let changed = |offset| ForeignError::Changed { offset };
        if stored.len() as u64 != located.len || plain.end() > self.text.len {
            return Err(changed(located.offset));
        }
        let size = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        for (number, block) in (at / BLOCK_BYTES..).zip(stored.chunks(size)) {
            let known = usize::try_from(number)
                .ok()
                .and_then(|number| self.digests.get(number));
            if known != Some(&Digest::of(block)) {
                return Err(changed(self.text.offset + number * BLOCK_BYTES));
            }
        }
        let skip = usize::try_from(plain.offset - at).unwrap_or(usize::MAX);
        let len = usize::try_from(plain.len).unwrap_or(usize::MAX);
        stored.drain(..skip.min(stored.len()));
        stored.truncate(len);
        apply(&self.key, &self.start, plain.offset, &mut stored);
        Ok(stored)
    }
}

/// The key stream from a place of the text on; the text's first block has the counter J0 + 1.
fn apply(key: &Key, start: &[u8; 16], offset: u64, bytes: &mut [u8]) {
    let mut stream = Ctr32BE::<Aes256>::new((&**key).into(), start.into());
    // Texts are shorter than the counter's period, so that both always succeed.
    if stream.try_seek(16 + offset).is_ok() && stream.try_apply_keystream(bytes).is_ok() {
        return;
    }
    bytes.fill(0);
}

/// The last block of GHASH: two lengths in bits.
fn lengths(first: u64, second: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..8].copy_from_slice(&(first * 8).to_be_bytes());
    block[8..].copy_from_slice(&(second * 8).to_be_bytes());
    block
}

/// Everything that may open a file, tried one after the other.
pub(super) struct Attempts {
    message: Option<Message>,
    later: vec::IntoIter<Message>,
    /// What plaintext must begin with, if that is known.
    begins: &'static [u8],
    /// A key gave plaintext that begins so.
    likely: bool,
}

/// What came of trying.
pub(super) enum Outcome {
    /// One fits.
    Opened(Decrypted),
    /// None does.
    Refused {
        /// One of them gave the right beginning.
        likely: bool,
    },
}

impl Attempts {
    pub(super) fn new(messages: Vec<Message>, begins: &'static [u8]) -> Self {
        let mut later = messages.into_iter();
        Self {
            message: later.next(),
            later,
            begins,
            likely: false,
        }
    }

    pub(super) fn wants(&self) -> Option<ByteRange> {
        self.message.as_ref().and_then(Message::wants)
    }

    /// Takes what is wanted from its start; gives the outcome once it is known.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        let Some(message) = &mut self.message else {
            return self.refused();
        };
        if message.done == 0 && message.block.is_empty() && !self.begins.is_empty() {
            let first = bytes.get(..self.begins.len()).unwrap_or(bytes);
            if self.begins.starts_with(&message.peek(first)) {
                self.likely = true;
            } else {
                self.message = self.later.next();
                return self.settled();
            }
        }
        message.feed(bytes);
        self.settled()
    }

    /// The outcome, if nothing more is wanted for it.
    pub(super) fn settled(&mut self) -> Option<Outcome> {
        while let Some(message) = self.message.take() {
            if message.wants().is_some() {
                self.message = Some(message);
                return None;
            }
            match message.finish() {
                Some(decrypted) => return Some(Outcome::Opened(decrypted)),
                None => self.message = self.later.next(),
            }
        }
        self.refused()
    }

    fn refused(&self) -> Option<Outcome> {
        Some(Outcome::Refused {
            likely: self.likely,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::{
        AesGcm,
        aead::{Aead, array::typenum},
    };

    type WithLongIv = AesGcm<Aes256, typenum::U16>;

    fn opened(message: &mut Message, file: &[u8], step: usize) {
        while let Some(range) = message.wants() {
            let at = usize::try_from(range.offset).unwrap();
            let len = usize::try_from(range.len).unwrap().min(step);
            message.feed(&file[at..at + len]);
        }
    }

    /// The whole-message implementation agrees, for both kinds of IV and lengths around the block's.
    #[test]
    fn as_the_library_that_takes_whole_messages() {
        let key = Key::new([7; 32]);
        for len in [0, 1, 15, 16, 17, 4096, 262_143, 262_144, 262_145, 700_001] {
            let plain: Vec<u8> = (0..len).map(|at: u32| ((at * 31) >> 3) as u8).collect();
            for iv in [&[9_u8; 12][..], &[9; 16]] {
                let sealed = match <[u8; 12]>::try_from(iv) {
                    Ok(short) => aes_gcm::Aes256Gcm::new((&*key).into())
                        .encrypt(&short.into(), plain.as_slice()),
                    Err(_) => WithLongIv::new((&*key).into())
                        .encrypt(&<[u8; 16]>::try_from(iv).unwrap().into(), plain.as_slice()),
                }
                .unwrap();
                let file = [&b"12345"[..], &sealed].concat();
                let text = ByteRange::new(5, plain.len() as u64);
                let tag = <[u8; 16]>::try_from(&sealed[plain.len()..]).unwrap();
                for step in [1_000, usize::MAX] {
                    let mut message = Message::new(&key, iv, text, tag).unwrap();
                    opened(&mut message, &file, step);
                    let decrypted = message.finish().expect("the tag fits");
                    for (offset, len) in [
                        (0, plain.len()),
                        (plain.len() / 2, plain.len() / 3),
                        (plain.len(), 0),
                    ] {
                        let range = ByteRange::new(offset as u64, len as u64);
                        let located = decrypted.locate(range);
                        let at = usize::try_from(located.offset).unwrap();
                        let end = at + usize::try_from(located.len).unwrap();
                        assert_eq!(
                            decrypted.open(range, file[at..end].to_vec()).unwrap(),
                            plain[offset..offset + len]
                        );
                    }
                }
                let mut wrong = tag;
                wrong[3] ^= 1;
                let mut message = Message::new(&key, iv, text, wrong).unwrap();
                opened(&mut message, &file, usize::MAX);
                assert!(message.finish().is_none());
                let other = Key::new([8; 32]);
                let mut message = Message::new(&other, iv, text, tag).unwrap();
                opened(&mut message, &file, usize::MAX);
                assert!(message.finish().is_none());
            }
        }
    }

    #[test]
    fn what_changed_after_it_was_authenticated_is_not_given_out() {
        let key = Key::new([7; 32]);
        let plain = vec![1; 600_000];
        let mut file = aes_gcm::Aes256Gcm::new((&*key).into())
            .encrypt(&[9; 12].into(), plain.as_slice())
            .unwrap();
        let tag = file.split_off(plain.len()).try_into().unwrap();
        let text = ByteRange::new(0, 600_000);
        let mut message = Message::new(&key, &[9; 12], text, tag).unwrap();
        opened(&mut message, &file, usize::MAX);
        let decrypted = message.finish().unwrap();
        file[300_000] ^= 1;
        let read = |range| {
            let located = decrypted.locate(range);
            let at = usize::try_from(located.offset).unwrap();
            decrypted.open(
                range,
                file[at..at + usize::try_from(located.len).unwrap()].to_vec(),
            )
        };
        assert!(read(ByteRange::new(0, 262_144)).is_ok());
        assert_eq!(
            read(ByteRange::new(262_000, 200)),
            Err(ForeignError::Changed { offset: 262_144 })
        );
    }

    #[test]
    fn no_message_is_longer_than_the_counter_goes() {
        let text = |len| {
            Message::new(
                &Key::new([0; 32]),
                &[0; 12],
                ByteRange::new(0, len),
                [0; 16],
            )
        };
        assert!(text(MAX_BYTES).is_ok());
        assert!(matches!(
            text(MAX_BYTES + 1).err(),
            Some(ForeignError::TooLong { .. })
        ));
    }
}
