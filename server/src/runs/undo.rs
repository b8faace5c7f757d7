//! Undoing a restore, as it was confirmed.

use std::fmt;

use serde_json::Value;

use super::{RunFailure, TargetLock, restore::apply};
use crate::{progress::Progress, restore::RestoreRequest};

/// An undo that is about to be carried out. Dropping it forgets the key.
pub struct UndoRun {
    /// The restore of the safety backup, bound to the plan that was confirmed.
    pub request: RestoreRequest,
    /// Nobody else restores into the target meanwhile.
    pub lock: TargetLock,
}

impl fmt::Debug for UndoRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndoRun")
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

impl UndoRun {
    /// Carries it out, all or nothing.
    ///
    /// # Errors
    /// Why nothing was undone, or what is left to do by hand.
    pub async fn run(self, progress: Progress) -> Result<Value, RunFailure> {
        let report = apply(self.request, &progress).await?;
        drop(self.lock);
        Ok(report)
    }
}
