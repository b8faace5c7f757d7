//! Which change of this program is switched on: the one that the environment names in `COFFER_MUTANT`. With a file in
//! `COFFER_MUTANTS_REACHED` none is, and the file gets the number of each change that the program comes across.
//!
//! The first question also arranges that the first panic of any thread ends the process: a change that one test has
//! noticed needs no other test.

use std::{
    boxed::Box,
    env,
    fs::File,
    io::Write,
    panic, process,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// More than there are changes.
const MOST: usize = 1 << 14;

enum Mode {
    Unchanged,
    Changed(usize),
    Reached(File, Box<[AtomicBool]>),
}

/// Whether a change is switched on. Never while compiling.
pub(crate) const fn on(id: usize) -> bool {
    core::intrinsics::const_eval_select((id,), never, chosen)
}

const fn never(_: usize) -> bool {
    false
}

fn chosen(id: usize) -> bool {
    static MODE: OnceLock<Mode> = OnceLock::new();
    match MODE.get_or_init(mode) {
        Mode::Unchanged => false,
        Mode::Changed(chosen) => id == *chosen,
        Mode::Reached(file, seen) => {
            if !seen[id].swap(true, Relaxed) {
                // In one piece, since threads write side by side.
                (&*file)
                    .write_all(std::format!("{id}\n").as_bytes())
                    .expect("the file for what is reached can be written");
            }
            false
        }
    }
}

fn mode() -> Mode {
    if let Some(path) = env::var_os("COFFER_MUTANTS_REACHED") {
        let file = File::options().append(true).create(true).open(path);
        let seen = (0..MOST).map(|_| AtomicBool::new(false)).collect();
        return Mode::Reached(
            file.expect("the file for what is reached can be opened"),
            seen,
        );
    }
    let chosen = env::var("COFFER_MUTANT")
        .ok()
        .and_then(|id| id.parse().ok());
    chosen.map_or(Mode::Unchanged, |chosen| {
        panic::set_hook(Box::new(|_| process::exit(101)));
        Mode::Changed(chosen)
    })
}
