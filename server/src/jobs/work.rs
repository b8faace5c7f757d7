//! What a run of a job does: one archive of each source, written to all destinations at once, and read again from each.

use async_trait::async_trait;
use coffer_core::seal::SenderKey;

use super::{
    KeepError, Watch, Work, fates, keep,
    open::{Open, open_all},
};
use crate::{
    backup::{self, BackupReport},
    catalog::{BackupRecord, Catalog, Id, JobRecord, Lease, Profile},
    clock,
    destination::{Doing, Tee},
    hooks::{self, Occasion},
    read::Unlock,
    runs::{RunFailure, prepare, prove},
    store::{Incoming, Written},
};

/// Digits of a backup's id in its archive's name: other servers may store in the same place in the same second.
const NAME_DIGITS: usize = 8;
/// When half a file that nobody writes to is removed from a folder.
const ABANDONED: std::time::Duration = std::time::Duration::from_secs(2 * 24 * 3600);

/// The real work.
#[derive(Clone, Debug)]
pub struct BackupWork {
    /// Where everything is recorded.
    pub catalog: Catalog,
    /// What backups are signed with.
    pub sender: SenderKey,
}

#[async_trait]
impl Work for BackupWork {
    async fn run(&self, job: &JobRecord, lease: &Lease, watch: &Watch) -> Result<(), RunFailure> {
        watch.note(&format!("attempt {} begins", lease.attempt));
        // What goes wrong with one destination or source keeps the others from nothing, and the run from being green.
        let mut failures = Vec::new();
        let destinations = open_all(&self.catalog, job, watch, &mut failures).await?;
        if destinations.is_empty() {
            return together(failures);
        }
        self.remove_left(job, &destinations, watch, &mut failures)
            .await?;
        let profile = self.catalog.profile(&job.profile).await?;
        let profile = profile.ok_or_else(|| {
            RunFailure::new(
                "no_profile",
                "the profile that this job seals to is gone; nothing was read or stored; choose another for the job",
            )
        })?;
        let stored = self.catalog.stored_by_run(&lease.id).await?;
        for source in &job.sources {
            // Earlier attempts, and earlier holders of the run, may have stored some of it.
            let missing: Vec<Open> = destinations
                .iter()
                .filter(|open| {
                    !stored
                        .iter()
                        .any(|(of, at)| of == source && at.as_ref() == Some(&open.id))
                })
                .cloned()
                .collect();
            if missing.is_empty() {
                continue;
            }
            stop_if_cancelled(watch)?;
            match self
                .back_up(job, lease, watch, source, &profile, &missing)
                .await
            {
                Ok(()) => {}
                Err(failure) if failure.is_cancelled() => return Err(failure),
                Err(failure) => {
                    watch.note(&format!("source {source}: {}", failure.detail));
                    failures.push(failure);
                }
            }
        }
        together(failures)?;
        self.clean_up(lease, watch, &destinations).await
    }
}

/// The first of several failures, which says how many more there are.
fn together(failures: Vec<RunFailure>) -> Result<(), RunFailure> {
    let more = failures.len().saturating_sub(1);
    match failures.into_iter().next() {
        None => Ok(()),
        Some(only) if more == 0 => Err(only),
        Some(first) => Err(RunFailure {
            detail: format!(
                "{} (and {more} more went wrong; the log says what)",
                first.detail
            ),
            ..first
        }),
    }
}

fn stop_if_cancelled(watch: &Watch) -> Result<(), RunFailure> {
    match watch.progress().cancelled() {
        true => Err(RunFailure::new(
            "cancelled",
            "cancelled; what was being written was removed",
        )),
        false => Ok(()),
    }
}

fn taken_over() -> RunFailure {
    RunFailure::new("cancelled", "another server has this run")
}

impl BackupWork {
    /// Removes what earlier holders of the run, and earlier runs of the job, left half written. No other run of the job is
    /// going on.
    async fn remove_left(
        &self,
        job: &JobRecord,
        destinations: &[Open],
        watch: &Watch,
        failures: &mut Vec<RunFailure>,
    ) -> Result<(), RunFailure> {
        for (backup, name, destination) in self.catalog.left_by_job(&job.id).await? {
            let open = destinations.iter().find(|open| open.id == destination);
            match open {
                Some(open) => {
                    if let Err(error) = open.archives.remove_left(&name).await {
                        failures.push(open.failed(&error, Doing::Delete, watch));
                        continue;
                    }
                }
                // It is a destination of the job that can't be reached now: a later run gets to it.
                None if job.destinations.contains(&destination) => continue,
                // It isn't the job's any more, and whoever looks there finds the archive, if it came to one.
                None => {}
            }
            self.catalog.remove_copy(&backup, &destination).await?;
            watch.note(&format!("removed what was left of {name}"));
        }
        Ok(())
    }

    async fn back_up(
        &self,
        job: &JobRecord,
        lease: &Lease,
        watch: &Watch,
        source: &Id,
        profile: &Profile,
        destinations: &[Open],
    ) -> Result<(), RunFailure> {
        let source = self.catalog.source(source).await?.ok_or_else(|| {
            RunFailure::new(
                "no_source",
                "a source of this job is gone; nothing of it was stored; choose others for the job",
            )
        })?;
        let (mut record, request) = prepare(&source, profile, &self.sender, job.sensitive)?;
        let stem = record.name.trim_end_matches(".coffer").to_owned();
        let digits: String = record.id.as_str().chars().take(NAME_DIGITS).collect();
        record.name = format!("{stem}-{digits}.coffer");
        let ids: Vec<Id> = destinations.iter().map(|open| open.id.clone()).collect();
        if !self.catalog.begin_copies(lease, &record, &ids).await? {
            return Err(taken_over());
        }
        watch.note(&format!("{}: {} begins", source.name, record.name));
        let hooks = request.source.hooks.clone();
        let progress = watch.progress().clone();
        let ran_before = progress.hooks().len();
        let work = async {
            self.store(lease, watch, &mut record, request, destinations)
                .await
        };
        let stored = hooks::around(&hooks, Occasion::Backup, &progress, work).await;
        for ran in progress.hooks().iter().skip(ran_before) {
            watch.note(&ran.to_string());
        }
        match stored {
            Ok(()) => Ok(()),
            Err(failure) => {
                if let Err(left) = self.undo(&record, destinations).await {
                    // The job's next run tries again.
                    watch.note(&format!(
                        "what is left of {} could not be removed: {}",
                        record.name, left.detail
                    ));
                }
                Err(failure.into())
            }
        }
    }

    /// Removes what was written of a backup, unless copies of it were verified and recorded: those stay. Whoever took the run
    /// over has archives of other names.
    async fn undo(&self, record: &BackupRecord, destinations: &[Open]) -> Result<(), RunFailure> {
        if self.catalog.backup(&record.id).await?.is_some() {
            return Ok(());
        }
        for open in destinations {
            open.archives.remove(&record.name).await?;
            self.catalog.remove_copy(&record.id, &open.id).await?;
        }
        Ok(())
    }

    /// Writes to all destinations, and reads again from each.
    async fn store(
        &self,
        lease: &Lease,
        watch: &Watch,
        record: &mut BackupRecord,
        request: backup::BackupRequest,
        destinations: &[Open],
    ) -> Result<(), RunFailure> {
        let mut failures = Vec::new();
        let mut sinks = Vec::new();
        let mut incoming: Vec<(&Open, Incoming)> = Vec::new();
        for open in destinations {
            match open.archives.create(&record.name).await {
                Ok((sink, coming)) => {
                    sinks.push(sink);
                    incoming.push((open, coming));
                }
                Err(error) => failures.push(open.failed(&error, Doing::Write, watch)),
            }
        }
        let none = sinks.is_empty();
        let progress = watch.progress();
        let report = match none {
            true => None,
            false => Some(backup::run(request, Tee::new(sinks), progress.clone()).await),
        };
        let report = match report {
            Some(Ok(report)) => report,
            ended => {
                let mut reason = None;
                for (open, coming) in incoming {
                    // Where the store failed, its own reason is the better one.
                    match coming.discard().await {
                        Ok(()) => {}
                        Err(error) => reason = Some(open.failed(&error, Doing::Write, watch)),
                    }
                }
                let own = ended.and_then(Result::err).map(RunFailure::from);
                return Err(reason
                    .or_else(|| failures.into_iter().next())
                    .or(own)
                    .unwrap_or_else(RunFailure::defect));
            }
        };
        let mut verified = Vec::new();
        let mut written = None;
        for (open, coming) in incoming {
            match self.publish(open, coming, record, &report, watch).await {
                Ok(found) => {
                    written = Some(found);
                    verified.push(open.id.clone());
                    watch.note(&format!(
                        "{}: stored and verified, {} bytes",
                        open.name, found.size
                    ));
                }
                Err(failure) if failure.is_cancelled() => return Err(failure),
                Err(failure) => {
                    watch.note(&format!("{}: {}", open.name, failure.detail));
                    failures.push(failure);
                }
            }
        }
        if let Some(written) = written {
            record.size = i64::try_from(written.size).unwrap_or(i64::MAX);
            record.sha256 = written.sha256.to_string();
            let contents = serde_json::to_value(report.manifest.contents).unwrap_or_default();
            record.contents = contents.as_str().unwrap_or_default().to_owned();
            // What failed is removed before it is forgotten.
            for open in destinations
                .iter()
                .filter(|open| !verified.contains(&open.id))
            {
                if let Err(error) = open.archives.remove(&record.name).await {
                    tracing::warn!(archive = record.name, %error, "what is left of a copy could not be removed");
                    watch.note(&format!(
                        "{}: what is left of {} could not be removed",
                        open.name, record.name
                    ));
                }
            }
            let now = clock::text(clock::now());
            if !self
                .catalog
                .copies_verified(lease, record, &verified, &now)
                .await?
            {
                return Err(taken_over());
            }
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    async fn publish(
        &self,
        open: &Open,
        coming: Incoming,
        record: &BackupRecord,
        report: &BackupReport,
        watch: &Watch,
    ) -> Result<Written, RunFailure> {
        let written = coming
            .publish()
            .await
            .map_err(|error| open.failed(&error, Doing::Write, watch))?;
        open.still_there()?;
        let stored = open
            .archives
            .read_at(&record.name)
            .await
            .map_err(|error| open.failed(&error, Doing::Read, watch))?;
        let key = report
            .file_key
            .clone()
            .map_or(Unlock::None, Unlock::FileKey);
        let (manifest, sender) = (report.manifest_digest, Some(self.sender.sender()));
        let progress = watch.progress().clone();
        let proving = tokio::task::spawn_blocking(move || {
            prove(&stored, written, &key, manifest, sender, &progress)
        });
        proving.await.map_err(|_| RunFailure::defect())??;
        Ok(written)
    }

    /// Removes what the rules do not keep, by what they are now: the job may have been changed since the run began.
    async fn clean_up(
        &self,
        lease: &Lease,
        watch: &Watch,
        destinations: &[Open],
    ) -> Result<(), RunFailure> {
        let mut failures = Vec::new();
        for open in destinations {
            stop_if_cancelled(watch)?;
            let Some(job) = self.catalog.job(&lease.job).await? else {
                return Err(taken_over());
            };
            // Nothing is found in the folder below a disk, and what isn't found counts as removed.
            if let Err(failure) = open.still_there() {
                watch.note(&format!("{}: {}", open.name, failure.detail));
                failures.push(failure);
                continue;
            }
            let fates = fates(&self.catalog, &job, &open.id).await?;
            let (gone, stopped) =
                keep(&self.catalog, lease, &open.id, &open.archives, &fates).await;
            for name in &gone {
                watch.note(&format!(
                    "{}: {name} removed, since no rule keeps it",
                    open.name
                ));
            }
            match stopped {
                None => {}
                Some(KeepError::Store(error)) => {
                    failures.push(open.failed(&error, Doing::Delete, watch));
                }
                Some(KeepError::Catalog(error)) => return Err(error.into()),
            }
            let archives = open.archives.clone();
            let removing =
                tokio::task::spawn_blocking(move || archives.remove_abandoned(ABANDONED));
            if let Ok(Err(error)) = removing.await {
                tracing::warn!(destination = open.name, %error, "half written files could not be looked for");
            }
        }
        together(failures)
    }
}
