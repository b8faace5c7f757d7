//! Jobs: planned once, run by one server, taken over when that one is gone.

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
    catalog::{
        BackupOrigin, BackupRecord, BackupState, Beat, Catalog, CatalogError, CatalogPlace,
        CatchUp, ChannelRecord, Due, Ending, Id, JobRecord, JobRunState, Lease, Plan, Planned,
    },
    clock,
    jobs::{LEASE, Scheduler, Watch, Work},
    notify::ChannelConfig,
    runs::RunFailure,
};
use time::{Duration, OffsetDateTime};
use tokio::{runtime::Runtime, sync::watch};

use crate::{both, places};

fn moment(text: &str) -> OffsetDateTime {
    clock::parse(text).unwrap()
}

fn job(name: &str, schedule: Option<&str>, now: &str) -> JobRecord {
    JobRecord {
        id: Id::random().unwrap(),
        name: name.into(),
        profile: Id::random().unwrap(),
        sensitive: false,
        enabled: true,
        schedule: schedule.map(Into::into),
        time_zone: "Europe/Berlin".into(),
        jitter_seconds: 0,
        catch_up: CatchUp::One,
        retention: serde_json::from_str(r#"{"last":3,"daily":7}"#).unwrap(),
        retries: 0,
        retry_seconds: 60,
        planned_until: now.into(),
        version: 1,
        sources: vec![Id::random().unwrap(), Id::random().unwrap()],
        destinations: vec![],
        created_at: now.into(),
    }
}

fn backup(lease: &Lease, source: &Id) -> BackupRecord {
    let id = Id::random().unwrap();
    BackupRecord {
        name: format!("{id}.coffer"),
        id,
        origin: BackupOrigin::Taken,
        uploaded_by: String::new(),
        source: source.clone(),
        source_name: "Shop".into(),
        state: BackupState::Storing,
        size: 7,
        sha256: "ab".into(),
        fingerprint: "00".into(),
        sender: "11".into(),
        contents: "standard".into(),
        created_at: lease.due_at.clone(),
        scrubbed_at: None,
        job: None,
    }
}

#[tokio::test]
async fn a_job_comes_back_as_it_was_given_and_changes_once() {
    both(async |catalog, _| {
        let mut shop = job("Shop", Some("0 3 * * *"), "2026-11-21T00:00:00Z");
        catalog.add_job(&shop).await.unwrap();
        assert_eq!(catalog.jobs().await.unwrap(), [shop.clone()]);
        let again = job("Shop", None, "2026-11-21T00:00:00Z");
        assert!(catalog.add_job(&again).await.is_err());
        shop.sources.pop();
        shop.enabled = false;
        assert!(catalog.change_job(&shop).await.unwrap());
        // Somebody else changed it since it was read.
        assert!(!catalog.change_job(&shop).await.unwrap());
        shop.version += 1;
        assert_eq!(catalog.job(&shop.id).await.unwrap(), Some(shop.clone()));
        assert_eq!(catalog.timetables().await.unwrap(), []);
        assert!(catalog.remove_job(&shop.id).await.unwrap());
        assert_eq!(catalog.job(&shop.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_was_away_changes_nothing_any_more() {
    both(async |catalog, _| {
        let (start, now, later) = (
            "2026-11-21T00:00:00Z",
            "2026-11-21T00:00:30Z",
            "2026-11-21T00:02:00Z",
        );
        let shop = job("Shop", None, start);
        catalog.add_job(&shop).await.unwrap();
        let run = Id::random().unwrap();
        catalog.ask_for_run(&run, &shop.id, start).await.unwrap();
        let take = async |holder: &str, now: &str, until: &str| {
            catalog.take_run(&run, holder, now, until).await.unwrap()
        };
        assert_eq!(
            take("a", "2026-11-20T00:00:00Z", now).await,
            None,
            "before it is due"
        );
        let first = take("a", start, "2026-11-21T00:01:00Z").await.unwrap();
        assert_eq!(take("b", now, later).await, None, "while somebody has it");
        assert_eq!(
            catalog
                .beat(&first, "2026-11-21T00:01:30Z", "{}", "one\n")
                .await
                .unwrap(),
            Beat::Held { cancel: false }
        );
        assert_eq!(
            take("b", "2026-11-21T00:01:00Z", later).await,
            None,
            "after a sign of life"
        );
        let second = take("b", later, "2026-11-21T00:03:00Z").await.unwrap();
        assert!(second.fence > first.fence);
        assert_eq!((second.lost, second.log.as_str()), (1, "one\n"));
        // The first one comes back.
        assert_eq!(
            catalog.beat(&first, later, "{}", "two\n").await.unwrap(),
            Beat::Lost
        );
        let source = &shop.sources[0];
        let stale = backup(&first, source);
        assert!(!catalog.begin_copies(&first, &stale, &[]).await.unwrap());
        let taken = backup(&second, source);
        assert!(catalog.begin_copies(&second, &taken, &[]).await.unwrap());
        assert!(
            !catalog
                .copies_verified(&first, &taken, &[], later)
                .await
                .unwrap()
        );
        assert!(
            !catalog
                .end_run(&first, &Ending::Done, later, "", &[])
                .await
                .unwrap()
        );
        assert_eq!(catalog.backups().await.unwrap(), []);
        assert!(
            catalog
                .copies_verified(&second, &taken, &[], later)
                .await
                .unwrap()
        );
        assert_eq!(
            catalog.stored_by_run(&run).await.unwrap(),
            [(source.clone(), None)]
        );
        assert!(catalog.cancel_run(&run, later).await.unwrap());
        assert_eq!(
            catalog
                .beat(&second, "2026-11-21T00:04:00Z", "{}", "")
                .await
                .unwrap(),
            Beat::Held { cancel: true }
        );
        assert!(
            catalog
                .end_run(&second, &Ending::Cancelled, later, "end\n", &[])
                .await
                .unwrap()
        );
        assert!(!catalog.cancel_run(&run, later).await.unwrap());
        let ended = catalog.job_run(&run).await.unwrap().unwrap();
        assert_eq!(
            (ended.state, ended.log.as_str()),
            (JobRunState::Cancelled, "end\n")
        );
    })
    .await;
}

#[tokio::test]
async fn one_run_of_a_job_goes_on_at_a_time_and_a_failed_one_waits_for_its_next_attempt() {
    both(async |catalog, _| {
        let (start, until) = ("2026-11-21T00:00:00Z", "2026-11-21T00:01:00Z");
        let shop = job("Shop", None, start);
        catalog.add_job(&shop).await.unwrap();
        let runs = [Id::random().unwrap(), Id::random().unwrap()];
        for run in &runs {
            catalog.ask_for_run(run, &shop.id, start).await.unwrap();
        }
        assert_eq!(catalog.open_runs(start, 10).await.unwrap().len(), 2);
        let lease = catalog
            .take_run(&runs[0], "a", start, until)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            catalog.take_run(&runs[1], "b", start, until).await.unwrap(),
            None
        );
        let again = "2026-11-21T01:00:00Z";
        let failed = Ending::Failed {
            code: "database".into(),
            detail: "it does not answer".into(),
            again: Some(again.into()),
        };
        assert!(
            catalog
                .end_run(&lease, &failed, start, "", &[])
                .await
                .unwrap()
        );
        assert_eq!(
            catalog.open_runs(start, 10).await.unwrap(),
            [runs[1].clone()]
        );
        let other = catalog
            .take_run(&runs[1], "b", start, until)
            .await
            .unwrap()
            .unwrap();
        assert!(
            catalog
                .end_run(&other, &Ending::Done, start, "", &[])
                .await
                .unwrap()
        );
        let second = catalog
            .take_run(&runs[0], "a", again, "2026-11-21T01:01:00Z")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((second.attempt, second.lost), (2, 0));
        // Handed back, it is no attempt.
        assert!(
            catalog
                .end_run(&second, &Ending::HandedBack, again, "", &[])
                .await
                .unwrap()
        );
        let third = catalog
            .take_run(&runs[0], "b", again, "2026-11-21T01:01:00Z")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((third.attempt, third.lost), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn a_job_at_work_stays_and_one_that_is_switched_off_waits_for_nothing() {
    both(async |catalog, _| {
        let (start, until) = ("2026-11-21T00:00:00Z", "2026-11-21T00:01:00Z");
        let mut shop = job("Shop", Some("* * * * *"), start);
        catalog.add_job(&shop).await.unwrap();
        let ids = [(); 3].map(|()| Id::random().unwrap());
        let [asked, second, planned] = &ids;
        for run in [asked, second] {
            catalog.ask_for_run(run, &shop.id, start).await.unwrap();
        }
        let table = catalog.timetables().await.unwrap().remove(0);
        let plan = Plan {
            due: vec![Due {
                id: planned.clone(),
                at: start.into(),
                planned: Planned::Run {
                    not_before: start.into(),
                },
            }],
            ..Plan::default()
        };
        assert!(catalog.plan_runs(&table, &plan, until).await.unwrap());
        assert_eq!(catalog.open_runs(start, 10).await.unwrap().len(), 3);
        let lease = catalog
            .take_run(asked, "a", start, until)
            .await
            .unwrap()
            .unwrap();
        // What can't be taken now stands in nobody's way.
        assert_eq!(
            catalog.open_runs(start, 10).await.unwrap(),
            Vec::<Id>::new()
        );
        assert!(matches!(
            catalog.remove_job(&shop.id).await,
            Err(CatalogError::InUse { .. })
        ));
        shop.enabled = false;
        assert!(catalog.change_job(&shop).await.unwrap());
        let mut states = Vec::new();
        for id in &ids {
            states.push(catalog.job_run(id).await.unwrap().unwrap().state);
        }
        assert_eq!(
            states,
            [
                JobRunState::Running,
                JobRunState::Waiting,
                JobRunState::Cancelled
            ]
        );
        // Retention asks before it removes anything.
        let taken = backup(&lease, &shop.sources[0]);
        assert!(catalog.begin_copies(&lease, &taken, &[]).await.unwrap());
        assert!(
            catalog
                .copies_verified(&lease, &taken, &[], start)
                .await
                .unwrap()
        );
        for locked in [true, false] {
            assert!(catalog.lock_backup(&taken.id, locked).await.unwrap());
            assert_eq!(catalog.may_go(&lease, &taken.id).await.unwrap(), !locked);
        }
        assert!(
            catalog
                .end_run(&lease, &Ending::Done, start, "", &[])
                .await
                .unwrap()
        );
        assert!(!catalog.may_go(&lease, &taken.id).await.unwrap());
        assert!(catalog.remove_job(&shop.id).await.unwrap());
        assert_eq!(catalog.job_run(second).await.unwrap(), None);
    })
    .await;
}

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

#[tokio::test]
async fn what_fails_gives_way_to_the_next_time_and_is_told() {
    both(async |catalog, _| {
        let start = moment("2026-11-21T00:00:30Z");
        let (set_clock, clock) = watch::channel(start);
        let channel = ChannelRecord {
            id: Id::random().unwrap(),
            name: "Hook".into(),
            config: serde_json::from_str::<ChannelConfig>(
                r#"{"kind":"webhook","url":"http://127.0.0.1:1/"}"#,
            )
            .unwrap(),
            secret: None,
            enabled: true,
            created_at: clock::text(start),
        };
        catalog.put_channel(&channel).await.unwrap();
        let mut shop = job("Shop", Some("* * * * *"), &clock::text(start));
        // The first attempt again is only after the job is due anew.
        (shop.retries, shop.retry_seconds) = (5, 600);
        catalog.add_job(&shop).await.unwrap();
        let scheduler = Scheduler::new(
            catalog.clone(),
            Arc::new(Failing),
            Arc::new(move || *clock.borrow()),
            "one".into(),
        );
        for step in 1..=30 {
            let now = start + Duration::seconds(step * 20);
            set_clock.send_replace(now);
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
