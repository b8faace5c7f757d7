//! Fernet tokens (the Fernet specification, version 0x80): AES-128-CBC with PKCS #7 padding, then HMAC-SHA-256 over all of it,
//! in base64url.

use alloc::{string::String, vec::Vec};

use aes::Aes128;
use base64ct::{Base64Url, Encoding};
use cbc::{
    Decryptor, Encryptor,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 0x80;
/// Version, time and IV.
const HEADER: usize = 1 + 8 + 16;
const MAC: usize = 32;

/// 16 bytes that sign and 16 that encrypt.
pub(crate) struct Key {
    /// As HMAC pads it, which makes it of the one length that can't be refused.
    signing: Zeroizing<[u8; 64]>,
    encryption: Zeroizing<[u8; 16]>,
}

impl Key {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let (mut signing, mut encryption) = (Zeroizing::new([0; 64]), Zeroizing::new([0; 16]));
        let (first, second) = key.split_at(16);
        for (to, from) in signing.iter_mut().zip(first) {
            *to = *from;
        }
        for (to, from) in encryption.iter_mut().zip(second) {
            *to = *from;
        }
        Self {
            signing,
            encryption,
        }
    }

    fn mac(&self, covered: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&(*self.signing).into());
        mac.update(covered);
        mac
    }

    pub(super) fn open(&self, token: &str) -> Option<String> {
        let token = Base64Url::decode_vec(token).ok()?;
        let signed = token
            .len()
            .checked_sub(MAC)
            .filter(|signed| *signed >= HEADER)?;
        let (signed, mac) = token.split_at(signed);
        self.mac(signed).verify_slice(mac).ok()?;
        if signed.first() != Some(&VERSION) {
            return None;
        }
        let iv = <[u8; 16]>::try_from(signed.get(9..HEADER)?).ok()?;
        let ciphertext = signed.get(HEADER..)?;
        let cipher = Decryptor::<Aes128>::new(&(*self.encryption).into(), &iv.into());
        let plain = Zeroizing::new(cipher.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()?);
        String::from_utf8(plain.to_vec()).ok()
    }

    pub(super) fn seal(&self, text: &str, iv: &[u8; 16], time: u64) -> String {
        let cipher = Encryptor::<Aes128>::new(&(*self.encryption).into(), &(*iv).into());
        let mut token = Vec::from([VERSION]);
        token.extend_from_slice(&time.to_be_bytes());
        token.extend_from_slice(iv);
        token.extend(cipher.encrypt_padded_vec::<Pkcs7>(text.as_bytes()));
        let mac = self.mac(&token).finalize().into_bytes();
        token.extend_from_slice(&mac);
        Base64Url::encode_string(&token)
    }
}
