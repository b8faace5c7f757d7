//! Bringing a catalog of an older version to this one.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use coffer_server::catalog::{Catalog, CatalogError};
use sqlx::{Connection, migrate::Migrator};

use crate::{Place, both, places, secrets::told};

/// Makes a catalog as the first three versions left it, whose secrets stood there as they were, and puts a source into it.
async fn of_an_older_version(place: &Place, url: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/migrations/sqlite");
    let mut migrations = Migrator::new(folder).await.unwrap();
    migrations
        .migrations
        .to_mut()
        .retain(|one| one.version <= 3);
    fs::write(place.folder().join("catalog.sqlite"), "").unwrap();
    let mut connection = place.connect().await;
    migrations.run(&mut connection).await.unwrap();
    sqlx::query(
        "INSERT INTO sources (id, name, engine, database, url, created_at)
         VALUES ($1, 'shop', 'postgres', 'shop on 127.0.0.1:5432', $2, '2026-11-21T04:05:06Z')",
    )
    .bind("0".repeat(32))
    .bind(url)
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

fn copies(folder: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut copies: Vec<PathBuf> = names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("catalog-"))
        .map(|entry| entry.path())
        .collect();
    copies.sort();
    copies
}

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let seen = std::sync::Mutex::new(Vec::new());
    both(async |_, place| {
        let mut connection = place.connect().await;
        let columns: Vec<(String, String)> = sqlx::query_as(if place.in_postgres() {
            "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'"
        } else {
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'"
        })
        .fetch_all(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
        let mut columns = columns;
        columns.sort();
        assert!(columns.len() > 20, "{columns:?}");
        seen.lock().unwrap().push(columns);
    })
    .await;
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_catalog_is_copied_before_it_is_changed() {
    places(async |place| {
        if place.in_postgres() {
            // Whoever runs that database copies it: docs/operating.md.
            return;
        }
        place.open().await.close().await;
        assert_eq!(copies(place.folder()), [] as [PathBuf; 0]);
        // Copies of earlier times.
        for day in 1..=4 {
            let name = format!("catalog-2020-01-0{day}T000000Z-1.sqlite");
            fs::write(place.folder().join(name), "").unwrap();
        }
        // The last migration fails, so the catalog is what it was.
        place
            .change("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
            .await;
        let error = Catalog::open(&place.place).await.unwrap_err();
        assert!(matches!(error, CatalogError::Migrate(_)), "{error}");
        let copies = copies(place.folder());
        assert_eq!(copies.len(), 3, "{copies:?}");
        assert!(copies[1].ends_with("catalog-2020-01-04T000000Z-1.sqlite"));
        let mode = fs::metadata(&copies[2]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let copy = rusqlite::Connection::open(&copies[2]).unwrap();
        let tables: i64 = copy
            .query_row("SELECT count(*) FROM sources", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    })
    .await;
}

#[tokio::test]
async fn what_an_older_version_wrote_as_it_is_gets_wrapped_everywhere() {
    places(async |place| {
        if place.in_postgres() {
            // No version kept secrets as they were there.
            return;
        }
        let url = "postgres://app:hunter2@127.0.0.1/shop";
        of_an_older_version(&place, url).await;
        assert!(told(place.folder()));
        let catalog = place.open().await;
        let sources = catalog.sources().await.unwrap();
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].url.expose(), url);
        // The copy from before the change held it too, and is gone.
        assert!(!told(place.folder()));
        assert_eq!(copies(place.folder()), [] as [PathBuf; 0]);
        catalog.close().await;
        assert!(!told(place.folder()));
    })
    .await;
}
