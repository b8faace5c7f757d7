//! HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, from the result of the key
//! agreement on: so that a stanza can be made from one that no honest sender gets.

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, aead::AeadInOut};
use hkdf::Hkdf;
use sha2::Sha256;

const KEM: &[u8] = b"KEM\x00\x20";
const HPKE: &[u8] = b"HPKE\x00\x20\x00\x01\x00\x02";

/// Section 4: LabeledExtract.
fn extract(suite: &[u8], salt: &[u8], label: &[u8], input: &[u8]) -> Hkdf<Sha256> {
    let input = [b"HPKE-v1", suite, label, input].concat();
    Hkdf::new(Some(salt), &input)
}

fn extracted(suite: &[u8], salt: &[u8], label: &[u8], input: &[u8]) -> [u8; 32] {
    let input = [b"HPKE-v1", suite, label, input].concat();
    Hkdf::<Sha256>::extract(Some(salt), &input).0.into()
}

/// Section 4: LabeledExpand.
fn expand<const N: usize>(prk: &Hkdf<Sha256>, suite: &[u8], label: &[u8], info: &[u8]) -> [u8; N] {
    let len = u16::try_from(N).unwrap().to_be_bytes();
    let mut out = [0; N];
    prk.expand_multi_info(&[&len, b"HPKE-v1", suite, label, info], &mut out)
        .unwrap();
    out
}

/// The file key, encrypted to the key pair `public` by who has agreed on `agreed` through `encapsulated`.
#[must_use]
pub fn seal(
    agreed: &[u8; 32],
    encapsulated: &[u8; 32],
    public: &[u8; 32],
    info: &[u8],
    file_key: &[u8; 32],
) -> Vec<u8> {
    // Section 4.1: ExtractAndExpand.
    let context = [encapsulated.as_slice(), public].concat();
    let agreed = extract(KEM, b"", b"eae_prk", agreed);
    let shared: [u8; 32] = expand(&agreed, KEM, b"shared_secret", &context);
    // Section 5.1: KeySchedule in mode 0.
    let mut context = vec![0];
    context.extend(extracted(HPKE, b"", b"psk_id_hash", b""));
    context.extend(extracted(HPKE, b"", b"info_hash", info));
    let secret = extract(HPKE, &shared, b"secret", b"");
    let key: [u8; 32] = expand(&secret, HPKE, b"key", &context);
    let nonce: [u8; 12] = expand(&secret, HPKE, b"base_nonce", &context);
    let mut body = file_key.to_vec();
    let tag = Aes256Gcm::new_from_slice(&key)
        .unwrap()
        .encrypt_inout_detached(&Nonce::from(nonce), b"", body.as_mut_slice().into())
        .unwrap();
    body.extend_from_slice(&tag);
    body
}
