//! The stanza that gives a file key to a public key.

use alloc::{string::ToString, vec, vec::Vec};

use base64ct::{Base64Unpadded, Encoding};

use super::KeyType;
use crate::seal::{Fingerprint, SealError, Stanza, password::WRAPPED_BYTES};

/// A stanza of type `mlkem768x25519` or `x25519`, its form checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::seal) struct KeyStanza {
    pub(in crate::seal) key_type: KeyType,
    pub(in crate::seal) fingerprint: Fingerprint,
    pub(super) encapsulated: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl KeyStanza {
    pub(in crate::seal) fn from_stanza(
        key_type: KeyType,
        stanza: &Stanza,
    ) -> Result<Self, SealError> {
        Self::read(key_type, stanza).ok_or(SealError::HeaderMalformed {
            what: match key_type {
                KeyType::MlKem768X25519 => "an mlkem768x25519 stanza has a wrong form",
                KeyType::X25519 => "an x25519 stanza has a wrong form",
            },
        })
    }

    fn read(key_type: KeyType, stanza: &Stanza) -> Option<Self> {
        let [fingerprint, encapsulated] = stanza.args.as_slice() else {
            return None;
        };
        let encapsulated = Base64Unpadded::decode_vec(encapsulated).ok()?;
        (encapsulated.len() == key_type.encapsulated_bytes() && stanza.body.len() == WRAPPED_BYTES)
            .then_some(Self {
                key_type,
                fingerprint: Fingerprint::parse(fingerprint)?,
                encapsulated,
                body: stanza.body.clone(),
            })
    }

    pub(super) fn to_stanza(&self) -> Stanza {
        Stanza {
            tag: self.key_type.tag().to_string(),
            args: vec![
                self.fingerprint.to_string(),
                Base64Unpadded::encode_string(&self.encapsulated),
            ],
            body: self.body.clone(),
        }
    }
}
