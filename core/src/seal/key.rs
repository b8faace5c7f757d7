//! Key pairs: anyone seals to the public **recipient**, only the secret key opens.
//!
//! A pair is of the hybrid `mlkem768x25519` (X-Wing, draft-connolly-cfrg-xwing-kem, HPKE KEM 0x647a): what is stolen
//! today must not open in twenty years. The file key is wrapped by HPKE in base mode (RFC 9180) with HKDF-SHA256
//! and AES-256-GCM. Text forms are Bech32 (BIP 173, without its length limit) over a type byte and the key.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use base64ct::{Base64Unpadded, Encoding};
use bech32::Hrp;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::XWing, single_shot_open, single_shot_seal_with_rng,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    Cost, FileKey, Fingerprint, Password, SealError, Stanza,
    password::{COMMITMENT_BYTES, Purpose, SALT_BYTES, WRAPPED_BYTES, Wrapped},
    text::TextForm,
};

pub(super) const HYBRID_TAG: &str = "mlkem768x25519";
pub(super) const LOCKED_KEY_TAG: &str = "locked-key";
pub(super) const PASSWORD_TAG: &str = "argon2id";
const HYBRID_TYPE: u8 = 1;
const HPKE_INFO: &[u8] = b"coffer/v1/mlkem768x25519";
const PUBLIC: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer"),
    otherwise: "a recipient starts with coffer1",
};
const SECRET: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer-secret-key-"),
    otherwise: "a secret key starts with COFFER-SECRET-KEY-1",
};
const LOCKED_PREFIX: &str = "coffer-locked-key-1";

/// The public half of a key pair: whom an archive is sealed to. Its text starts with `coffer1`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(<XWing as Kem>::PublicKey);

impl Recipient {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = decode(PUBLIC, text)?;
        <XWing as Kem>::PublicKey::from_bytes(&bytes)
            .map(Self)
            .map_err(|_| SealError::KeyMalformed {
                what: "it has the wrong length or no valid content",
            })
    }

    /// The name of the key pair.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(HYBRID_TYPE, &self.0.to_bytes())
    }

    /// The stanza that gives `file_key` to this recipient.
    pub(super) fn wrap(
        &self,
        file_key: &FileKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Stanza, SealError> {
        let (encapsulated, body) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            HPKE_INFO,
            file_key.expose(),
            b"",
            rng,
        )
        .map_err(|_| SealError::Crypto {
            what: "encryption of the file key",
        })?;
        Ok(Stanza {
            tag: HYBRID_TAG.to_string(),
            args: alloc::vec![
                self.fingerprint().to_string(),
                Base64Unpadded::encode_string(&encapsulated.to_bytes()),
            ],
            body,
        })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PUBLIC.encode(HYBRID_TYPE, &self.0.to_bytes()))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.fingerprint())
    }
}

/// The secret half of a key pair.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A new key pair.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self(seed)
    }

    /// Reads the text form, `COFFER-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let bytes = decode(SECRET, text)?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_| SealError::KeyMalformed {
                what: "it has the wrong length",
            })
    }

    /// The text form. Whoever has it can open what is sealed to the recipient.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        SECRET.encode_secret(HYBRID_TYPE, &self.0)
    }

    /// The public half.
    ///
    /// # Errors
    /// [`SealError::Crypto`], which no key has been seen to give.
    pub fn recipient(&self) -> Result<Recipient, SealError> {
        Ok(Recipient(XWing::sk_to_pk(&self.private()?)))
    }

    fn private(&self) -> Result<<XWing as Kem>::PrivateKey, SealError> {
        <XWing as Kem>::PrivateKey::from_bytes(&self.0).map_err(|_| SealError::Crypto {
            what: "expansion of the secret key",
        })
    }

    /// The file key from a stanza made for this key; `None` if it was made for another.
    pub(super) fn unwrap(&self, stanza: &HybridStanza) -> Result<Option<FileKey>, SealError> {
        if self.recipient()?.fingerprint() != stanza.fingerprint {
            return Ok(None);
        }
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(&stanza.encapsulated)
            .map_err(|_| SealError::HeaderDamaged)?;
        let opened = Zeroizing::new(
            single_shot_open::<AesGcm256, HkdfSha256, XWing>(
                &OpModeR::Base,
                &self.private()?,
                &encapsulated,
                HPKE_INFO,
                &stanza.body,
                b"",
            )
            .map_err(|_| SealError::HeaderDamaged)?,
        );
        let key = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| SealError::HeaderDamaged)?;
        Ok(Some(FileKey::new(key)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A secret key wrapped under a password, safe to store where the password isn't known. It stands in the header of
/// every archive sealed to its recipient, so that the file and the password are all that opening needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedKey {
    fingerprint: Fingerprint,
    wrapped: Wrapped,
}

impl LockedKey {
    /// Locks a secret key with a password.
    ///
    /// # Errors
    /// [`SealError::Crypto`] or [`SealError::CostTooHigh`].
    pub fn lock(
        key: &SecretKey,
        password: &Password,
        cost: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        Ok(Self {
            fingerprint: key.recipient()?.fingerprint(),
            wrapped: Wrapped::wrap(&key.0, password, Purpose::SecretKey, cost, salt)?,
        })
    }

    /// The secret key; `None` if the password is another one.
    ///
    /// # Errors
    /// [`SealError::HeaderDamaged`] if the key inside is not the one that is named.
    pub fn unlock(&self, password: &Password) -> Result<Option<SecretKey>, SealError> {
        let Some(seed) = self.wrapped.unwrap(password, Purpose::SecretKey)? else {
            return Ok(None);
        };
        let key = SecretKey(*seed);
        if key.recipient()?.fingerprint() == self.fingerprint {
            Ok(Some(key))
        } else {
            Err(SealError::HeaderDamaged)
        }
    }

    /// The name of the key pair.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Reads the text form: one line that starts with `coffer-locked-key-1`.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let malformed = || SealError::KeyMalformed {
            what: "a locked key is one line of eight words",
        };
        let words: Vec<&str> = text.trim_end_matches('\n').split(' ').collect();
        let [LOCKED_PREFIX, args @ .., body] = words.as_slice() else {
            return Err(malformed());
        };
        let body = Base64Unpadded::decode_vec(body).map_err(|_| malformed())?;
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Self::from_parts(&args, &body).ok_or_else(malformed)
    }

    pub(super) fn to_stanza(&self) -> Stanza {
        let mut args = alloc::vec![self.fingerprint.to_string()];
        args.extend(wrapped_args(&self.wrapped));
        Stanza {
            tag: LOCKED_KEY_TAG.to_string(),
            args,
            body: self.wrapped.body.to_vec(),
        }
    }

    pub(super) fn from_stanza(stanza: &Stanza) -> Result<Self, SealError> {
        Self::from_parts(&stanza.args, &stanza.body).ok_or(SealError::HeaderMalformed {
            what: "a locked-key stanza has a wrong form",
        })
    }

    fn from_parts(args: &[String], body: &[u8]) -> Option<Self> {
        let (fingerprint, args) = args.split_first()?;
        Some(Self {
            fingerprint: Fingerprint::parse(fingerprint)?,
            wrapped: wrapped_from_parts(args, body)?,
        })
    }
}

impl fmt::Display for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LOCKED_PREFIX} {}", self.fingerprint)?;
        wrapped_args(&self.wrapped)
            .iter()
            .try_for_each(|arg| write!(f, " {arg}"))?;
        write!(f, " {}", Base64Unpadded::encode_string(&self.wrapped.body))
    }
}

/// A stanza of type `mlkem768x25519`, its form checked.
#[derive(Debug)]
pub(super) struct HybridStanza {
    pub(super) fingerprint: Fingerprint,
    encapsulated: Vec<u8>,
    body: Vec<u8>,
}

impl HybridStanza {
    pub(super) fn from_stanza(stanza: &Stanza) -> Result<Self, SealError> {
        let malformed = SealError::HeaderMalformed {
            what: "an mlkem768x25519 stanza has a wrong form",
        };
        let [fingerprint, encapsulated] = stanza.args.as_slice() else {
            return Err(malformed);
        };
        let encapsulated =
            Base64Unpadded::decode_vec(encapsulated).map_err(|_| malformed.clone())?;
        let fingerprint = Fingerprint::parse(fingerprint).ok_or(malformed.clone())?;
        if encapsulated.len() != <XWing as Kem>::EncappedKey::size()
            || stanza.body.len() != WRAPPED_BYTES
        {
            return Err(malformed);
        }
        Ok(Self {
            fingerprint,
            encapsulated,
            body: stanza.body.clone(),
        })
    }
}

pub(super) fn password_stanza(wrapped: &Wrapped) -> Stanza {
    Stanza {
        tag: PASSWORD_TAG.to_string(),
        args: wrapped_args(wrapped),
        body: wrapped.body.to_vec(),
    }
}

pub(super) fn password_from_stanza(stanza: &Stanza) -> Result<Wrapped, SealError> {
    wrapped_from_parts(&stanza.args, &stanza.body).ok_or(SealError::HeaderMalformed {
        what: "an argon2id stanza has a wrong form",
    })
}

fn wrapped_args(wrapped: &Wrapped) -> Vec<String> {
    alloc::vec![
        wrapped.cost.memory_kib.to_string(),
        wrapped.cost.passes.to_string(),
        wrapped.cost.lanes.to_string(),
        Base64Unpadded::encode_string(&wrapped.salt),
        Base64Unpadded::encode_string(&wrapped.commitment),
    ]
}

fn wrapped_from_parts(args: &[String], body: &[u8]) -> Option<Wrapped> {
    let [memory, passes, lanes, salt, commitment] = args else {
        return None;
    };
    // One spelling for each number, so that no two headers mean the same.
    let number = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|number| format!("{number}") == text)
    };
    let mut wrapped = Wrapped {
        cost: Cost {
            memory_kib: number(memory)?,
            passes: number(passes)?,
            lanes: number(lanes)?,
        },
        salt: [0; SALT_BYTES],
        commitment: [0; COMMITMENT_BYTES],
        body: body.try_into().ok()?,
    };
    let exact = |text: &str, out: &mut [u8]| {
        Base64Unpadded::decode(text, out).is_ok_and(|decoded| decoded.len() == decoded_len(text))
            && decoded_len(text) == out.len()
    };
    (exact(salt, &mut wrapped.salt) && exact(commitment, &mut wrapped.commitment))
        .then_some(wrapped)
}

/// Bytes that unpadded base64 of this length stands for.
const fn decoded_len(text: &str) -> usize {
    text.len() * 3 / 4
}

/// Reads a text form and checks the key's type.
fn decode(form: TextForm, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (kind, key) = form.decode(text)?;
    if kind != HYBRID_TYPE {
        return Err(SealError::KeyMalformed {
            what: "it is of a type that this Coffer does not know",
        });
    }
    Ok(key)
}
