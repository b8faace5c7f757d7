//! Key files: a secret key as text, or one that is locked with a password.
//!
//! Lines that start with `#` are remarks. One other line holds the key: `COFFER-SECRET-KEY-1…`, or
//! `coffer-locked-key-1 …` for one that is locked.

use std::{fs, path::Path};

use coffer_core::seal::{LockedKey, Recipient, SecretKey};
use zeroize::Zeroizing;

use super::Failure;

/// Largest file that is read as keys or recipients, in bytes.
const LIMIT: u64 = 1 << 20;

/// What a key file holds.
#[derive(Debug)]
pub(super) enum KeyFile {
    Secret(SecretKey),
    Locked(LockedKey),
}

impl KeyFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path)?;
        let wrong = |what: &dyn std::fmt::Display| {
            Failure::usage(format!("{} is not a key file: {what}", path.display()))
        };
        let mut lines = lines(&text);
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(wrong(&"it does not hold exactly one key"));
        };
        if line.starts_with("coffer-locked-key-") {
            LockedKey::parse(line)
                .map(Self::Locked)
                .map_err(|error| wrong(&error))
        } else {
            SecretKey::parse(line)
                .map(Self::Secret)
                .map_err(|error| wrong(&error))
        }
    }

    /// The file's text, with a remark that names the recipient.
    pub(super) fn text(&self, recipient: &Recipient) -> Zeroizing<String> {
        let key = match self {
            Self::Secret(key) => key.expose(),
            Self::Locked(key) => Zeroizing::new(key.to_string()),
        };
        Zeroizing::new(format!(
            "# Coffer secret key {}. Whoever has this file{} can open what is sealed to it.\n# recipient: {recipient}\n{}\n",
            recipient.fingerprint(),
            if matches!(self, Self::Locked(_)) {
                " and its password"
            } else {
                ""
            },
            *key
        ))
    }
}

/// Recipients of a file, one a line.
pub(super) fn recipients(path: &Path) -> Result<Vec<Recipient>, Failure> {
    let text = read_text(path)?;
    let found: Vec<Recipient> = lines(&text)
        .enumerate()
        .map(|(index, line)| {
            Recipient::parse(line).map_err(|error| {
                Failure::usage(format!(
                    "recipient {} in {}: {error}",
                    index + 1,
                    path.display()
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no recipient",
            path.display()
        )));
    }
    Ok(found)
}

/// Lines that are neither blank nor a remark.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A file of keys, which is small.
pub(super) fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > LIMIT {
        return Err(Failure::usage(format!(
            "{} has {size} bytes, more than the {LIMIT} that a file of keys may have",
            path.display()
        )));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}
