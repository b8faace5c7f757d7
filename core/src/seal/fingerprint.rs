//! The name of a key.

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::digest::{parse_hex, push_hex};

/// What a fingerprint's digest begins with.
const LABEL: &[u8] = b"coffer/v1/fingerprint";

/// The name of a key: 128 bits of SHA-256 over its kind and its public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The name of a public key. Every kind of key has a number of its own, so that no two kinds share a name.
    pub(super) fn of(kind: u8, public: &[u8]) -> Self {
        let mut hasher = Sha256::new_with_prefix(LABEL);
        hasher.update([kind]);
        hasher.update(public);
        let mut short = [0; 16];
        for (short, byte) in short.iter_mut().zip(hasher.finalize()) {
            *short = byte;
        }
        Self(short)
    }

    /// Reads 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        parse_hex(text.as_bytes())
            .filter(|_| lower)?
            .try_into()
            .ok()
            .map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = Vec::with_capacity(32);
        push_hex(&self.0, &mut hex);
        f.write_str(core::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
