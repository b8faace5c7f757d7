//! Sources.

use coffer_server::catalog::{CatalogError, FileSetRecord, Id, SourceRecord, StoredUrl};

use crate::both;

fn source(name: &str) -> SourceRecord {
    SourceRecord {
        id: Id::random().unwrap(),
        name: name.into(),
        engine: "postgres".into(),
        database: "shop on 127.0.0.1:5432".into(),
        url: StoredUrl::new("postgres://app:hunter2@127.0.0.1/shop"),
        app: None,
        preset: None,
        config: Some("/etc/coffer/shop.toml".into()),
        app_secrets: Default::default(),
        file_sets: vec![
            FileSetRecord {
                name: "uploads".into(),
                folder: "/srv/uploads".into(),
            },
            FileSetRecord {
                name: "audio".into(),
                folder: "/srv/audio".into(),
            },
        ],
        created_at: "2026-11-21T04:05:06Z".into(),
    }
}

#[tokio::test]
async fn a_source_comes_back_as_it_was_given() {
    both(async |catalog, _| {
        let shop = source("Shop");
        catalog.add_source(&shop).await.unwrap();
        assert_eq!(catalog.sources().await.unwrap(), vec![shop.clone()]);
        assert_eq!(catalog.source(&shop.id).await.unwrap(), Some(shop.clone()));
        let mut changed = shop.clone();
        changed.file_sets.remove(0);
        changed.config = None;
        catalog.add_source(&changed).await.unwrap();
        assert_eq!(catalog.sources().await.unwrap(), vec![changed]);
        assert!(!format!("{shop:?}").contains("hunter2"));
        assert!(catalog.remove_source(&shop.id).await.unwrap());
        assert!(!catalog.remove_source(&shop.id).await.unwrap());
        assert_eq!(catalog.source(&shop.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn two_sources_do_not_share_a_name() {
    both(async |catalog, _| {
        catalog.add_source(&source("Shop")).await.unwrap();
        let error = catalog.add_source(&source("Shop")).await.unwrap_err();
        assert!(
            matches!(error, CatalogError::Taken { field: "name", .. }),
            "{error}"
        );
        assert_eq!(catalog.sources().await.unwrap().len(), 1);
    })
    .await;
}
