//! Bindings of `coffer-core` for JavaScript: nothing is decided here. Each class drives one of core's readers, which
//! say which bytes they want, with a `Blob` or with HTTP ranges.
//!
//! Everything that fails rejects with a plain object `{code, message, …}`: see [`failure`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod archive;
mod bundle;
mod check;
mod convert;
mod cursor;
mod failure;
mod foreign;
mod key;
mod lanes;
mod pieces;
mod plain;
mod random;
mod redacted;
mod rekey;
mod rows;
mod scrub;
mod sealing;
mod signed;
mod slab_sealer;
mod source;
mod stream;
mod task;
mod turns;
mod unsealing;
mod window;

pub use archive::Archive;
pub use bundle::Bundle;
pub use foreign::{Foreign, ForeignFile};
pub use key::{key_file_fits, make_key};
pub use lanes::Lanes;
pub use redacted::Redacted;
pub use rekey::Rekeyed;
pub use rows::TableStream;
pub use sealing::Sealing;
pub use source::Source;
pub use stream::FileStream;
pub use unsealing::Unsealing;
