//! Keys: as hexadecimal digits, or in a Recovery Kit.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    archive::{Limits, Step},
    digest::parse_hex,
    foreign::{ForeignError, gcm::Key, zip},
};

/// Bytes of one entry of a kit that is read.
const ENTRY_BYTES: u64 = 1 << 20;
/// Keys of a kit at most: each may have to be tried.
const KEYS: usize = 1_000;

/// Keys of encryption profiles.
#[derive(Clone, Default)]
pub struct KeyRing(Vec<Named>);

#[derive(Clone)]
struct Named {
    /// `None` for one that was typed.
    profile: Option<String>,
    key: Key,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

#[derive(Deserialize)]
struct List {
    keys: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    profile_id: Option<String>,
    file: String,
}

impl KeyRing {
    /// Bytes of a key file at most.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// Reads what the user named: 64 hexadecimal digits, or a Recovery Kit (a ZIP).
    ///
    /// # Errors
    /// [`ForeignError::KeyFile`], or what is wrong with the ZIP.
    pub fn parse(file: &[u8]) -> Result<Self, ForeignError> {
        if file.len() as u64 > Self::MAX_BYTES {
            return Err(ForeignError::KeyFile("it is larger than 16 MiB"));
        }
        if file.starts_with(b"PK") {
            return kit(file);
        }
        let key = digits(file).ok_or(ForeignError::KeyFile(
            "it is neither 64 hexadecimal digits nor a Recovery Kit",
        ))?;
        Ok(Self(alloc::vec![Named { profile: None, key }]))
    }

    /// The keys that are to be tried for a profile: those that are its own if there are any, else all.
    pub(in crate::foreign) fn candidates<'a>(
        &'a self,
        profile: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Key> {
        let own = self.names(profile);
        self.0
            .iter()
            .filter(move |named| !own || named.profile.as_deref() == profile)
            .map(|named| &named.key)
    }

    /// Whether it has a key that belongs to this profile.
    pub(in crate::foreign) fn names(&self, profile: Option<&str>) -> bool {
        profile.is_some()
            && self
                .0
                .iter()
                .any(|named| named.profile.as_deref() == profile)
    }
}

fn digits(text: &[u8]) -> Option<Key> {
    let mut bytes = parse_hex(text.trim_ascii())?;
    let key = <[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new);
    bytes.zeroize();
    key
}

fn kit(file: &[u8]) -> Result<KeyRing, ForeignError> {
    let mut opening = zip::Opening::new(file.len() as u64, Limits::default())?;
    while let Some(range) = opening.wants() {
        opening.feed(slice(file, range.offset, range.len))?;
    }
    let zip = opening.finish()?;
    let read = |name: &str| -> Result<Option<Zeroizing<Vec<u8>>>, ForeignError> {
        match zip.item(name) {
            Ok(item) => Ok(Some(entry(file, item)?)),
            Err(_) => Ok(None),
        }
    };
    let mut ring = KeyRing::default();
    let malformed = ForeignError::KeyFile("a key in the Recovery Kit is not 64 hexadecimal digits");
    if let Some(list) = read("keys/keys.json")? {
        let list: List = serde_json::from_slice(&list)
            .map_err(|_| ForeignError::KeyFile("the Recovery Kit's list of keys is damaged"))?;
        if list.keys.len() > KEYS {
            return Err(ForeignError::KeyFile(
                "the Recovery Kit has more than 1000 keys",
            ));
        }
        for listed in list.keys {
            let inside = alloc::format!("keys/{}", listed.file);
            let text = match read(&inside)? {
                Some(text) => Some(text),
                None => read(&listed.file)?,
            };
            let text = text.ok_or(ForeignError::KeyFile(
                "the Recovery Kit lacks a key that its list names",
            ))?;
            ring.0.push(Named {
                profile: listed.profile_id,
                key: digits(&text).ok_or_else(|| malformed.clone())?,
            });
        }
    }
    if let Some(text) = read("master.key")? {
        ring.0.push(Named {
            profile: None,
            key: digits(&text).ok_or_else(|| malformed.clone())?,
        });
    }
    if ring.0.is_empty() {
        return Err(ForeignError::KeyFile(
            "the ZIP has neither master.key nor keys/keys.json, so it is no Recovery Kit",
        ));
    }
    Ok(ring)
}

fn entry(file: &[u8], item: &zip::Item) -> Result<Zeroizing<Vec<u8>>, ForeignError> {
    if item.entry.size > ENTRY_BYTES {
        return Err(ForeignError::Limit {
            entry: item.entry.name.to_string(),
            limit: "bytes of a key",
            allowed: ENTRY_BYTES,
        });
    }
    let mut reader = zip::Reader::new(item, Limits::default())?;
    let mut out = Zeroizing::new(Vec::new());
    loop {
        match reader.step(&mut out)? {
            Step::Want(range) => reader.feed(slice(file, range.offset, range.len))?,
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}

fn slice(file: &[u8], offset: u64, len: u64) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
    file.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_with_blanks_around() {
        let hex = "0123456789abcdefABCDEF0123456789".repeat(2);
        for text in [hex.clone(), alloc::format!(" {hex}\r\n")] {
            assert_eq!(KeyRing::parse(text.as_bytes()).unwrap().0.len(), 1);
        }
        for wrong in [&hex[1..], &alloc::format!("{hex}00"), "", "zz"] {
            assert!(matches!(
                KeyRing::parse(wrong.as_bytes()),
                Err(ForeignError::KeyFile(_))
            ));
        }
    }

    #[test]
    fn a_profiles_own_key_is_tried_alone() {
        let named = |profile: Option<&str>, byte| Named {
            profile: profile.map(Into::into),
            key: Key::new([byte; 32]),
        };
        let ring = KeyRing(alloc::vec![
            named(Some("a"), 1),
            named(Some("b"), 2),
            named(None, 3)
        ]);
        let tried = |profile| {
            ring.candidates(profile)
                .map(|key| key[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(tried(Some("b")), [2]);
        assert_eq!(tried(Some("c")), [1, 2, 3]);
        assert_eq!(tried(None), [1, 2, 3]);
    }
}
