//! What can be wrong with an archive, and how much of it is read at most.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::name::NameError;

/// How much is read at most, so that a crafted archive can't exhaust the machine. Every limit is named in its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of an archive.
    pub entries: u64,
    /// Bytes of the central directory.
    pub directory_bytes: u64,
    /// Inflated bytes of one entry, counted as written.
    pub entry_bytes: u64,
    /// Inflated bytes for each stored byte of one entry, counted from the first MiB on. Deflate can't give more than 1032.
    pub ratio: u64,
    /// Bytes of the manifest.
    pub manifest_bytes: u64,
    /// Bytes of the files index.
    pub index_bytes: u64,
    /// Bytes of one part of row text.
    pub part_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4_000_000,
            directory_bytes: 512 << 20,
            entry_bytes: 1 << 40,
            ratio: 1032,
            manifest_bytes: crate::manifest::DEFAULT_MANIFEST_LIMIT,
            index_bytes: 512 << 20,
            part_bytes: 1 << 30,
        }
    }
}

/// Why an archive can't be read, or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Neither start nor end look like a ZIP.
    #[error("this is not a ZIP archive")]
    NotZip,
    /// Starts like a ZIP, but the end of the central directory is not where it must be.
    #[error(
        "the archive is cut short, or something was added at its end: its last bytes are no end of a ZIP directory"
    )]
    NoEnd,
    /// A ZIP, but not in the form that Coffer writes.
    #[error("this is not one of Coffer's archives: {}", Findings(.0))]
    Profile(Vec<Finding>),
    /// A ZIP without a manifest as its last entry.
    #[error("this is an ordinary ZIP file, not a Coffer archive: it has no manifest")]
    NoManifest,
    /// A limit was reached.
    #[error("the archive exceeds the limit for {limit}: {found} where {allowed} are allowed")]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// What was found.
        found: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// One entry is not what the directory says.
    #[error("{0}")]
    Entry(Finding),
    /// The caller gave other bytes than were asked for.
    #[error(
        "a reader was given {given} bytes where it asked for {wanted}; this is a defect of the program, please report it"
    )]
    Misfed {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes given.
        given: u64,
    },
    /// An entry was asked for that isn't there.
    #[error("the archive has no entry {0:?}")]
    NoEntry(String),
    /// A writer's methods were called in an order that gives no archive.
    #[error(
        "the archive could not be written: {0}; this is a defect of the program, please report it"
    )]
    Misuse(&'static str),
}

impl ArchiveError {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotZip => "not_a_zip",
            Self::NoEnd => "cut_short",
            Self::Profile(_) => "not_the_profile",
            Self::NoManifest => "not_an_archive",
            Self::Limit { .. } => "limit",
            Self::Entry(_) => "entry_damaged",
            Self::Misfed { .. } => "misfed",
            Self::NoEntry(_) => "no_entry",
            Self::Misuse(_) => "misuse",
        }
    }
}

struct Findings<'a>(&'a [Finding]);

impl fmt::Display for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (index, finding) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            finding.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// One thing that is wrong, with the entry that it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry's name, bytes that are not UTF-8 replaced; empty for the archive as a whole.
    pub entry: String,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entry.is_empty() {
            write!(f, "{}", self.fault)
        } else {
            write!(f, "entry {:?} {}", self.entry, self.fault)
        }
    }
}

/// What can be wrong with an archive or entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The end record contradicts itself or the file.
    #[error("the end of the directory is inconsistent: {0}")]
    End(&'static str),
    /// The central directory can't be read.
    #[error("the directory is damaged: {0}")]
    Directory(&'static str),
    /// A name breaks the rules.
    #[error("has a name that {0}")]
    Name(NameError),
    /// A name that is, or on some system would be, the same as another.
    #[error("has a name that another entry has too")]
    DuplicateName,
    /// A name that is another entry's folder.
    #[error("has a name that is the folder of another entry")]
    FileAndFolder,
    /// Flags other than UTF-8 and data descriptor.
    #[error("has the flags {0:#06x}")]
    Flags(u16),
    /// A method other than store and deflate.
    #[error("uses compression method {0}")]
    Method(u16),
    /// An attribute, version, time or comment that the profile doesn't have.
    #[error("has {0}")]
    Extra(&'static str),
    /// Records are not back to back.
    #[error("starts at byte {found} where byte {expected} was due")]
    Offset {
        /// Where the record must start.
        expected: u64,
        /// Where it says that it starts.
        found: u64,
    },
    /// Local and central header differ.
    #[error("has a local header that differs from the directory")]
    LocalHeader,
    /// The data descriptor differs from the directory.
    #[error("has a data descriptor that differs from the directory")]
    Descriptor,
    /// The compressed data is no deflate stream, or not of the length given.
    #[error("has damaged compressed data")]
    Deflate,
    /// Other size than declared.
    #[error("has {found} bytes or more where {declared} were declared")]
    Size {
        /// Bytes declared.
        declared: u64,
        /// Bytes found.
        found: u64,
    },
    /// Other CRC-32 than declared.
    #[error("has damaged content: its checksum does not match")]
    Crc,
    /// Other SHA-256 than the manifest says.
    #[error("has damaged content: its SHA-256 is not the one in the manifest")]
    Digest,
    /// In the manifest, but not in the archive.
    #[error("is missing, though the manifest lists it")]
    Missing,
    /// In the archive, but not in the manifest.
    #[error("was added: the manifest does not list it")]
    Unexpected,
    /// Other size in the directory than in the manifest.
    #[error("has {found} bytes where the manifest says {expected}")]
    ManifestSize {
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes in the directory.
        found: u64,
    },
    /// Other number of rows than the manifest says.
    #[error("holds {found} rows where the manifest says {expected}")]
    Rows {
        /// Rows in the manifest.
        expected: u64,
        /// Rows found.
        found: u64,
    },
    /// The files index and the manifest disagree about a file set.
    #[error("the files index does not add up to the manifest's file sets")]
    FileSets,
}
