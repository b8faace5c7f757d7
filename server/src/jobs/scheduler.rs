//! Planning what is due, taking runs, and keeping their leases alive.
//!
//! Everything happens in [`Scheduler::tick`], which a loop calls every few seconds; the clock is given, so that tests can drive it.

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::FutureExt;
use time::{Duration, OffsetDateTime};
use tokio_util::task::TaskTracker;

use super::{Times, Watch, due};
use crate::{
    catalog::{
        Beat, Catalog, CatalogError, Due, Ending, Id, JobRecord, Lease, Plan, Planned, Timetable,
    },
    clock,
    notify::{self, Event},
    runs::RunFailure,
    schedule::{Schedule, ScheduleError, Zone},
};

/// How long a run stays with a server that is not heard of. Servers whose clocks differ by more than this take each other's runs.
pub const LEASE: Duration = Duration::seconds(60);
/// How often [`Scheduler::drive`] looks after everything.
const TICK: std::time::Duration = std::time::Duration::from_secs(2);
/// Most runs of jobs that one server is at: each holds some hundred megabytes at most.
const MAX_ACTIVE: usize = 2;
/// A run that takes its server with it is not given to a fifth.
const MAX_LOST: i64 = 3;
/// Longest pause before another attempt.
const MAX_PAUSE: Duration = Duration::hours(6);
/// How often a run's end is written again when the catalog fails.
const END_ATTEMPTS: u32 = 5;

/// The clock.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// What a run of a job does.
#[async_trait]
pub trait Work: Send + Sync {
    /// Does it. It heeds `watch.progress()` when it is cancelled, and writes nothing into the catalog but by its lease.
    async fn run(&self, job: &JobRecord, lease: &Lease, watch: &Watch) -> Result<(), RunFailure>;
}

/// One server's share of all runs.
#[derive(Clone)]
pub struct Scheduler(Arc<Shared>);

struct Shared {
    catalog: Catalog,
    work: Arc<dyn Work>,
    now: Now,
    holder: String,
    active: Mutex<HashMap<Id, Active>>,
    tasks: TaskTracker,
    stopping: AtomicBool,
}

/// A run that this server is at.
#[derive(Clone)]
struct Active {
    lease: Lease,
    watch: Watch,
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("holder", &self.0.holder)
            .finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A server's scheduler. `holder` is the server's name, which no other has.
    #[must_use]
    pub fn new(catalog: Catalog, work: Arc<dyn Work>, now: Now, holder: String) -> Self {
        Self(Arc::new(Shared {
            catalog,
            work,
            now,
            holder,
            active: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
        }))
    }

    /// Looks after everything until it is dropped.
    pub async fn drive(&self) {
        loop {
            if let Err(error) = self.tick().await {
                tracing::error!(%error, "the scheduler could not do its work; it tries again");
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Keeps its leases, plans what is due, and takes what it can.
    ///
    /// # Errors
    /// [`CatalogError`]; what was not done is done at the next tick.
    pub async fn tick(&self) -> Result<(), CatalogError> {
        let now = (self.0.now)();
        self.0.beat(now).await?;
        if !self.0.stopping.load(Ordering::SeqCst) {
            self.plan(now).await?;
            self.take(now).await?;
        }
        Ok(())
    }

    /// How a run stands that this server is at.
    #[must_use]
    pub fn watch(&self, run: &Id) -> Option<Watch> {
        Some(self.0.active().get(run)?.watch.clone())
    }

    /// How many runs this server is at.
    #[must_use]
    pub fn active(&self) -> usize {
        self.0.active().len()
    }

    /// Takes nothing more, stops what is at work and hands it back, so that another server takes it at once. Says whether all
    /// ended within `limit`.
    pub async fn stop(&self, limit: std::time::Duration) -> bool {
        self.0.stopping.store(true, Ordering::SeqCst);
        for active in self.0.active().values() {
            active.watch.progress().cancel();
        }
        self.0.tasks.close();
        tokio::time::timeout(limit, self.0.tasks.wait())
            .await
            .is_ok()
    }

    async fn plan(&self, now: OffsetDateTime) -> Result<(), CatalogError> {
        for table in self.0.catalog.timetables().await? {
            // What is wrong with one job keeps none of the others from being planned.
            if let Err(error) = self.plan_one(&table, now).await? {
                tracing::error!(job = %table.id, %error, "a job's schedule cannot be followed");
            }
        }
        Ok(())
    }

    async fn plan_one(
        &self,
        table: &Timetable,
        now: OffsetDateTime,
    ) -> Result<Result<(), ScheduleError>, CatalogError> {
        let schedule = match Zone::parse(&table.time_zone)
            .and_then(|zone| Schedule::parse(&table.schedule, &zone))
        {
            Ok(schedule) => schedule,
            Err(error) => return Ok(Err(error)),
        };
        let Some(planned_until) = clock::parse(&table.planned_until) else {
            return Ok(Ok(()));
        };
        let times = due(
            &table.id,
            &schedule,
            table.catch_up,
            table.jitter(),
            planned_until,
            now,
        );
        if times.is_empty() {
            return Ok(Ok(()));
        }
        let plan = self.plan_of(table, &times, now).await?;
        let planned = self
            .0
            .catalog
            .plan_runs(table, &plan, &clock::text(now))
            .await?;
        if planned && !times.missed.is_empty() {
            tracing::warn!(job = %table.id, missed = times.missed.len(), "runs of a job were missed");
        }
        Ok(Ok(()))
    }

    /// The rows of times that are due, and the messages that go with them.
    async fn plan_of(
        &self,
        table: &Timetable,
        times: &Times,
        now: OffsetDateTime,
    ) -> Result<Plan, CatalogError> {
        let catalog = &self.0.catalog;
        let mut plan = Plan::default();
        let missed = times.missed.iter().map(|time| (time, Planned::Missed));
        let skipped = times.skipped.iter().map(|time| (time, Planned::Skipped));
        let run = times.run.iter().map(|(time, not_before)| {
            let not_before = clock::text(*not_before);
            (time, Planned::Run { not_before })
        });
        for (time, planned) in missed.chain(skipped).chain(run) {
            plan.due.push(Due {
                id: Id::random()?,
                at: clock::text(*time),
                planned,
            });
        }
        if !times.missed.is_empty() {
            let missed: Vec<String> = times.missed.iter().copied().map(clock::text).collect();
            let event = Event::missed(&table.id, &table.name, missed, now);
            plan.notices = notify::notices(catalog, &event).await?;
        }
        if times.run.is_some() {
            for mut run in catalog.retrying_runs(&table.id).await? {
                let event = Event::given_up(&table.id, &table.name, &run, now);
                let notices = notify::notices(catalog, &event).await?;
                run.log += &format!(
                    "{} not tried again, since the job is due anew\n",
                    clock::text(now)
                );
                plan.given_up.push((run, notices));
            }
        }
        Ok(plan)
    }

    async fn take(&self, now: OffsetDateTime) -> Result<(), CatalogError> {
        let shared = &self.0;
        if shared.active().len() >= MAX_ACTIVE {
            return Ok(());
        }
        let (now_text, expires) = (clock::text(now), clock::text(now + LEASE));
        for run in shared.catalog.open_runs(&now_text, 50).await? {
            if shared.active().len() >= MAX_ACTIVE {
                break;
            }
            // One that this server was too slow with is left to another, or to later.
            if shared.active().contains_key(&run) {
                continue;
            }
            let taken = shared
                .catalog
                .take_run(&run, &shared.holder, &now_text, &expires)
                .await?;
            if let Some(lease) = taken {
                self.begin(lease).await?;
            }
        }
        Ok(())
    }

    async fn begin(&self, lease: Lease) -> Result<(), CatalogError> {
        let job = match self.0.catalog.job(&lease.job).await {
            Ok(Some(job)) => job,
            // It was removed, and its runs with it.
            Ok(None) => return Ok(()),
            // That doesn't get better by itself, and is no reason to leave the other jobs alone.
            Err(error @ CatalogError::Content(_)) => {
                tracing::error!(job = %lease.job, %error, "a job cannot be run");
                let ending = Ending::Failed {
                    code: "catalog".to_owned(),
                    detail: error.to_string(),
                    again: None,
                };
                let now = clock::text((self.0.now)());
                self.0
                    .catalog
                    .end_run(&lease, &ending, &now, &lease.log, &[])
                    .await?;
                return Ok(());
            }
            // Its lease runs out, and somebody takes it again.
            Err(error) => return Err(error),
        };
        let active = Active {
            watch: Watch::new(lease.log.clone()),
            lease,
        };
        let run = active.lease.id.clone();
        self.0.active().insert(run.clone(), active.clone());
        // Looked at after it is among those that `stop` cancels, so that none slips through.
        if self.0.stopping.load(Ordering::SeqCst) {
            active.watch.progress().cancel();
        }
        let shared = self.0.clone();
        self.0.tasks.spawn(async move {
            let outcome = if active.lease.lost > MAX_LOST {
                Err(RunFailure::new(
                    "interrupted",
                    format!(
                        "{} servers ended one after the other while they were at this run; it is not given to another; look at their logs for the reason",
                        active.lease.lost
                    ),
                ))
            } else {
                let work = shared.work.run(&job, &active.lease, &active.watch);
                AssertUnwindSafe(work)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(RunFailure::defect()))
            };
            shared.end(&job, &active, outcome).await;
            shared.active().remove(&run);
        });
        Ok(())
    }
}

impl Shared {
    fn active(&self) -> MutexGuard<'_, HashMap<Id, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn beat(&self, now: OffsetDateTime) -> Result<(), CatalogError> {
        let all: Vec<Active> = self.active().values().cloned().collect();
        let expires = clock::text(now + LEASE);
        for active in all {
            let progress = serde_json::json!(active.watch.progress().snapshot()).to_string();
            let log = active.watch.log();
            match self
                .catalog
                .beat(&active.lease, &expires, &progress, &log)
                .await?
            {
                Beat::Held { cancel: false } => {}
                Beat::Held { cancel: true } => active.watch.progress().cancel(),
                Beat::Lost if self.active().contains_key(&active.lease.id) => {
                    active.watch.lose();
                }
                // It has ended meanwhile.
                Beat::Lost => {}
            }
        }
        Ok(())
    }

    async fn end(&self, job: &JobRecord, active: &Active, outcome: Result<(), RunFailure>) {
        let (run, watch) = (&active.lease.id, &active.watch);
        if watch.lost() {
            tracing::warn!(job = %job.id, %run, "another server has this run");
            return;
        }
        let now = (self.now)();
        let ending = self.ending(job, active, outcome, now);
        watch.note(&match &ending {
            Ending::Done => "done".to_owned(),
            Ending::Cancelled => "cancelled".to_owned(),
            Ending::HandedBack => "handed back, since the server ends".to_owned(),
            Ending::Failed {
                code,
                detail,
                again,
            } => {
                let again = again
                    .as_ref()
                    .map_or_else(String::new, |again| format!("; tried again at {again}"));
                format!("failed ({code}): {detail}{again}")
            }
        });
        for attempt in 1..=END_ATTEMPTS {
            match self.write_end(job, active, &ending, now).await {
                Ok(true) => {
                    tracing::info!(job = %job.id, %run, ?ending, "a run of a job ended");
                    return;
                }
                Ok(false) => {
                    tracing::warn!(job = %job.id, %run, "another server has this run");
                    return;
                }
                Err(error) => {
                    tracing::error!(job = %job.id, %run, %error, attempt, "the end of a run could not be recorded");
                }
            }
            tokio::time::sleep(TICK).await;
        }
        // Its lease runs out, and whoever takes it finds what is stored already.
    }

    fn ending(
        &self,
        job: &JobRecord,
        active: &Active,
        outcome: Result<(), RunFailure>,
        now: OffsetDateTime,
    ) -> Ending {
        let Err(failure) = outcome else {
            return Ending::Done;
        };
        if failure.is_cancelled() {
            return match self.stopping.load(Ordering::SeqCst) {
                true => Ending::HandedBack,
                false => Ending::Cancelled,
            };
        }
        let given_up = active.lease.lost > MAX_LOST;
        let again = (!given_up && active.lease.attempt <= i64::from(job.retries)).then(|| {
            let doubled = u32::try_from(active.lease.attempt - 1).unwrap_or(u32::MAX);
            let factor = 2_i32.checked_pow(doubled).unwrap_or(i32::MAX);
            let pause = Duration::seconds(i64::from(job.retry_seconds)).checked_mul(factor);
            clock::text(now + pause.unwrap_or(MAX_PAUSE).min(MAX_PAUSE))
        });
        Ending::Failed {
            code: failure.code,
            detail: failure.detail,
            again,
        }
    }

    async fn write_end(
        &self,
        job: &JobRecord,
        active: &Active,
        ending: &Ending,
        now: OffsetDateTime,
    ) -> Result<bool, CatalogError> {
        let event = Event::ended(&self.catalog, job, &active.lease, ending, now).await?;
        let notices = match &event {
            Some(event) => notify::notices(&self.catalog, event).await?,
            None => Vec::new(),
        };
        let log = active.watch.log();
        self.catalog
            .end_run(&active.lease, ending, &clock::text(now), &log, &notices)
            .await
    }
}
