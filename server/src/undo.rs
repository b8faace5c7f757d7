//! Undoing a restore: restoring the safety backup that it took.

use std::{path::Path, sync::Arc};

use coffer_core::{
    manifest::Selection,
    plan::{Consent, Mode, Plan},
    schema::Decisions,
    seal::SealError,
};
use serde::{Deserialize, Serialize};

use crate::{
    app_secrets::AppSecrets,
    engine::{self, DatabaseUrl},
    read::{FileSource, ReadError, Unlock},
    restore::{self, RestoreError, RestoreRequest, Undoes},
    safety::{
        self, Changes, Listed, Occasion, Record, SafetyError, SafetyFolder, SafetyStore, State,
    },
    signed::{Trusted, TrustedSenders},
    source::SourceConfig,
    system::Guard,
};

/// What the user allows, besides what an undo does in any case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowed {
    /// What changed since the restore may be lost.
    pub discard_changes: bool,
    /// What becomes of rows that don't fit into the target's tables any more.
    pub decisions: Decisions,
    /// No safety backup is taken, so that the undo can't be undone.
    pub no_safety_backup: bool,
    /// What looks after an undo of Coffer's own configuration. No request says it.
    #[serde(skip)]
    pub guard: Option<Guard>,
}

/// A safety backup as lists show it, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Entry<'a> {
    /// By which it is undone.
    pub id: &'a str,
    /// When it was taken, RFC 3339.
    pub created_at: &'a str,
    /// The database that it is of, without credentials.
    pub target: &'a str,
    /// What it was taken before.
    pub before: Occasion,
    /// What became of the restore: `begun`, `committing` if it was interrupted there, or `committed`.
    pub restore: &'static str,
    /// The application whose archive was restored.
    pub restored_app: &'a str,
    /// When that archive was taken, RFC 3339.
    pub restored_created_at: &'a str,
    /// How many tables it holds.
    pub tables: usize,
    /// Rows in it.
    pub rows: u64,
    /// Files in it.
    pub files: u64,
    /// Bytes of its archive.
    pub bytes: u64,
}

impl<'a> Entry<'a> {
    /// What is shown of a record.
    #[must_use]
    pub fn of(record: &'a Record) -> Self {
        Self {
            id: &record.id,
            created_at: &record.created_at,
            target: &record.target,
            before: record.before,
            restore: match record.state {
                State::Begun => "begun",
                State::Committing { .. } => "committing",
                State::Committed { .. } => "committed",
            },
            restored_app: &record.restored.app,
            restored_created_at: &record.restored.created_at,
            tables: record.held.tables.len(),
            rows: record.rows(),
            files: record.files(),
            bytes: record.bytes,
        }
    }
}

/// An undo that only has to be confirmed.
pub struct Prepared {
    /// What it does.
    pub plan: Plan,
    /// What it would lose.
    pub changes: Changes,
    /// The restore that carries it out. It is bound to the plan.
    pub request: RestoreRequest,
}

/// All safety backups of a folder, the latest first; only those of one database, if one is named, brought up to date.
///
/// # Errors
/// [`SafetyError`].
pub async fn list(folder: &Path, url: Option<&DatabaseUrl>) -> Result<Listed, SafetyError> {
    if let Some(url) = url {
        safety::settle(folder, url).await?;
    }
    let Some(folder) = SafetyFolder::existing(folder) else {
        return Ok(Listed::default());
    };
    let mut listed = folder.list()?;
    if let Some(url) = url {
        let target = engine::open(url).target();
        listed.records.retain(|record| record.target == target);
    }
    Ok(listed)
}

/// The safety backup that undoes the last restore into a database, or the one that is named.
///
/// # Errors
/// [`SafetyError`].
pub async fn find(
    folder: &Path,
    url: &DatabaseUrl,
    id: Option<&str>,
) -> Result<Record, SafetyError> {
    let shown = || folder.display().to_string();
    let target = engine::open(url).target();
    safety::settle(folder, url).await?;
    let records = list(folder, None).await?.records;
    let found = match id {
        Some(id) => records
            .into_iter()
            .find(|record| record.id == id)
            .ok_or_else(|| SafetyError::NotThere {
                id: id.to_owned(),
                folder: shown(),
            })?,
        None => records
            .into_iter()
            .find(|record| record.target == target)
            .ok_or_else(|| SafetyError::NothingToUndo {
                target: target.clone(),
                folder: shown(),
            })?,
    };
    if found.target != target {
        return Err(SafetyError::OtherTarget {
            id: found.id,
            of: found.target,
            target,
        });
    }
    // What a running restore keeps is the state that there still is.
    if found.left().is_none() {
        return Err(SafetyError::Running { id: found.id });
    }
    Ok(found)
}

/// What changed in the target since the restore that a safety backup was taken before.
///
/// # Errors
/// [`SafetyError`].
async fn changes(url: &DatabaseUrl, record: &Record) -> Result<Changes, SafetyError> {
    let Some(left) = record.left() else {
        return Ok(Changes::default());
    };
    Ok(left.changes(&safety::observe(url, record).await?))
}

/// Opens a safety backup, and plans the restore of it. `unlock` opens it; without that, the folder's own key does.
///
/// # Errors
/// [`RestoreError`].
pub async fn prepare(
    store: SafetyStore,
    url: &DatabaseUrl,
    record: &Record,
    unlock: Option<Unlock>,
    allowed: Allowed,
) -> Result<Prepared, RestoreError> {
    let by_own_key = unlock.is_none();
    let mut request = request(store, url, record, unlock, allowed)?;
    let planned =
        restore::plan(&request, &crate::progress::Progress::default())
            .await
            .map_err(|error| match error {
                RestoreError::Read(
                    ReadError::Locked | ReadError::Seal(SealError::NotARecipient),
                ) if by_own_key => SafetyError::Locked {
                    id: record.id.clone(),
                }
                .into(),
                error => error,
            })?;
    let plan = planned.plan;
    request.expected_plan = Some(plan.digest());
    Ok(Prepared {
        plan,
        changes: changes(url, record).await?,
        request,
    })
}

/// The restore that undoes another one, without a look at the target. `unlock` opens the safety backup; without it, the
/// folder's own key does.
///
/// # Errors
/// [`RestoreError`].
pub fn request(
    store: SafetyStore,
    url: &DatabaseUrl,
    record: &Record,
    unlock: Option<Unlock>,
    allowed: Allowed,
) -> Result<RestoreRequest, RestoreError> {
    let folder = SafetyFolder::existing(&store.folder).ok_or_else(|| SafetyError::NotThere {
        id: record.id.clone(),
        folder: store.folder.display().to_string(),
    })?;
    let path = folder.archive(&record.id);
    let archive = FileSource::open(&path).map_err(|error| SafetyError::Folder {
        doing: "open",
        path: path.display().to_string(),
        error,
    })?;
    let unlock = match unlock {
        Some(unlock) => unlock,
        None => folder.key()?.map_or(Unlock::None, Unlock::Key),
    };
    let sender = folder.sender()?.sender();
    Ok(RestoreRequest {
        target: SourceConfig {
            file_rules: Vec::new(),
            hooks: Vec::new(),
            url: url.clone(),
            file_sets: record.file_sets.clone(),
            preset: None,
            app: None,
            // A safety backup holds values as they are.
            app_secrets: AppSecrets::default(),
        },
        archive: Arc::new(archive),
        unlock,
        senders: TrustedSenders::new(vec![Trusted::Key(sender)]),
        selection: Selection::ALL,
        mode: Mode::Replace,
        consent: Consent {
            // That is what an undo is.
            replace_existing: true,
            decisions: allowed.decisions,
            no_safety_backup: allowed.no_safety_backup,
        },
        expected_plan: None,
        planned_without_rows: false,
        safety: store,
        undoes: Some(Undoes {
            id: record.id.clone(),
            manifest: record.manifest,
            unless_changed_from: (!allowed.discard_changes)
                .then(|| record.left().cloned())
                .flatten(),
        }),
        guard: allowed.guard,
    })
}
