//! What the catalog keeps wrapped.

use std::{fs, path::Path};

use coffer_server::{
    catalog::{Catalog, CatalogError, Id, SourceRecord, StoredUrl},
    vault::{self, SecretKeyError, VaultError},
};

use crate::{both, places};

fn source(name: &str) -> SourceRecord {
    SourceRecord {
        id: Id::random().unwrap(),
        name: name.into(),
        engine: "postgres".into(),
        database: "shop on 127.0.0.1:5432".into(),
        url: StoredUrl::new(&format!("postgres://app:hunter2@127.0.0.1/{name}")),
        app: None,
        preset: None,
        config: None,
        app_secrets: Default::default(),
        file_sets: Vec::new(),
        created_at: "2026-11-21T04:05:06Z".into(),
    }
}

/// Whether any file of the folder holds the password.
pub(crate) fn told(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let content = fs::read(entry.unwrap().path()).unwrap();
        content.windows(7).any(|bytes| bytes == b"hunter2")
    })
}

#[tokio::test]
async fn the_database_tells_no_password() {
    both(async |catalog, place| {
        let shop = source("shop");
        catalog.add_source(&shop).await.unwrap();
        assert!(!told(place.folder()));
        let mut connection = place.connect().await;
        let stored: String = sqlx::query_scalar("SELECT url FROM sources")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(!stored.contains("hunter2"), "{stored}");
        sqlx::Connection::close(connection).await.unwrap();
        catalog.close().await;
        assert!(!told(place.folder()));
        // The search finds one that is there.
        fs::write(place.folder().join("note"), "it is hunter2").unwrap();
        assert!(told(place.folder()));
        let again = place.open().await;
        assert_eq!(again.sources().await.unwrap(), [shop]);
        again.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_url_that_was_moved_to_another_source_is_not_used() {
    both(async |catalog, place| {
        for name in ["shop", "blog"] {
            catalog.add_source(&source(name)).await.unwrap();
        }
        place
            .change("UPDATE sources SET url = (SELECT url FROM sources WHERE name = 'shop')")
            .await;
        let error = catalog.sources().await.unwrap_err();
        assert!(
            matches!(error, CatalogError::Vault(VaultError::Damaged { .. })),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn all_secrets_change_their_key_or_none() {
    places(async |place| {
        let catalog = place.open().await;
        let sources = ["blog", "shop"].map(source);
        for source in &sources {
            catalog.add_source(source).await.unwrap();
        }
        catalog.close().await;
        let rotated = Catalog::rotate(&place.place).await.unwrap();
        assert_eq!(rotated.secrets, 2);
        assert_ne!(rotated.from, rotated.to);
        let catalog = place.open().await;
        assert_eq!(catalog.sources().await.unwrap(), sources);
        catalog.close().await;

        // One that can't be read: nothing changes.
        place
            .change("UPDATE sources SET url = 'wrapped1:AAAA' WHERE name = 'shop'")
            .await;
        Catalog::rotate(&place.place).await.unwrap_err();
        let catalog = place.open().await;
        let blog = catalog.source(&sources[0].id).await.unwrap();
        assert_eq!(blog.as_ref(), Some(&sources[0]));
        catalog.close().await;
    })
    .await;
}

#[tokio::test]
async fn without_its_key_a_catalog_opens_only_after_it_has_forgotten() {
    places(async |place| {
        let catalog = place.open().await;
        catalog.add_source(&source("shop")).await.unwrap();
        catalog.close().await;
        fs::remove_file(place.folder().join(vault::FILE_NAME)).unwrap();
        let lost = Catalog::open(&place.place).await.unwrap_err();
        assert!(
            matches!(lost, CatalogError::SecretKey(SecretKeyError::Lost { .. })),
            "{lost}"
        );
        let forgotten = Catalog::forget_secrets(&place.place).await.unwrap();
        assert_eq!(forgotten.secrets, 1);
        let catalog = place.open().await;
        assert_eq!(catalog.sources().await.unwrap(), []);
        catalog.close().await;
    })
    .await;
}
