//! PROJ's registry of coordinate systems, as its package ships it, through the built program: an SQLite database
//! with tables without row ids, checks, and triggers that refuse rows in the wrong order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{env, path::Path};

use coffer_tests::coffer::coffer;
use rusqlite::Connection;

fn strings(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn tables(connection: &Connection) -> Vec<String> {
    strings(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
}

/// Every table's rows as SQL literals, sorted.
fn rows(connection: &Connection) -> Vec<(String, Vec<String>)> {
    tables(connection)
        .into_iter()
        .map(|table| {
            let columns = strings(
                connection,
                &format!("SELECT name FROM pragma_table_info('{table}')"),
            );
            let quoted: Vec<String> = columns
                .iter()
                .map(|column| format!("quote(\"{column}\")"))
                .collect();
            let sql = format!(
                "SELECT {} AS row FROM \"{table}\" ORDER BY row",
                quoted.join(" || ',' || ")
            );
            let found = strings(connection, &sql);
            (table, found)
        })
        .collect()
}

/// A database with the same tables, indexes, views and triggers, and no rows.
fn empty_copy(of: &Connection, path: &Path) -> Connection {
    let copy = Connection::open(path).unwrap();
    for sql in strings(
        of,
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY CASE type WHEN 'table' THEN 0 ELSE 1 END, rowid",
    ) {
        copy.execute_batch(&sql).unwrap();
    }
    copy
}

#[test]
fn proj_survives_backup_and_restore() {
    let original = env::var("COFFER_PROJ").expect("npm test sets COFFER_PROJ");
    let folder = tempfile::tempdir().unwrap();
    let from = Connection::open(&original).unwrap();
    let target = folder.path().join("restored.db");
    let to = empty_copy(&from, &target);
    let schema = strings(
        &to,
        "SELECT type || ' ' || name || ' ' || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1",
    );
    assert!(tables(&from).len() >= 30);

    let archive = folder.path().join("proj.coffer");
    let archive = archive.to_str().unwrap();
    let password = [("ARCHIVE_PASSWORD", "correct horse")];
    let source = format!("sqlite:{original}");
    let target = format!("sqlite:{}", target.display());
    let taken = coffer(
        [
            "backup",
            "--json",
            "--source",
            &source,
            "--out",
            archive,
            "--sealed",
            "--password-env",
            "ARCHIVE_PASSWORD",
        ],
        &password,
    )
    .ok()
    .json();
    let rows_taken = taken["archive"]["rows"].as_u64().unwrap();
    assert!(rows_taken > 20_000, "{rows_taken}");
    let restored = coffer(
        [
            "restore",
            archive,
            "--json",
            "--target",
            &target,
            "--mode",
            "replace",
            "--yes",
            "--password-env",
            "ARCHIVE_PASSWORD",
        ],
        &password,
    )
    .ok()
    .json();
    assert_eq!(restored["rows"], rows_taken);

    let (before, after) = (rows(&from), rows(&to));
    assert_eq!(
        before
            .iter()
            .map(|(_, rows)| rows.len() as u64)
            .sum::<u64>(),
        rows_taken
    );
    for (one, other) in before.iter().zip(&after) {
        assert!(one == other, "the rows of {} differ", one.0);
    }
    assert_eq!(before.len(), after.len());
    assert_eq!(
        strings(
            &to,
            "SELECT type || ' ' || name || ' ' || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1"
        ),
        schema
    );
    assert!(strings(&to, "SELECT \"table\" FROM pragma_foreign_key_check").is_empty());
}
