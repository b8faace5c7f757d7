//! Secrets at rest: what the server has to read again, such as the URL of a database with its password, is wrapped in
//! the catalog, so that a copy of the catalog alone gives none of it away.
//!
//! AES-256-GCM (NIST SP 800-38D) with random nonces of 96 bits, under a key that HKDF with SHA-256 (RFC 5869) derives from
//! the secret key. The place of a value is authenticated along with it: a wrapped value that is moved to another place
//! opens nowhere.

use std::{fmt, sync::Arc};

use base64ct::{Base64UrlUnpadded, Encoding};
use getrandom::SysRng;
use rand_core::TryRng;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{self, HKDF_SHA256, KeyType, Prk, Salt},
};
use zeroize::Zeroizing;

mod key;

pub use key::{FILE_NAME, NEW_VARIABLE, Rotation, SecretKey, SecretKeyError, VARIABLE, open};

/// What every wrapped value begins with. No URL does.
const WRAPPED: &str = "wrapped1:";
/// Bytes of a key's id.
const ID_BYTES: usize = 8;

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
    // `ring` does not overwrite what it derives when that is dropped; it lives as long as the server does.
    key: Arc<LessSafeKey>,
    id: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

struct IdLength;

impl KeyType for IdLength {
    fn len(&self) -> usize {
        ID_BYTES
    }
}

fn failed(_: ring::error::Unspecified) -> VaultError {
    VaultError::Wrapping
}

impl Vault {
    /// A vault under this key.
    ///
    /// # Errors
    /// [`VaultError::Wrapping`] if nothing can be derived from it.
    pub fn new(key: &SecretKey) -> Result<Self, VaultError> {
        let derived = Salt::new(HKDF_SHA256, b"coffer vault 1").extract(key.bytes());
        let wrapping: UnboundKey = expand(&derived, &[b"wrap"], &AES_256_GCM)?.into();
        let mut id = [0; ID_BYTES];
        expand(&derived, &[b"id"], IdLength)?
            .fill(&mut id)
            .map_err(failed)?;
        Ok(Self {
            key: Arc::new(LessSafeKey::new(wrapping)),
            id: crate::catalog::hex(&id),
        })
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
        let mut nonce = [0; NONCE_LEN];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| VaultError::Random)?;
        let mut bytes = Zeroizing::new(plain.as_bytes().to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place),
                &mut bytes,
            )
            .map_err(failed)?;
        let whole = [&nonce, bytes.as_slice(), tag.as_ref()].concat();
        Ok(format!(
            "{WRAPPED}{}",
            Base64UrlUnpadded::encode_string(&whole)
        ))
    }

    /// The value that was wrapped for this place.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn unwrap(&self, place: &str, wrapped: &str) -> Result<Zeroizing<String>, VaultError> {
        self.opened(place, wrapped)
            .ok_or_else(|| VaultError::Damaged {
                place: place.to_owned(),
            })
    }

    fn opened(&self, place: &str, wrapped: &str) -> Option<Zeroizing<String>> {
        let text = wrapped.strip_prefix(WRAPPED)?;
        let mut bytes = Zeroizing::new(Base64UrlUnpadded::decode_vec(text).ok()?);
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place), sealed)
            .ok()?;
        Some(Zeroizing::new(String::from_utf8(plain.to_vec()).ok()?))
    }
}

fn expand<'a, L: KeyType>(
    key: &'a Prk,
    info: &'a [&'a [u8]],
    length: L,
) -> Result<hkdf::Okm<'a, L>, VaultError> {
    key.expand(info, length).map_err(failed)
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
