//! Puts every change that cargo-mutants would make one by one into the source at once, each behind a switch.
//!
//! ```text
//! coffer-mutants FROM TO CRATE LIST LEFT-OUT > PLACED
//! ```
//!
//! FROM is the repository and TO a copy of it that gets the changed files; CRATE is the path of the crate's `src` in both.
//! LIST is what `cargo mutants --list --json` said, LEFT-OUT a JSON array of places in LIST that shall stay out. PLACED
//! says which lines of the changed files belong to which change, so that what the compiler refuses can be left out the
//! next time. One build then tries them all: a change is switched on by its place in LIST (`switch.rs`), which takes
//! milliseconds where a build takes seconds.
//!
//! What can't be switched is not placed: changes outside of functions, and those of a condition that binds with `let`.
mod change;
mod lines;
mod render;
mod sites;

use std::{collections::BTreeMap, collections::BTreeSet, env, error::Error, fs, path::Path};

use change::Change;
use serde::Serialize;

/// The module that knows which change is switched on.
const SWITCH: &str = include_str!("../switch.rs");

/// Where a change is in the changed source.
#[derive(Serialize)]
struct Placed {
    id: usize,
    file: String,
    /// Its own lines, from 1, first and last.
    own: [usize; 2],
    /// The lines of all of the expression or function that it changes.
    whole: [usize; 2],
}

fn main() -> Result<(), Box<dyn Error>> {
    let [from, to, root, list, left_out] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: coffer-mutants FROM TO CRATE LIST LEFT-OUT")?;
    let (from, to) = (Path::new(&from), Path::new(&to));
    let changes: Vec<Change> = serde_json::from_str(&fs::read_to_string(list)?)?;
    let left_out: BTreeSet<usize> = serde_json::from_str(&fs::read_to_string(left_out)?)?;

    let library = Path::new(&root).join("lib.rs");
    fs::write(
        to.join(&library),
        format!(
            "#![feature(const_eval_select, core_intrinsics)]\n#![allow(internal_features)]\n{}\nmod mutant_switch;\n",
            fs::read_to_string(from.join(&library))?
        ),
    )?;
    fs::write(to.join(&root).join("mutant_switch.rs"), SWITCH)?;

    let mut by_file: BTreeMap<&str, Vec<(usize, &Change)>> = BTreeMap::new();
    for (id, change) in changes.iter().enumerate() {
        let of_file = by_file.entry(&change.file).or_default();
        if !left_out.contains(&id) {
            of_file.push((id, change));
        }
    }
    let mut placed = Vec::new();
    for (file, changes) in by_file {
        let source = fs::read_to_string(from.join(file))?;
        let sites = sites::find(&source, &changes)?;
        let (text, found) = render::render(&source, &sites);
        fs::write(to.join(file), text)?;
        placed.extend(found.into_iter().map(|place| Placed {
            id: place.id,
            file: file.to_owned(),
            own: place.own,
            whole: place.whole,
        }));
    }
    println!("{}", serde_json::to_string(&placed)?);
    Ok(())
}
