//! Finding out what the restore of an uploaded bundle would do.

use std::path::PathBuf;

use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode},
    seal::FileKey,
};
use serde_json::{Value, json};

use super::{RunFailure, TargetLock};
use crate::{
    progress::Progress,
    read::Unlock,
    restore::{self, RestoreRequest, TableSamples},
    safety::{DEFAULT_KEEP, SafetyStore},
    signed::TrustedSenders,
    source::SourceConfig,
    store::LentUpload,
    system::Guard,
};

/// A plan that is about to be made from a bundle's rows. The bundle stays; the key is forgotten with this.
#[derive(Debug)]
pub struct RehearsalRun {
    /// The database and folders that would be written.
    pub target: SourceConfig,
    /// Nobody restores into it meanwhile: a merge's plan holds the same locks as the merge.
    pub lock: TargetLock,
    /// The bundle.
    pub upload: LentUpload,
    /// The bundle's one-time key.
    pub key: FileKey,
    /// What of the bundle would be restored.
    pub selection: Selection,
    /// How archive and target would be brought together.
    pub mode: Mode,
    /// What the user allowed.
    pub consent: Consent,
    /// What looks after a restore of Coffer's own configuration.
    pub guard: Option<Guard>,
}

impl RehearsalRun {
    /// Makes the plan, whether or not it may be carried out. Rows that change are given apart, since they are for those who
    /// may restore, and are written down nowhere.
    ///
    /// # Errors
    /// Why there is no plan. Nothing was changed in any case.
    pub async fn run(self, progress: Progress) -> Result<(Value, Vec<TableSamples>), RunFailure> {
        let request = RestoreRequest {
            target: self.target,
            archive: self.upload.read_at()?,
            unlock: Unlock::FileKey(self.key),
            // As for the restore that follows.
            senders: TrustedSenders::default(),
            selection: self.selection,
            mode: self.mode,
            consent: self.consent,
            expected_plan: None,
            planned_without_rows: false,
            // A plan keeps nothing.
            safety: SafetyStore {
                folder: PathBuf::new(),
                recipients: Vec::new(),
                keep: DEFAULT_KEEP,
            },
            undoes: None,
            guard: self.guard,
        };
        let planned = restore::plan(&request, &progress).await?;
        drop((self.upload, self.lock));
        let digest = planned.plan.digest();
        Ok((
            json!({ "plan": planned.plan, "digest": digest }),
            planned.samples,
        ))
    }
}
