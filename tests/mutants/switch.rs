//! Which change of this program is switched on: the one that the environment names in `COFFER_MUTANT`.
//!
//! The first question also arranges that the first panic of any thread ends the process: a change that one test has
//! noticed needs no other test.

use std::{env, panic, process, sync::OnceLock};

/// Whether a change is switched on. Never while compiling.
pub(crate) const fn on(id: usize) -> bool {
    core::intrinsics::const_eval_select((id,), never, chosen)
}

const fn never(_: usize) -> bool {
    false
}

fn chosen(id: usize) -> bool {
    static CHOSEN: OnceLock<usize> = OnceLock::new();
    id == *CHOSEN.get_or_init(|| {
        let Some(chosen) = env::var("COFFER_MUTANT")
            .ok()
            .and_then(|id| id.parse().ok())
        else {
            return usize::MAX;
        };
        panic::set_hook(std::boxed::Box::new(|_| process::exit(101)));
        chosen
    })
}
