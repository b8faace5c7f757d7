//! Jobs and their runs, as the catalog keeps them.

use coffer_server::{
    catalog::{
        BackupOrigin, BackupRecord, BackupState, Beat, CatalogError, CatchUp, Due, Ending, Id,
        JobRecord, JobRunState, Lease, Plan, Planned,
    },
    clock,
};
use time::OffsetDateTime;

use crate::both;

pub(crate) fn moment(text: &str) -> OffsetDateTime {
    clock::parse(text).unwrap()
}

pub(crate) fn job(name: &str, schedule: Option<&str>, now: &str) -> JobRecord {
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

pub(crate) fn backup(lease: &Lease, source: &Id) -> BackupRecord {
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
