//! Applying a restore bundle that was uploaded.

use coffer_core::{
    Digest,
    manifest::Selection,
    plan::{Consent, Mode},
    seal::FileKey,
};
use serde_json::{Value, json};

use super::{RunFailure, TargetLock};
use crate::{
    hooks::{self, Occasion},
    progress::Progress,
    read::Unlock,
    restore::{self, RestoreRequest},
    safety::SafetyStore,
    signed::TrustedSenders,
    source::SourceConfig,
    store::ClaimedUpload,
    system::Guard,
};

/// A restore that is about to be applied. Dropping it removes the upload and forgets the key.
#[derive(Debug)]
pub struct RestoreRun {
    /// The database and folders that are written.
    pub target: SourceConfig,
    /// Nobody else restores into it meanwhile.
    pub lock: TargetLock,
    /// The bundle.
    pub upload: ClaimedUpload,
    /// The bundle's one-time key.
    pub key: FileKey,
    /// What of the bundle is restored.
    pub selection: Selection,
    /// How archive and target are brought together.
    pub mode: Mode,
    /// What the user allowed.
    pub consent: Consent,
    /// Digest of the plan that the user confirmed.
    pub plan: Digest,
    /// What looks after a restore of Coffer's own configuration.
    pub guard: Option<Guard>,
    /// Whether that plan was made from the manifest alone, before the rows were there.
    pub planned_without_rows: bool,
    /// Where what will be replaced is kept.
    pub safety: SafetyStore,
}

impl RestoreRun {
    /// Applies the restore, all or nothing.
    ///
    /// # Errors
    /// Why nothing was restored, or what is left to do by hand.
    pub async fn run(self, progress: Progress) -> Result<Value, RunFailure> {
        let request = RestoreRequest {
            target: self.target,
            archive: self.upload.read_at()?,
            unlock: Unlock::FileKey(self.key),
            // The one-time key says that it is the bundle of the page that asked for the plan.
            senders: TrustedSenders::default(),
            selection: self.selection,
            mode: self.mode,
            consent: self.consent,
            expected_plan: Some(self.plan),
            planned_without_rows: self.planned_without_rows,
            safety: self.safety,
            undoes: None,
            guard: self.guard,
        };
        let report = apply(request, &progress).await?;
        drop((self.upload, self.lock));
        Ok(report)
    }
}

/// Applies a restore with the target's hooks around it.
pub(super) async fn apply(
    request: RestoreRequest,
    progress: &Progress,
) -> Result<Value, RunFailure> {
    let hooks = request.target.hooks.clone();
    let work = async { Ok(json!(restore::run(request, progress.clone()).await?)) };
    Ok(hooks::around(&hooks, Occasion::Restore, progress, work).await?)
}
