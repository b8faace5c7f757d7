//! Encryption profiles, and archives that were uploaded.

use coffer_server::catalog::{
    BackupOrigin, BackupRecord, BackupState, CatalogError, Id, KeyState, Profile, ProfileKeyRecord,
    ProfileRecord,
};

use crate::both;

const NOW: &str = "2026-11-21T04:05:06Z";

fn key(profile: &Id, digits: &str, locked: Option<&str>) -> ProfileKeyRecord {
    ProfileKeyRecord {
        profile: profile.clone(),
        fingerprint: digits.repeat(16),
        recipient: format!("coffer1{digits}"),
        locked: locked.map(Into::into),
        state: match locked {
            Some(_) => KeyState::Active,
            None => KeyState::Pending,
        },
        kit_verified_at: None,
        created_at: NOW.into(),
        retired_at: None,
    }
}

fn profile(name: &str, digits: &str, locked: Option<&str>) -> Profile {
    let id = Id::random().unwrap();
    Profile {
        keys: vec![key(&id, digits, locked)],
        record: ProfileRecord {
            id,
            name: name.into(),
            created_at: NOW.into(),
        },
    }
}

#[tokio::test]
async fn a_profile_is_ready_once_one_of_its_keys_is_proven() {
    both(async |catalog, _| {
        let with_kit = profile("Kit", "aa", None);
        let with_password = profile("Password", "bb", Some("locked"));
        for profile in [&with_kit, &with_password] {
            catalog.add_profile(profile).await.unwrap();
        }
        assert_eq!(
            catalog.profiles().await.unwrap(),
            [with_kit.clone(), with_password.clone()]
        );
        assert!(!with_kit.ready() && with_password.ready());
        for (name, digits, field) in [("Kit", "cc", "name"), ("Other", "bb", "key")] {
            let taken = catalog.add_profile(&profile(name, digits, None)).await;
            assert!(
                matches!(taken, Err(CatalogError::Taken { field: said, .. }) if said == field),
                "{taken:?}"
            );
        }
        assert_eq!(catalog.profiles().await.unwrap().len(), 2, "all or nothing");

        let id = &with_kit.record.id;
        let (first, second) = ("aa".repeat(16), "dd".repeat(16));
        assert!(
            !catalog
                .profile_key_verified(id, &second, &[], NOW)
                .await
                .unwrap()
        );
        assert!(
            catalog
                .profile_key_verified(id, &first, &[], NOW)
                .await
                .unwrap()
        );
        assert!(
            !catalog.retire_profile_key(id, &first, NOW).await.unwrap(),
            "it is the last"
        );
        catalog.add_profile_key(&key(id, "dd", None)).await.unwrap();
        assert!(
            !catalog.retire_profile_key(id, &first, NOW).await.unwrap(),
            "it is not proven"
        );
        let retire = [first.clone(), second.clone()];
        assert!(
            catalog
                .profile_key_verified(id, &second, &retire, NOW)
                .await
                .unwrap()
        );
        let changed = catalog.profile(id).await.unwrap().unwrap();
        let active: Vec<_> = changed
            .active()
            .map(|key| key.fingerprint.as_str())
            .collect();
        assert_eq!(
            active,
            [second.as_str()],
            "a key does not take its own place"
        );
        assert_eq!(changed.keys[0].retired_at.as_deref(), Some(NOW));
        assert!(!catalog.discard_profile_key(id, &first).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_was_uploaded_counts_for_its_owner_and_for_each_of_its_keys() {
    both(async |catalog, _| {
        let (one, two) = ("aa".repeat(16), "bb".repeat(16));
        for (number, by) in ["ada", "ada", "eve"].into_iter().enumerate() {
            let id = Id::random().unwrap();
            let record = BackupRecord {
                origin: BackupOrigin::Uploaded,
                uploaded_by: by.into(),
                source: id.clone(),
                source_name: "holiday.coffer".into(),
                name: format!("holiday-{number}.coffer"),
                state: BackupState::Storing,
                size: 0,
                sha256: String::new(),
                fingerprint: String::new(),
                sender: String::new(),
                contents: String::new(),
                created_at: NOW.into(),
                scrubbed_at: None,
                job: None,
                id,
            };
            catalog.begin_backup(&record).await.unwrap();
            let keys = if number == 0 {
                format!("{one} {two}")
            } else {
                two.clone()
            };
            catalog
                .backup_uploaded(&record.id, 10, "ab", &keys, "", NOW)
                .await
                .unwrap();
        }
        assert_eq!(catalog.uploaded_bytes("ada").await.unwrap(), (30, 20));
        assert_eq!(catalog.uploaded_bytes("kim").await.unwrap(), (30, 0));
        assert_eq!(catalog.sealed_to(&one).await.unwrap(), 1);
        assert_eq!(catalog.sealed_to(&two).await.unwrap(), 3);
        let stored = catalog.backups().await.unwrap();
        assert_eq!(stored[0].scrubbed_at.as_deref(), Some(NOW));
        let later = "2026-11-22T04:05:06Z";
        catalog
            .backup_scrubbed(&stored[0].id, BackupState::Damaged, later)
            .await
            .unwrap();
        let found = catalog.backup(&stored[0].id).await.unwrap().unwrap();
        assert_eq!(
            (found.state, found.scrubbed_at.as_deref()),
            (BackupState::Damaged, Some(later))
        );
    })
    .await;
}
