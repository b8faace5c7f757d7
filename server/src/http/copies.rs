//! Where the archives of backups are: in the server's own store, or in destinations.

use axum::http::StatusCode;

use super::{Shared, destinations, problem::Problem};
use crate::{
    catalog::{BackupRecord, BackupState, CopyRecord, CopyState},
    clock,
    progress::Progress,
    sealed_check::{CheckError, check},
    store::{Archives, StoreError},
};

/// The store that has a backup's archive: that of its best copy.
pub(super) async fn archives_of(app: &Shared, backup: &BackupRecord) -> Result<Archives, Problem> {
    let copies = app.catalog.copies(&backup.id).await?;
    let Some(first) = copies.first() else {
        return own(app, backup).await;
    };
    // One that can't be reached is no reason to fail as long as there is another.
    let mut reason = None;
    for copy in &copies {
        if copy.state == CopyState::Damaged && copies.len() > 1 {
            continue;
        }
        let opened = match destinations::open(app, &copy.destination).await {
            Ok(archives) => archives,
            Err(problem) => {
                reason = reason.or(Some(problem));
                continue;
            }
        };
        match opened.size(&backup.name).await {
            Ok(_) => return Ok(opened),
            Err(error) => reason = reason.or(Some(error.into())),
        }
    }
    match reason {
        Some(problem) => Err(problem),
        None => destinations::open(app, &first.destination).await,
    }
}

/// The server's own store, for a backup without copies, unless that lies in another one.
async fn own(app: &Shared, backup: &BackupRecord) -> Result<Archives, Problem> {
    if app.catalog.is_elsewhere(&backup.id).await? {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "elsewhere",
            "this backup lies in a store that this server does not reach: the own one of another server on this catalog, or one that it was started with before (--store); nothing was changed; ask that server for it",
        ));
    }
    Ok(app.archives.clone())
}

/// Removes a backup's archive from wherever it is, and then from the catalog.
pub(super) async fn remove(app: &Shared, backup: &BackupRecord) -> Result<(), Problem> {
    let copies = app.catalog.copies(&backup.id).await?;
    if copies.is_empty() {
        own(app, backup).await?.remove(&backup.name).await?;
        app.catalog.remove_backup(&backup.id).await?;
    }
    for copy in copies {
        let archives = destinations::open(app, &copy.destination).await?;
        archives.remove(&backup.name).await?;
        app.catalog
            .remove_copy(&backup.id, &copy.destination)
            .await?;
    }
    Ok(())
}

/// Reads every stored copy of a backup to its end, and records what was found. A backup is as good as its best copy.
pub(super) async fn scrub(app: &Shared, backup: &BackupRecord) -> Result<(), Problem> {
    let copies = app.catalog.copies(&backup.id).await?;
    let mut found = Vec::new();
    // A copy that can't be reached may be whole or not.
    let mut reason = None;
    if copies.is_empty() {
        found.push(match is_whole(&own(app, backup).await?, backup).await? {
            true => CopyState::Verified,
            false => CopyState::Damaged,
        });
    }
    for copy in &copies {
        match scrub_copy(app, backup, copy).await {
            Ok(state) => found.push(state),
            Err(problem) => reason = reason.or(Some(problem)),
        }
    }
    let state = match reason {
        _ if found.contains(&CopyState::Verified) => BackupState::Verified,
        _ if found.contains(&CopyState::Unverified) => BackupState::Unverified,
        None => BackupState::Damaged,
        Some(problem) => return Err(problem),
    };
    app.catalog
        .backup_scrubbed(&backup.id, state, &clock::text(clock::now()))
        .await?;
    Ok(())
}

async fn scrub_copy(
    app: &Shared,
    backup: &BackupRecord,
    copy: &CopyRecord,
) -> Result<CopyState, Problem> {
    let archives = destinations::open(app, &copy.destination).await?;
    let state = match is_whole(&archives, backup).await? {
        false => CopyState::Damaged,
        // Of one that was adopted, nobody knows what was once written.
        true if backup.sha256.is_empty() && copy.state != CopyState::Verified => {
            CopyState::Unverified
        }
        true => CopyState::Verified,
    };
    app.catalog
        .copy_checked(copy, state, &clock::text(clock::now()))
        .await?;
    Ok(state)
}

/// Whether what is stored is what was written, as far as that can be known without a key.
async fn is_whole(archives: &Archives, backup: &BackupRecord) -> Result<bool, Problem> {
    let stored = match archives.read_at(&backup.name).await {
        Ok(stored) => stored,
        Err(StoreError::NoArchive { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let found = tokio::task::spawn_blocking(move || check(&*stored, &Progress::default()))
        .await
        .map_err(|_| Problem::internal("defect", "the scrub stopped because of a defect"))?;
    let sealed = !(backup.sender.is_empty() && backup.fingerprint.is_empty());
    match found {
        // Of one that was adopted, nobody wrote down what was stored; its own scrub table says it.
        Ok(found) => Ok(backup.sha256.is_empty() || found.sha256.to_string() == backup.sha256),
        Err(error @ CheckError::Plain) if !sealed => Err(Problem::unusable(
            "not_sealed",
            format!(
                "{error}, so it has no table to compare it with; nothing was changed; check it with coffer verify"
            ),
        )),
        Err(error) if error.blames_the_file() => {
            tracing::error!(archive = backup.name, %error, "a stored archive is damaged");
            Ok(false)
        }
        Err(CheckError::Read(error)) => Err(Problem::internal("store_failed", error)),
        Err(error) => Err(Problem::internal(error.code(), error)),
    }
}
