//! Secret keys that a password unlocks.

use alloc::{
    string::{String, ToString},
    vec,
};
use core::fmt;

use rand_core::CryptoRng;

use super::{KeyType, LOCKED_KEY_TAG, SecretKey};
use crate::seal::{
    Cost, Fingerprint, Password, SealError, Stanza,
    password::{Purpose, SALT_BYTES, Wrapped},
    text::LockedForm,
};

const FORM: LockedForm = LockedForm {
    prefix: "coffer-locked-key-1",
};

/// A secret key wrapped under a password, safe to store where the password isn't known. It stands in the header of
/// every archive sealed to its recipient, so that the file and the password are all that opening needs.
///
/// Its type isn't written: the fingerprint is of one type only, and tells which once the secret is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedKey {
    fingerprint: Fingerprint,
    wrapped: Wrapped,
}

impl LockedKey {
    /// Locks a secret key with a password.
    ///
    /// # Errors
    /// [`SealError::Crypto`] or [`SealError::CostTooHigh`].
    pub fn lock(
        key: &SecretKey,
        password: &Password,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        Ok(Self {
            fingerprint: key.recipient()?.fingerprint(),
            wrapped: Wrapped::wrap(key.bytes(), password, Purpose::Secret, cost, salt)?,
        })
    }

    /// The secret key; `None` if the password is another one.
    ///
    /// # Errors
    /// [`SealError::HeaderDamaged`] if the key inside is not the one that is named.
    pub fn unlock(&self, password: &Password) -> Result<Option<SecretKey>, SealError> {
        let Some(secret) = self.wrapped.unwrap(password, Purpose::Secret)? else {
            return Ok(None);
        };
        for key_type in KeyType::ALL {
            let key = SecretKey::from_parts(key_type, *secret);
            if key.recipient()?.fingerprint() == self.fingerprint {
                return Ok(Some(key));
            }
        }
        Err(SealError::HeaderDamaged)
    }

    /// The name of the key pair.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads the text form: one line that starts with `coffer-locked-key-1`.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let (fingerprint, wrapped) = FORM.parse(text)?;
        Ok(Self {
            fingerprint,
            wrapped,
        })
    }

    pub(in crate::seal) fn to_stanza(&self) -> Stanza {
        let mut args = vec![self.fingerprint.to_string()];
        args.extend(self.wrapped.to_args());
        Stanza {
            tag: LOCKED_KEY_TAG.to_string(),
            args,
            body: self.wrapped.body.to_vec(),
        }
    }

    pub(in crate::seal) fn from_stanza(stanza: &Stanza) -> Result<Self, SealError> {
        Self::from_parts(&stanza.args, &stanza.body).ok_or(SealError::HeaderMalformed {
            what: "a locked-key stanza has a wrong form",
        })
    }

    fn from_parts(args: &[String], body: &[u8]) -> Option<Self> {
        let (fingerprint, args) = args.split_first()?;
        Some(Self {
            fingerprint: Fingerprint::parse(fingerprint)?,
            wrapped: Wrapped::from_args(args, body)?,
        })
    }
}

impl fmt::Display for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FORM.write(self.fingerprint, &self.wrapped, f)
    }
}
