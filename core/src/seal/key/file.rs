//! Key files: a secret key as text, or one that is locked with a password, with remarks for people.
//!
//! Lines that start with `#` are remarks, empty ones mean nothing. One other line holds the key:
//! `COFFER-SECRET-KEY-1…`, or `coffer-locked-key-1 …` for one that is locked. A recovery kit ([`super::kit`]) is read as the
//! key file that it holds.

use alloc::{
    format,
    string::{String, ToString},
};

use zeroize::Zeroizing;

use super::{LockedKey, Recipient, SecretKey, kit};
use crate::seal::{Fingerprint, SealError};

/// Most bytes that a key file has: far more than a key and remarks need, and nothing that is read by mistake.
pub const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// What a key file holds.
#[derive(Clone, Debug)]
pub enum KeyFile {
    /// A secret key. Whoever has the file can use it.
    Secret(SecretKey),
    /// A secret key behind a password.
    Locked(LockedKey),
}

impl KeyFile {
    /// Reads a key file's text, or a recovery kit's.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut lines = kit::key_file(text)?
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(SealError::KeyMalformed {
                what: "a key file holds exactly one key",
            });
        };
        if line.starts_with("coffer-locked-key-") {
            LockedKey::parse(line).map(Self::Locked)
        } else {
            SecretKey::parse(line).map(Self::Secret)
        }
    }

    /// The name of the key, which no password is needed for.
    ///
    /// # Errors
    /// As [`SecretKey::recipient`].
    pub fn fingerprint(&self) -> Result<Fingerprint, SealError> {
        match self {
            Self::Secret(key) => Ok(key.recipient()?.fingerprint()),
            Self::Locked(key) => Ok(key.fingerprint()),
        }
    }

    /// The file's text, with a remark that names the recipient.
    #[must_use]
    pub fn text(&self, recipient: &Recipient) -> Zeroizing<String> {
        let (key, and_password) = match self {
            Self::Secret(key) => (key.expose(), ""),
            Self::Locked(key) => (Zeroizing::new(key.to_string()), " and its password"),
        };
        Zeroizing::new(format!(
            "# Coffer secret key {}. Whoever has this file{and_password} can open what is sealed to it.\n\
             # recipient: {recipient}\n{}\n",
            recipient.fingerprint(),
            *key
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{
        KeyType, Password,
        testing::{CHEAP, TestRng},
    };

    #[test]
    fn key_files_round_trip_and_hold_one_key() {
        for key_type in KeyType::ALL {
            let secret = SecretKey::generate_of(key_type, &mut TestRng(2));
            let recipient = secret.recipient().unwrap();
            let locked =
                LockedKey::lock(&secret, &Password::new("p"), CHEAP, &mut TestRng(3)).unwrap();
            for file in [KeyFile::Secret(secret.clone()), KeyFile::Locked(locked)] {
                let text = file.text(&recipient);
                assert!(text.contains(&recipient.to_string()));
                let back = KeyFile::parse(&text).unwrap();
                assert_eq!(back.fingerprint().unwrap(), recipient.fingerprint());
                match (&file, &back) {
                    (KeyFile::Secret(one), KeyFile::Secret(two)) => {
                        assert_eq!(*one.expose(), *two.expose());
                    }
                    (KeyFile::Locked(one), KeyFile::Locked(two)) => assert_eq!(one, two),
                    other => panic!("{other:?}"),
                }
                // As an editor of another system saves it.
                let other_lines = text.replace('\n', "\r\n");
                assert!(KeyFile::parse(&other_lines).is_ok());
                let twice = format!("{}{}", *text, *text);
                assert!(matches!(
                    KeyFile::parse(&twice),
                    Err(SealError::KeyMalformed { .. })
                ));
            }
            assert!(KeyFile::parse(&recipient.to_string()).is_err());
        }
        assert!(KeyFile::parse("# only a remark\n").is_err());
    }
}
