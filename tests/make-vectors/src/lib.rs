//! The vectors of the sealed archive: files in `tests/vectors/` that every reader must agree on.
//!
//! [`mod@file`] is their text form, [`cases`] says which there are and what a reader must find in each,
//! [`parts`] encodes them from explicit fields, so that each can be wrong on purpose, and [`read`] reads them with core in
//! every way that core can be driven. `tests/vectors/README.md` describes the form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cases;
pub mod file;
pub mod hpke;
pub mod parts;
pub mod read;
mod seeded;

use std::{collections::BTreeMap, fs, path::PathBuf};

pub use file::{Finding, Open, Vector};

/// Where the vectors are.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}

/// The stored vectors, by name.
///
/// # Panics
/// If the folder holds anything that is no vector.
#[must_use]
pub fn stored() -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name != "README.md" {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}
