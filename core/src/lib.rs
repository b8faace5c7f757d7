//! What the browser and the server must agree on, once: the archive, the sealed archive, the manifest,
//! the text form of rows, schemas and plans.
//!
//! This crate decides and never acts: it has no I/O, no clock and no randomness of its own. Readers ask for
//! the [`ByteRange`] they need next and are fed it; writers append to a buffer that the caller drains. A file,
//! a `Blob`, an HTTP range and an object store are driven the same way.
//!
//! It needs only `alloc`; the feature `std` (on by default) takes faster paths of its dependencies.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout
    )
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod app_secret;
pub mod archive;
pub mod bundle;
#[cfg(test)]
mod bytewise;
pub mod digest;
pub mod extract;
#[cfg(test)]
mod fixture;
pub mod foreign;
pub mod manifest;
pub mod merge;
pub mod plan;
pub mod policy;
pub mod preview;
pub mod range;
pub mod redact;
mod request;
pub mod retention;
pub mod rows;
pub mod schema;
pub mod seal;
pub mod verify;
pub mod withhold;

pub use digest::Digest;
pub use range::ByteRange;
