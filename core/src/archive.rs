//! The archive: a ZIP (PKWARE APPNOTE 6.3) in a strict profile, for writing and for reading.
//!
//! [`ArchiveWriter`] emits only the profile; [`Opening`] accepts only the profile: store and deflate, records back to
//! back from the first byte, local headers equal to central ones, no extra fields but ZIP64 where needed, safe and
//! unique names. [`EntryReader`] reads one entry and believes nothing that it has not counted itself.

mod account;
mod checked;
pub(crate) mod content;
mod deflate;
mod end;
mod entry;
mod error;
pub mod name;
mod open;
pub(crate) mod raw;
mod record;
mod salvage;
mod write;

pub use account::account;
pub use checked::{CheckedReader, ExpectedDigest};
pub(crate) use deflate::{Inflated, StreamInflate};
pub use deflate::{Packed, StreamPacker, Streamed, pack};
pub(crate) use entry::read_whole;
pub use entry::{EntryReader, Step};
pub use error::{ArchiveError, DirectoryFault, EndFault, Fault, Field, Finding, Limits, Special};
pub use open::{Directory, Opening};
pub use record::{Entry, Method, archive_len};
pub use salvage::{DirectoryState, Found, FoundEntry, Gap, Origin, Search};
pub use write::ArchiveWriter;

#[cfg(test)]
mod tests;
