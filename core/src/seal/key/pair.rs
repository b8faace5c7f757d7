//! Both halves of a key pair.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bech32::Hrp;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KeyStanza, KeyType, kem};
use crate::seal::{FileKey, Fingerprint, SealError, Stanza, text::TextForm};

const PUBLIC: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer"),
    otherwise: "a recipient starts with coffer1",
};
const SECRET: TextForm = TextForm {
    hrp: Hrp::parse_unchecked("coffer-secret-key-"),
    otherwise: "a secret key starts with COFFER-SECRET-KEY-1",
};

/// The public half of a key pair: whom an archive is sealed to. Its text starts with `coffer1`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    key_type: KeyType,
    /// Checked: it can be sealed to.
    public: Vec<u8>,
}

impl Recipient {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let (type_byte, public) = PUBLIC.decode(text)?;
        let key_type = KeyType::from_byte(type_byte)?;
        kem::check_public(key_type, &public)?;
        Ok(Self {
            key_type,
            public: public.to_vec(),
        })
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The name of the key pair.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.key_type.byte(), &self.public)
    }

    /// The stanza that gives `file_key` to this recipient.
    pub(in crate::seal) fn wrap(
        &self,
        file_key: &FileKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Stanza, SealError> {
        let sealed = kem::seal(self.key_type, &self.public, file_key, rng)?;
        Ok(KeyStanza {
            key_type: self.key_type,
            fingerprint: self.fingerprint(),
            encapsulated: sealed.encapsulated,
            body: sealed.body,
        }
        .to_stanza())
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PUBLIC.encode(self.key_type.byte(), &self.public))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.fingerprint())
    }
}

/// The secret half of a key pair: 32 bytes, of X-Wing the seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey {
    #[zeroize(skip)]
    key_type: KeyType,
    secret: [u8; 32],
}

impl SecretKey {
    /// A new key pair of the default type.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::generate_of(KeyType::default(), rng)
    }

    /// A new key pair of a type.
    #[must_use]
    pub fn generate_of(key_type: KeyType, rng: &mut impl CryptoRng) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self { key_type, secret }
    }

    pub(super) const fn from_parts(key_type: KeyType, secret: [u8; 32]) -> Self {
        Self { key_type, secret }
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Reads the text form, `COFFER-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let (type_byte, bytes) = SECRET.decode(text)?;
        let key_type = KeyType::from_byte(type_byte)?;
        let secret =
            <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| SealError::KeyMalformed {
                what: "it has the wrong length",
            })?;
        Ok(Self { key_type, secret })
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The text form. Whoever has it can open what is sealed to the recipient.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        SECRET.encode_secret(self.key_type.byte(), &self.secret)
    }

    /// The public half.
    ///
    /// # Errors
    /// [`SealError::Crypto`], which no key has been seen to give.
    pub fn recipient(&self) -> Result<Recipient, SealError> {
        Ok(Recipient {
            key_type: self.key_type,
            public: kem::public_of(self.key_type, &self.secret)?,
        })
    }

    /// The file key from a stanza made for this key; `None` if it was made for another.
    pub(in crate::seal) fn unwrap(&self, stanza: &KeyStanza) -> Result<Option<FileKey>, SealError> {
        if stanza.key_type != self.key_type || stanza.fingerprint != self.recipient()?.fingerprint()
        {
            return Ok(None);
        }
        kem::open(
            self.key_type,
            &self.secret,
            &stanza.encapsulated,
            &stanza.body,
        )
        .map(Some)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{
        LockedKey, Password,
        testing::{CHEAP, TestRng},
    };
    use alloc::string::ToString;

    fn pairs() -> impl Iterator<Item = SecretKey> {
        KeyType::ALL
            .into_iter()
            .map(|key_type| SecretKey::generate_of(key_type, &mut TestRng(5)))
    }

    #[test]
    fn keys_have_text_forms_that_notice_typing_errors() {
        for secret in pairs() {
            let text = secret.expose();
            assert!(text.starts_with("COFFER-SECRET-KEY-1"));
            let back = SecretKey::parse(&text).unwrap();
            let recipient = secret.recipient().unwrap();
            assert_eq!(back.recipient().unwrap(), recipient);
            let public = recipient.to_string();
            assert!(public.starts_with("coffer1"));
            assert_eq!(Recipient::parse(&public), Ok(recipient));
            for at in 7..public.len() {
                let mut wrong = public.clone();
                wrong.replace_range(at..=at, if &public[at..=at] == "q" { "p" } else { "q" });
                assert_eq!(
                    Recipient::parse(&wrong),
                    Err(SealError::KeyMalformed {
                        what: "a character is missing or wrong"
                    })
                );
            }
            assert!(Recipient::parse(&text).is_err() && SecretKey::parse(&public).is_err());
        }
    }

    #[test]
    fn the_same_bytes_as_another_type_are_another_key() {
        let [hybrid, short] = KeyType::ALL.map(|key_type| SecretKey::from_parts(key_type, [3; 32]));
        let names = [&hybrid, &short].map(|key| key.recipient().unwrap().fingerprint());
        assert_ne!(names[0], names[1]);
        let file_key = FileKey::new([9; 32]);
        for (key, other) in [(&hybrid, &short), (&short, &hybrid)] {
            let stanza = key.recipient().unwrap().wrap(&file_key, &mut TestRng(1));
            let stanza = KeyStanza::from_stanza(key.key_type(), &stanza.unwrap()).unwrap();
            let opened = key.unwrap(&stanza).unwrap().unwrap();
            assert_eq!(opened.expose(), file_key.expose());
            assert!(other.unwrap(&stanza).unwrap().is_none());
        }
    }

    #[test]
    fn a_type_of_the_future_is_told_apart_from_a_typing_error() {
        let text = PUBLIC.encode(9, &[1; 32]);
        assert_eq!(
            Recipient::parse(&text),
            Err(SealError::KeyMalformed {
                what: "it is of a type that this version does not know; a newer Coffer may"
            })
        );
    }

    #[test]
    fn a_locked_key_comes_back_as_what_it_was() {
        let password = Password::new("pass");
        for secret in pairs() {
            let locked = LockedKey::lock(&secret, &password, CHEAP, &mut TestRng(8)).unwrap();
            let carried = LockedKey::parse(&locked.to_string()).unwrap();
            assert_eq!(carried, locked);
            let back = carried.unlock(&password).unwrap().unwrap();
            assert_eq!(back.key_type(), secret.key_type());
            assert_eq!(*back.expose(), *secret.expose());
            assert!(carried.unlock(&Password::new("other")).unwrap().is_none());
        }
    }

    #[test]
    fn a_locked_key_under_the_name_of_another_is_damage() {
        let password = Password::new("pass");
        for secret in pairs() {
            let locked = LockedKey::lock(&secret, &password, CHEAP, &mut TestRng(8)).unwrap();
            let other = SecretKey::generate_of(secret.key_type(), &mut TestRng(99));
            let renamed = locked.to_string().replace(
                &locked.fingerprint().to_string(),
                &other.recipient().unwrap().fingerprint().to_string(),
            );
            let result = LockedKey::parse(&renamed).unwrap().unlock(&password);
            assert_eq!(result.err(), Some(SealError::HeaderDamaged));
        }
    }
}
