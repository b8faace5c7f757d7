//! Nosdesk's archives: a ZIP with a JSON file a table, the uploaded files and a manifest; plain, or sealed as one AES-GCM
//! message (`NODB`). Formats 1 and 2 of both.

mod manifest;
mod rules;
mod sealed;

pub(super) use manifest::{Listed, Manifest};
pub(super) use rules::Rules;
pub use sealed::Sealed;
pub(super) use sealed::{HEADER_BYTES, MAGIC};

/// The entry that describes the others.
pub(super) const MANIFEST: &str = "manifest.json";
/// The folder of the tables.
pub(super) const TABLES: &str = "data/";
/// The folder of the uploaded files.
pub(super) const FILES: &str = "files/";
