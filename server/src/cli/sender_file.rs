//! Files of senders: the key that one signs with, as text or locked with a password, and the senders that are trusted.
//!
//! Lines that start with `#` are remarks. In a key file one other line holds the key: `COFFER-SENDER-SECRET-1…`, or
//! `coffer-locked-sender-1 …` for one that is locked.

use std::path::Path;

use coffer_core::seal::{LockedSender, Sender, SenderKey};
use zeroize::Zeroizing;

use super::{
    Failure,
    key_file::{lines, read_text},
};
use crate::signed::Trusted;

/// What a sender's key file holds.
#[derive(Debug)]
pub(super) enum SenderFile {
    Secret(SenderKey),
    Locked(LockedSender),
}

impl SenderFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path)?;
        let wrong = |what: &dyn std::fmt::Display| {
            Failure::usage(format!(
                "{} is not a sender's key file: {what}",
                path.display()
            ))
        };
        let mut lines = lines(&text);
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(wrong(&"it does not hold exactly one key"));
        };
        if line.starts_with("coffer-locked-sender-") {
            LockedSender::parse(line)
                .map(Self::Locked)
                .map_err(|error| wrong(&error))
        } else {
            SenderKey::parse(line)
                .map(Self::Secret)
                .map_err(|error| wrong(&error))
        }
    }

    /// The file's text, with a remark that names the sender.
    pub(super) fn text(&self, sender: &Sender) -> Zeroizing<String> {
        let (key, locked) = match self {
            Self::Secret(key) => (key.expose(), ""),
            Self::Locked(key) => (Zeroizing::new(key.to_string()), " and its password"),
        };
        Zeroizing::new(format!(
            "# Coffer sender key {}. Whoever has this file{locked} can sign archives as this sender.\n# sender: {sender}\n{}\n",
            sender.fingerprint(),
            *key
        ))
    }
}

/// Senders of a file, one a line: keys or fingerprints.
pub(super) fn trusted(path: &Path) -> Result<Vec<Trusted>, Failure> {
    let text = read_text(path)?;
    let found: Vec<Trusted> = lines(&text)
        .enumerate()
        .map(|(index, line)| {
            Trusted::parse(line).map_err(|error| {
                Failure::usage(format!(
                    "sender {} in {}: {error}",
                    index + 1,
                    path.display()
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() {
        // Nobody would mean everybody.
        return Err(Failure::usage(format!(
            "{} holds no sender",
            path.display()
        )));
    }
    Ok(found)
}
