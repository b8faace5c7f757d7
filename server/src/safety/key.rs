//! The key that safety backups are sealed to where nobody named another: made at first use, and kept beside them.

use std::{fs, io, path::Path};

use coffer_core::seal::{KeyFile, MAX_KEY_FILE_BYTES, SealError, SecretKey};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use zeroize::Zeroizing;

use super::SafetyError;
use crate::{backup::BackupError, sender_key};

/// The file's name in the folder.
pub(super) const FILE_NAME: &str = "safety.key";

/// The key of a folder, which is made if there is none. The caller holds the folder's lock.
pub(super) fn open(folder: &Path) -> Result<SecretKey, SafetyError> {
    if let Some(key) = read(folder)? {
        return Ok(key);
    }
    SysRng
        .try_fill_bytes(&mut [0])
        .map_err(BackupError::Random)?;
    // The system gave randomness a moment ago; if it stops doing so there is no way on.
    let key = SecretKey::generate(&mut UnwrapErr(SysRng));
    let recipient = key.recipient().map_err(BackupError::Seal)?;
    let text = KeyFile::Secret(key.clone()).text(&recipient);
    let path = folder.join(FILE_NAME);
    sender_key::write(folder, &path, &text).map_err(|error| SafetyError::Folder {
        doing: "write",
        path: path.display().to_string(),
        error,
    })?;
    Ok(key)
}

/// The key of a folder, if it has one.
pub(super) fn read(folder: &Path) -> Result<Option<SecretKey>, SafetyError> {
    let path = folder.join(FILE_NAME);
    let failed = |error| SafetyError::Folder {
        doing: "read",
        path: path.display().to_string(),
        error,
    };
    let text = match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_KEY_FILE_BYTES => {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(_) => fs::read_to_string(&path).map(Zeroizing::new),
        Err(error) => Err(error),
    };
    let malformed = |error| SafetyError::Key {
        path: path.display().to_string(),
        error,
    };
    match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(text) => match KeyFile::parse(&text).map_err(malformed)? {
            KeyFile::Secret(key) => Ok(Some(key)),
            KeyFile::Locked(_) => Err(malformed(SealError::KeyMalformed {
                what: "the key of a safety folder is not locked",
            })),
        },
    }
}
