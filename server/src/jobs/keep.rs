//! Applying a job's retention rules to what it stored in a destination.

use std::collections::BTreeMap;

use coffer_core::retention::{Candidate, Verdict, decide};
use serde::Serialize;

use crate::{
    catalog::{Catalog, CatalogError, CopyState, Id, JobRecord, KeptCopy, Lease},
    clock,
    schedule::Zone,
    store::{Archives, StoreError},
};

/// What becomes of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// The backup.
    pub backup: Id,
    /// What was backed up.
    pub source: Id,
    /// The archive's name.
    pub name: String,
    /// When it was taken, RFC 3339.
    pub created_at: String,
    /// Whether it stays.
    pub stays: bool,
    /// Why. A newer one of its period is told by its place among those of the same source, from 0 for the newest.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What would become of each copy of a job in a destination. The rules count each source for itself.
///
/// # Errors
/// [`CatalogError`].
pub async fn fates(
    catalog: &Catalog,
    job: &JobRecord,
    destination: &Id,
) -> Result<Vec<Fate>, CatalogError> {
    let mut by_source: BTreeMap<Id, Vec<KeptCopy>> = BTreeMap::new();
    for copy in catalog.copies_of_job(&job.id, destination).await? {
        by_source.entry(copy.source.clone()).or_default().push(copy);
    }
    // A zone that isn't known here any more is no reason to remove by another clock: the schedule then says so.
    let Ok(zone) = Zone::parse(&job.time_zone) else {
        return Ok(Vec::new());
    };
    let now = clock::now().unix_timestamp();
    let mut fates = Vec::new();
    for copies in by_source.into_values() {
        let candidates: Vec<Candidate> = copies.iter().map(|copy| candidate(copy, &zone)).collect();
        let verdicts = decide(&job.retention, &candidates, now);
        fates.extend(
            copies
                .into_iter()
                .zip(verdicts)
                .map(|(copy, verdict)| Fate {
                    backup: copy.backup,
                    source: copy.source,
                    name: copy.name,
                    created_at: copy.created_at,
                    stays: verdict.stays(),
                    verdict,
                }),
        );
    }
    Ok(fates)
}

fn candidate(copy: &KeptCopy, zone: &Zone) -> Candidate {
    // A time that can't be read is none to count: the copy stays as if it weren't verified.
    let taken = clock::parse(&copy.created_at);
    Candidate {
        taken: taken.map_or(0, time::OffsetDateTime::unix_timestamp),
        offset: taken.map_or(0, |taken| zone.offset(taken)),
        verified: copy.state == CopyState::Verified && taken.is_some(),
        locked: copy.locked != 0,
    }
}

/// Why not all was removed that doesn't stay.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The destination.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Removes the copies that do not stay, as long as the run is this server's, and says their names; and why it stopped, if it did.
/// What it did not get to is as it was. One that was locked since its fate was decided stays.
pub async fn keep(
    catalog: &Catalog,
    lease: &Lease,
    destination: &Id,
    archives: &Archives,
    fates: &[Fate],
) -> (Vec<String>, Option<KeepError>) {
    let mut gone = Vec::new();
    for fate in fates.iter().filter(|fate| !fate.stays) {
        match remove(catalog, lease, destination, archives, fate).await {
            Ok(true) => gone.push(fate.name.clone()),
            Ok(false) => {}
            Err(error) => return (gone, Some(error)),
        }
    }
    (gone, None)
}

async fn remove(
    catalog: &Catalog,
    lease: &Lease,
    destination: &Id,
    archives: &Archives,
    fate: &Fate,
) -> Result<bool, KeepError> {
    if !catalog.may_go(lease, &fate.backup).await? {
        return Ok(false);
    }
    // The archive first: what is still recorded is removed the next time.
    archives.remove(&fate.name).await?;
    catalog.remove_copy(&fate.backup, destination).await?;
    Ok(true)
}
