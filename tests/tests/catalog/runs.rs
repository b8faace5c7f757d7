//! Runs.

use coffer_server::catalog::{Id, RunKind, RunRecord, RunState};

use crate::both;

#[tokio::test]
async fn an_interrupted_run_has_failed_and_an_old_one_is_forgotten() {
    both(async |catalog, _| {
        let run = RunRecord {
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
        };
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
