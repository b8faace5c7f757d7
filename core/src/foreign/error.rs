//! Why an archive of another product can't be read.

use alloc::string::String;

use super::Product;
use crate::{archive::ArchiveError, request::Misfed};

/// Why an archive of another product can't be read. Nothing is ever changed by reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// The ZIP, or what is read as one, is wrong.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// None of the products writes such a file.
    #[error(
        "this is no archive that Coffer knows: neither its own, nor one of Nosdesk, Nojoin or DBackup; an encrypted \
         backup of DBackup is known only by the file with its name and .meta.json that lies beside it"
    )]
    Unknown,
    /// A version that nobody here knows.
    #[error(
        "unsupported version {found} of {product}'s {what}; known are {known}. Nothing was changed; a newer Coffer may \
         read it"
    )]
    UnsupportedVersion {
        /// Whose.
        product: Product,
        /// Of what.
        what: &'static str,
        /// As the file says.
        found: String,
        /// What can be read.
        known: &'static str,
    },
    /// Too short to be what it begins like.
    #[error(
        "the file is cut short: {bytes} bytes, where even an empty archive of {product} has {least}; copy it again from \
         where it came from"
    )]
    CutShort {
        /// Whose.
        product: Product,
        /// Bytes of the file.
        bytes: u64,
        /// Bytes it has at least.
        least: u64,
    },
    /// Longer than its encryption allows.
    #[error("the file has {bytes} bytes, more than one AES-GCM message can protect ({allowed})")]
    TooLong {
        /// Bytes of ciphertext.
        bytes: u64,
        /// NIST SP 800-38D, section 5.2.1.1.
        allowed: u64,
    },
    /// It needs a password.
    #[error("this archive of Nosdesk is sealed; its password is needed to open it")]
    PasswordNeeded,
    /// The tag differs. The format can't tell why.
    #[error(
        "wrong password, or the file is damaged: Nosdesk's format can't tell which. Type the password again, as it was \
         typed when the archive was made, or copy the file again; nothing was changed"
    )]
    WrongPasswordOrDamaged,
    /// Ciphertext without what describes it.
    #[error(
        "the sidecar is missing: an encrypted backup of DBackup can only be opened with the file of its name and \
         .meta.json, which holds IV and tag. Put it beside the backup, or name it; without it the backup is lost"
    )]
    SidecarMissing,
    /// The sidecar can't be used.
    #[error("the sidecar can't be used: {0}; fetch it again from where the backup is stored")]
    Sidecar(SidecarFault),
    /// It needs a key.
    #[error(
        "this backup of DBackup is encrypted{}; its key is needed to open it: the profile's 64 hexadecimal digits, or \
         the Recovery Kit",
        Profile(.profile)
    )]
    KeyNeeded {
        /// The profile that the sidecar names.
        profile: Option<String>,
    },
    /// No key opens it.
    #[error(
        "no key fits: {tried} tried, none of which this backup was encrypted with{}; look for the key of that time, \
         maybe in a Recovery Kit",
        Profile(.profile)
    )]
    NoKeyFits {
        /// Keys tried.
        tried: usize,
        /// The profile that the sidecar names.
        profile: Option<String>,
    },
    /// The right key, and the tag differs.
    #[error(
        "the file is damaged: the key fits, and still the tag that the sidecar holds does not; copy both again from \
         where they are stored"
    )]
    Damaged,
    /// The file is not what it was when it was authenticated.
    #[error(
        "the file changed while it was read, from byte {offset} on; nothing was changed, try again"
    )]
    Changed {
        /// Where.
        offset: u64,
    },
    /// What the user named as a key is none.
    #[error("the key file holds no key: {0}")]
    KeyFile(&'static str),
    /// No gzip where there must be one.
    #[error("the content is not gzip: {0}")]
    NotGzip(&'static str),
    /// No JSON where there must be some.
    #[error("{entry} is not JSON: {why} at byte {position}")]
    NotJson {
        /// Where; the content as a whole if it has no entries.
        entry: String,
        /// What is wrong.
        why: &'static str,
        /// Bytes of it that are well-formed.
        position: u64,
    },
    /// JSON of something else.
    #[error(
        "this is not a system backup of DBackup: {0}; backups of databases that DBackup made are opened with their own \
         tools"
    )]
    NotSystemBackup(&'static str),
    /// A ZIP with the product's description and none of its tables.
    #[error(
        "this ZIP has none of {0}'s table files, so it is no archive of it; restoring it would only delete what is there"
    )]
    NoTables(Product),
    /// The description is wrong.
    #[error("{entry} can't be used: {why}")]
    Description {
        /// The entry.
        entry: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A limit was reached.
    #[error("{entry} exceeds the limit for {limit}: more than the {allowed} that are allowed")]
    Limit {
        /// Where.
        entry: String,
        /// Which limit.
        limit: &'static str,
        /// What is allowed.
        allowed: u64,
    },
    /// A table was asked for that isn't there.
    #[error("the archive holds no table {0}")]
    NoTable(String),
}

/// What is wrong with a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SidecarFault {
    /// It is no JSON object, or has other types.
    #[error("it is not the JSON that DBackup writes")]
    NotJson,
    /// Larger than one can be.
    #[error("it is larger than 1 MiB")]
    TooLarge,
    /// Another encryption.
    #[error("it names another encryption than aes-256-gcm")]
    Algorithm,
    /// No usable IV.
    #[error("its IV is not 12 or 16 bytes in hexadecimal digits")]
    Iv,
    /// No usable tag.
    #[error("its tag is not 16 bytes in hexadecimal digits")]
    Tag,
}

struct Profile<'a>(&'a Option<String>);

impl core::fmt::Display for Profile<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(profile) => write!(f, " with the profile {profile}"),
            None => Ok(()),
        }
    }
}

impl From<Misfed> for ForeignError {
    fn from(misfed: Misfed) -> Self {
        Self::Archive(misfed.into())
    }
}

impl ForeignError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Archive(error) => error.code(),
            Self::Unknown => "not_an_archive",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::CutShort { .. } => "cut_short",
            Self::TooLong { .. } => "too_long",
            Self::PasswordNeeded => "locked",
            Self::WrongPasswordOrDamaged => "wrong_password_or_damaged",
            Self::SidecarMissing => "sidecar_missing",
            Self::Sidecar(_) => "sidecar_invalid",
            Self::KeyNeeded { .. } => "key_needed",
            Self::NoKeyFits { .. } => "no_key_fits",
            Self::Damaged => "damaged",
            Self::Changed { .. } => "changed",
            Self::KeyFile(_) => "key_malformed",
            Self::NotGzip(_) => "not_gzip",
            Self::NotJson { .. } => "not_json",
            Self::NotSystemBackup(_) => "not_a_system_backup",
            Self::NoTables(_) => "no_tables",
            Self::Description { .. } => "manifest_invalid",
            Self::Limit { .. } => "limit",
            Self::NoTable(_) => "not_in_archive",
        }
    }
}
