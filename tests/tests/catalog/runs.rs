//! Runs.

use std::fs;

use coffer_server::catalog::{
    BackupOrigin, BackupRecord, BackupState, Catalog, CatalogPlace, Id, RunKind, RunRecord,
    RunState,
};

use crate::{both, places};

fn running() -> RunRecord {
    RunRecord {
        id: Id::random().unwrap(),
        source: Id::random().unwrap().to_string(),
        kind: RunKind::Restore,
        state: RunState::Running,
        progress: "{}".into(),
        result: None,
        error_code: None,
        error_detail: None,
        hooks: "[]".into(),
        started_at: "2026-11-21T04:05:06Z".into(),
        ended_at: None,
    }
}

#[tokio::test]
async fn an_interrupted_run_has_failed_and_an_old_one_is_forgotten() {
    both(async |catalog, _| {
        let run = running();
        catalog.write_run(&run).await.unwrap();
        assert_eq!(catalog.run(&run.id).await.unwrap().as_ref(), Some(&run));
        let now = "2026-11-21T05:00:00Z";
        assert_eq!(catalog.fail_interrupted_runs(now).await.unwrap(), 1);
        assert_eq!(catalog.fail_interrupted_runs(now).await.unwrap(), 0);
        let ended = catalog.run(&run.id).await.unwrap().unwrap();
        assert_eq!(ended.state, RunState::Failed);
        assert_eq!(ended.error_code.as_deref(), Some("interrupted"));
        catalog.forget_runs_before(now).await.unwrap();
        assert!(catalog.run(&run.id).await.unwrap().is_some());
        catalog
            .forget_runs_before("2026-12-21T05:00:00Z")
            .await
            .unwrap();
        assert!(catalog.run(&run.id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_server_ends_what_it_was_at_itself_and_what_servers_were_at_that_are_gone() {
    places(async |place| {
        if !place.in_postgres() {
            // A file is one server's: the data folder is locked.
            return;
        }
        let one = place.open().await;
        let folder = tempfile::tempdir().unwrap();
        let key = |folder: &std::path::Path| folder.join("secret.key");
        fs::copy(key(place.folder()), key(folder.path())).unwrap();
        let other = Catalog::open(&CatalogPlace {
            folder: folder.path().to_owned(),
            url: place.place.url.clone(),
        })
        .await
        .unwrap();
        let state = async |run: &RunRecord| one.run(&run.id).await.unwrap().unwrap().state;
        let (start, later) = ("2026-11-21T05:00:00Z", "2026-11-21T05:20:00Z");
        one.server_seen(start).await.unwrap();
        other.server_seen(start).await.unwrap();
        let (own, its) = (running(), running());
        one.write_run(&own).await.unwrap();
        other.write_run(&its).await.unwrap();
        let backup = BackupRecord {
            id: Id::random().unwrap(),
            origin: BackupOrigin::Taken,
            uploaded_by: String::new(),
            source: Id::random().unwrap(),
            source_name: "Shop".into(),
            name: "shop.coffer".into(),
            state: BackupState::Storing,
            size: 0,
            sha256: String::new(),
            fingerprint: String::new(),
            sender: String::new(),
            contents: String::new(),
            created_at: start.into(),
            scrubbed_at: None,
            job: None,
        };
        other.begin_backup(&backup).await.unwrap();
        // What the other one is at is not touched by a start of this one.
        assert_eq!(one.fail_interrupted_runs(start).await.unwrap(), 1);
        assert_eq!(
            (state(&own).await, state(&its).await),
            (RunState::Failed, RunState::Running)
        );
        assert_eq!(one.unfinished_backups().await.unwrap(), []);
        assert_eq!(other.unfinished_backups().await.unwrap().len(), 1);
        assert!(one.is_elsewhere(&backup.id).await.unwrap());
        assert!(!other.is_elsewhere(&backup.id).await.unwrap());
        assert_eq!(
            one.backups_elsewhere().await.unwrap(),
            [backup.id.clone()].into()
        );
        // As long as it is heard of, and not its own either.
        let again = running();
        one.write_run(&again).await.unwrap();
        let ended = async |gone| one.fail_runs_of_lost_servers(later, gone).await.unwrap();
        assert_eq!(ended("2026-11-21T04:59:59Z").await, 0);
        assert_eq!(ended(start).await, 1);
        assert_eq!(
            (state(&again).await, state(&its).await),
            (RunState::Running, RunState::Failed)
        );
        // The same folder is the same server.
        let reopened = place.open().await;
        assert_eq!(reopened.fail_interrupted_runs(later).await.unwrap(), 1);
        for catalog in [one.clone(), other, reopened] {
            catalog.close().await;
        }
    })
    .await;
}
