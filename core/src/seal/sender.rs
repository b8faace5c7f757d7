//! Who sealed an archive: an Ed25519 signature (RFC 8032) between scrub table and footer.
//!
//! Anyone can seal to a public key, so an archive says nothing about where it comes from unless its sender signs it.
//! The signature covers what the payload begins with, its length and the digest of the scrub table:
//!
//! ```text
//! "coffer/v1/sender" | 00 | salt and commitment of the payload (56) | payload length (8) | SHA-256 of the table (32)
//! ```
//!
//! It leaves the header out, so that it survives a rekey. It reaches the payload through the table alone: whoever has
//! the file key could write other chunks under the same table, so **a reader that relies on the sender compares the
//! payload with the table too**, which [`PayloadBlocks`](super::PayloadBlocks) does for whatever is read.

use core::fmt;

use alloc::string::String;
use bech32::Hrp;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

mod locked;
#[cfg(test)]
mod tests;

pub use locked::LockedSender;

use super::{Fingerprint, Footer, PREFIX_BYTES, SealError, text::TextForm};

/// Bytes of the block: public key (32), signature (64).
pub const SENDER_BYTES: u32 = 96;
const KEY_BYTES: usize = 32;
const BLOCK: usize = 96;
/// What the signed message begins with, so that the key signs nothing else by accident.
const LABEL: &[u8; 17] = b"coffer/v1/sender\0";
const MESSAGE_BYTES: usize = LABEL.len() + PREFIX_BYTES + 8 + 32;

/// Type byte of an Ed25519 key in its text form.
const ED25519_TYPE: u8 = 1;
/// Number of sender keys among all kinds of keys that have a fingerprint.
const FINGERPRINT_KIND: u8 = 3;
const PUBLIC: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer-sender"),
    otherwise: "a sender starts with coffer-sender1",
};
const SECRET: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer-sender-secret-"),
    otherwise: "a sender's secret key starts with COFFER-SENDER-SECRET-1",
};

/// The public half of a sender's key: who sealed an archive. Its text starts with `coffer-sender1`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sender(VerifyingKey);

impl Sender {
    /// A public key that can have a secret half: a point in its one spelling, and not one of the few of small order,
    /// for which signatures can be made that fit many messages.
    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes).ok()?;
        let canonical = key.to_edwards().compress().as_bytes() == bytes;
        (canonical && !key.is_weak()).then_some(Self(key))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = key_bytes(PUBLIC, text)?;
        Self::from_bytes(&bytes).ok_or(SealError::KeyMalformed {
            what: "it is no valid Ed25519 key",
        })
    }

    /// The key's name.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(FINGERPRINT_KIND, self.0.as_bytes())
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PUBLIC.encode(ED25519_TYPE, self.0.as_bytes()))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({})", self.fingerprint())
    }
}

/// The secret half: what a sender signs with.
#[derive(Clone)]
pub struct SenderKey(SigningKey);

impl SenderKey {
    /// A new key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// Reads the text form, `COFFER-SENDER-SECRET-1…`.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        Ok(Self::from_seed(&*key_bytes(SECRET, text)?))
    }

    fn from_seed(seed: &[u8; KEY_BYTES]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The text form. Whoever has it can sign as this sender.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        SECRET.encode_secret(ED25519_TYPE, self.0.as_bytes())
    }

    /// The seed, to be wrapped.
    fn seed(&self) -> &[u8; KEY_BYTES] {
        self.0.as_bytes()
    }

    /// The public half.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender(self.0.verifying_key())
    }

    /// The block that says that this sender sealed the payload which begins with `prefix` and has this footer.
    pub(super) fn sign(&self, prefix: &[u8; PREFIX_BYTES], footer: &Footer) -> [u8; BLOCK] {
        let signature = self.0.sign(&message(prefix, footer));
        let mut block = [0; BLOCK];
        let (key, rest) = block.split_at_mut(KEY_BYTES);
        key.copy_from_slice(self.0.verifying_key().as_bytes());
        rest.copy_from_slice(&signature.to_bytes());
        block
    }
}

impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderKey(…)")
    }
}

/// The sender whose signature a block holds, once it is found to fit.
///
/// # Errors
/// [`SealError::SenderMalformed`] or [`SealError::SenderSignatureWrong`].
pub(super) fn check(
    block: &[u8],
    prefix: &[u8; PREFIX_BYTES],
    footer: &Footer,
) -> Result<Sender, SealError> {
    let (key, signature) =
        block
            .split_first_chunk::<KEY_BYTES>()
            .ok_or_else(|| SealError::Misfed {
                wanted: u64::from(SENDER_BYTES),
                given: block.len() as u64,
            })?;
    let signature = Signature::from_slice(signature).map_err(|_| SealError::Misfed {
        wanted: u64::from(SENDER_BYTES),
        given: block.len() as u64,
    })?;
    let sender = Sender::from_bytes(key).ok_or(SealError::SenderMalformed {
        what: "its key is no valid Ed25519 key",
    })?;
    // Strict: one signature has one spelling, so that nobody makes another valid file from a valid one.
    sender
        .0
        .verify_strict(&message(prefix, footer), &signature)
        .map_err(|_| SealError::SenderSignatureWrong {
            sender: sender.fingerprint(),
        })?;
    Ok(sender)
}

fn message(prefix: &[u8; PREFIX_BYTES], footer: &Footer) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    let parts = LABEL
        .iter()
        .chain(prefix)
        .copied()
        .chain(footer.payload_len.to_be_bytes())
        .chain(footer.scrub_root.0);
    for (byte, part) in message.iter_mut().zip(parts) {
        *byte = part;
    }
    message
}

fn key_bytes(form: TextForm, text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let (kind, key) = form.decode(text)?;
    if kind != ED25519_TYPE {
        return Err(SealError::KeyMalformed {
            what: "it is of a type that this Coffer does not know",
        });
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if key.len() != KEY_BYTES {
        return Err(SealError::KeyMalformed {
            what: "it has the wrong length",
        });
    }
    bytes.copy_from_slice(&key);
    Ok(bytes)
}
