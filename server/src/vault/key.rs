//! Where the secret key comes from: an environment variable, or a file in the data folder that is made at the first start.

use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use coffer_core::app_secret::AppSecret;
use getrandom::SysRng;
use rand_core::TryRng;
use zeroize::Zeroizing;

use super::Vault;
use crate::{catalog::hex, program, sender_key};

/// The environment variable that is read for it.
pub const VARIABLE: &str = "COFFER_SECRET_KEY";
/// The one that is read for another key to change to, where the first one is set.
pub const NEW_VARIABLE: &str = "COFFER_NEW_SECRET_KEY";
/// The file's name in the data folder.
pub const FILE_NAME: &str = "secret.key";
/// A key that a rotation has made, and that the catalog may be under already.
const NEXT_NAME: &str = "secret.key.next";
const KEY_BYTES: usize = 32;
/// Most bytes of the file that are looked at.
const LIMIT: u64 = 4096;

/// The key that the server's secrets are wrapped under: 32 random bytes, as 64 hexadecimal digits.
pub struct SecretKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why there is no secret key.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file can't be read or written.
    #[error(
        "the secret key {path} cannot be read or made: {error}; nothing was started or changed; check the file's owner and free space"
    )]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is no key.
    #[error(
        "{from} holds no secret key: that is 64 hexadecimal digits; nothing was started or changed; bring back what it held"
    )]
    Malformed {
        /// The file or environment variable.
        from: String,
    },
    /// The catalog's secrets are under another one.
    #[error(
        "the catalog's secrets are wrapped under the secret key {expected}, and {from} holds {found}; nothing was started or changed; bring that key back, or if it is lost say coffer secret forget, which forgets the sources and keeps all backups"
    )]
    Another {
        /// The name of the key that is needed.
        expected: String,
        /// The file or environment variable.
        from: String,
        /// The name of the key that is there.
        found: String,
    },
    /// It is gone.
    #[error(
        "the catalog's secrets are wrapped under the secret key {expected}, and {path} is not there; nothing was started or changed; bring it back from a copy, or if it is lost say coffer secret forget, which forgets the sources and keeps all backups"
    )]
    Lost {
        /// The name of the key that is needed.
        expected: String,
        /// The file.
        path: String,
    },
    /// There is nothing to change to.
    #[error(
        "the secret key comes from {VARIABLE}, so the new one has to come from {NEW_VARIABLE}, as 64 hexadecimal digits; nothing was changed"
    )]
    NoNewKey,
    /// The new key is the old one.
    #[error("{NEW_VARIABLE} holds the key that is in use; nothing was changed; make another one")]
    SameKey,
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes; nothing was started or changed")]
    Random,
    /// Nothing can be derived from the key.
    #[error("the secret key cannot be used: {0}")]
    Vault(#[from] super::VaultError),
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// [`SecretKeyError::Random`].
    pub fn generate() -> Result<Self, SecretKeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        SysRng
            .try_fill_bytes(&mut *bytes)
            .map_err(|_| SecretKeyError::Random)?;
        Ok(Self(bytes))
    }

    /// The key that 64 hexadecimal digits say.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let (pairs, rest) = text.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != KEY_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }

    pub(super) fn app_secret(&self) -> AppSecret {
        AppSecret::new(&self.digits())
    }

    fn digits(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.0.as_slice()))
    }

    fn text(&self) -> Zeroizing<String> {
        let digits = self.digits();
        Zeroizing::new(format!(
            "# Coffer's secret key. Keep a copy apart from the catalog: without it the server can't read its sources.\n{}\n",
            *digits
        ))
    }
}

/// The vault for a catalog whose secrets are under the key of this name; `None` for one that has none yet. The key comes
/// from the environment, or from the data folder, where one is made for a catalog that has none. Ends a rotation that was
/// interrupted.
///
/// # Errors
/// [`SecretKeyError`].
pub fn open(folder: &Path, needed: Option<&str>) -> Result<Vault, SecretKeyError> {
    let fits = |vault: &Vault| needed.is_none_or(|needed| needed == vault.id());
    let another = |from: String, found: &Vault| SecretKeyError::Another {
        expected: needed.unwrap_or_default().to_owned(),
        from,
        found: found.id().to_owned(),
    };
    if let Some(key) = from_variable(VARIABLE)? {
        let vault = Vault::new(&key)?;
        return if fits(&vault) {
            Ok(vault)
        } else {
            Err(another(VARIABLE.to_owned(), &vault))
        };
    }
    let (path, next) = (folder.join(FILE_NAME), folder.join(NEXT_NAME));
    // Left by a rotation that was interrupted.
    let left = read(&next)?;
    if let Some(key) = &left
        && let vault = Vault::new(key)?
        && needed == Some(vault.id())
    {
        replace(&next, &path)?;
        return Ok(vault);
    }
    let key = match (read(&path)?, needed) {
        (Some(key), _) => key,
        (None, None) => {
            let key = SecretKey::generate()?;
            write(folder, &path, &key)?;
            tracing::info!("made a secret key to wrap the server's secrets with");
            key
        }
        (None, Some(needed)) => {
            return Err(SecretKeyError::Lost {
                expected: needed.to_owned(),
                path: path.display().to_string(),
            });
        }
    };
    let vault = Vault::new(&key)?;
    if !fits(&vault) {
        return Err(another(path.display().to_string(), &vault));
    }
    if left.is_some() {
        fs::remove_file(&next).map_err(|error| unusable(&next, error))?;
    }
    Ok(vault)
}

/// A change to another key: made before the catalog is changed, and ended after it.
#[derive(Debug)]
pub struct Rotation {
    /// The vault under the new key.
    pub vault: Vault,
    files: Option<(PathBuf, PathBuf)>,
}

impl Rotation {
    /// Makes the new key, where an interruption leaves it to be found.
    ///
    /// # Errors
    /// [`SecretKeyError`].
    pub fn begin(folder: &Path, current: &str) -> Result<Self, SecretKeyError> {
        if env::var_os(VARIABLE).is_some() {
            let key = from_variable(NEW_VARIABLE)?.ok_or(SecretKeyError::NoNewKey)?;
            let vault = Vault::new(&key)?;
            if vault.id() == current {
                return Err(SecretKeyError::SameKey);
            }
            return Ok(Self { vault, files: None });
        }
        let key = SecretKey::generate()?;
        let next = folder.join(NEXT_NAME);
        write(folder, &next, &key)?;
        Ok(Self {
            vault: Vault::new(&key)?,
            files: Some((next, folder.join(FILE_NAME))),
        })
    }

    /// Makes it the key: the catalog is under it.
    ///
    /// # Errors
    /// [`SecretKeyError::File`]; the next start tries again.
    pub fn end(self) -> Result<(), SecretKeyError> {
        match &self.files {
            Some((next, file)) => replace(next, file),
            None => Ok(()),
        }
    }
}

fn unusable(path: &Path, error: io::Error) -> SecretKeyError {
    SecretKeyError::File {
        path: path.display().to_string(),
        error,
    }
}

fn from_variable(name: &str) -> Result<Option<SecretKey>, SecretKeyError> {
    program::withhold(name);
    let Some(text) = env::var_os(name) else {
        return Ok(None);
    };
    let key = text.to_str().and_then(SecretKey::parse);
    key.map(Some).ok_or_else(|| SecretKeyError::Malformed {
        from: name.to_owned(),
    })
}

fn read(path: &Path) -> Result<Option<SecretKey>, SecretKeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    let mut text = Zeroizing::new(String::with_capacity(LIMIT as usize));
    file.take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| unusable(path, error))?;
    let line = text.lines().find(|line| !line.starts_with('#'));
    let key = line.and_then(SecretKey::parse);
    key.map(Some).ok_or_else(|| SecretKeyError::Malformed {
        from: path.display().to_string(),
    })
}

fn write(folder: &Path, path: &Path, key: &SecretKey) -> Result<(), SecretKeyError> {
    sender_key::write(folder, path, &key.text()).map_err(|error| unusable(path, error))
}

fn replace(next: &Path, file: &Path) -> Result<(), SecretKeyError> {
    let sync = || {
        file.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    fs::rename(next, file)
        .and_then(|()| sync())
        .map_err(|error| unusable(file, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn id(folder: &Path, needed: Option<&str>) -> Result<String, SecretKeyError> {
        Ok(open(folder, needed)?.id().to_owned())
    }

    #[test]
    fn it_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = id(folder.path(), None).unwrap();
        assert_eq!(id(folder.path(), Some(&made)).unwrap(), made);
        let path = folder.path().join(FILE_NAME);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let other = id(folder.path(), Some("0123456789abcdef")).unwrap_err();
        assert!(
            matches!(&other, SecretKeyError::Another { found, .. } if *found == made),
            "{other}"
        );
        // One that is gone is not replaced either.
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        let lost = id(folder.path(), Some(&made)).unwrap_err();
        assert!(matches!(lost, SecretKeyError::Lost { .. }), "{lost}");
        assert!(!path.exists());
        fs::rename(&elsewhere, &path).unwrap();
        // What can't be read is not replaced: secrets are under it.
        fs::write(&path, "# nothing\n12\n").unwrap();
        let malformed = id(folder.path(), None).unwrap_err();
        assert!(
            matches!(malformed, SecretKeyError::Malformed { .. }),
            "{malformed}"
        );
    }

    #[test]
    fn only_64_digits_are_a_key() {
        let digits = "0123456789abcdefABCDEF".repeat(3);
        assert!(SecretKey::parse(&digits[..64]).is_some());
        assert!(SecretKey::parse(&format!(" {}\n", &digits[..64])).is_some());
        for text in ["", &digits[..63], &digits[..62], &digits[..66]] {
            assert!(SecretKey::parse(text).is_none(), "{text}");
        }
        assert!(SecretKey::parse(&"+1".repeat(32)).is_none());
        assert!(SecretKey::parse(&"ü".repeat(32)).is_none());
    }

    #[test]
    fn a_rotation_ends_wherever_it_was_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let old = id(folder, None).unwrap();
        // Before the catalog was changed: the old key stays, and the new one goes.
        let rotation = Rotation::begin(folder, &old).unwrap();
        let unused = rotation.vault.id().to_owned();
        assert_eq!(id(folder, Some(&old)).unwrap(), old);
        assert!(!folder.join(NEXT_NAME).exists());
        assert!(id(folder, Some(&unused)).is_err());
        // After it: the new one is the key.
        let rotation = Rotation::begin(folder, &old).unwrap();
        let new = rotation.vault.id().to_owned();
        assert_eq!(id(folder, Some(&new)).unwrap(), new);
        assert!(!folder.join(NEXT_NAME).exists());
        assert!(id(folder, Some(&old)).is_err());
        // And in one go.
        let rotation = Rotation::begin(folder, &new).unwrap();
        let third = rotation.vault.id().to_owned();
        rotation.end().unwrap();
        assert_eq!(id(folder, Some(&third)).unwrap(), third);
    }
}
