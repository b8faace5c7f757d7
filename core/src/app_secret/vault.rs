//! How Coffer's own server wraps what it has to read again: `wrapped1:` and, in base64url without padding, a nonce of 96 bits
//! with AES-256-GCM (NIST SP 800-38D) of the text, under a key that HKDF with SHA-256 (RFC 5869) derives from 32 bytes that are
//! written as 64 hexadecimal digits.
//!
//! The place of a value is authenticated along with it, so that one that is moved to another row opens nowhere: `table/ID/column`,
//! where ID is the row's primary key.

use alloc::{format, string::String};

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload, consts::U12},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{AppSecret, SecretError};
use crate::digest::parse_hex;

/// What every wrapped value begins with. No URL does, and no JSON.
const WRAPPED: &str = "wrapped1:";
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// What stands for the row of a value that is on its way to one.
const ANY_ROW: &str = "*";

/// The key that one secret makes.
pub struct VaultKey {
    key: Zeroizing<[u8; 32]>,
    id: [u8; 8],
}

impl core::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("VaultKey(…)")
    }
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub struct VaultPlace<'a> {
    /// The table, without its schema.
    pub table: &'a str,
    /// The row's primary key. Nothing stands for a row that is not known yet: a merge decides which one it is.
    pub row: Option<&'a str>,
    /// The column.
    pub column: &'a str,
}

impl core::fmt::Display for VaultPlace<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let row = self.row.unwrap_or(ANY_ROW);
        write!(f, "{}/{row}/{}", self.table, self.column)
    }
}

impl VaultKey {
    /// The key of a secret.
    ///
    /// # Errors
    /// [`SecretError::NotAKey`] if it isn't 64 hexadecimal digits.
    pub fn of(secret: &AppSecret) -> Result<Self, SecretError> {
        let bytes = parse_hex(secret.0.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or(SecretError::NotAKey)?;
        let derived = Hkdf::<Sha256>::new(Some(b"coffer vault 1"), &bytes);
        let (mut key, mut id) = (Zeroizing::new([0; 32]), [0; 8]);
        // Of so few bytes, HKDF refuses none.
        let expanded = derived
            .expand(b"wrap", key.as_mut_slice())
            .and_then(|()| derived.expand(b"id", &mut id));
        expanded.map_err(|_| SecretError::NotAKey)?;
        Ok(Self { key, id })
    }

    /// Names the key, and tells nothing about it.
    #[must_use]
    pub const fn id(&self) -> [u8; 8] {
        self.id
    }

    /// The text wrapped for its place, which a [`VaultPlace`] spells. A nonce is never used twice for different texts. Nothing if the text is longer than the cipher takes.
    #[must_use]
    pub fn wrap(&self, place: &str, text: &str, nonce: [u8; NONCE_BYTES]) -> Option<String> {
        let payload = Payload {
            msg: text.as_bytes(),
            aad: place.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::<U12>::from(nonce), payload)
            .ok()?;
        let whole = [nonce.as_slice(), &sealed].concat();
        Some(format!(
            "{WRAPPED}{}",
            Base64UrlUnpadded::encode_string(&whole)
        ))
    }

    /// The text that was wrapped for this place; nothing if it was not.
    #[must_use]
    pub fn unwrap(&self, place: &str, wrapped: &str) -> Option<Zeroizing<String>> {
        let text = wrapped.strip_prefix(WRAPPED)?;
        let whole = Base64UrlUnpadded::decode_vec(text).ok()?;
        let (nonce, sealed) = whole.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        let plain = self
            .cipher()
            .decrypt(&Nonce::<U12>::from(*nonce), payload)
            .ok()?;
        let plain = Zeroizing::new(plain);
        Some(Zeroizing::new(core::str::from_utf8(&plain).ok()?.into()))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.key).into())
    }
}
