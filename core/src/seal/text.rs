//! Text forms of keys: Bech32 (BIP 173) without its length limit over a type byte and the key.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use base64ct::{Base64Unpadded, Encoding};
use bech32::{Checksum, Hrp, primitives::decode::CheckedHrpstring};
use zeroize::Zeroizing;

use super::{Fingerprint, SealError, password::Wrapped};

/// Bech32's checksum without its limit of 90 characters, which is for things that people type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <bech32::Bech32 as Checksum>::MidstateRepr;
    type CorrectionField = <bech32::Bech32 as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = bech32::Bech32::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = bech32::Bech32::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = 4096;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = bech32::Bech32::TARGET_RESIDUE;
}

/// One kind of text: what it starts with, and what to say of a text that doesn't.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextForm {
    pub(super) hrp: Hrp,
    pub(super) otherwise: &'static str,
}

impl TextForm {
    /// The text, in lower case.
    pub(super) fn encode(&self, kind: u8, key: &[u8]) -> String {
        let mut data = Zeroizing::new(Vec::with_capacity(key.len() + 1));
        data.push(kind);
        data.extend_from_slice(key);
        // Fails only for more data than the code's length, and keys have a fixed one.
        bech32::encode_lower::<LongBech32>(self.hrp, &data).unwrap_or_default()
    }

    /// The text of a secret, in upper case, so that it looks like one.
    pub(super) fn encode_secret(&self, kind: u8, key: &[u8]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.encode(kind, key));
        text.make_ascii_uppercase();
        text
    }

    /// The type byte and the key. White space around the text is not part of it.
    ///
    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub(super) fn decode(&self, text: &str) -> Result<(u8, Zeroizing<Vec<u8>>), SealError> {
        let text = text.trim();
        let malformed = |what| SealError::KeyMalformed { what };
        let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| {
            let starts = text
                .get(..self.hrp.as_str().len())
                .is_some_and(|start| start.eq_ignore_ascii_case(self.hrp.as_str()));
            malformed(if starts {
                "a character is missing or wrong"
            } else {
                self.otherwise
            })
        })?;
        if checked.hrp() != self.hrp {
            return Err(malformed(self.otherwise));
        }
        let mut bytes = checked.byte_iter();
        let kind = bytes
            .next()
            .ok_or_else(|| malformed("it has the wrong length"))?;
        // With its capacity from the start, so that no copy of a secret is left behind by growing.
        let mut key = Zeroizing::new(Vec::with_capacity(text.len()));
        key.extend(bytes);
        Ok((kind, key))
    }
}

/// The text of a secret that a password unlocks: prefix, fingerprint, the stanza's arguments and its body in base64,
/// separated by blanks, on one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockedForm {
    pub(super) prefix: &'static str,
}

impl LockedForm {
    pub(super) fn write(
        self,
        fingerprint: Fingerprint,
        wrapped: &Wrapped,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        write!(f, "{} {fingerprint}", self.prefix)?;
        wrapped
            .to_args()
            .iter()
            .try_for_each(|arg| write!(f, " {arg}"))?;
        write!(f, " {}", Base64Unpadded::encode_string(&wrapped.body))
    }

    /// # Errors
    /// [`SealError::KeyMalformed`].
    pub(super) fn parse(self, text: &str) -> Result<(Fingerprint, Wrapped), SealError> {
        let words: Vec<&str> = text.trim_end_matches('\n').split(' ').collect();
        let parsed = match words.as_slice() {
            [prefix, fingerprint, args @ .., body] if *prefix == self.prefix => {
                let args: Vec<String> = args.iter().map(ToString::to_string).collect();
                Fingerprint::parse(fingerprint).zip(
                    Base64Unpadded::decode_vec(body)
                        .ok()
                        .and_then(|body| Wrapped::from_args(&args, &body)),
                )
            }
            _ => None,
        };
        parsed.ok_or(SealError::KeyMalformed {
            what: "a locked key is one line of eight words",
        })
    }
}
