//! What Ctrl-C and a request to terminate do to a command: nothing half is left, whenever they come.
//!
//! A task that is being watched is asked to stop, and ends by itself. At any other moment, such as at a prompt or while
//! a password is checked, files with temporary names are removed and the process ends. Once a file is given its final
//! name, the command is as good as done and goes on to its end.

use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::NamedTempFile;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::progress::Progress;

/// Exit code of a cancelled command.
const CANCELLED: i32 = 130;

static STATE: Mutex<State> = Mutex::new(State {
    watched: None,
    temporary: BTreeSet::new(),
    publishing: false,
});

struct State {
    /// The task that can be asked to stop, and was not yet.
    watched: Option<Progress>,
    /// Files to be removed, if they are there.
    temporary: BTreeSet<PathBuf>,
    publishing: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for signals from now on.
///
/// # Errors
/// What the system says.
pub(super) fn listen() -> io::Result<()> {
    let signals = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ];
    for signal in signals {
        tokio::spawn(answer(signal));
    }
    Ok(())
}

async fn answer(mut signal: Signal) {
    while signal.recv().await.is_some() {
        let mut state = state();
        if state.publishing {
            continue;
        }
        match state.watched.take() {
            Some(progress) => progress.cancel(),
            None => {
                for path in &state.temporary {
                    // One that is gone already needs no removing.
                    let _ = fs::remove_file(path);
                }
                process::exit(CANCELLED);
            }
        }
    }
}

/// A task that stops when it is asked to, for as long as this lives.
#[must_use]
pub(super) struct Watched;

impl Watched {
    pub(super) fn new(progress: &Progress) -> Self {
        state().watched = Some(progress.clone());
        Self
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        state().watched = None;
    }
}

/// Makes a file that is removed if the process is asked to end.
pub(super) fn temporary(
    make: impl FnOnce() -> io::Result<NamedTempFile>,
) -> io::Result<NamedTempFile> {
    // Under the lock, so that no signal comes between the file and its entry here.
    let mut state = state();
    let file = make()?;
    state.temporary.insert(file.path().to_owned());
    Ok(file)
}

/// From now on a file has its final name, or will have it in a moment.
pub(super) fn publishing() {
    state().publishing = true;
}
