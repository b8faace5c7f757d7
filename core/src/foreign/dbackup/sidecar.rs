//! The file beside the backup: the only place of IV, tag and profile.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use super::KeyRing;
use crate::{
    ByteRange,
    digest::parse_hex,
    foreign::{ForeignError, SidecarFault, gcm::Message},
};

/// What a sidecar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Bytes of the backup.
    pub size: Option<u64>,
    /// How it is encrypted; `None` if it is not.
    pub encryption: Option<Encryption>,
}

/// How a backup is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The profile whose key it is.
    pub profile: Option<String>,
    iv: Vec<u8>,
    tag: [u8; 16],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    size: Option<u64>,
    encryption: Option<RawEncryption>,
    encryption_profile_id: Option<String>,
    iv: Option<String>,
    auth_tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawEncryption {
    /// Of older releases: `AES-256-GCM` or `NONE`, the rest beside it.
    Flat(String),
    #[serde(rename_all = "camelCase")]
    Nested {
        #[serde(default)]
        enabled: bool,
        profile_id: Option<String>,
        algorithm: Option<String>,
        iv: Option<String>,
        auth_tag: Option<String>,
    },
}

impl Sidecar {
    /// Bytes of a sidecar at most.
    pub const MAX_BYTES: u64 = 1 << 20;

    /// Parses one. Size, profile and the rest are taken as they come; only what decrypting needs must be there.
    ///
    /// # Errors
    /// [`ForeignError::Sidecar`].
    pub fn parse(json: &[u8]) -> Result<Self, ForeignError> {
        if json.len() as u64 > Self::MAX_BYTES {
            return Err(ForeignError::Sidecar(SidecarFault::TooLarge));
        }
        let raw: Raw = serde_json::from_slice(json)
            .map_err(|_| ForeignError::Sidecar(SidecarFault::NotJson))?;
        let (algorithm, profile, iv, tag) = match raw.encryption {
            None => (None, None, None, None),
            Some(RawEncryption::Flat(name)) if name.eq_ignore_ascii_case("none") => {
                (None, None, None, None)
            }
            Some(RawEncryption::Flat(name)) => {
                (Some(name), raw.encryption_profile_id, raw.iv, raw.auth_tag)
            }
            Some(RawEncryption::Nested { enabled: false, .. }) => (None, None, None, None),
            Some(RawEncryption::Nested {
                profile_id,
                algorithm,
                iv,
                auth_tag,
                ..
            }) => (
                Some(algorithm.unwrap_or_default()),
                profile_id.or(raw.encryption_profile_id),
                iv,
                auth_tag,
            ),
        };
        let encryption = match algorithm {
            None => None,
            Some(name) if !name.eq_ignore_ascii_case("aes-256-gcm") => {
                return Err(ForeignError::Sidecar(SidecarFault::Algorithm));
            }
            Some(_) => {
                let hex = |text: Option<String>| text.and_then(|text| parse_hex(text.as_bytes()));
                let iv = hex(iv).filter(|iv| matches!(iv.len(), 12 | 16));
                let tag = hex(tag).and_then(|tag| tag.try_into().ok());
                Some(Encryption {
                    profile: profile.filter(|profile| !profile.is_empty()),
                    iv: iv.ok_or(ForeignError::Sidecar(SidecarFault::Iv))?,
                    tag: tag.ok_or(ForeignError::Sidecar(SidecarFault::Tag))?,
                })
            }
        };
        Ok(Self {
            size: raw.size,
            encryption,
        })
    }
}

/// An encrypted backup with what its sidecar says.
#[derive(Clone, Debug)]
pub struct Encrypted {
    encryption: Encryption,
    len: u64,
}

impl Encrypted {
    pub(in crate::foreign) fn new(encryption: &Encryption, len: u64) -> Self {
        Self {
            encryption: encryption.clone(),
            len,
        }
    }

    /// The profile whose key opens it, if the sidecar says.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.encryption.profile.as_deref()
    }

    pub(in crate::foreign) fn key_needed(&self) -> ForeignError {
        ForeignError::KeyNeeded {
            profile: self.encryption.profile.clone(),
        }
    }

    pub(in crate::foreign) fn messages(
        &self,
        keys: &KeyRing,
    ) -> Result<Vec<Message>, ForeignError> {
        let Encryption { iv, tag, .. } = &self.encryption;
        let text = ByteRange::new(0, self.len);
        keys.candidates(self.profile())
            .map(|key| Message::new(key, iv, text, *tag))
            .collect()
    }

    /// What it means that no key fits: if none gave the beginning of a gzip file, and if one did.
    pub(in crate::foreign) fn refused(&self, keys: &KeyRing) -> [ForeignError; 2] {
        let unlikely = if keys.names(self.profile()) {
            ForeignError::Damaged
        } else {
            ForeignError::NoKeyFits {
                tried: keys.candidates(self.profile()).count(),
                profile: self.profile().map(ToString::to_string),
            }
        };
        [unlikely, ForeignError::Damaged]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn both_forms_are_read() {
        let (iv, tag) = ("00".repeat(16), "11".repeat(16));
        let nested = format!(
            "{{\"size\": 7, \"encryption\": {{\"enabled\": true, \"profileId\": \"p\", \"algorithm\": \"aes-256-gcm\", \
             \"iv\": \"{iv}\", \"authTag\": \"{tag}\"}}}}"
        );
        let flat = format!(
            "{{\"size\": 7, \"encryption\": \"AES-256-GCM\", \"encryptionProfileId\": \"p\", \"iv\": \"{iv}\", \
             \"authTag\": \"{tag}\"}}"
        );
        let expected = Sidecar {
            size: Some(7),
            encryption: Some(Encryption {
                profile: Some("p".into()),
                iv: vec![0; 16],
                tag: [0x11; 16],
            }),
        };
        for json in [nested, flat] {
            assert_eq!(Sidecar::parse(json.as_bytes()).as_ref(), Ok(&expected));
        }
        for plain in [
            "{}",
            "{\"encryption\": \"NONE\"}",
            "{\"encryption\": {\"enabled\": false}}",
        ] {
            let sidecar = Sidecar::parse(plain.as_bytes()).unwrap();
            assert_eq!(sidecar.encryption, None, "{plain}");
        }
    }

    #[test]
    fn what_decrypting_needs_must_be_there() {
        let with = |algorithm: &str, iv: &str, tag: &str| {
            let json = format!(
                "{{\"encryption\": \"{algorithm}\", \"iv\": \"{iv}\", \"authTag\": \"{tag}\"}}"
            );
            Sidecar::parse(json.as_bytes()).err()
        };
        let (iv, tag) = ("00".repeat(16), "11".repeat(16));
        let fault = |fault| Some(ForeignError::Sidecar(fault));
        assert_eq!(with("AES-256-GCM", &iv, &tag), None);
        assert_eq!(
            with("aes-256-cbc", &iv, &tag),
            fault(SidecarFault::Algorithm)
        );
        assert_eq!(with("AES-256-GCM", &iv[2..], &tag), fault(SidecarFault::Iv));
        assert_eq!(with("AES-256-GCM", "zz", &tag), fault(SidecarFault::Iv));
        assert_eq!(
            with("AES-256-GCM", &iv, &tag[2..]),
            fault(SidecarFault::Tag)
        );
        assert_eq!(Sidecar::parse(b"[]").err(), fault(SidecarFault::NotJson));
        assert_eq!(
            Sidecar::parse(&vec![b' '; (1 << 20) + 1]).err(),
            fault(SidecarFault::TooLarge)
        );
    }
}
