//! The sealed archive (`.coffer`): a header with recipients, the encrypted payload, a scrub table and a footer.
//!
//! ```text
//! header    block padded to a multiple of 4096 bytes: magic, version, recipient stanzas, MAC
//! payload   salt | commitment | AES-256-GCM chunks of 16 KiB  (c2sp.org/chunked-encryption, Cobblestone-256)
//! scrub     SHA-256 of every 1 MiB of the payload region
//! sender    none, or 96 bytes: Ed25519 public key and signature
//! footer    72 bytes: version, lengths, SHA-256 of the scrub table, magic
//! ```
//!
//! [`Sealer`] writes one from start to end, of any length, without going back. [`Opening`] reads header and footer;
//! [`Sealed`] is what can be said without a key; [`Unsealer`] turns ranges of the file into plaintext.
//! The format is specified in `docs/format.md`.

mod access;
mod batch;
mod blocks;
mod error;
mod fingerprint;
mod footer;
mod header;
mod key;
mod locks;
mod open;
mod password;
mod payload;
mod rekey;
mod salvage;
mod scrub;
mod secret;
mod sender;
mod slice;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_edges;
mod text;
mod write;

pub use access::{Access, seal_header};
pub use batch::{Batch, ChunkSealer, PayloadKey};
pub use blocks::PayloadBlocks;
pub use error::SealError;
pub use fingerprint::Fingerprint;
pub use footer::{FOOTER_BYTES, Footer};
pub use header::{HEADER_UNIT, Header, MAGIC, MAX_HEADER_BYTES, Stanza};
pub use key::{KeyFile, KeyType, LockedKey, MAX_KEY_FILE_BYTES, Recipient, SecretKey};
pub use locks::{Lock, Locks, Unlocked};
pub use open::{Opening, Sealed};
pub use password::{Cost, Password};
pub use payload::{CHUNK_BYTES, Located, PREFIX_BYTES, SEALED_CHUNK_BYTES, TAG_BYTES, Unsealer};
pub use rekey::{Change, RekeyError, Rekeyed, Removal};
pub use salvage::{Piece, Survey, Survivors};
pub use scrub::{BlockCut, SCRUB_BLOCK_BYTES, ScrubChecker};
pub use secret::FileKey;
pub use sender::{LockedSender, SENDER_BYTES, Sender, SenderKey};
pub use slice::{Slice, merge_ranges};
pub use stream::{SealedStream, StreamEnd};
pub use write::{SealedPayload, Sealer, sealed_len};
