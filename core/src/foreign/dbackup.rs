//! DBackup's system backups: one JSON document, packed with gzip, and encrypted as one AES-GCM message whose IV and tag
//! stand in a file beside it. As 3.2.0 writes them, with the sidecar of older releases too.

mod keys;
mod parts;
mod rules;
mod sidecar;

pub use keys::KeyRing;
pub(super) use parts::{Metadata, metadata, rows, table};
pub(super) use rules::Rules;
pub use sidecar::{Encrypted, Encryption, Sidecar};
