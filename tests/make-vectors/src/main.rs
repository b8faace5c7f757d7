//! Writes `tests/vectors/`: `cargo run --release -p coffer-vectors`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;

use coffer_vectors::{Vector, cases, folder, stored};

fn main() {
    let mut old = stored();
    let (mut written, mut kept) = (0, 0);
    for case in cases::all() {
        let vector = case.vector();
        // Another version of the compressor is no other vector.
        if old
            .remove(case.name)
            .is_some_and(|file| Vector::parse(&file) == vector)
        {
            kept += 1;
        } else {
            fs::write(folder().join(case.name), vector.encode()).unwrap();
            written += 1;
        }
    }
    for name in old.keys() {
        fs::remove_file(folder().join(name)).unwrap();
    }
    println!("{written} written, {kept} kept, {} removed", old.len());
}
