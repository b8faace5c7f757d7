//! `hex(IV):hex(tag):hex(ciphertext)`: AES-256-GCM (NIST SP 800-38D) with an IV of 16 bytes and nothing authenticated besides.

use alloc::{string::String, vec::Vec};

use aes_gcm::{
    AesGcm, KeyInit, Nonce,
    aead::{Aead, consts::U16},
    aes::Aes256,
};

use crate::digest::{parse_hex, push_hex};

type Cipher = AesGcm<Aes256, U16>;
const TAG: usize = 16;

/// The text inside. Text that has not three parts was never wrapped: it is what it is.
pub(super) fn open(key: &[u8; 32], text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let (Some(iv), Some(tag), Some(ciphertext), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(text.into());
    };
    let bytes = |part: &str| parse_hex(part.as_bytes());
    let iv = <[u8; 16]>::try_from(bytes(iv)?).ok()?;
    let (tag, mut sealed) = (bytes(tag)?, bytes(ciphertext)?);
    if tag.len() != TAG {
        return None;
    }
    sealed.extend(tag);
    let plain = Cipher::new(key.into()).decrypt(&Nonce::<U16>::from(iv), sealed.as_slice());
    String::from_utf8(plain.ok()?).ok()
}

pub(super) fn seal(key: &[u8; 32], text: &str, iv: &[u8; 16]) -> Option<String> {
    let sealed = Cipher::new(key.into()).encrypt(&Nonce::<U16>::from(*iv), text.as_bytes());
    let sealed = sealed.ok()?;
    let (ciphertext, tag) = sealed.split_at(sealed.len().checked_sub(TAG)?);
    let mut out = Vec::with_capacity(text.len() * 2 + 66);
    push_hex(iv, &mut out);
    out.push(b':');
    push_hex(tag, &mut out);
    out.push(b':');
    push_hex(ciphertext, &mut out);
    String::from_utf8(out).ok()
}
