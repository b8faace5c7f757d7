//! What Ctrl-C and a request to terminate do to a command: nothing half is left, whenever they come.
//!
//! A task that is being watched is asked to stop, and ends by itself. At any other moment, such as at a prompt or while
//! a password is checked, files with temporary names are removed, so is what was left with a server, and the process ends. Once a file is given its final
//! name, the command is as good as done and goes on to its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io, mem,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::progress::Progress;

/// Exit code of a cancelled command.
const CANCELLED: i32 = 130;

/// Time for a server to remove what was left with it. Whoever asked to end waits no longer.
const PARTING: Duration = Duration::from_secs(5);

static STATE: Mutex<State> = Mutex::new(State {
    watched: None,
    temporary: BTreeSet::new(),
    elsewhere: BTreeMap::new(),
    publishing: false,
});

struct State {
    /// The task that can be asked to stop, and was not yet.
    watched: Option<Progress>,
    /// Files and folders to be removed, if they are there.
    temporary: BTreeSet<PathBuf>,
    /// What removes things that lie with a server, by the number of their [`Elsewhere`].
    elsewhere: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
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
        if let Some(elsewhere) = asked() {
            let removing =
                tokio::task::spawn_blocking(|| elsewhere.into_values().for_each(|remove| remove()));
            // A server removes by itself, later, what it was not asked to.
            let _ = tokio::time::timeout(PARTING, removing).await;
            process::exit(CANCELLED);
        }
    }
}

/// Does what a signal asks for. If the process is to end, what is still to be removed elsewhere.
fn asked() -> Option<BTreeMap<u64, Box<dyn FnOnce() + Send>>> {
    let mut state = state();
    if state.publishing {
        return None;
    }
    if let Some(progress) = state.watched.take() {
        progress.cancel();
        return None;
    }
    for path in &state.temporary {
        // One that is gone already needs no removing.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    }
    Some(mem::take(&mut state.elsewhere))
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

/// Something that lies with a server, and that is removed if the process is asked to end while this lives.
#[must_use]
pub(super) struct Elsewhere(u64);

/// What removes it may take a while, and blocks.
pub(super) fn elsewhere(remove: impl FnOnce() + Send + 'static) -> Elsewhere {
    let mut state = state();
    let number = state
        .elsewhere
        .last_key_value()
        .map_or(0, |(last, _)| last + 1);
    state.elsewhere.insert(number, Box::new(remove));
    Elsewhere(number)
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        state().elsewhere.remove(&self.0);
    }
}

/// Makes a file or a folder that is removed if the process is asked to end.
pub(super) fn temporary<T: AsRef<Path>>(make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    // Under the lock, so that no signal comes between the file and its entry here.
    let mut state = state();
    let made = make()?;
    state.temporary.insert(made.as_ref().to_owned());
    Ok(made)
}

/// From now on a file has its final name, or will have it in a moment.
pub(super) fn publishing() {
    state().publishing = true;
}
