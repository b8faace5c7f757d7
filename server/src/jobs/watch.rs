//! What a run at work tells, and is told.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{clock, progress::Progress};

/// Most bytes of a log; what comes later is left out.
const MAX_LOG: usize = 64 << 10;

/// A handle on a run at work; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    progress: Progress,
    log: Mutex<String>,
    lost: AtomicBool,
}

impl Watch {
    /// For a run whose log has these lines from earlier attempts.
    #[must_use]
    pub fn new(log: String) -> Self {
        Self(Arc::new(Shared {
            log: Mutex::new(log),
            ..Shared::default()
        }))
    }

    /// How far it is, and the way to stop it.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Adds a line to the log.
    pub fn note(&self, line: &str) {
        let mut log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::text(clock::now());
        if log.len() + now.len() + line.len() + 2 <= MAX_LOG {
            log.push_str(&now);
            log.push(' ');
            // One line each, whatever an error says.
            log.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
            log.push('\n');
        }
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        let log = self.0.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }

    /// Another server has the run: what is done here counts for nothing any more.
    pub(super) fn lose(&self) {
        self.0.lost.store(true, Ordering::SeqCst);
        self.0.progress.cancel();
    }

    /// Whether another server has the run.
    #[must_use]
    pub fn lost(&self) -> bool {
        self.0.lost.load(Ordering::SeqCst)
    }
}
