//! Secrets of an application's own environment, without which some columns of its database can't be read.
//!
//! A database holds values that the application has wrapped with such a secret. An archive of it is of no use to an
//! installation with another one, so the archive says which secrets it depends on, by a [`Fingerprint`](SecretMark) that only
//! somebody who has the secret can compare. A sensitive backup may hold the values unwrapped; a restore wraps them again
//! with the target's secret.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    digest::{Digest, parse_hex},
    policy::AppSecretForm,
    schema::TableName,
};

mod fernet;
mod iv_tag;
mod rows;
#[cfg(test)]
mod tests;
mod vault;

pub use rows::{Wrapping, WrappingError};
pub use vault::{NONCE_BYTES, VaultKey, VaultPlace};

/// A secret of the application's environment.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AppSecret(String);

impl AppSecret {
    /// A secret as its variable or file holds it. Blanks and line feeds around it are not part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for AppSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for AppSecret {}

impl core::fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AppSecret(…)")
    }
}

/// A secret that an archive depends on, and what depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretMark {
    /// How people call it.
    pub name: String,
    /// The environment variable that the application reads it from.
    pub variable: String,
    /// How values are wrapped with it.
    pub form: AppSecretForm,
    /// The columns.
    pub columns: Vec<SecretColumn>,
    /// What tells whether another secret is the same; absent where the backup was not given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<SecretFingerprint>,
    /// Whether the values are in the archive as they are without the secret, and have to be wrapped by whoever restores them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unwrapped: bool,
}

/// A column with wrapped values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretColumn {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// The keys, at any depth of the column's JSON, whose values are wrapped; nothing means that the whole value is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// What tells whether two secrets are the same: Argon2id (RFC 9106) of the secret under a salt of the archive's own, with 64
/// MiB, 3 passes and 1 lane.
///
/// A secret that is weak could be guessed by it, slowly; but an archive carries one only if it holds values of the
/// secret, by which it could be guessed much faster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFingerprint {
    /// 32 random bytes.
    pub salt: Digest,
    /// The result.
    pub argon2id: Digest,
}

const IV_LABEL: &[u8] = b"coffer: IVs of values wrapped for an application\0";
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;

/// Why a secret can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is no key of its form.
    #[error("it is no key: 64 hexadecimal digits are expected")]
    NotAKey,
    /// There is not enough memory to compute its fingerprint, or a library refuses.
    #[error("its fingerprint cannot be computed: 64 MiB of memory are needed")]
    Fingerprint,
}

impl SecretFingerprint {
    /// The fingerprint of a secret under this salt, which takes 64 MiB of memory and a tenth of a second.
    ///
    /// # Errors
    /// [`SecretError::Fingerprint`].
    pub fn of(secret: &AppSecret, salt: Digest) -> Result<Self, SecretError> {
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32));
        let params = params.map_err(|_| SecretError::Fingerprint)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut out = [0; 32];
        argon
            .hash_password_into(secret.0.as_bytes(), &salt.0, &mut out)
            .map_err(|_| SecretError::Fingerprint)?;
        Ok(Self {
            salt,
            argon2id: Digest(out),
        })
    }

    /// Whether it is of this secret.
    ///
    /// # Errors
    /// [`SecretError::Fingerprint`].
    pub fn is_of(&self, secret: &AppSecret) -> Result<bool, SecretError> {
        let other = Self::of(secret, self.salt)?;
        Ok(other.argon2id.0.ct_eq(&self.argon2id.0).into())
    }
}

/// A key that wraps and unwraps single values.
pub(crate) struct Key {
    form: Form,
    /// What IVs are made with, as HMAC pads it, which makes it of the one length that can't be refused.
    ivs: Zeroizing<[u8; 64]>,
}

enum Form {
    Fernet(fernet::Key),
    IvTag(Zeroizing<[u8; 32]>),
    Vault(VaultKey),
}

/// Where a value stands: the IV depends on it, and some forms authenticate it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The column with its table and schema.
    pub(crate) column: &'a str,
    /// What a vault binds values to.
    pub(crate) vault: VaultPlace<'a>,
}

impl Key {
    /// The key that a form makes of a secret; nothing where values can't be unwrapped.
    pub(crate) fn of(form: AppSecretForm, secret: &AppSecret) -> Result<Option<Self>, SecretError> {
        let bytes = secret.0.as_bytes();
        let form = match form {
            AppSecretForm::Fernet => {
                let key = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(bytes)));
                Form::Fernet(fernet::Key::new(&key))
            }
            AppSecretForm::IvTagCiphertext => {
                let bytes = parse_hex(bytes).map(Zeroizing::new);
                let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
                Form::IvTag(Zeroizing::new(key.ok_or(SecretError::NotAKey)?))
            }
            AppSecretForm::Coffer => Form::Vault(VaultKey::of(secret)?),
            AppSecretForm::Opaque => return Ok(None),
        };
        let mut ivs = Zeroizing::new([0; 64]);
        let made = Sha256::new_with_prefix(IV_LABEL)
            .chain_update(bytes)
            .finalize();
        for (to, from) in ivs.iter_mut().zip(made) {
            *to = from;
        }
        Ok(Some(Self { form, ivs }))
    }

    /// Whether values are bound to their rows.
    pub(crate) const fn binds(&self) -> bool {
        matches!(self.form, Form::Vault(_))
    }

    /// The value inside of a wrapped one; nothing if it is damaged, or wrapped with another key or for another place.
    pub(crate) fn unwrap(&self, place: Place<'_>, text: &str) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        match &self.form {
            Form::Fernet(key) => key.open(text),
            Form::IvTag(key) => iv_tag::open(key, text),
            Form::Vault(key) => {
                let opened = key.unwrap(&place.vault.to_string(), text);
                opened.map(|text| (*text).clone())
            }
        }
    }

    /// A value wrapped for its place. `time` is in seconds since 1970.
    ///
    /// The IV is a pseudorandom function of place and value (as in RFC 5297), so that it is used twice only for the very same
    /// value, and restoring the same archive twice changes nothing the second time.
    pub(crate) fn wrap(&self, place: Place<'_>, text: &str, time: u64) -> Option<String> {
        if text.is_empty() {
            return Some(String::new());
        }
        let mut mac = Hmac::<Sha256>::new(&(*self.ivs).into());
        mac.update(&(place.column.len() as u64).to_be_bytes());
        mac.update(place.column.as_bytes());
        if self.binds() {
            let row = place.vault.to_string();
            mac.update(&(row.len() as u64).to_be_bytes());
            mac.update(row.as_bytes());
        }
        mac.update(text.as_bytes());
        let mut iv = [0; 16];
        for (to, from) in iv.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        self.wrap_with(place, &iv, text, time)
    }

    fn wrap_with(&self, place: Place<'_>, iv: &[u8; 16], text: &str, time: u64) -> Option<String> {
        match &self.form {
            Form::Fernet(key) => Some(key.seal(text, iv, time)),
            Form::IvTag(key) => iv_tag::seal(key, text, iv),
            Form::Vault(key) => key.wrap(&place.vault.to_string(), text, *iv.first_chunk()?),
        }
    }
}

/// `table.column`, for people.
impl core::fmt::Display for SecretColumn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}

/// Columns in a row, for people.
#[must_use]
pub fn listed(columns: &[SecretColumn]) -> String {
    let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
    names.join(", ")
}
