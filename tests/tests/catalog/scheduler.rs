//! The scheduler on a clock of the test's own: planned once, run by one server, taken over when that one is gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration as Real,
};

use coffer_server::{
    catalog::{Catalog, CatalogPlace, CatchUp, ChannelRecord, Id, JobRecord, JobRunState, Lease},
    clock,
    jobs::{LEASE, Scheduler, Watch, Work},
    notify::{ChannelConfig, Event},
    runs::RunFailure,
};
use time::{Duration, OffsetDateTime};
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    both,
    jobs::{backup, job, moment},
    places,
};

/// Work that takes a while on the test's clock, and then stores a backup under its lease.
struct Fake {
    catalog: Catalog,
    clock: watch::Receiver<OffsetDateTime>,
    /// When each of what is at work will be through.
    until: Mutex<HashMap<Id, OffsetDateTime>>,
    begun: AtomicUsize,
    /// How long the how manieth takes.
    takes: fn(usize) -> Duration,
}

fn a_moment(number: usize) -> Duration {
    Duration::seconds(5 + (number as i64 * 7) % 25)
}

#[async_trait::async_trait]
impl Work for Fake {
    async fn run(&self, job: &JobRecord, lease: &Lease, watch: &Watch) -> Result<(), RunFailure> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        let source = &job.sources[0];
        let stored = self.catalog.stored_by_run(&lease.id).await?;
        if stored.iter().any(|(of, _)| of == source) {
            return Ok(());
        }
        let until = *self.clock.borrow() + (self.takes)(number);
        self.until.lock().unwrap().insert(lease.id.clone(), until);
        let stored = backup(lease, source);
        let begun = self.catalog.begin_copies(lease, &stored, &[]).await?;
        let mut clock = self.clock.clone();
        clock.wait_for(|now| *now >= until).await.unwrap();
        let cancelled = RunFailure::new("cancelled", "cancelled");
        if !begun || watch.progress().cancelled() {
            return Err(cancelled);
        }
        match self
            .catalog
            .copies_verified(lease, &stored, &[], &clock::text(until))
            .await?
        {
            true => Ok(()),
            false => Err(cancelled),
        }
    }
}

/// One server, with a runtime of its own: dropping that is as abrupt as a power cut.
struct Replica {
    runtime: Runtime,
    scheduler: Scheduler,
    fake: Arc<Fake>,
}

impl Replica {
    fn start(
        place: &CatalogPlace,
        clock: &watch::Receiver<OffsetDateTime>,
        name: String,
        takes: fn(usize) -> Duration,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let catalog = runtime.block_on(Catalog::open(place)).unwrap();
        let fake = Arc::new(Fake {
            catalog: catalog.clone(),
            clock: clock.clone(),
            until: Mutex::default(),
            begun: AtomicUsize::new(0),
            takes,
        });
        let now = clock.clone();
        let scheduler = {
            let _inside = runtime.enter();
            Scheduler::new(catalog, fake.clone(), Arc::new(move || *now.borrow()), name)
        };
        Self {
            runtime,
            scheduler,
            fake,
        }
    }

    /// Waits until all that is through by now has ended, and looks after the rest.
    fn step(&self, now: OffsetDateTime) {
        self.runtime.block_on(async {
            let settled = async {
                loop {
                    let at_work = {
                        let until = self.fake.until.lock().unwrap();
                        until.values().filter(|until| **until > now).count()
                    };
                    if self.scheduler.active() <= at_work {
                        return;
                    }
                    tokio::time::sleep(Real::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Real::from_secs(60), settled)
                .await
                .unwrap();
            self.scheduler.tick().await.unwrap();
        });
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

/// Every how many minutes each job is due: longer than it may have to wait for a server that was killed, so that no run has to
/// make up for the next.
const EVERY: usize = 3;

/// Drives two servers over `minutes`, with jobs that take turns; every so often one is killed and replaced.
fn drive_two(place: &CatalogPlace, jobs: usize, minutes: i64) {
    let start = moment("2026-10-25T00:10:00Z");
    let (set_clock, clock) = watch::channel(start);
    let turn = |number: usize| {
        let minutes: Vec<String> = (number % EVERY..60)
            .step_by(EVERY)
            .map(|minute| minute.to_string())
            .collect();
        format!("{} * * * *", minutes.join(","))
    };
    let names: Vec<JobRecord> = (0..jobs)
        .map(|number| {
            job(
                &format!("Job {number}"),
                Some(&turn(number)),
                &clock::text(start),
            )
        })
        .collect();
    let mut kills = 0;
    let mut replicas = [0, 1].map(|number| {
        Some(Replica::start(
            place,
            &clock,
            format!("server {number}"),
            a_moment,
        ))
    });
    {
        let first = replicas[0].as_ref().unwrap();
        for job in &names {
            first
                .runtime
                .block_on(first.fake.catalog.add_job(job))
                .unwrap();
        }
    }
    let until = start + Duration::minutes(minutes);
    let mut now = start;
    let mut step = 0_usize;
    let left = loop {
        step += 1;
        now += Duration::seconds(10);
        set_clock.send_replace(now);
        for replica in replicas.iter().flatten() {
            replica.step(now);
        }
        // One is killed while it is at work, and comes back three steps later under another name.
        if step % 23 == 11 {
            let victim = (step / 23) % 2;
            if replicas[victim]
                .as_ref()
                .is_some_and(|replica| replica.scheduler.active() > 0)
            {
                replicas[victim].take().unwrap().kill();
                kills += 1;
            }
        }
        if step % 23 == 14 {
            for (number, replica) in replicas
                .iter_mut()
                .enumerate()
                .filter(|(_, replica)| replica.is_none())
            {
                *replica = Some(Replica::start(
                    place,
                    &clock,
                    format!("server {number} of step {step}"),
                    a_moment,
                ));
            }
        }
        if now == until {
            // No more become due.
            let any = replicas.iter().flatten().next().unwrap();
            for job in &names {
                let mut job = any
                    .runtime
                    .block_on(any.fake.catalog.job(&job.id))
                    .unwrap()
                    .unwrap();
                job.schedule = None;
                assert!(
                    any.runtime
                        .block_on(any.fake.catalog.change_job(&job))
                        .unwrap()
                );
            }
        }
        if now > until + LEASE
            && let Some(any) = replicas.iter().flatten().next()
        {
            // Also those of a server that was killed and whose lease still lasts.
            let open = names.iter().any(|job| {
                let runs = any
                    .runtime
                    .block_on(any.fake.catalog.job_runs(&job.id, None, 10_000));
                runs.unwrap()
                    .iter()
                    .any(|run| matches!(run.state, JobRunState::Waiting | JobRunState::Running))
            });
            let idle = replicas
                .iter()
                .flatten()
                .all(|replica| replica.scheduler.active() == 0);
            if !open && idle {
                break replicas.into_iter().flatten().next().unwrap();
            }
        }
        assert!(now < until + Duration::hours(12), "it comes to no end");
    };
    assert!(kills >= 3, "{kills} kills");
    let catalog = &left.fake.catalog;
    let mut runs = 0;
    let mut lost = 0;
    let backups = left.runtime.block_on(catalog.backups()).unwrap();
    let mut stored: BTreeMap<(Id, String), usize> = BTreeMap::new();
    for backup in &backups {
        *stored
            .entry((backup.source.clone(), backup.created_at.clone()))
            .or_default() += 1;
    }
    for (number, job) in names.iter().enumerate() {
        let expected: BTreeSet<String> = (1..=minutes)
            .map(|minute| start + Duration::minutes(minute))
            .filter(|due| usize::from(due.minute()) % EVERY == number % EVERY)
            .map(clock::text)
            .collect();
        let found = left
            .runtime
            .block_on(catalog.job_runs(&job.id, None, 10_000))
            .unwrap();
        let due: Vec<String> = found.iter().map(|run| run.due_at.clone()).collect();
        assert_eq!(
            due.iter().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{}: lost or too many",
            job.name
        );
        assert_eq!(due.len(), expected.len(), "{}: planned twice", job.name);
        for run in &found {
            assert_eq!(run.state, JobRunState::Done, "{run:?}");
            let times = stored.get(&(job.sources[0].clone(), run.due_at.clone()));
            assert_eq!(times, Some(&1), "{run:?}");
            let log = left.runtime.block_on(catalog.job_run(&run.id));
            lost += usize::from(log.unwrap().unwrap().log.matches("done").count() != 1);
            runs += 1;
        }
    }
    assert_eq!(lost, 0);
    assert_eq!(backups.len(), runs);
    assert!(runs > 500, "{runs} runs");
    // For who runs it with --nocapture.
    let told = writeln!(
        std::io::stderr(),
        "{runs} runs by two servers, {kills} of which were killed: none lost, none doubled"
    );
    told.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_longer_than_its_schedule_is_followed_by_one_at_a_time() {
    places(async |place| {
        let place = place.place.clone();
        tokio::task::spawn_blocking(move || {
            let start = moment("2026-11-21T00:00:30Z");
            let (set_clock, clock) = watch::channel(start);
            let replica = Replica::start(&place, &clock, "slow".into(), |_| Duration::minutes(7));
            let catalog = &replica.fake.catalog;
            let shop = job("Shop", Some("* * * * *"), &clock::text(start));
            replica.runtime.block_on(catalog.add_job(&shop)).unwrap();
            let count = |wanted: JobRunState| {
                let runs = replica
                    .runtime
                    .block_on(catalog.job_runs(&shop.id, None, 10_000));
                runs.unwrap()
                    .iter()
                    .filter(|run| run.state == wanted)
                    .count()
            };
            for step in 1..=180 {
                let now = start + Duration::seconds(step * 20);
                set_clock.send_replace(now);
                replica.step(now);
                assert!(count(JobRunState::Waiting) <= 1);
            }
            let (done, skipped) = (count(JobRunState::Done), count(JobRunState::Skipped));
            // Sixty minutes, of seven and a bit for each run; every time of the schedule is accounted for.
            assert!((7..=8).contains(&done), "{done}");
            assert_eq!(count(JobRunState::Missed), 0);
            let open = count(JobRunState::Waiting) + count(JobRunState::Running);
            assert_eq!(done + skipped + open, 60);
            replica.kill();
        })
        .await
        .unwrap();
    })
    .await;
}

/// Work that comes to nothing.
struct Failing;

#[async_trait::async_trait]
impl Work for Failing {
    async fn run(&self, _: &JobRecord, _: &Lease, _: &Watch) -> Result<(), RunFailure> {
        Err(RunFailure::new("database", "it does not answer"))
    }
}

pub(crate) fn failing(catalog: &Catalog, clock: watch::Receiver<OffsetDateTime>) -> Scheduler {
    let now = Arc::new(move || *clock.borrow());
    Scheduler::new(catalog.clone(), Arc::new(Failing), now, "one".into())
}

/// Looks after everything, and waits until what that began has ended.
pub(crate) async fn tick(scheduler: &Scheduler) {
    scheduler.tick().await.unwrap();
    let settled = async {
        while scheduler.active() > 0 {
            tokio::time::sleep(Real::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Real::from_secs(60), settled)
        .await
        .unwrap();
}

/// Somebody to tell.
fn channel() -> ChannelRecord {
    let config = r#"{"kind":"webhook","url":"http://127.0.0.1:1/"}"#;
    ChannelRecord {
        id: Id::random().unwrap(),
        name: "Hook".into(),
        config: serde_json::from_str::<ChannelConfig>(config).unwrap(),
        secret: None,
        enabled: true,
        created_at: "2026-11-21T00:00:00Z".into(),
    }
}

#[tokio::test]
async fn what_no_server_was_there_for_is_missed_and_told_once() {
    both(async |catalog, _| {
        let start = moment("2026-11-21T00:30:00Z");
        let (set_clock, clock) = watch::channel(start);
        catalog.put_channel(&channel()).await.unwrap();
        let mut jobs = Vec::new();
        for (name, catch_up) in [("Late", CatchUp::One), ("Never", CatchUp::None)] {
            let mut one = job(name, Some("0 * * * *"), &clock::text(start));
            one.catch_up = catch_up;
            catalog.add_job(&one).await.unwrap();
            jobs.push(one);
        }
        // Two servers come back in the same moment, three hours and a half later.
        set_clock.send_replace(start + Duration::hours(3));
        for scheduler in [failing(&catalog, clock.clone()), failing(&catalog, clock)] {
            tick(&scheduler).await;
        }
        let mut states = Vec::new();
        for job in &jobs {
            let runs = catalog.job_runs(&job.id, None, 10).await.unwrap();
            states.push(runs.iter().map(|run| run.state).collect::<Vec<_>>());
        }
        let missed = JobRunState::Missed;
        assert_eq!(
            states,
            [
                vec![JobRunState::Failed, missed, missed],
                vec![missed, missed, missed]
            ]
        );
        let notices = catalog.open_notices("2027-01-01T00:00:00Z").await.unwrap();
        let mut told: Vec<(String, String, usize)> = notices
            .iter()
            .map(|notice| serde_json::from_str::<Event>(&notice.event).unwrap())
            .map(|event| (event.data.name, event.kind, event.data.due_at.len()))
            .collect();
        told.sort();
        let expected = [
            ("Late", "job.failed", 1),
            ("Late", "job.missed", 2),
            ("Never", "job.missed", 3),
        ];
        let expected = expected.map(|(name, kind, due)| (name.into(), kind.into(), due));
        assert_eq!(told, expected);
    })
    .await;
}

#[tokio::test]
async fn what_fails_gives_way_to_the_next_time_and_is_told() {
    both(async |catalog, _| {
        let start = moment("2026-11-21T00:00:30Z");
        let (set_clock, clock) = watch::channel(start);
        catalog.put_channel(&channel()).await.unwrap();
        let mut shop = job("Shop", Some("* * * * *"), &clock::text(start));
        // The first attempt again is only after the job is due anew.
        (shop.retries, shop.retry_seconds) = (5, 600);
        catalog.add_job(&shop).await.unwrap();
        let scheduler = failing(&catalog, clock);
        for step in 1..=30 {
            let now = start + Duration::seconds(step * 20);
            set_clock.send_replace(now);
            tick(&scheduler).await;
        }
        let runs = catalog.job_runs(&shop.id, None, 100).await.unwrap();
        assert_eq!(runs.len(), 10);
        assert_eq!(runs[0].state, JobRunState::Waiting, "{:?}", runs[0]);
        for run in &runs[1..] {
            assert_eq!(run.state, JobRunState::Failed, "{run:?}");
            let log = catalog.job_run(&run.id).await.unwrap().unwrap().log;
            assert!(log.contains("not tried again"), "{log}");
            assert!(run.ended_at.is_some() && run.error_code.as_deref() == Some("database"));
        }
        let later = "2027-01-01T00:00:00Z";
        assert_eq!(catalog.open_notices(later).await.unwrap().len(), 9);
    })
    .await;
}

/// Work that goes on until it is asked to stop.
struct Endless;

#[async_trait::async_trait]
impl Work for Endless {
    async fn run(&self, _: &JobRecord, _: &Lease, watch: &Watch) -> Result<(), RunFailure> {
        while !watch.progress().cancelled() {
            tokio::time::sleep(Real::from_millis(1)).await;
        }
        Err(RunFailure::new("cancelled", "cancelled"))
    }
}

#[tokio::test]
async fn a_server_that_is_stopped_hands_back_what_it_is_at() {
    both(async |catalog, _| {
        let start = moment("2026-11-21T00:30:00Z");
        let (set_clock, clock) = watch::channel(start);
        let mut shop = job("Shop", Some("0 * * * *"), &clock::text(start));
        shop.retries = 0;
        catalog.add_job(&shop).await.unwrap();
        let now = {
            let clock = clock.clone();
            Arc::new(move || *clock.borrow())
        };
        let first = Scheduler::new(catalog.clone(), Arc::new(Endless), now, "first".into());
        set_clock.send_replace(start + Duration::minutes(30));
        first.tick().await.unwrap();
        assert_eq!(first.active(), 1);
        assert!(first.stop(Real::from_secs(60)).await);
        let runs = catalog.job_runs(&shop.id, None, 9).await.unwrap();
        let states: Vec<_> = runs.iter().map(|run| run.state).collect();
        assert_eq!(states, [JobRunState::Waiting]);
        // It takes nothing more itself; another one has not to wait until a lease ends, and has all attempts that there are.
        first.tick().await.unwrap();
        assert_eq!(first.active(), 0);
        tick(&failing(&catalog, clock)).await;
        let runs = catalog.job_runs(&shop.id, None, 9).await.unwrap();
        let [run] = runs.as_slice() else {
            panic!("{runs:?}");
        };
        assert_eq!(run.state, JobRunState::Failed);
        assert_eq!(run.error_code.as_deref(), Some("database"), "{run:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_lose_no_run_and_do_none_twice_while_they_are_killed() {
    places(async |place| {
        if !place.in_postgres() {
            // A file is one server's: the data folder is locked.
            return;
        }
        let place = place.place.clone();
        tokio::task::spawn_blocking(move || drive_two(&place, 6 * EVERY, 90))
            .await
            .unwrap();
    })
    .await;
}
