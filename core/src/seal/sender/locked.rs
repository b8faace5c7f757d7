//! A sender's key that a password unlocks, to be kept in a file.

use core::fmt;

use rand_core::CryptoRng;

use super::SenderKey;
use crate::seal::{
    Cost, Fingerprint, Password, SealError,
    password::{Purpose, SALT_BYTES, Wrapped},
    text::LockedForm,
};

const FORM: LockedForm = LockedForm {
    prefix: "coffer-locked-sender-1",
};

/// A sender's key wrapped under a password. Its text starts with `coffer-locked-sender-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSender {
    fingerprint: Fingerprint,
    wrapped: Wrapped,
}

impl LockedSender {
    /// Locks a key with a password.
    ///
    /// # Errors
    /// [`SealError::Crypto`] or [`SealError::CostTooHigh`].
    pub fn lock(
        key: &SenderKey,
        password: &Password,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        Ok(Self {
            fingerprint: key.sender().fingerprint(),
            wrapped: Wrapped::wrap(key.seed(), password, Purpose::Sender, cost, salt)?,
        })
    }

    /// The key; `None` if the password is another one.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`] if the key inside is not the one that is named; [`SealError::CostTooHigh`].
    pub fn unlock(&self, password: &Password) -> Result<Option<SenderKey>, SealError> {
        let Some(seed) = self.wrapped.unwrap(password, Purpose::Sender)? else {
            return Ok(None);
        };
        let key = SenderKey::from_seed(&seed);
        if key.sender().fingerprint() == self.fingerprint {
            Ok(Some(key))
        } else {
            Err(SealError::KeyMalformed {
                what: "the key inside is not the one that is named",
            })
        }
    }

    /// The key's name.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads the text form, one line.
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
}

impl fmt::Display for LockedSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FORM.write(self.fingerprint, &self.wrapped, f)
    }
}
