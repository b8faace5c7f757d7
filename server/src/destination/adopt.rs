//! Backups that a destination holds and no catalog knows: of a server that is gone, or of one that shares the destination.
//!
//! An archive describes itself. What shows of a sealed one without a key is whom it is sealed to, who signed it, and whether
//! its stored bytes are those that were sealed; the rest is known once somebody opens it.

use std::sync::Arc;

use coffer_core::seal::{Lock, Sender, Slice};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    clock,
    keep::fingerprints,
    progress::Progress,
    read::{Look, OpenArchive, ReadAt, ReadError, Unlock, look},
    scrub, signed,
};

/// What an archive tells without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoptable {
    /// Its name in the destination.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Whether it is sealed.
    pub sealed: bool,
    /// What opens it, for people.
    pub locks: Vec<String>,
    /// The names of the keys that open it, with a blank between them; empty if there is none.
    pub fingerprint: String,
    /// The name of the sender key that signed it; empty if nobody did.
    pub sender: String,
    /// When it was taken, RFC 3339: by its manifest if that can be read, else by its name.
    pub created_at: Option<String>,
    /// What it holds; `unclassified` as long as it is sealed.
    pub contents: String,
    /// Whether all stored bytes are those that this server once wrote and signed.
    pub verified: bool,
}

/// Looks at an archive. With `ours`, a signature by that key counts, and then all bytes are read and compared with what was
/// signed. Blocks.
///
/// # Errors
/// [`ReadError`] if it is no archive, or damaged.
pub fn adoptable(
    name: &str,
    source: &Arc<dyn ReadAt>,
    ours: Option<Sender>,
    progress: &Progress,
) -> Result<Adoptable, ReadError> {
    let mut found = Adoptable {
        name: name.to_owned(),
        size: source.size(),
        sealed: false,
        locks: Vec::new(),
        fingerprint: String::new(),
        sender: String::new(),
        created_at: taken_by_name(name).map(clock::text),
        contents: "unclassified".to_owned(),
        verified: false,
    };
    match look(&**source)? {
        Look::Zip => {
            let archive = OpenArchive::open(source.clone(), &Unlock::None)?;
            let contents = serde_json::to_value(archive.manifest.contents).unwrap_or_default();
            found.contents = contents.as_str().unwrap_or_default().to_owned();
            found.created_at = Some(archive.manifest.created_at.clone());
        }
        Look::Sealed(sealed) => {
            found.sealed = true;
            found.locks = sealed.locks().iter().map(Lock::to_string).collect();
            found.fingerprint = fingerprints(&sealed.locks());
            let sender = signed::sender(&**source, &sealed)?;
            found.sender =
                sender.map_or_else(String::new, |sender| sender.fingerprint().to_string());
            if sender.is_some() && sender == ours {
                let scrubbed = scrub::scrub(&**source, &sealed, Slice::WHOLE, progress)?;
                found.verified = scrubbed.damaged.is_empty();
            }
        }
    }
    Ok(found)
}

/// The moment in a name that a server gave: `helpdesk-2026-11-21T040506Z-1a2b3c4d.coffer`.
#[must_use]
pub fn taken_by_name(name: &str) -> Option<OffsetDateTime> {
    const FORM: &[u8] = b"dddd-dd-ddTddddddZ";
    let bytes = name.as_bytes();
    let start = bytes.windows(FORM.len()).rposition(|window| {
        window.iter().zip(FORM).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
    })?;
    let text = name.get(start..start + FORM.len())?;
    let (date, time) = text.split_once('T')?;
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..6)?);
    clock::parse(&format!("{date}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_when() {
        for (name, when) in [
            (
                "helpdesk-2026-11-21T040506Z.coffer",
                Some("2026-11-21T04:05:06Z"),
            ),
            (
                "a-2025-01-01T000000Z-2026-11-21T040506Z-1a2b3c4d.coffer",
                Some("2026-11-21T04:05:06Z"),
            ),
            ("helpdesk-2026-13-21T040506Z.coffer", None),
            ("helpdesk-2026-11-21T04050Z.coffer", None),
            ("notes.coffer", None),
            ("", None),
        ] {
            assert_eq!(
                taken_by_name(name).map(clock::text).as_deref(),
                when,
                "{name}"
            );
        }
    }
}
