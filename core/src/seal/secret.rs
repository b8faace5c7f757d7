//! The file key and what is derived from it.

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::SealError;

/// The random key of one archive, 32 bytes. Everything else is derived from it or wraps it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// A file key from 32 random bytes.
    #[must_use]
    pub const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The key's bytes. Whoever has them can read the archive.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Key of the header's MAC.
    pub(super) fn header_key(&self) -> Result<Zeroizing<[u8; 32]>, SealError> {
        self.derive(b"coffer/v1/header")
    }

    /// Input key of the payload. It does not depend on the header's bytes, so that the header can be rewritten.
    pub(super) fn payload_key(&self) -> Result<Zeroizing<[u8; 32]>, SealError> {
        self.derive(b"coffer/v1/payload")
    }

    fn derive(&self, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let mut out = Zeroizing::new([0; 32]);
        expand(&self.0, &[label], out.as_mut_slice())?;
        Ok(out)
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(…)")
    }
}

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3).
pub(super) fn expand(key: &[u8; 32], info: &[&[u8]], out: &mut [u8]) -> Result<(), SealError> {
    // HKDF asks for a PRK as long as its hash; HMAC pads shorter keys with zeros, so this is the same key.
    let mut prk = Zeroizing::new([0_u8; 64]);
    prk[..32].copy_from_slice(key);
    Hkdf::<Sha512>::from_prk(prk.as_slice())
        .map_err(|_| SealError::Crypto {
            what: "key derivation",
        })?
        .expand_multi_info(info, out)
        .map_err(|_| SealError::Crypto {
            what: "key derivation",
        })
}
