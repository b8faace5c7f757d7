//! The sealed form: `NODB`, version, salt, nonce, and one AES-256-GCM message over the whole ZIP.

use alloc::{string::ToString, vec::Vec};

use sha2::Sha256;

use crate::{
    ByteRange,
    foreign::{
        ForeignError, Product,
        gcm::{Key, Message},
    },
    seal::Password,
};

pub(in crate::foreign) const MAGIC: &[u8] = b"NODB";
/// Magic, version, salt, nonce.
pub(in crate::foreign) const HEADER_BYTES: u64 = 52;
const TAG_BYTES: u64 = 16;

/// A sealed archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    version: u32,
    salt: [u8; 32],
    nonce: [u8; 12],
    text: ByteRange,
}

impl Sealed {
    /// Reads the header of a file of `len` bytes.
    ///
    /// # Errors
    /// [`ForeignError::UnsupportedVersion`], [`ForeignError::CutShort`].
    pub(in crate::foreign) fn parse(start: &[u8], len: u64) -> Result<Self, ForeignError> {
        let cut_short = ForeignError::CutShort {
            product: Product::Nosdesk,
            bytes: len,
            least: HEADER_BYTES + TAG_BYTES,
        };
        let version = start
            .get(4..8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
            .ok_or_else(|| cut_short.clone())?;
        if iterations(version).is_none() {
            return Err(ForeignError::UnsupportedVersion {
                product: Product::Nosdesk,
                what: "sealed archives",
                found: version.to_string(),
                known: "1 and 2",
            });
        }
        let salt = start.get(8..40).and_then(|bytes| bytes.try_into().ok());
        let nonce = start.get(40..52).and_then(|bytes| bytes.try_into().ok());
        let text = len.checked_sub(HEADER_BYTES + TAG_BYTES);
        let (Some(salt), Some(nonce), Some(text)) = (salt, nonce, text) else {
            return Err(cut_short);
        };
        Ok(Self {
            version,
            salt,
            nonce,
            text: ByteRange::new(HEADER_BYTES, text),
        })
    }

    /// Of the sealed form: 1 or 2.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Where the tag stands.
    pub(in crate::foreign) const fn tag_range(&self) -> ByteRange {
        ByteRange::new(self.text.offset + self.text.len, TAG_BYTES)
    }

    /// What the forms of a password make of it. Nosdesk takes a password as it is typed.
    pub(in crate::foreign) fn messages(
        &self,
        password: &Password,
        tag: [u8; 16],
    ) -> Result<Vec<Message>, ForeignError> {
        password
            .forms()
            .map(|form| {
                let key = derive(form.as_bytes(), &self.salt, self.version);
                Message::new(&key, &self.nonce, self.text, tag)
            })
            .collect()
    }
}

const fn iterations(version: u32) -> Option<u32> {
    match version {
        1 => Some(100_000),
        2 => Some(600_000),
        _ => None,
    }
}

/// PBKDF2-HMAC-SHA256 (RFC 8018, section 5.2).
fn derive(password: &[u8], salt: &[u8; 32], version: u32) -> Key {
    let mut key = Key::new([0; 32]);
    let rounds = iterations(version).unwrap_or(1);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, key.as_mut_slice());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{parse_hex, push_hex};
    use alloc::{string::String, vec};

    fn hex(bytes: &[u8]) -> String {
        let mut out = vec![];
        push_hex(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn salt() -> [u8; 32] {
        core::array::from_fn(|at| at as u8)
    }

    #[test]
    fn keys_of_both_versions() {
        let password = b"correct horse battery staple";
        assert_eq!(
            hex(&*derive(password, &salt(), 2)),
            "613a4c3411394e24fffe6c51994307724572e574bcd98ea8cf457c64899bfbfe"
        );
        assert_eq!(
            hex(&*derive(password, &salt(), 1)),
            "ef8970894e11c302383e9d31b220979179c2e8964100f3a99a52cdc7ce6f9f77"
        );
    }

    #[test]
    fn the_empty_zip_of_the_vector() {
        let mut file = b"NODB\x02\0\0\0".to_vec();
        file.extend(salt());
        file.extend(0x40..=0x4b_u8);
        file.extend(
            parse_hex(
                b"bb6c30e49cd49dc733980d3ad637a6861eec72587e40314fdb4caf1302421edf2e1adeeb324d",
            )
            .unwrap(),
        );
        assert_eq!(file.len(), 90);
        let sealed = Sealed::parse(&file[..52], 90).unwrap();
        assert_eq!(sealed.tag_range(), ByteRange::new(74, 16));
        let tag = file[74..].try_into().unwrap();
        let password = Password::new("correct horse battery staple");
        let mut message = sealed.messages(&password, tag).unwrap().remove(0);
        message.feed(&file[52..74]);
        let zip = message
            .finish()
            .unwrap()
            .open(ByteRange::new(0, 22), file[52..74].to_vec())
            .unwrap();
        assert_eq!(hex(&zip), "504b0506000000000000000000000000000000000000");
    }

    #[test]
    fn headers_that_are_none() {
        let mut start = b"NODB\x02\0\0\0".to_vec();
        start.resize(52, 0);
        assert!(Sealed::parse(&start, 68).is_ok());
        for len in 0..68_u64 {
            let have = usize::try_from(len).unwrap().min(52);
            assert!(
                matches!(
                    Sealed::parse(&start[..have], len),
                    Err(ForeignError::CutShort { least: 68, .. })
                ),
                "{len}"
            );
        }
        for version in [0_u32, 3, 0x0200_0000, u32::MAX] {
            start[4..8].copy_from_slice(&version.to_le_bytes());
            assert!(matches!(
                Sealed::parse(&start, 68),
                Err(ForeignError::UnsupportedVersion { .. })
            ));
        }
    }
}
