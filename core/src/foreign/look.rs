//! What kind of file it is, by its first bytes.

use alloc::{format, string::String};

use super::{ForeignError, dbackup, nosdesk};

/// Content that nothing hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A ZIP, of whomever.
    Zip,
    /// gzip, of whatever.
    Gzip,
    /// Begins like a JSON object.
    Json,
}

/// What a file shows without any key.
#[derive(Clone, Debug)]
pub enum Look {
    /// Not encrypted.
    Plain(Content),
    /// Nosdesk's sealed archive.
    Nosdesk(nosdesk::Sealed),
    /// DBackup's encrypted backup; only its sidecar says so.
    DBackup(dbackup::Encrypted),
    /// Something else.
    Other,
}

impl Look {
    /// How it is encrypted, for people; `None` if it is not.
    #[must_use]
    pub fn encryption(&self) -> Option<String> {
        match self {
            Self::Plain(_) | Self::Other => None,
            Self::Nosdesk(sealed) => Some(format!(
                "with a password (NODB version {})",
                sealed.version()
            )),
            Self::DBackup(encrypted) => Some(match encrypted.profile() {
                Some(profile) => format!("with the key of the profile {profile}"),
                None => "with the key of a profile".into(),
            }),
        }
    }

    /// First bytes that are needed to tell; fewer only if the file is shorter.
    pub const START_BYTES: u64 = nosdesk::HEADER_BYTES;

    /// Looks at the first bytes of a file of `len` bytes, with the sidecar that lies beside it, if there is one.
    ///
    /// # Errors
    /// [`ForeignError::UnsupportedVersion`], [`ForeignError::CutShort`], [`ForeignError::Sidecar`].
    pub fn at(
        start: &[u8],
        len: u64,
        sidecar: Option<&dbackup::Sidecar>,
    ) -> Result<Self, ForeignError> {
        if start.starts_with(nosdesk::MAGIC) {
            return Ok(Self::Nosdesk(nosdesk::Sealed::parse(start, len)?));
        }
        // Ciphertext may begin like anything: what the sidecar says comes first.
        if let Some(encryption) = sidecar.and_then(|sidecar| sidecar.encryption.as_ref()) {
            return Ok(Self::DBackup(dbackup::Encrypted::new(encryption, len)));
        }
        let blank = |byte: &&u8| byte.is_ascii_whitespace();
        Ok(if start.starts_with(b"PK") {
            Self::Plain(Content::Zip)
        } else if start.starts_with(&[0x1f, 0x8b]) {
            Self::Plain(Content::Gzip)
        } else if start.iter().find(|byte| !blank(byte)) == Some(&b'{') {
            Self::Plain(Content::Json)
        } else {
            Self::Other
        })
    }
}
