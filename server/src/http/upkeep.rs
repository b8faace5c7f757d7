//! What a server looks after besides requests: what earlier processes left, what has ended, and other servers that are gone.

use std::{path::Path, time::Duration};

use super::{Shared, caller::IDLE, idempotency, server::ServeError, sign_in::FORGIVEN, uploads};
use crate::{
    catalog::Catalog,
    clock, recover,
    runs::{remove_unfinished, source_config},
    safety,
    store::Archives,
};

const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long an ended run can be asked about.
const RUN_AGE: time::Duration = time::Duration::days(90);
/// After how long a server that is not heard of counts as gone, and its runs as failed: longer than a restart takes.
const SERVER_GONE: time::Duration = time::Duration::minutes(10);

/// Removes what an earlier process left half done, and tells of archives that nobody knows.
pub(super) async fn clean(catalog: &Catalog, archives: &Archives) -> Result<(), ServeError> {
    let now = clock::now();
    catalog.server_seen(&clock::text(now)).await?;
    let interrupted = catalog.fail_interrupted_runs(&clock::text(now)).await?;
    let unfinished = remove_unfinished(catalog, archives).await?;
    catalog
        .forget_runs_before(&clock::text(now - RUN_AGE))
        .await?;
    if interrupted > 0 || unfinished > 0 {
        tracing::warn!(
            interrupted,
            unfinished,
            "an earlier process was stopped at work; what it left half done was removed"
        );
    }
    catalog
        .forget_job_runs_before(&clock::text(now - RUN_AGE))
        .await?;
    let known = catalog.backups().await?;
    for name in archives.names().await? {
        if !known.iter().any(|backup| backup.name == name) {
            // It may be all that is left of somebody's data, so it is not this program's to remove.
            tracing::warn!(
                archive = name,
                "the store holds an archive that the catalog does not know; it is left alone"
            );
        }
    }
    Ok(())
}

/// Ends the restores that an earlier process was interrupted in. A database that can't be reached now doesn't keep the
/// server from starting: the next restore of that source tries again, and no backup of it is taken before.
pub(super) async fn recover_sources(catalog: &Catalog, safety: &Path) -> Result<(), ServeError> {
    for source in catalog.sources_and_system().await? {
        let Ok(config) = source_config(&source) else {
            // Whoever uses the source next is told what is wrong with it.
            continue;
        };
        match recover::run(&config.url, &config.file_sets).await {
            Ok(report) if report.is_empty() => {}
            Ok(report) => tracing::warn!(
                source = source.name,
                finished = report.finished.len(),
                undone = report.undone.len(),
                abandoned = report.abandoned,
                "ended restores that were interrupted"
            ),
            Err(error) => {
                tracing::error!(source = source.name, %error, "could not end an interrupted restore");
                continue;
            }
        }
        if let Err(error) = safety::settle(safety, &config.url).await {
            tracing::error!(source = source.name, %error, "could not look after safety backups");
        }
    }
    Ok(())
}

/// Says that this server is there, and ends what those that are gone were at.
async fn look_after_servers(catalog: &Catalog) {
    let now = clock::now();
    let [now, gone] = [now, now - SERVER_GONE].map(clock::text);
    let looked = async {
        catalog.server_seen(&now).await?;
        catalog.fail_runs_of_lost_servers(&now, &gone).await
    };
    match looked.await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "runs of a server that is gone have failed"),
        Err(error) => tracing::error!(%error, "runs of other servers could not be looked after"),
    }
}

/// Once a minute, until it is dropped: removes what has ended, and looks after other servers.
pub(super) async fn sweep(app: Shared) {
    loop {
        let now = clock::now();
        let [now, idle, tried, keys] =
            [now, now - IDLE, now - FORGIVEN, now - idempotency::AGE].map(clock::text);
        if let Err(error) = app.catalog.forget_ended(&now, &idle, &tried).await {
            tracing::error!(%error, "ended sessions and tokens could not be removed");
        }
        if let Err(error) = app.catalog.forget_keys_before(&keys).await {
            tracing::error!(%error, "old idempotency keys could not be removed");
        }
        look_after_servers(&app.catalog).await;
        match app.uploads.remove_abandoned(uploads::AGE) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed abandoned uploads"),
            Err(error) => tracing::error!(%error, "abandoned uploads could not be removed"),
        }
        uploads::keep_waiting(&app).await;
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
