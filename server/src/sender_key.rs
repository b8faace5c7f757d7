//! The key that a server signs its backups with: made at its first start, and kept in its data folder. A folder of safety
//! backups has one in the same way.
//!
//! Anyone can seal to the public keys that a server has, so only the signature tells a backup of this server from one
//! that somebody put into its store. The file is one that `coffer sender show` reads. Whoever can read it can sign as
//! this server, so only its owner may; a server that lost it makes another, and says so by its fingerprint.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use coffer_core::seal::{SealError, SenderKey};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use zeroize::Zeroizing;

/// The file's name in the data folder.
pub const FILE_NAME: &str = "sender.key";
/// Most bytes of the file that are looked at.
const LIMIT: u64 = 64 << 10;

/// Why a server has no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SenderKeyError {
    /// The file can't be read or written.
    #[error(
        "the sender key {path} cannot be read or made: {error}; nothing was started or changed; check the file's owner and free space"
    )]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{path} holds no sender key: {error}; nothing was started or changed; bring the file back from a copy, or move it away, and a new key is made whose signatures have another name"
    )]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: SealError,
    },
    /// The operating system gives no randomness.
    #[error("the system gave no random bytes: {0}; nothing was started")]
    Random(#[from] getrandom::Error),
}

/// The key in a data folder, which is made if there is none.
///
/// # Errors
/// [`SenderKeyError`].
pub fn open(folder: &Path) -> Result<SenderKey, SenderKeyError> {
    let path = folder.join(FILE_NAME);
    let failed = |error| SenderKeyError::File {
        path: path.display().to_string(),
        error,
    };
    match read(&path) {
        Ok(text) => {
            let line = text.lines().map(str::trim).find(|line| is_key(line));
            SenderKey::parse(line.unwrap_or_default()).map_err(|error| SenderKeyError::Malformed {
                path: path.display().to_string(),
                error,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            SysRng.try_fill_bytes(&mut [0])?;
            // The system gave randomness a moment ago; if it stops doing so there is no way on.
            let key = SenderKey::generate(&mut UnwrapErr(SysRng));
            write(folder, &path, &text(&key)).map_err(failed)?;
            tracing::info!(
                fingerprint = %key.sender().fingerprint(),
                "made a key to sign backups with"
            );
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

fn is_key(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn text(key: &SenderKey) -> Zeroizing<String> {
    let sender = key.sender();
    Zeroizing::new(format!(
        "# Coffer sender key {} of a folder. Whoever has this file can sign backups as whoever keeps it.\n# sender: {sender}\n{}\n",
        sender.fingerprint(),
        *key.expose()
    ))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = fs::File::open(path)?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the file whole or not at all. The folder is locked, so nobody else makes one meanwhile.
pub(crate) fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_server_has_one_key_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let made = open(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(open(folder.path()).unwrap().sender(), made.sender());
        // What can't be read is not replaced: archives were signed with it.
        fs::write(&path, "# nothing\n").unwrap();
        assert!(matches!(
            open(folder.path()),
            Err(SenderKeyError::Malformed { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# nothing\n");
        fs::remove_file(&path).unwrap();
        assert_ne!(open(folder.path()).unwrap().sender(), made.sender());
    }
}
