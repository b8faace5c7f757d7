//! Digests that a sender gives with a piece (tus 1.0, extension checksum).

use base64ct::{Base64, Encoding};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a piece must hash to.
#[derive(Clone, Debug)]
pub struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// Names of the known algorithms, as tus lists them. SHA-1 is what every tus server has to know; it finds accidents.
    pub const ALGORITHMS: &'static str = "sha1,sha256";

    /// Reads `algorithm digest-in-base64`; `None` for another algorithm, or a digest that is not one of it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (algorithm, digest) = text.trim().split_once(' ')?;
        let expected = Base64::decode_vec(digest).ok()?;
        let (hasher, len) = match algorithm {
            "sha1" => (Hasher::Sha1(Sha1::new()), 20),
            "sha256" => (Hasher::Sha256(Sha256::new()), 32),
            _ => return None,
        };
        (expected.len() == len).then_some(Self { hasher, expected })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn fits(self) -> bool {
        match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().as_slice() == self.expected,
            Hasher::Sha256(hasher) => hasher.finalize().as_slice() == self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_compared() {
        // RFC 3174 and FIPS 180-4: the digests of "abc".
        for (text, fits) in [
            ("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", true),
            ("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J4=", false),
            ("sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", true),
        ] {
            let mut checksum = Checksum::parse(text).unwrap();
            checksum.update(b"a");
            checksum.update(b"bc");
            assert_eq!(checksum.fits(), fits, "{text}");
        }
        for text in [
            "",
            "sha1",
            "sha1 ?",
            "md5 kAFQmDzST7DWlj99KOF/cg==",
            "sha256 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
        ] {
            assert!(Checksum::parse(text).is_none(), "{text}");
        }
    }
}
