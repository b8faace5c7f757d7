use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

use coffer_core::{
    archive::name,
    digest::Digest,
    manifest::{LeftOut, LeftOutReason},
    policy::{self, Preset, looks_like_credential},
};
use rusqlite::{Connection, types::Value};

use super::*;
use crate::{
    engine::{self, DatabaseUrl},
    files,
};

fn made() -> (tempfile::TempDir, Demo) {
    let data = tempfile::tempdir().unwrap();
    let demo = create(data.path()).unwrap();
    (data, demo)
}

fn open(demo: &Demo) -> Connection {
    Connection::open(&demo.database).unwrap()
}

fn texts(db: &Connection, query: &str) -> Vec<String> {
    let mut query = db.prepare(query).unwrap();
    let rows = query.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn number(db: &Connection, query: &str) -> i64 {
    db.query_row(query, (), |row| row.get(0)).unwrap()
}

/// Every table's definition and rows, values with their storage class.
fn dump(demo: &Demo) -> BTreeMap<String, Vec<Vec<Value>>> {
    let db = open(demo);
    let mut dump = BTreeMap::new();
    for table in texts(&db, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
        let mut query = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = query.column_count();
        let rows = query
            .query_map((), |row| (0..columns).map(|at| row.get(at)).collect())
            .unwrap();
        dump.insert(table, rows.map(Result::unwrap).collect());
    }
    let definitions = texts(
        &db,
        "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name",
    );
    let definitions = definitions.into_iter().map(|sql| vec![Value::Text(sql)]);
    dump.insert("sqlite_schema".into(), definitions.collect());
    dump
}

/// Path, content, time and mode of every uploaded file.
fn uploads(demo: &Demo) -> Vec<(String, Vec<u8>, files::Stamp)> {
    let walk = files::walk("uploads", &demo.uploads, &files::Globs::default()).unwrap();
    let (found, notices) = (walk.found, walk.notices);
    assert_eq!(notices, vec![]);
    found
        .into_iter()
        .map(|file| {
            let stamp = files::Stamp::of(&fs::File::open(&file.disk).unwrap()).unwrap();
            (file.path, fs::read(&file.disk).unwrap(), stamp)
        })
        .collect()
}

#[test]
fn two_creations_are_equal() {
    let (first, second) = (made(), made());
    assert_eq!(dump(&first.1), dump(&second.1));
    assert_eq!(uploads(&first.1), uploads(&second.1));
}

#[test]
fn what_is_there_stays_as_it_is() {
    let (data, demo) = made();
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.path().join("demo")), 0o700);
    assert_eq!(mode(demo.database.clone()), 0o600);
    open(&demo).execute("DELETE FROM messages", ()).unwrap();
    fs::remove_dir_all(&demo.uploads).unwrap();
    assert_eq!(create(data.path()).unwrap(), demo);
    assert_eq!(number(&open(&demo), "SELECT count(*) FROM messages"), 0);
    assert!(!demo.uploads.exists());

    fs::remove_file(&demo.database).unwrap();
    assert!(matches!(
        create(data.path()),
        Err(DemoError::DatabaseGone { .. })
    ));
    fs::remove_dir(data.path().join("demo")).unwrap();
    assert_eq!(create(data.path()).unwrap(), demo);
    assert_eq!(uploads(&demo).len(), 40);
}

#[test]
fn a_failure_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(create(&file), Err(DemoError::Io { .. })));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
}

#[test]
fn the_database_is_sound_and_of_the_expected_size() {
    let (_data, demo) = made();
    let db = open(&demo);
    assert_eq!(texts(&db, "PRAGMA integrity_check"), ["ok"]);
    assert!(
        !db.prepare("PRAGMA foreign_key_check")
            .unwrap()
            .exists(())
            .unwrap()
    );
    let count = |from: &str| number(&db, &format!("SELECT count(*) FROM {from}"));
    assert_eq!(count("tickets"), i64::from(tickets::COUNT));
    let messages = count("messages");
    assert!((2_800..3_200).contains(&messages), "{messages} messages");
    assert_eq!(count("customers"), 41);
    assert_eq!(count("agents"), 9);
    assert_eq!(count("attachments"), 40);
    assert_eq!(count("kb_articles"), 8);
    assert_eq!(count("sessions"), 14);
    assert_eq!(count("_sqlx_migrations"), 4);
    // What makes it worth trying a backup on.
    assert!(count("tickets WHERE merged_into > id") > 2);
    assert!(count("tickets WHERE merged_into < id") > 2);
    assert!(count("tickets WHERE is_open AND reference = printf('LIH-%05d', id)") > 50);
    assert_eq!(
        number(&db, "SELECT count(DISTINCT typeof(value)) FROM settings"),
        5
    );
    assert!(number(&db, "SELECT max(length(body)) FROM messages") > 100_000);
    assert!(
        number(&db, "SELECT seq FROM sqlite_sequence")
            > number(&db, "SELECT max(id) FROM audit_log")
    );
    assert_eq!(count("messages WHERE body LIKE '%{%}%'"), 0);
    let languages =
        "SELECT count(DISTINCT language) FROM tickets JOIN customers c ON c.id = customer_id";
    assert_eq!(number(&db, languages), 7);
    assert_eq!(
        count("open_tickets"),
        count("tickets WHERE closed_at IS NULL")
    );
}

#[test]
fn every_upload_is_the_file_that_its_row_describes() {
    let (_data, demo) = made();
    let db = open(&demo);
    let files = uploads(&demo);
    assert_eq!(files.len(), 40);
    for (path, content, _) in &files {
        assert_eq!(name::check(&format!("files/uploads/{path}")), Ok(()));
        let (size, sha256, media_type, thumbnail): (i64, String, String, Option<Vec<u8>>) = db
            .query_row(
                "SELECT size, sha256, media_type, thumbnail FROM attachments WHERE path = ?",
                [path],
                |row| row.try_into(),
            )
            .unwrap();
        assert_eq!(size, i64::try_from(content.len()).unwrap());
        assert_eq!(sha256, Digest::of(content).to_string());
        assert_eq!(thumbnail.is_some(), media_type == "image/png");
        for picture in thumbnail
            .iter()
            .chain((media_type == "image/png").then_some(content))
        {
            let mut reader = png::Decoder::new(io::Cursor::new(picture))
                .read_info()
                .unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
        }
        if media_type == "application/pdf" {
            check_pdf(content);
        }
    }
}

/// The trailer leads to the table of objects, and each of its offsets to the object of that number.
fn check_pdf(pdf: &[u8]) {
    let find = |needle: &str| {
        pdf.windows(needle.len())
            .rposition(|window| window == needle.as_bytes())
            .unwrap()
    };
    let after = |at: usize| String::from_utf8_lossy(&pdf[at..]).into_owned();
    let start = after(find("startxref") + 10);
    let start: usize = start.lines().next().unwrap().parse().unwrap();
    let table = after(start);
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("xref"));
    for (object, line) in lines
        .skip(2)
        .take_while(|line| line.ends_with(" n "))
        .enumerate()
    {
        let offset: usize = line[..10].parse().unwrap();
        assert!(after(offset).starts_with(&format!("{} 0 obj", object + 1)));
    }
}

#[tokio::test]
async fn the_preset_names_every_credential_and_nothing_else() {
    let (_data, demo) = made();
    let engine = engine::open(&DatabaseUrl::Sqlite(demo.database.clone()));
    let snapshot = engine.snapshot().await.unwrap();
    let schema = &snapshot.database().schema;
    let migration = snapshot.database().migration.as_ref().unwrap();
    assert!(migration.head.starts_with("20250310110000"));
    let db = open(&demo);
    let preset: Preset = toml::from_str(PRESET).unwrap();
    assert_eq!(preset.app, SOURCE_NAME);
    let version = preset.version_query.as_deref().unwrap();
    assert_eq!(texts(&db, version), ["3.4.1"]);

    let policy = policy::decide(schema, Some(&preset), false, &[]).unwrap();
    assert_eq!(policy.notices, vec![], "columns that look like credentials");
    let tables: Vec<_> = policy
        .left_out
        .iter()
        .filter_map(|left_out| match left_out {
            LeftOut::Table { table, reason, .. } => Some((table.name.as_str(), *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(
        tables,
        [
            ("search_words", LeftOutReason::Derived),
            ("sessions", LeftOutReason::Transient)
        ]
    );
    assert!(preset.leave_out.iter().all(|rule| rule.detail.is_some()));
    for rule in &preset.credentials {
        assert!(looks_like_credential(&rule.column), "{}", rule.column);
        let filled = format!("SELECT count({}) FROM {}", rule.column, rule.table);
        assert!(number(&db, &filled) > 0, "{}.{}", rule.table, rule.column);
    }
}

#[test]
fn credentials_are_nowhere_but_in_their_columns() {
    let (_data, demo) = made();
    let preset: Preset = toml::from_str(PRESET).unwrap();
    let db = open(&demo);
    for (table, rows) in dump(&demo) {
        let columns = texts(
            &db,
            &format!("SELECT name FROM pragma_table_xinfo('{table}')"),
        );
        for row in rows {
            for (column, value) in columns.iter().zip(row) {
                let classified = preset
                    .credentials
                    .iter()
                    .any(|rule| rule.table == table && rule.column == *column);
                let text = if let Value::Text(text) = &value {
                    text
                } else {
                    ""
                };
                let credential = ["$argon2", "hd_demo_", "whsec_"]
                    .iter()
                    .any(|start| text.contains(start));
                assert!(!credential || classified, "{table}.{column}");
            }
        }
    }
}
