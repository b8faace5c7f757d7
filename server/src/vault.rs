//! Secrets at rest: what the server has to read again, such as the URL of a database with its password, is wrapped in
//! the catalog, so that a copy of the catalog alone gives none of it away.
//!
//! How is written in [`coffer_core::app_secret::VaultKey`], which a backup of the catalog and its restore use too; nonces are
//! random here. The place of a value is authenticated along with it: a wrapped value that is moved to another place opens nowhere.

use std::{fmt, sync::Arc};

use coffer_core::app_secret::{AppSecret, NONCE_BYTES, VaultKey};
use getrandom::SysRng;
use rand_core::TryRng;
use zeroize::Zeroizing;

mod key;

pub use key::{FILE_NAME, NEW_VARIABLE, Rotation, SecretKey, SecretKeyError, VARIABLE, open};

/// Why a value can't be wrapped or unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The value was changed, moved from elsewhere, or wrapped under another key.
    #[error(
        "a secret in the catalog ({place}) is damaged, or was put there from somewhere else; it is unchanged, and nothing else was done with it; enter it again"
    )]
    Damaged {
        /// Where it stands.
        place: String,
    },
    /// The cryptography did not work.
    #[error("a secret could not be wrapped; nothing was stored")]
    Wrapping,
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes; nothing was stored")]
    Random,
}

/// Wraps and unwraps under one secret key.
#[derive(Clone)]
pub struct Vault {
    key: Arc<VaultKey>,
    /// What the key is made of: a restore of the server's own configuration wraps with it.
    secret: AppSecret,
    id: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault under this key.
    ///
    /// # Errors
    /// [`VaultError::Wrapping`] if nothing can be derived from it.
    pub fn new(key: &SecretKey) -> Result<Self, VaultError> {
        let secret = key.app_secret();
        let key = VaultKey::of(&secret).map_err(|_| VaultError::Wrapping)?;
        Ok(Self {
            id: crate::catalog::hex(&key.id()),
            key: Arc::new(key),
            secret,
        })
    }

    /// What the key is made of.
    pub(crate) fn secret(&self) -> AppSecret {
        self.secret.clone()
    }

    /// Names the key: 16 hexadecimal digits that tell nothing about it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Wraps a value for its place, such as `sources/ID/url`.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn wrap(&self, place: &str, plain: &str) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| VaultError::Random)?;
        let wrapped = self.key.wrap(place, plain, nonce);
        wrapped.ok_or(VaultError::Wrapping)
    }

    /// The value that was wrapped for this place.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn unwrap(&self, place: &str, wrapped: &str) -> Result<Zeroizing<String>, VaultError> {
        self.key
            .unwrap(place, wrapped)
            .ok_or_else(|| VaultError::Damaged {
                place: place.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&SecretKey::parse(&format!("{byte:02x}").repeat(32)).unwrap()).unwrap()
    }

    #[test]
    fn a_value_comes_back_at_its_place_alone() {
        let (vault, other) = (vault(7), vault(8));
        for plain in ["", "postgres://app:hunter2@127.0.0.1/shop", "ü\0\n"] {
            let wrapped = vault.wrap("sources/a/url", plain).unwrap();
            assert!(!wrapped.contains("hunter2"), "{wrapped}");
            assert_eq!(*vault.unwrap("sources/a/url", &wrapped).unwrap(), plain);
            assert_eq!(
                vault.unwrap("sources/b/url", &wrapped),
                Err(VaultError::Damaged {
                    place: "sources/b/url".into()
                })
            );
            assert!(other.unwrap("sources/a/url", &wrapped).is_err());
            // The same value looks different each time.
            assert_ne!(vault.wrap("sources/a/url", plain).unwrap(), wrapped);
        }
    }

    #[test]
    fn what_was_changed_opens_nowhere() {
        let vault = vault(7);
        let wrapped = vault.wrap("place", "value").unwrap();
        for at in 0..wrapped.len() {
            let mut bytes = wrapped.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(vault.unwrap("place", &changed).is_err(), "{at}: {changed}");
            assert!(vault.unwrap("place", &wrapped[..at]).is_err(), "{at}");
        }
        assert!(vault.unwrap("place", "value").is_err());
    }

    #[test]
    fn a_key_has_a_name_and_does_not_show() {
        assert_eq!(vault(7).id(), vault(7).id());
        assert_ne!(vault(7).id(), vault(8).id());
        assert_eq!(vault(7).id().len(), 16);
        let shown = format!("{:?} {:?}", vault(7), SecretKey::parse(&"07".repeat(32)));
        assert!(!shown.contains("0707"), "{shown}");
    }
}
