//! Wrapping 32 secret bytes under a password: Argon2id (RFC 9106), a commitment, AES-256-GCM.

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, aead::AeadInOut};
use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64Unpadded, Encoding};
use icu_normalizer::ComposingNormalizerBorrowed;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{SealError, Stanza, secret::expand};

/// Type of the stanza that gives the file key to a password.
pub(super) const PASSWORD_TAG: &str = "argon2id";
/// Bytes of a wrapped secret: 32 of ciphertext and 16 of tag.
pub(super) const WRAPPED_BYTES: usize = 48;
/// Bytes of a salt.
pub(super) const SALT_BYTES: usize = 16;
/// Bytes of a commitment.
pub(super) const COMMITMENT_BYTES: usize = 32;

/// A password, in Unicode normalisation form C, so that the same characters typed elsewhere are the same bytes. As it was
/// typed it is kept too, for other products, which take it as it is.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String, Option<String>);

impl Password {
    /// A password as typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        // Reserved for the worst case, so that no half-grown copy is left behind in memory.
        let mut normal = String::with_capacity(typed.len() * 3);
        normal.extend(ComposingNormalizerBorrowed::new_nfc().normalize_iter(typed.chars()));
        let other = (normal != typed).then(|| String::from(typed));
        Self(normal, other)
    }

    /// As it was typed, and then in normalisation form C if that is something else.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &str> {
        self.1.as_deref().into_iter().chain([self.0.as_str()])
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What checking a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// 64 MiB, 3 passes, 1 lane: RFC 9106's second recommendation, with one lane because a browser has one.
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            passes: 3,
            lanes: 1,
        }
    }
}

impl Cost {
    /// The most that a reader runs: 1 GiB, 16 passes, 4 lanes.
    pub const LIMIT: Self = Self {
        memory_kib: 1 << 20,
        passes: 16,
        lanes: 4,
    };

    fn check(self) -> Result<Self, SealError> {
        let Self {
            memory_kib,
            passes,
            lanes,
        } = self;
        if memory_kib > Self::LIMIT.memory_kib
            || passes > Self::LIMIT.passes
            || lanes > Self::LIMIT.lanes
        {
            return Err(SealError::CostTooHigh {
                memory_kib,
                passes,
                lanes,
            });
        }
        if passes == 0 || lanes == 0 || memory_kib < 8 * lanes {
            return Err(SealError::HeaderMalformed {
                what: "impossible password parameters",
            });
        }
        Ok(self)
    }
}

/// A secret wrapped under a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) cost: Cost,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) commitment: [u8; COMMITMENT_BYTES],
    pub(super) body: [u8; WRAPPED_BYTES],
}

/// Whose key is wrapped, so that one kind can't be taken for the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    File,
    Secret,
    Sender,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::File => b"coffer/v1/argon2id/file-key",
            Self::Secret => b"coffer/v1/argon2id/secret-key",
            Self::Sender => b"coffer/v1/argon2id/sender-key",
        }
    }
}

struct Derived {
    cipher: Aes256Gcm,
    commitment: Zeroizing<[u8; COMMITMENT_BYTES]>,
}

fn derive(
    password: &Password,
    purpose: Purpose,
    cost: Cost,
    salt: &[u8; SALT_BYTES],
) -> Result<Derived, SealError> {
    let failed = |_| SealError::Crypto {
        what: "key derivation from the password",
    };
    let cost = cost.check()?;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut stretched = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.0.as_bytes(), salt, stretched.as_mut_slice())
        .map_err(failed)?;
    let mut keys = Zeroizing::new([0; 64]);
    expand(&stretched, &[purpose.label()], keys.as_mut_slice())?;
    let (key, commitment) = keys.split_at(32);
    let mut kept = Zeroizing::new([0; COMMITMENT_BYTES]);
    kept.copy_from_slice(commitment);
    Ok(Derived {
        cipher: Aes256Gcm::new_from_slice(key).map_err(|_| SealError::Crypto {
            what: "key derivation from the password",
        })?,
        commitment: kept,
    })
}

impl Wrapped {
    /// Wraps `secret`. The salt must be random: the wrapping key is used once only because of it.
    pub(super) fn wrap(
        secret: &[u8; 32],
        password: &Password,
        purpose: Purpose,
        cost: Cost,
        salt: [u8; SALT_BYTES],
    ) -> Result<Self, SealError> {
        let derived = derive(password, purpose, cost, &salt)?;
        let mut body = [0; WRAPPED_BYTES];
        let (text, tag) = body.split_at_mut(32);
        text.copy_from_slice(secret);
        let made = derived
            .cipher
            .encrypt_inout_detached(&Nonce::default(), b"", text.into())
            .map_err(|_| SealError::Crypto {
                what: "encryption of the key",
            })?;
        tag.copy_from_slice(&made);
        Ok(Self {
            cost,
            salt,
            commitment: *derived.commitment,
            body,
        })
    }

    /// Unwraps the secret; `None` if the password is another one.
    ///
    /// The commitment is compared first, in constant time: a wrong password and damage are different answers,
    /// and no body can be made that opens under many passwords.
    pub(super) fn unwrap(
        &self,
        password: &Password,
        purpose: Purpose,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, SealError> {
        let derived = derive(password, purpose, self.cost, &self.salt)?;
        if !bool::from(derived.commitment.as_slice().ct_eq(&self.commitment)) {
            return Ok(None);
        }
        let mut secret = Zeroizing::new([0; 32]);
        let (text, tag) = self.body.split_at(32);
        secret.copy_from_slice(text);
        let tag = tag.try_into().map_err(|_| SealError::HeaderDamaged)?;
        derived
            .cipher
            .decrypt_inout_detached(&Nonce::default(), b"", secret.as_mut_slice().into(), tag)
            .map_err(|_| SealError::HeaderDamaged)?;
        Ok(Some(secret))
    }

    /// The stanza of a file key that is wrapped.
    pub(super) fn to_stanza(&self) -> Stanza {
        Stanza {
            tag: PASSWORD_TAG.to_string(),
            args: self.to_args(),
            body: self.body.to_vec(),
        }
    }

    /// The opposite of [`Wrapped::to_stanza`].
    pub(super) fn from_stanza(stanza: &Stanza) -> Result<Self, SealError> {
        Self::from_args(&stanza.args, &stanza.body).ok_or(SealError::HeaderMalformed {
            what: "an argon2id stanza has a wrong form",
        })
    }

    /// All but the body as words.
    pub(super) fn to_args(&self) -> Vec<String> {
        vec![
            self.cost.memory_kib.to_string(),
            self.cost.passes.to_string(),
            self.cost.lanes.to_string(),
            Base64Unpadded::encode_string(&self.salt),
            Base64Unpadded::encode_string(&self.commitment),
        ]
    }

    /// The opposite of [`Wrapped::to_args`]; `None` for every other spelling.
    pub(super) fn from_args(args: &[String], body: &[u8]) -> Option<Self> {
        let [memory, passes, lanes, salt, commitment] = args else {
            return None;
        };
        Some(Self {
            cost: Cost {
                memory_kib: number(memory)?,
                passes: number(passes)?,
                lanes: number(lanes)?,
            },
            salt: exact(salt)?,
            commitment: exact(commitment)?,
            body: body.try_into().ok()?,
        })
    }
}

/// A number in its one spelling, so that no two headers mean the same.
fn number(text: &str) -> Option<u32> {
    text.parse::<u32>()
        .ok()
        .filter(|number| number.to_string() == text)
}

/// Exactly `N` bytes of base64.
fn exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    Base64Unpadded::decode_vec(text).ok()?.try_into().ok()
}
