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
    /// Another program's ZIP that is not safe to read.
    #[error("this ZIP file is not safe to read: {}", Findings(.0))]
    Unsafe(Vec<Finding>),
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
            Self::Unsafe(_) => "unsafe_zip",
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
    /// The end records contradict each other, the file or the rules.
    #[error("the end of the archive {0}")]
    End(EndFault),
    /// The central directory as a whole.
    #[error("the directory {0}")]
    Directory(DirectoryFault),
    /// A name breaks the rules.
    #[error("has a name that {0}")]
    Name(NameError),
    /// A name that is, or on some system would be, the same as another.
    #[error("has a name that another entry has too")]
    DuplicateName,
    /// A name that is another entry's folder.
    #[error("has a name that is inside of another entry, which is no folder")]
    FileAndFolder,
    /// A name that only some systems take for another entry's.
    #[error("has a name that some systems take for another entry's")]
    SimilarName,
    /// A name whose encoding was guessed, because the header doesn't tell it.
    #[error("has a name of unknown encoding, which may look different elsewhere")]
    GuessedName,
    /// Another name in an extra field than in the header.
    #[error("has two names: another one in an extra field than in its header")]
    OtherName,
    /// Encrypted by the ZIP's own means (APPNOTE 4.4.4, bits 0, 6 and 13).
    #[error("is encrypted by the ZIP's own means, which this program does not read")]
    Encrypted,
    /// Flags that are not allowed.
    #[error("has the flags {0:#06x}")]
    Flags(u16),
    /// A method other than store and deflate.
    #[error("uses compression method {0}")]
    Method(u16),
    /// A stored entry whose two sizes differ.
    #[error("is stored, yet {size} bytes long and {stored} as stored")]
    StoredSizes {
        /// Bytes stored.
        stored: u64,
        /// Bytes of content.
        size: u64,
    },
    /// A data descriptor on a stored entry, whose end only the directory tells.
    #[error("is stored and has a data descriptor")]
    StoredDescriptor,
    /// Something else than a file.
    #[error("is {0}")]
    Special(Special),
    /// A folder that has content.
    #[error("is a folder and yet has content")]
    FolderContent,
    /// An extra field that is not allowed.
    #[error("has the extra field {0:#06x}")]
    ExtraField(u16),
    /// An extra field more than once.
    #[error("has the extra field {0:#06x} more than once")]
    DuplicateExtraField(u16),
    /// Extra fields that can't be told apart.
    #[error("has extra fields that do not add up to their length")]
    MalformedExtraField,
    /// A ZIP64 field (APPNOTE 4.5.3) that its sizes and offset don't call for.
    #[error("has {found} bytes of ZIP64 sizes where {expected} are due")]
    Zip64Field {
        /// Bytes of values that are due.
        expected: u64,
        /// Bytes of values found.
        found: u64,
    },
    /// A value in the directory that is not allowed.
    #[error("has a value in the directory that is not allowed: its {0}")]
    Header(Field),
    /// Records are not back to back.
    #[error("starts at byte {found} where byte {expected} was due")]
    Offset {
        /// Where the record must start.
        expected: u64,
        /// Where it says that it starts.
        found: u64,
    },
    /// Its record doesn't end before what follows it.
    #[error("reaches to byte {end}, into what begins at byte {next}")]
    Overlap {
        /// Where the record ends, going by the sizes that it claims.
        end: u64,
        /// Where the next record, or the directory, begins.
        next: u64,
    },
    /// Local and central header differ.
    #[error("has a local header that differs from the directory: its {0}")]
    LocalHeader(Field),
    /// The data descriptor differs from the directory.
    #[error("has a data descriptor that differs from the directory: its {0}")]
    Descriptor(Field),
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

impl Fault {
    /// A stable name for programs, in snake case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::End(_) => "end",
            Self::Directory(_) => "directory",
            Self::Name(_) => "name",
            Self::DuplicateName => "duplicate_name",
            Self::FileAndFolder => "file_and_folder",
            Self::SimilarName => "similar_name",
            Self::GuessedName => "guessed_name",
            Self::OtherName => "other_name",
            Self::Encrypted => "encrypted",
            Self::Flags(_) => "flags",
            Self::Method(_) => "method",
            Self::StoredSizes { .. } => "stored_sizes",
            Self::StoredDescriptor => "stored_descriptor",
            Self::Special(_) => "special",
            Self::FolderContent => "folder_content",
            Self::ExtraField(_) => "extra_field",
            Self::DuplicateExtraField(_) => "duplicate_extra_field",
            Self::MalformedExtraField => "malformed_extra_field",
            Self::Zip64Field { .. } => "zip64_field",
            Self::Header(_) => "header",
            Self::Offset { .. } => "offset",
            Self::Overlap { .. } => "overlap",
            Self::LocalHeader(_) => "local_header",
            Self::Descriptor(_) => "descriptor",
            Self::Deflate => "deflate",
            Self::Size { .. } => "size",
            Self::Crc => "crc",
            Self::Digest => "digest",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::ManifestSize { .. } => "manifest_size",
            Self::Rows { .. } => "rows",
            Self::FileSets => "file_sets",
        }
    }
}

/// What can be wrong with the end records (APPNOTE 4.3.14 to 4.3.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndFault {
    /// There is a comment.
    #[error("has a comment of {bytes} bytes")]
    Comment {
        /// Bytes of the comment, as it says.
        bytes: u64,
    },
    /// Something follows it.
    #[error("is followed by {bytes} bytes that do not belong to it")]
    Trailing {
        /// Bytes behind the end record and its comment.
        bytes: u64,
    },
    /// There is more than one place that could be the end record.
    #[error("can be found in two places, so that programs differ in what the ZIP holds")]
    Ambiguous,
    /// It says that the archive has parts elsewhere.
    #[error("says that the archive has several disks")]
    SeveralDisks,
    /// Its two numbers of entries differ.
    #[error("counts {here} entries on this disk and {all} in all")]
    Counts {
        /// Entries on this disk.
        here: u64,
        /// Entries in all.
        all: u64,
    },
    /// It counts more entries than the directory has room for.
    #[error("counts {entries} entries, more than a directory of {bytes} bytes can hold")]
    Crowded {
        /// Entries counted.
        entries: u64,
        /// Bytes of the directory.
        bytes: u64,
    },
    /// The directory doesn't end where the end records begin.
    #[error("says that the directory ends at byte {found}, but it can only end at byte {expected}")]
    Position {
        /// Where the end records begin.
        expected: u64,
        /// Offset and length of the directory added up, saturating.
        found: u64,
    },
    /// Values marked as standing in ZIP64 records that aren't there.
    #[error("refers to ZIP64 records that are not there")]
    Zip64Missing,
    /// ZIP64 records though all values have room without them.
    #[error("has ZIP64 records without need")]
    Zip64Unneeded,
    /// The ZIP64 end record has a value that is not allowed.
    #[error("has a ZIP64 end record with values that are not allowed")]
    Zip64Record,
    /// The ZIP64 locator points elsewhere.
    #[error("has a ZIP64 locator that does not point to the record before it")]
    Zip64Locator,
    /// ZIP64 end record and end record differ.
    #[error("has two records that differ")]
    Zip64Differs,
}

/// What can be wrong with the directory as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryFault {
    /// Its bytes end in the middle of an entry, or are no entry.
    #[error("is damaged after {entries} entries")]
    Damaged {
        /// Entries before the damage.
        entries: u64,
    },
    /// Other number of entries than the end record says.
    #[error("has {found} entries where its end says {declared}")]
    Count {
        /// Entries that the end record counts.
        declared: u64,
        /// Entries found.
        found: u64,
    },
    /// Bytes between the last entry and the directory.
    #[error("begins {bytes} bytes behind the last entry")]
    Gap {
        /// How many.
        bytes: u64,
    },
    /// Bytes before the first entry.
    #[error("leaves out the first {bytes} bytes of the file")]
    Prefix {
        /// How many.
        bytes: u64,
    },
    /// The manifest is not the last entry.
    #[error("does not end with the manifest")]
    ManifestNotLast,
}

/// What an entry is other than a file, by the Unix mode or the DOS attributes that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Special {
    /// A symbolic link, or a reparse point of Windows.
    #[error("a link")]
    Link,
    /// A device, pipe or socket.
    #[error("a device")]
    Device,
    /// A folder.
    #[error("a folder")]
    Folder,
}

/// A field of a header or descriptor (APPNOTE 4.3.7, 4.3.9 and 4.3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Field {
    /// The signature.
    #[error("signature")]
    Signature,
    /// Version made by.
    #[error("version made by")]
    MadeBy,
    /// Version needed to extract.
    #[error("version needed")]
    Needed,
    /// General purpose flags.
    #[error("flags")]
    Flags,
    /// Compression method.
    #[error("method")]
    Method,
    /// Time and date.
    #[error("time")]
    Time,
    /// CRC-32.
    #[error("checksum")]
    Crc,
    /// Bytes stored.
    #[error("stored size")]
    Compressed,
    /// Bytes of content.
    #[error("size")]
    Size,
    /// The name or its length.
    #[error("name")]
    Name,
    /// Extra fields or their length.
    #[error("extra field")]
    Extra,
    /// The comment's length.
    #[error("comment")]
    Comment,
    /// Number of the disk.
    #[error("disk number")]
    Disk,
    /// Internal attributes.
    #[error("internal attribute")]
    Internal,
    /// External attributes.
    #[error("external attribute")]
    External,
    /// Offset of the local header.
    #[error("offset")]
    Offset,
}
