//! Backups.

use coffer_server::catalog::{BackupOrigin, BackupRecord, BackupState, Id};

use crate::both;

fn backup() -> BackupRecord {
    BackupRecord {
        id: Id::random().unwrap(),
        origin: BackupOrigin::Taken,
        uploaded_by: String::new(),
        source: Id::random().unwrap(),
        source_name: "Shop".into(),
        name: "shop-2026-11-21T040506Z.coffer".into(),
        state: BackupState::Storing,
        size: 0,
        sha256: String::new(),
        fingerprint: "00".repeat(16),
        sender: "11".repeat(16),
        contents: "standard".into(),
        created_at: "2026-11-21T04:05:06Z".into(),
        scrubbed_at: None,
        job: None,
    }
}

#[tokio::test]
async fn a_backup_shows_once_it_is_verified() {
    both(async |catalog, _| {
        let taken = backup();
        assert_eq!(catalog.begin_backup(&taken).await.unwrap(), taken.name);
        assert_eq!(catalog.backups().await.unwrap(), []);
        assert_eq!(catalog.backup(&taken.id).await.unwrap(), None);
        assert_eq!(catalog.unfinished_backups().await.unwrap().len(), 1);
        catalog
            .backup_verified(&taken.id, 7, "ab", "sensitive")
            .await
            .unwrap();
        let shown = catalog.backups().await.unwrap();
        assert_eq!(shown[0].state, BackupState::Verified);
        assert_eq!(
            (shown[0].size, shown[0].contents.as_str()),
            (7, "sensitive")
        );
        assert_eq!(shown[0].sender, taken.sender);
        catalog.backup_damaged(&taken.id).await.unwrap();
        let damaged = catalog.backup(&taken.id).await.unwrap().unwrap();
        assert_eq!(damaged.state, BackupState::Damaged);
        catalog.remove_backup(&taken.id).await.unwrap();
        assert_eq!(catalog.backups().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn two_backups_of_one_second_have_two_names() {
    both(async |catalog, _| {
        catalog.begin_backup(&backup()).await.unwrap();
        assert_eq!(
            catalog.begin_backup(&backup()).await.unwrap(),
            "shop-2026-11-21T040506Z-2.coffer"
        );
    })
    .await;
}
