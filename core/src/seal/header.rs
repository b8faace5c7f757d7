//! The header block: magic, version, recipient stanzas and a MAC, padded with zeros to a multiple of 4096 bytes.
//!
//! | offset | bytes | content                                          |
//! |--------|-------|--------------------------------------------------|
//! | 0      | 8     | magic                                            |
//! | 8      | 2     | version, 1                                       |
//! | 10     | 2     | length of the block in units of 4096 bytes       |
//! | 12     | 4     | length of the text                               |
//! | 16     | …     | text: stanzas, then `--- ` and the MAC, line feed |
//! | …      | …     | zeros                                            |
//!
//! A stanza is a line `-> type argument…`, then its body in base64 (RFC 4648 section 4, no padding) in lines of 64
//! characters, the last of them shorter and possibly empty. The MAC is HMAC-SHA-256 over every byte before the
//! blank that follows `---`. Stanzas of unknown types are skipped.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use base64ct::{Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{FileKey, SealError};

/// The first bytes of every sealed archive. The first is no ASCII and the line ends are of both kinds, so that a
/// transfer in text mode shows at once.
pub const MAGIC: [u8; 8] = *b"\x89CFR\r\n\x1a\n";
/// The header block's length is a multiple of this.
pub const HEADER_UNIT: u64 = 4096;
/// Largest header block.
pub const MAX_HEADER_BYTES: u64 = 16 * HEADER_UNIT;
/// Most stanzas of a header.
pub(super) const MAX_STANZAS: usize = 32;
const MAX_ARGUMENT: usize = 4096;
const FIXED: usize = 16;
const MAC_LINE: usize = 4 + 43 + 1;

/// One stanza of the header: how one recipient gets at the file key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Its type, e.g. `argon2id`.
    pub tag: String,
    /// The arguments of its first line.
    pub args: Vec<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A header that keeps the grammar. Its MAC can be checked only with the file key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    stanzas: Vec<Stanza>,
    /// Bytes that the MAC covers.
    covered: Vec<u8>,
    mac: [u8; 32],
}

/// Reads the fixed part: the length of the header block.
pub(super) fn block_len(start: &[u8]) -> Result<u64, SealError> {
    let known = start
        .get(..MAGIC.len().min(start.len()))
        .unwrap_or_default();
    if known.is_empty() {
        return Err(SealError::Empty);
    }
    if !MAGIC.starts_with(known) {
        // The magic after a transfer that turned CR LF into LF, LF into CR LF, or cut the eighth bit off.
        let garbled: [&[u8]; 3] = [b"\x89CFR\n\x1a", b"\x89CFR\r\r\n", b"\x09CFR\r\n"];
        return Err(
            if garbled.iter().any(|garbled| start.starts_with(garbled)) {
                SealError::TextMode
            } else {
                SealError::NotSealed
            },
        );
    }
    let Some(fixed) = start.get(..FIXED) else {
        return Err(SealError::CutShort {
            length: start.len() as u64,
        });
    };
    let version = u16::from_be_bytes([fixed[8], fixed[9]]);
    if version != 1 {
        return Err(SealError::UnsupportedVersion { version });
    }
    let len = u64::from(u16::from_be_bytes([fixed[10], fixed[11]])) * HEADER_UNIT;
    if len == 0 || len > MAX_HEADER_BYTES {
        return Err(SealError::HeaderMalformed {
            what: "its length is not allowed",
        });
    }
    Ok(len)
}

impl Header {
    /// Reads a whole header block.
    ///
    /// # Errors
    /// [`SealError::HeaderMalformed`] and what the fixed part can be.
    pub fn parse(block: &[u8]) -> Result<Self, SealError> {
        let malformed = |what| SealError::HeaderMalformed { what };
        if block_len(block)? != block.len() as u64 {
            return Err(malformed("its length is not what it says"));
        }
        let text_len = u32::from_be_bytes([block[12], block[13], block[14], block[15]]);
        let end = usize::try_from(text_len)
            .ok()
            .and_then(|len| len.checked_add(FIXED))
            .filter(|end| *end <= block.len())
            .ok_or_else(|| malformed("its text is longer than its block"))?;
        let (head, padding) = block.split_at(end);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed("its padding is not zero"));
        }
        let text_end = end
            .checked_sub(MAC_LINE)
            .filter(|at| *at >= FIXED)
            .ok_or_else(|| malformed("it has no MAC"))?;
        let (_, mac_line) = head.split_at(text_end);
        let encoded = mac_line
            .strip_prefix(b"--- ")
            .and_then(|line| line.strip_suffix(b"\n"))
            .ok_or_else(|| malformed("it has no MAC"))?;
        let mut mac = [0; 32];
        Base64Unpadded::decode(encoded, &mut mac)
            .map_err(|_| malformed("its MAC is not base64"))?;
        let stanzas = parse_stanzas(head.get(FIXED..text_end).unwrap_or_default())?;
        let covered = head.get(..text_end + 3).unwrap_or_default().to_vec();
        Ok(Self {
            stanzas,
            covered,
            mac,
        })
    }

    /// Writes a header block for `stanzas`, authenticated with the file key, at least `min_len` bytes long.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] if the stanzas don't fit.
    pub fn encode(
        stanzas: &[Stanza],
        file_key: &FileKey,
        min_len: u64,
    ) -> Result<Vec<u8>, SealError> {
        if stanzas.len() > MAX_STANZAS {
            return Err(SealError::TooLarge);
        }
        let mut text = String::new();
        for stanza in stanzas {
            push_stanza(stanza, &mut text);
        }
        let text_len = text.len() + MAC_LINE;
        let len = ((FIXED + text_len) as u64)
            .max(min_len)
            .next_multiple_of(HEADER_UNIT);
        if len > MAX_HEADER_BYTES {
            return Err(SealError::TooLarge);
        }
        let units = u16::try_from(len / HEADER_UNIT).map_err(|_| SealError::TooLarge)?;
        let text_len = u32::try_from(text_len).map_err(|_| SealError::TooLarge)?;
        let mut block = Vec::with_capacity(usize::try_from(len).map_err(|_| SealError::TooLarge)?);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&1_u16.to_be_bytes());
        block.extend_from_slice(&units.to_be_bytes());
        block.extend_from_slice(&text_len.to_be_bytes());
        block.extend_from_slice(text.as_bytes());
        block.extend_from_slice(b"---");
        let mac: [u8; 32] = mac(file_key, &block)?.finalize().into_bytes().into();
        block.push(b' ');
        block.extend_from_slice(Base64Unpadded::encode_string(&mac).as_bytes());
        block.push(b'\n');
        block.resize(block.capacity(), 0);
        Ok(block)
    }

    /// The stanzas in order.
    #[must_use]
    pub fn stanzas(&self) -> &[Stanza] {
        &self.stanzas
    }

    /// Checks the MAC, in constant time.
    ///
    /// # Errors
    /// [`SealError::HeaderDamaged`].
    pub(super) fn verify(&self, file_key: &FileKey) -> Result<(), SealError> {
        mac(file_key, &self.covered)?
            .verify_slice(&self.mac)
            .map_err(|_| SealError::HeaderDamaged)
    }
}

fn mac(file_key: &FileKey, covered: &[u8]) -> Result<Hmac<Sha256>, SealError> {
    let key = file_key.header_key()?;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(|_| SealError::Crypto {
            what: "key derivation",
        })?;
    mac.update(covered);
    Ok(mac)
}

fn push_stanza(stanza: &Stanza, text: &mut String) {
    text.push_str("-> ");
    text.push_str(&stanza.tag);
    for arg in &stanza.args {
        text.push(' ');
        text.push_str(arg);
    }
    text.push('\n');
    let body = Base64Unpadded::encode_string(&stanza.body);
    let mut rest = body.as_str();
    loop {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        if line.len() < 64 {
            return;
        }
        rest = after;
    }
}

fn parse_stanzas(text: &[u8]) -> Result<Vec<Stanza>, SealError> {
    let malformed = |what| SealError::HeaderMalformed { what };
    let text = core::str::from_utf8(text).map_err(|_| malformed("it is not ASCII"))?;
    let mut stanzas = Vec::new();
    let Some(text) = text.strip_suffix('\n') else {
        // A header without stanzas: its key is handed over in another way.
        return if text.is_empty() {
            Ok(stanzas)
        } else {
            Err(malformed("a line does not end"))
        };
    };
    let mut lines = text.split('\n');
    while let Some(line) = lines.next() {
        if stanzas.len() == MAX_STANZAS {
            return Err(malformed("it has too many stanzas"));
        }
        let line = line
            .strip_prefix("-> ")
            .ok_or_else(|| malformed("a stanza does not start with ->"))?;
        let mut words = line.split(' ').map(|word| {
            let ok = !word.is_empty()
                && word.len() <= MAX_ARGUMENT
                && word.bytes().all(|byte| byte.is_ascii_graphic());
            if ok {
                Ok(word.to_string())
            } else {
                Err(malformed("a stanza's first line is not words"))
            }
        });
        let tag = words
            .next()
            .ok_or_else(|| malformed("a stanza has no type"))??;
        let args = words.collect::<Result<Vec<_>, _>>()?;
        let mut encoded = String::new();
        loop {
            let line = lines
                .next()
                .ok_or_else(|| malformed("a stanza's body does not end"))?;
            if line.len() > 64 {
                return Err(malformed("a line of a stanza's body is too long"));
            }
            encoded.push_str(line);
            if line.len() < 64 {
                break;
            }
        }
        let body = Base64Unpadded::decode_vec(&encoded)
            .map_err(|_| malformed("a stanza's body is not base64"))?;
        stanzas.push(Stanza { tag, args, body });
    }
    Ok(stanzas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn key() -> FileKey {
        FileKey::new([7; 32])
    }

    fn stanza(body: usize) -> Stanza {
        Stanza {
            tag: "x".into(),
            args: vec!["one".into(), "2".into()],
            body: vec![9; body],
        }
    }

    #[test]
    fn headers_round_trip_and_are_authentic() {
        for count in [0, 1, 5] {
            for body in [0, 1, 47, 48, 49, 1120] {
                let stanzas = vec![stanza(body); count];
                let block = Header::encode(&stanzas, &key(), 0).unwrap();
                assert_eq!(block.len() as u64 % HEADER_UNIT, 0);
                let header = Header::parse(&block).unwrap();
                assert_eq!(header.stanzas(), stanzas);
                assert_eq!(header.verify(&key()), Ok(()));
                assert_eq!(
                    header.verify(&FileKey::new([8; 32])),
                    Err(SealError::HeaderDamaged)
                );
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let block = Header::encode(&[stanza(50)], &key(), 0).unwrap();
        for at in 0..600 * 8 {
            let mut changed = block.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let result = Header::parse(&changed).and_then(|header| header.verify(&key()));
            assert!(result.is_err(), "bit {at}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let many = vec![stanza(1); 33];
        assert_eq!(Header::encode(&many, &key(), 0), Err(SealError::TooLarge));
        assert_eq!(
            Header::encode(&[stanza(60_000)], &key(), 0),
            Err(SealError::TooLarge)
        );
    }

    #[test]
    fn what_is_not_sealed_is_told_apart() {
        assert_eq!(block_len(b""), Err(SealError::Empty));
        assert_eq!(block_len(b"PK\x03\x04"), Err(SealError::NotSealed));
        assert_eq!(
            block_len(b"\x89CFR"),
            Err(SealError::CutShort { length: 4 })
        );
        assert_eq!(
            block_len(b"\x89CFR\n\x1a\n\0\x01\0\x01\0\0\0\0\0"),
            Err(SealError::TextMode)
        );
        let mut newer = Header::encode(&[], &key(), 0).unwrap();
        newer[9] = 2;
        assert_eq!(
            Header::parse(&newer),
            Err(SealError::UnsupportedVersion { version: 2 })
        );
    }
}
