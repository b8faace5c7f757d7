//! The ways into a sealed archive, known from its header alone, and unlocking.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{
    FileKey, Fingerprint, Header, KeyType, LockedKey, Password, SealError, SecretKey, Stanza,
    key::{KeyStanza, LOCKED_KEY_TAG},
    password::{PASSWORD_TAG, Purpose, Wrapped},
};

/// Most stanzas that a password is tried on: each costs a key derivation.
pub(super) const MAX_PASSWORD_STANZAS: usize = 8;

/// One way into a sealed archive, as it is told to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A password.
    Password,
    /// A password that unlocks the key with this name.
    LockedKey(Fingerprint),
    /// The secret key with this name.
    Key {
        /// What kind of key it is.
        key_type: KeyType,
        /// Its name.
        fingerprint: Fingerprint,
    },
    /// Something that this version doesn't know.
    Unknown(String),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => f.write_str("a password"),
            Self::LockedKey(fingerprint) => write!(f, "the password of key {fingerprint}"),
            Self::Key {
                key_type,
                fingerprint,
            } => write!(f, "the secret key {fingerprint} ({key_type})"),
            Self::Unknown(tag) => {
                write!(f, "something that this version does not know ({tag})")
            }
        }
    }
}

/// A stanza that was read.
#[derive(Debug)]
pub(super) enum Way {
    Password(Wrapped),
    LockedKey(LockedKey),
    Key(KeyStanza),
    Unknown(String),
}

impl Way {
    pub(super) fn read(stanza: &Stanza) -> Result<Self, SealError> {
        match stanza.tag.as_str() {
            PASSWORD_TAG => Wrapped::from_stanza(stanza).map(Self::Password),
            LOCKED_KEY_TAG => LockedKey::from_stanza(stanza).map(Self::LockedKey),
            tag => match KeyType::from_tag(tag) {
                Some(key_type) => KeyStanza::from_stanza(key_type, stanza).map(Self::Key),
                None => Ok(Self::Unknown(stanza.tag.clone())),
            },
        }
    }

    pub(super) const fn needs_password(&self) -> bool {
        matches!(self, Self::Password(_) | Self::LockedKey(_))
    }

    /// The name of the key that it is about.
    pub(super) const fn key(&self) -> Option<Fingerprint> {
        match self {
            Self::LockedKey(locked) => Some(locked.fingerprint()),
            Self::Key(key) => Some(key.fingerprint),
            Self::Password(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether it is the key with this name, locked with a password.
    pub(super) fn locks(&self, name: Fingerprint) -> bool {
        matches!(self, Self::LockedKey(locked) if locked.fingerprint() == name)
    }

    pub(super) fn lock(&self) -> Lock {
        match self {
            Self::Password(_) => Lock::Password,
            Self::LockedKey(key) => Lock::LockedKey(key.fingerprint()),
            Self::Key(key) => Lock::Key {
                key_type: key.key_type,
                fingerprint: key.fingerprint,
            },
            Self::Unknown(tag) => Lock::Unknown(tag.clone()),
        }
    }
}

/// What opened an archive.
#[derive(Debug)]
pub struct Unlocked {
    /// The file key. The header's MAC was checked with it.
    pub file_key: FileKey,
    /// The stanza that gave it, counted from 0 in the order of [`Locks::list`].
    pub stanza: usize,
    /// The secret key that took part, given or unlocked by the password.
    pub secret: Option<SecretKey>,
}

/// A header whose known stanzas have their exact form.
#[derive(Debug)]
pub struct Locks {
    header: Header,
    /// A way for each stanza.
    ways: Vec<Way>,
}

impl Locks {
    pub(super) fn new(header: Header) -> Result<Self, SealError> {
        // Known stanzas must have their exact form before any cryptography is tried on one of them.
        let ways = header
            .stanzas()
            .iter()
            .map(Way::read)
            .collect::<Result<Vec<_>, _>>()?;
        if ways.iter().filter(|way| way.needs_password()).count() > MAX_PASSWORD_STANZAS {
            return Err(SealError::HeaderMalformed {
                what: "it has too many passwords",
            });
        }
        Ok(Self { header, ways })
    }

    /// The ways in, in the header's order; empty for a restore bundle, whose key is handed over.
    #[must_use]
    pub fn list(&self) -> Vec<Lock> {
        self.ways.iter().map(Way::lock).collect()
    }

    pub(super) fn ways(&self) -> &[Way] {
        &self.ways
    }

    pub(super) fn stanzas(&self) -> &[Stanza] {
        self.header.stanzas()
    }

    /// Unlocks with a password: directly, or through a key that the password unlocks.
    ///
    /// # Errors
    /// [`SealError::NotARecipient`] if no password opens this archive, [`SealError::WrongPassword`],
    /// [`SealError::CostTooHigh`], [`SealError::HeaderDamaged`].
    pub fn open(&self, password: &Password) -> Result<Unlocked, SealError> {
        for (stanza, way) in self.ways.iter().enumerate() {
            let (file_key, secret) = match way {
                Way::Password(wrapped) => match wrapped.unwrap(password, Purpose::File)? {
                    Some(key) => (FileKey::new(*key), None),
                    None => continue,
                },
                Way::LockedKey(locked) => match locked.unlock(password)? {
                    Some(secret) => {
                        let (_, file_key) =
                            self.find_by_key(&secret)?.ok_or(SealError::HeaderDamaged)?;
                        (file_key, Some(secret))
                    }
                    None => continue,
                },
                Way::Key(_) | Way::Unknown(_) => continue,
            };
            self.header.verify(&file_key)?;
            return Ok(Unlocked {
                file_key,
                stanza,
                secret,
            });
        }
        Err(if self.ways.iter().any(Way::needs_password) {
            SealError::WrongPassword
        } else {
            SealError::NotARecipient
        })
    }

    /// Unlocks with a secret key.
    ///
    /// # Errors
    /// [`SealError::NotARecipient`] or [`SealError::HeaderDamaged`].
    pub fn open_with_key(&self, secret: &SecretKey) -> Result<Unlocked, SealError> {
        let (stanza, file_key) = self.find_by_key(secret)?.ok_or(SealError::NotARecipient)?;
        self.header.verify(&file_key)?;
        Ok(Unlocked {
            file_key,
            stanza,
            secret: Some(secret.clone()),
        })
    }

    /// The file key, as [`Locks::open`] finds it.
    ///
    /// # Errors
    /// As there.
    pub fn unlock(&self, password: &Password) -> Result<FileKey, SealError> {
        self.open(password).map(|unlocked| unlocked.file_key)
    }

    /// The file key, as [`Locks::open_with_key`] finds it.
    ///
    /// # Errors
    /// As there.
    pub fn unlock_with_key(&self, secret: &SecretKey) -> Result<FileKey, SealError> {
        self.open_with_key(secret).map(|unlocked| unlocked.file_key)
    }

    /// Checks that a file key that was handed over belongs to this header.
    ///
    /// # Errors
    /// [`SealError::HeaderDamaged`].
    pub fn unlock_with_file_key(&self, file_key: &FileKey) -> Result<(), SealError> {
        self.header.verify(file_key)
    }

    fn find_by_key(&self, secret: &SecretKey) -> Result<Option<(usize, FileKey)>, SealError> {
        for (stanza, way) in self.ways.iter().enumerate() {
            if let Way::Key(key) = way
                && let Some(file_key) = secret.unwrap(key)?
            {
                return Ok(Some((stanza, file_key)));
            }
        }
        Ok(None)
    }
}
