//! Peak memory of `coffer backup` and `coffer restore` on databases of 1 GiB, and of `coffer unseal`, `seal` and
//! `redact` on their archives, measured by the operating system.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::path::Path;

use coffer_tests::{
    coffer::{Run, coffer},
    postgres::{Server, run, texts},
};
use rusqlite::Connection;

const GIB: u64 = 1 << 30;
const LIMIT: u64 = 256 << 20;

fn check(what: &str, run: &Run) {
    println!("{what}: peak memory {} MiB", run.peak_memory >> 20);
    assert!(
        run.peak_memory < LIMIT,
        "{what} needed {} bytes",
        run.peak_memory
    );
}

fn round_trip(what: &str, archive: &Path, environment: &[(&str, &str)]) {
    let archive = archive.to_str().unwrap();
    let environment = [environment, &[("ARCHIVE_PASSWORD", "correct horse")]].concat();
    let password = ["--password-env", "ARCHIVE_PASSWORD"];
    let taken = coffer(
        ["backup", "--json", "--out", archive, "--sealed"]
            .iter()
            .chain(&password),
        &environment,
    )
    .ok();
    check(&format!("{what} backup"), &taken);
    let restored = coffer(
        [
            "restore", archive, "--json", "--mode", "replace", "--yes", "--force",
        ]
        .iter()
        .chain(&password),
        &environment,
    )
    .ok();
    check(&format!("{what} restore"), &restored);
    assert_eq!(restored.json()["rows"], taken.json()["archive"]["rows"]);
    let plain = format!("{archive}.zip");
    let unsealed = coffer(
        ["unseal", archive, "--json", "--out", &plain]
            .iter()
            .chain(&password),
        &environment,
    )
    .ok();
    check(&format!("{what} unseal"), &unsealed);
    let sealed = coffer(
        ["seal", &plain, "--json", "--out", archive, "--overwrite"]
            .iter()
            .chain(&password),
        &environment,
    )
    .ok();
    check(&format!("{what} seal"), &sealed);
    let preset = format!("{archive}.toml");
    let rule = r#"{ table = "large", column = "body", placeholder = "a placeholder" }"#;
    std::fs::write(&preset, format!("app = \"large\"\ncredential = [{rule}]\n")).unwrap();
    let redacted = coffer(
        [
            "redact",
            archive,
            "--json",
            "--preset",
            &preset,
            "--out",
            &plain,
            "--overwrite",
        ]
        .iter()
        .chain(&password),
        &environment,
    )
    .ok();
    check(&format!("{what} redact"), &redacted);
    assert_eq!(
        redacted.json()["archive"]["rows"],
        taken.json()["archive"]["rows"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_of_one_gib() {
    let server = Server::shared();
    let database = server.create_database().await;
    let mut connection = server.connect(&database).await;
    run(
        &mut connection,
        "CREATE TABLE large (id bigint PRIMARY KEY, body text NOT NULL, changed timestamptz NOT NULL);
         INSERT INTO large SELECT n, repeat(md5(n::text), 7), now() FROM generate_series(1, 4000000) AS n;",
    )
    .await;
    let size = texts(
        &mut connection,
        "SELECT pg_database_size(current_database())",
    )
    .await;
    assert!(size[0].parse::<u64>().unwrap() >= GIB, "{size:?}");
    let folder = tempfile::tempdir().unwrap();
    let url = server.url(&database);
    round_trip(
        "PostgreSQL",
        &folder.path().join("large.coffer"),
        &[("COFFER_SOURCE", &url), ("COFFER_TARGET", &url)],
    );
}

#[test]
fn sqlite_of_one_gib() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = off; PRAGMA synchronous = off;
             CREATE TABLE large (id INTEGER PRIMARY KEY, body TEXT NOT NULL, photo BLOB, score REAL);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100000)
             INSERT INTO large SELECT i, printf('%s %d', hex(randomblob(340)), i), randomblob(300), i / 7.0 FROM n;
             PRAGMA journal_mode = delete;",
        )
        .unwrap();
    drop(connection);
    assert!(
        path.metadata().unwrap().len() >= GIB,
        "{}",
        path.metadata().unwrap().len()
    );
    let url = format!("sqlite:{}", path.display());
    round_trip(
        "SQLite",
        &folder.path().join("large.coffer"),
        &[("COFFER_SOURCE", &url), ("COFFER_TARGET", &url)],
    );
}
