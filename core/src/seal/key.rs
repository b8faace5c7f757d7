//! Key pairs: anyone seals to the public **recipient**, only the secret key opens.
//!
//! A pair is of one of two types. The default is the hybrid `mlkem768x25519` (X-Wing, draft-connolly-cfrg-xwing-kem):
//! what is stolen today must not open in twenty years. `x25519` (RFC 7748) makes keys short enough to read out, and
//! promises nothing against quantum computers. Either wraps the file key by HPKE in base mode (RFC 9180).

mod file;
mod kem;
mod kit;
mod locked;
mod pair;
mod stanza;

use core::fmt;

pub use file::{KeyFile, MAX_KEY_FILE_BYTES};
pub use locked::LockedKey;
pub use pair::{Recipient, SecretKey};
pub(super) use stanza::KeyStanza;

use super::SealError;

pub(super) const LOCKED_KEY_TAG: &str = "locked-key";

/// What kind of key pair it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// ML-KEM-768 (FIPS 203) and X25519 together, as X-Wing: HPKE KEM 0x647a.
    #[default]
    MlKem768X25519,
    /// X25519 alone: HPKE KEM 0x0020.
    X25519,
}

impl KeyType {
    /// Every type that this version knows.
    pub const ALL: [Self; 2] = [Self::MlKem768X25519, Self::X25519];

    /// Its name, which is also its stanza's type.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::MlKem768X25519 => "mlkem768x25519",
            Self::X25519 => "x25519",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.tag() == tag)
    }

    /// The byte before the key in its text and in its fingerprint.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::MlKem768X25519 => 1,
            Self::X25519 => 2,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, SealError> {
        Self::ALL
            .into_iter()
            .find(|known| known.byte() == byte)
            .ok_or(SealError::KeyMalformed {
                what: "it is of a type that this version does not know; a newer Coffer may",
            })
    }

    /// HPKE's `info`.
    const fn info(self) -> &'static [u8] {
        match self {
            Self::MlKem768X25519 => b"coffer/v1/mlkem768x25519",
            Self::X25519 => b"coffer/v1/x25519",
        }
    }

    /// Bytes of an encapsulated key.
    const fn encapsulated_bytes(self) -> usize {
        match self {
            Self::MlKem768X25519 => 1120,
            Self::X25519 => 32,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}
