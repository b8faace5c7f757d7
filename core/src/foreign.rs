//! Archives of other systems: read with the same care as Coffer's own, though they keep to none of its rules.
//!
//! [`zip`] makes any ZIP safe to read. On top of it, of gzip and of AES-GCM, this reads what three products write: Nosdesk
//! (plain or sealed, [`nosdesk`]), Nojoin ([`nojoin`]) and DBackup's system backups ([`dbackup`]). The way is the same for
//! all, on a server and in a browser:
//!
//! 1. [`Look::at`] the first bytes. The bytes decide, never the name; only bare ciphertext needs its [`dbackup::Sidecar`].
//! 2. What is encrypted is unlocked: [`Unlocking`] reads all of it once, and gives nothing before the tag was right.
//!    [`Decrypted`] is then read like any file.
//! 3. [`Opening`] reads directory and description, and gives an [`Archive`].
//! 4. [`Survey`] reads all rows, and all files if it is to, and gives an [`Overview`] with every [`Finding`].
//! 5. [`RowStream`] gives rows: columns and values as they are written.
//!
//! Memory is bounded by the directory (one place for each entry) and by the largest row, of at most 64 MiB. Everything is
//! counted as it is written out, never as it is declared.

mod archive;
pub mod dbackup;
mod error;
mod examine;
mod finding;
mod gcm;
mod gzip;
mod json;
mod look;
pub mod nojoin;
pub mod nosdesk;
mod overview;
mod peek;
mod report;
mod rows;
mod stand_in;
mod survey;
#[cfg(test)]
mod tests;
mod unlock;
pub mod zip;

pub use archive::{Archive, Opening};
pub use error::{ForeignError, SidecarFault};
pub use finding::{Finding, Level, Problem, Rows};
pub use gcm::Decrypted;
pub use json::{Row, Value};
pub use look::{Content, Look};
pub use overview::{FileInfo, Overview, Product, TableInfo};
pub use peek::Peek;
pub use rows::{Found, RowStream};
pub use stand_in::stand_ins;
pub use survey::{Depth, Survey};
pub use unlock::{Secret, Unlocking};
