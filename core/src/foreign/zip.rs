//! Other people's ZIPs (PKWARE APPNOTE 6.3.10): safe to read, or refused.
//!
//! [`Opening`] reads the directory of any ordinary ZIP by ranges, [`Reader`] one entry of it. The layout rules of Coffer's
//! own profile don't apply: entries may stand in any order, have data descriptors, extra fields, times, attributes and
//! comments. What makes a ZIP dangerous, or lets two programs read two different things from it, is found all the same.
//! Every [`Finding`] has a [`Weight`]:
//!
//! | weight | what it means | findings |
//! |---|---|---|
//! | [`Weight::Refused`] | nothing is read | end records or a directory that contradict themselves, each other or the file; two possible ends; bytes before the first entry or behind the end; several disks; records that overlap; two entries of one name; a file that is another entry's folder |
//! | [`Weight::Unreadable`] | this entry is not read, others are | encryption; methods other than store and deflate; links and devices; a name that leaves its folder, has control, invisible or direction-changing characters or a backslash, is too long or too deep, or differs between header and extra field; sizes, extra fields or ZIP64 values that contradict each other |
//! | [`Weight::Note`] | worth knowing, nothing more | a comment; a name that some system can't hold, takes for another's, or that was decoded by guessing |
//!
//! Content passes the same checks as that of Coffer's archives: local header against directory, data descriptor, sizes
//! counted as they appear, CRC-32, limits on bytes and ratio. Bytes between records are not looked at.

mod judge;
mod name;
mod open;
mod read;

use alloc::{collections::BTreeMap, string::String, string::ToString, vec::Vec};

pub use open::Opening;
pub use read::Reader;

use crate::archive::{ArchiveError, EndFault, Entry, Fault, Finding, name::NameError};

/// What a finding means for the one who wants to read the ZIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// The entry is not read.
    Unreadable,
    /// Nothing of the ZIP is read.
    Refused,
}

impl Weight {
    /// The weight of a fault in a foreign ZIP.
    #[must_use]
    pub const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::End(EndFault::Comment { .. })
            | Fault::Name(
                NameError::Forbidden(_)
                | NameError::TrailingDotOrBlank
                | NameError::Device
                | NameError::NotNormal,
            )
            | Fault::SimilarName
            | Fault::GuessedName => Self::Note,
            Fault::Name(_)
            | Fault::OtherName
            | Fault::Encrypted
            | Fault::Flags(_)
            | Fault::Method(_)
            | Fault::StoredSizes { .. }
            | Fault::StoredDescriptor
            | Fault::Special(_)
            | Fault::FolderContent
            | Fault::ExtraField(_)
            | Fault::DuplicateExtraField(_)
            | Fault::MalformedExtraField
            | Fault::Zip64Field { .. }
            | Fault::Header(_)
            | Fault::LocalHeader(_)
            | Fault::Descriptor(_)
            | Fault::Deflate
            | Fault::Size { .. }
            | Fault::Crc
            | Fault::Digest
            | Fault::Missing
            | Fault::Unexpected
            | Fault::ManifestSize { .. }
            | Fault::Rows { .. }
            | Fault::FileSets => Self::Unreadable,
            Fault::End(_)
            | Fault::Directory(_)
            | Fault::DuplicateName
            | Fault::FileAndFolder
            | Fault::Offset { .. }
            | Fault::Overlap { .. } => Self::Refused,
        }
    }
}

/// One entry of a foreign ZIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the directory says of it. The name has no slash at its end.
    pub entry: Entry,
    /// It is a folder.
    pub folder: bool,
    /// What forbids to read it.
    pub unreadable: Option<Fault>,
    /// Its name as it stands in the headers.
    raw_name: Vec<u8>,
    /// Its flags.
    flags: u16,
    /// Where the next record or the directory begins.
    room: u64,
}

/// A foreign ZIP whose directory is safe to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zip {
    items: Vec<Item>,
    by_name: BTreeMap<String, usize>,
    findings: Vec<Finding>,
}

impl Zip {
    /// All entries, in the order of the directory.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// What is not as it should be, and still does not forbid to read the ZIP: notes, and why entries are unreadable.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The entry called `name`, without a slash at its end.
    ///
    /// # Errors
    /// [`ArchiveError::NoEntry`], or [`ArchiveError::Entry`] if it is there and can't be read.
    pub fn item(&self, name: &str) -> Result<&Item, ArchiveError> {
        let item = self
            .by_name
            .get(name)
            .and_then(|index| self.items.get(*index))
            .ok_or_else(|| ArchiveError::NoEntry(name.to_string()))?;
        match item.unreadable {
            None => Ok(item),
            Some(fault) => Err(ArchiveError::Entry(Finding {
                entry: name.to_string(),
                fault,
            })),
        }
    }
}
