//! What must hold of any bytes that `coffer-core` reads or writes.
//!
//! Each public function takes arbitrary bytes, makes something of them that reaches deep into one reader, and panics if
//! the reader breaks a promise: not only by panicking itself, but by accepting what it would not write, giving other
//! content than was sealed, or saying something else when it is fed in other pieces. `tests/fuzz` hands them bytes by
//! the million; `tests/corpus.rs` those that were found to matter; the property tests share the helpers.
//!
//! Where possible the expected answer comes from other code than the one under test: other crates, or the few lines of
//! [`oracle`], written from the specification.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod choices;
pub mod drive;
mod edit;
mod foreign;
mod header;
mod manifest;
pub mod oracle;
mod products;
mod redact;
mod rekey;
mod rows;
mod salvage;
pub mod samples;
mod sealed;
mod zip;

pub use foreign::foreign;
pub use header::header;
pub use manifest::manifest;
pub use products::products;
pub use redact::redact;
pub use rekey::rekey;
pub use rows::rows;
pub use salvage::{search, survey};
pub use sealed::sealed;
pub use zip::zip;

/// A body of a fuzz target.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: [(&str, Body); 11] = [
    ("header", header),
    ("rekey", rekey),
    ("sealed", sealed),
    ("survey", survey),
    ("zip", zip),
    ("foreign", foreign),
    ("products", products),
    ("search", search),
    ("manifest", manifest),
    ("rows", rows),
    ("redact", redact),
];
