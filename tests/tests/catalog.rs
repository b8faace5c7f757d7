//! The server's own database, in SQLite and in PostgreSQL: each of these tests runs with both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use coffer_server::catalog::{Catalog, CatalogPlace, CatalogUrl};
use coffer_tests::postgres;
use sqlx::{AnyConnection, Connection};

#[path = "catalog/backups.rs"]
mod backups;
#[path = "catalog/jobs.rs"]
mod jobs;
#[path = "catalog/migrations.rs"]
mod migrations;
#[path = "catalog/profiles.rs"]
mod profiles;
#[path = "catalog/runs.rs"]
mod runs;
#[path = "catalog/scheduler.rs"]
mod scheduler;
#[path = "catalog/secrets.rs"]
mod secrets;
#[path = "catalog/sources.rs"]
mod sources;
#[path = "catalog/system.rs"]
mod system;

/// Where a test's catalog is, and how to look at it without the program.
#[derive(Debug)]
struct Place {
    place: CatalogPlace,
    /// For sqlx.
    url: String,
}

impl Place {
    fn folder(&self) -> &Path {
        &self.place.folder
    }

    fn in_postgres(&self) -> bool {
        self.place.url.is_some()
    }

    async fn open(&self) -> Catalog {
        Catalog::open(&self.place).await.unwrap()
    }

    /// A connection of the test's own.
    async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url).await.unwrap()
    }

    /// Another place in the same kind of database.
    async fn beside(&self, folder: &Path) -> Self {
        let mut url = format!("sqlite:{}", folder.join("catalog.sqlite").display());
        let mut place = CatalogPlace::in_folder(folder);
        if self.in_postgres() {
            let server = postgres::Server::shared();
            url = server.url(&server.create_database().await);
            place.url = Some(CatalogUrl::parse(&url).unwrap());
        }
        Self { place, url }
    }

    /// Changes the database behind the catalog's back.
    async fn change(&self, sql: &'static str) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Runs a test with a place in each database where no catalog is yet.
async fn places(test: impl AsyncFn(Place)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.sqlite");
    test(Place {
        place: CatalogPlace::in_folder(folder.path()),
        url: format!("sqlite:{}", file.display()),
    })
    .await;
    let server = postgres::Server::shared();
    let folder = tempfile::tempdir().unwrap();
    let url = server.url(&server.create_database().await);
    test(Place {
        place: CatalogPlace {
            folder: folder.path().to_owned(),
            url: Some(CatalogUrl::parse(&url).unwrap()),
        },
        url,
    })
    .await;
}

/// Runs a test with an empty catalog in each database.
async fn both(test: impl AsyncFn(Catalog, &Place)) {
    places(async |place| {
        let catalog = place.open().await;
        test(catalog.clone(), &place).await;
        catalog.close().await;
    })
    .await;
}

#[tokio::test]
async fn only_its_owner_can_read_what_it_keeps() {
    both(async |_, place| {
        for entry in fs::read_dir(place.folder()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        }
        let file = place.folder().join("catalog.sqlite");
        assert_eq!(file.exists(), !place.in_postgres());
    })
    .await;
}

#[tokio::test]
async fn it_opens_again() {
    places(async |place| {
        place.open().await.close().await;
        let again = place.open().await;
        assert_eq!(again.sources().await.unwrap(), []);
        assert!(!format!("{again:?}").contains("postgres://"));
        again.close().await;
    })
    .await;
}

#[tokio::test]
async fn servers_that_start_together_share_one_key() {
    places(async |place| {
        if !place.in_postgres() {
            // A file is one server's: the data folder is locked.
            return;
        }
        let (one, other) = tokio::join!(place.open(), place.open());
        assert_eq!(one.sources().await.unwrap(), []);
        assert_eq!(other.sources().await.unwrap(), []);
        one.close().await;
        other.close().await;
    })
    .await;
}
