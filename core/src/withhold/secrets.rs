//! Fresh secrets for the rows of a standard archive.
//!
//! Rows are rewritten side by side on many threads, so that no one source of randomness could be asked in turn. Each
//! secret is the output of HMAC-SHA-256 (RFC 2104), as a pseudorandom function keyed with 32 random bytes that exist only
//! while the archive is written, of the place that it is for.

use alloc::string::String;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{digest::push_hex, policy::Random};

/// Makes the fresh secrets of one archive.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FreshSecrets {
    key: [u8; 32],
}

impl core::fmt::Debug for FreshSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FreshSecrets")
    }
}

impl FreshSecrets {
    /// From 32 bytes of a cryptographic source of randomness, which are used for nothing else.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The key as HMAC pads it, which makes it of the one length that can't be refused.
    fn padded(&self) -> [u8; 64] {
        let mut padded = [0; 64];
        for (to, from) in padded.iter_mut().zip(&self.key) {
            *to = *from;
        }
        padded
    }

    /// Those of one part. No other part of the archive may have the same number.
    #[must_use]
    pub const fn of_part(&self, part: u64) -> PartSecrets<'_> {
        PartSecrets { all: self, part }
    }
}

/// Makes the fresh secrets of one part.
#[derive(Clone, Copy, Debug)]
pub struct PartSecrets<'a> {
    all: &'a FreshSecrets,
    part: u64,
}

impl PartSecrets<'_> {
    fn block(&self, place: [u64; 4]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(&self.all.padded().into());
        for number in place {
            mac.update(&number.to_be_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// The secret for a row, by the rule of this number.
    pub(super) fn make(&self, random: &Random, row: u64, rule: u64) -> String {
        let wanted = usize::from(random.bytes);
        let mut bytes = alloc::vec::Vec::with_capacity(wanted + 32);
        let mut block = 0_u64;
        while bytes.len() < wanted {
            bytes.extend_from_slice(&self.block([self.part, row, rule, block]));
            block += 1;
        }
        bytes.truncate(wanted);
        let mut digits = alloc::vec::Vec::new();
        push_hex(&bytes, &mut digits);
        bytes.zeroize();
        let mut secret = random.prefix.clone();
        secret.extend(digits.into_iter().map(char::from));
        secret
    }
}
