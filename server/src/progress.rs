//! How far a long run is, shared between the run, whoever shows it and whoever may cancel it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::hooks::HookRun;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not yet at work.
    #[default]
    Waiting,
    /// Running what stands before or after.
    Hooks,
    /// Reading the database's shape.
    Reading,
    /// Archiving rows.
    Rows,
    /// Archiving or staging files.
    Files,
    /// Taking credentials out.
    Redacting,
    /// Sealing or unsealing, and checking.
    Copying,
    /// Writing the last bytes.
    Finishing,
    /// Checking stored bytes.
    Verifying,
    /// Comparing archive and target.
    Planning,
    /// Loading rows into the target.
    Loading,
    /// Putting keys back and comparing what was loaded with the archive.
    Proving,
    /// Making everything visible.
    Committing,
}

/// A cheap handle on a run's progress; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: Mutex<Phase>,
    rows: AtomicU64,
    rows_total: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
    cancelled: AtomicBool,
    hooks: Mutex<Vec<HookRun>>,
}

/// A run's progress at one moment. A total of 0 means that it isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressSnapshot {
    /// What it is doing.
    pub phase: Phase,
    /// Rows done.
    pub rows: u64,
    /// Rows in all.
    pub rows_total: u64,
    /// Bytes done in this phase.
    pub bytes: u64,
    /// Bytes in all in this phase.
    pub bytes_total: u64,
}

impl Progress {
    /// Starts a phase; bytes count from 0 again, of `bytes_total` (0 if not known).
    pub fn begin(&self, phase: Phase, bytes_total: u64) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.0.bytes.store(0, Ordering::Relaxed);
        self.0.bytes_total.store(bytes_total, Ordering::Relaxed);
    }

    /// Says how many rows there are in all, and counts them from 0.
    pub fn expect_rows(&self, total: u64) {
        self.0.rows.store(0, Ordering::Relaxed);
        self.0.rows_total.store(total, Ordering::Relaxed);
    }

    /// Adds rows done.
    pub fn add_rows(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Adds bytes done.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Shows how far a run is that is at work elsewhere.
    pub fn show(&self, there: ProgressSnapshot) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = there.phase;
        for (here, there) in [
            (&self.0.rows, there.rows),
            (&self.0.rows_total, there.rows_total),
            (&self.0.bytes, there.bytes),
            (&self.0.bytes_total, there.bytes_total),
        ] {
            here.store(there, Ordering::Relaxed);
        }
    }

    /// How far it is.
    #[must_use]
    pub fn snapshot(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            phase: *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner),
            rows: self.0.rows.load(Ordering::Relaxed),
            rows_total: self.0.rows_total.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
            bytes_total: self.0.bytes_total.load(Ordering::Relaxed),
        }
    }

    /// Notes what became of a hook.
    pub fn hook_ran(&self, ran: HookRun) {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.push(ran);
    }

    /// What became of the hooks that were run so far.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookRun> {
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.clone()
    }

    /// Asks the run to stop. It does so at its next step and leaves nothing half done.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked the run to stop.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }
}
