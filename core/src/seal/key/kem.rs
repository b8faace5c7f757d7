//! HPKE (RFC 9180) in base mode with HKDF-SHA256 and AES-256-GCM, for the KEM of either key type.

use alloc::vec::Vec;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::{X25519HkdfSha256, XWing},
    single_shot_open, single_shot_seal_with_rng,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::KeyType;
use crate::seal::{FileKey, SealError};

/// What a stanza needs: the encapsulated key and the ciphertext of the file key.
pub(super) struct Sealed {
    pub(super) encapsulated: Vec<u8>,
    pub(super) body: Vec<u8>,
}

const fn malformed() -> SealError {
    SealError::KeyMalformed {
        what: "it has the wrong length or no valid content",
    }
}

/// Whether these bytes are a public key that can be sealed to.
pub(super) fn check_public(key_type: KeyType, public: &[u8]) -> Result<(), SealError> {
    match key_type {
        KeyType::MlKem768X25519 => {
            <XWing as Kem>::PublicKey::from_bytes(public).map_err(|_| malformed())?;
        }
        KeyType::X25519 => {
            let point: [u8; 32] = public.try_into().map_err(|_| malformed())?;
            // X25519 takes any 32 bytes. Some encode the same point as others, and a few points give everybody the
            // same shared secret, which HPKE refuses only when something is to be sealed.
            if !is_canonical(&point) || x25519_dalek::x25519([1; 32], point) == [0; 32] {
                return Err(malformed());
            }
        }
    }
    Ok(())
}

/// Whether a coordinate is below 2^255 - 19 (RFC 7748, section 5), so that a key has one spelling and one name.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = point;
    let too_large = *last == 0x7f && middle.iter().all(|byte| *byte == 0xff) && *first >= 0xed;
    *last <= 0x7f && !too_large
}

/// The public half of a secret key.
pub(super) fn public_of(key_type: KeyType, secret: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    match key_type {
        KeyType::MlKem768X25519 => public_in::<XWing>(secret),
        KeyType::X25519 => public_in::<X25519HkdfSha256>(secret),
    }
}

fn private<K: Kem>(secret: &[u8; 32]) -> Result<K::PrivateKey, SealError> {
    K::PrivateKey::from_bytes(secret).map_err(|_| SealError::Crypto {
        what: "expansion of the secret key",
    })
}

fn public_in<K: Kem>(secret: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    Ok(K::sk_to_pk(&private::<K>(secret)?).to_bytes().to_vec())
}

/// Seals the file key to a public key.
pub(super) fn seal(
    key_type: KeyType,
    public: &[u8],
    file_key: &FileKey,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    match key_type {
        KeyType::MlKem768X25519 => seal_in::<XWing>(public, key_type.info(), file_key, rng),
        KeyType::X25519 => seal_in::<X25519HkdfSha256>(public, key_type.info(), file_key, rng),
    }
}

fn seal_in<K: Kem>(
    public: &[u8],
    info: &[u8],
    file_key: &FileKey,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    let public = K::PublicKey::from_bytes(public).map_err(|_| malformed())?;
    let (encapsulated, body) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        info,
        file_key.expose(),
        b"",
        rng,
    )
    .map_err(|_| SealError::Crypto {
        what: "encryption of the file key",
    })?;
    Ok(Sealed {
        encapsulated: encapsulated.to_bytes().to_vec(),
        body,
    })
}

/// Opens what was sealed to a secret key. Whatever fails is damage: the caller has compared the key's name.
pub(super) fn open(
    key_type: KeyType,
    secret: &[u8; 32],
    encapsulated: &[u8],
    body: &[u8],
) -> Result<FileKey, SealError> {
    match key_type {
        KeyType::MlKem768X25519 => open_in::<XWing>(secret, key_type.info(), encapsulated, body),
        KeyType::X25519 => open_in::<X25519HkdfSha256>(secret, key_type.info(), encapsulated, body),
    }
}

fn open_in<K: Kem>(
    secret: &[u8; 32],
    info: &[u8],
    encapsulated: &[u8],
    body: &[u8],
) -> Result<FileKey, SealError> {
    let damaged = |_| SealError::HeaderDamaged;
    let encapsulated = K::EncappedKey::from_bytes(encapsulated).map_err(damaged)?;
    let opened = Zeroizing::new(
        single_shot_open::<AesGcm256, HkdfSha256, K>(
            &OpModeR::Base,
            &private::<K>(secret)?,
            &encapsulated,
            info,
            body,
            b"",
        )
        .map_err(damaged)?,
    );
    let key = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| SealError::HeaderDamaged)?;
    Ok(FileKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::parse_hex;

    /// The points of small order, from curve25519's cofactor 8: whoever seals to one seals to everybody.
    const SMALL_ORDER: [&str; 5] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    #[test]
    fn points_that_seal_to_everybody_are_no_keys() {
        for point in SMALL_ORDER {
            let point = parse_hex(point.as_bytes()).unwrap();
            assert_eq!(check_public(KeyType::X25519, &point), Err(malformed()));
        }
        let mut base = [0; 32];
        base[0] = 9;
        assert_eq!(check_public(KeyType::X25519, &base), Ok(()));
    }

    #[test]
    fn a_point_has_one_spelling() {
        let mut base = [0; 32];
        base[0] = 9;
        // The high bit is ignored by X25519 …
        base[31] = 0x80;
        assert_eq!(check_public(KeyType::X25519, &base), Err(malformed()));
        // … and p + 9 is 9.
        let mut above = [0xff; 32];
        (above[0], above[31]) = (0xed + 9, 0x7f);
        assert_eq!(check_public(KeyType::X25519, &above), Err(malformed()));
        // p - 2 is a point as good as any.
        above[0] = 0xeb;
        assert_eq!(check_public(KeyType::X25519, &above), Ok(()));
    }

    #[test]
    fn lengths_are_those_of_the_kem() {
        for key_type in KeyType::ALL {
            let public = public_of(key_type, &[7; 32]).unwrap();
            let (encapsulated, expected) = match key_type {
                KeyType::MlKem768X25519 => (<XWing as Kem>::EncappedKey::size(), 1216),
                KeyType::X25519 => (<X25519HkdfSha256 as Kem>::EncappedKey::size(), 32),
            };
            assert_eq!(public.len(), expected);
            assert_eq!(key_type.encapsulated_bytes(), encapsulated);
            for wrong in [&public[1..], &[public.as_slice(), b"x"].concat(), b""] {
                assert_eq!(check_public(key_type, wrong), Err(malformed()));
            }
        }
    }

    #[test]
    fn a_coordinate_has_one_spelling() {
        let point = |first, middle, last| {
            let mut point = [middle; 32];
            (point[0], point[31]) = (first, last);
            is_canonical(&point)
        };
        // 2^255 - 19 is ed ff … ff 7f.
        assert!(point(0xec, 0xff, 0x7f));
        assert!(!point(0xed, 0xff, 0x7f));
        assert!(!point(0xff, 0xff, 0x7f));
        assert!(point(0xed, 0xfe, 0x7f));
        assert!(point(0xff, 0xff, 0x7e));
        assert!(point(0, 0, 0));
        assert!(!point(0, 0, 0x80));
    }
}
