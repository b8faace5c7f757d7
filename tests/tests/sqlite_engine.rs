//! Everything out of one SQLite file and into another, and nothing at all when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Migration, OwnedBy, Sequence},
    policy::{ColumnPolicy, TablePolicy},
    schema::TableName,
};
use coffer_server::engine::{Engine, EngineError, sqlite::Sqlite};
use coffer_tests::engine::{everything, export, export_table, load, replace, replace_uncommitted};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::mpsc;

const SCHEMA: &str = r#"
    CREATE TABLE anything (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC, u, d DATETIME);
    CREATE TABLE "Größe ""x"" 漢字" ("tab	bed" TEXT, "new
line" VARCHAR(10) DEFAULT 'x', "select" INT);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, word TEXT NOT NULL CHECK (length(word) < 20));
    CREATE TABLE unused (id INTEGER PRIMARY KEY AUTOINCREMENT);
    CREATE TABLE pairs (a TEXT, b INT, c TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
    CREATE TABLE exact (id INTEGER PRIMARY KEY, n INT NOT NULL, v ANY, UNIQUE (n)) STRICT;
    CREATE TABLE invoices (net REAL, gross REAL AS (net * 1.19) STORED, label TEXT AS ('net ' || net) VIRTUAL,
                           note TEXT UNIQUE ON CONFLICT REPLACE);
    CREATE UNIQUE INDEX invoices_lower ON invoices (lower(note));
    CREATE TABLE people (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES people, team REFERENCES Teams (ID));
    CREATE TABLE teams (id INTEGER PRIMARY KEY, lead INTEGER REFERENCES people ON DELETE CASCADE);
    CREATE TABLE badges (person INTEGER REFERENCES people, place TEXT);
    CREATE TABLE log (text TEXT);
    CREATE TRIGGER on_word AFTER INSERT ON counted BEGIN INSERT INTO log VALUES ('added ' || NEW.word); END;
    CREATE TRIGGER on_unword AFTER DELETE ON counted BEGIN SELECT RAISE(ABORT, 'not to be deleted'); END;
    CREATE VIEW words AS SELECT word FROM counted;
    CREATE VIRTUAL TABLE found USING fts5(word, content='counted', content_rowid='id');
    CREATE VIRTUAL TABLE found_words USING fts5vocab('found', 'row');
    CREATE VIRTUAL TABLE docs USING fts5(title, body UNINDEXED, tokenize = 'porter');
    CREATE VIRTUAL TABLE old_docs USING fts4(body, tokenize=unicode61);
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +label);
    CREATE VIRTUAL TABLE silent USING fts5(body, content='');
    CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
"#;

const ROWS: &str = r#"
    INSERT INTO anything VALUES (1, 1, 1.5, 'text', x'00ff0a09', 12345678901234567890, 'u', '2025-01-01 00:00:00');
    INSERT INTO anything VALUES (-5, 'not a number', 'not a real', x'74', 'text in a blob', 0.1, 9223372036854775807, 20250101);
    INSERT INTO anything VALUES (9223372036854775807, 2.5, 5e-324, '', x'', 1e400, -1e400, NULL);
    INSERT INTO anything VALUES (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO anything (id, t, u) VALUES (8, '\N' || char(9) || char(10) || '\I7', '\N');
    INSERT INTO anything (id, t, b, u) VALUES (9, CAST(x'ff00fe' AS TEXT), CAST(x'61006200' AS TEXT), CAST(x'c3' AS TEXT));
    INSERT INTO anything (id, i, r, n, u) VALUES (10, 0.1, -0.0, -0.0, -0.0);
    INSERT INTO "Größe ""x"" 漢字" VALUES ('a', NULL, 3), (NULL, 'Größe 🐙', 'drei');
    INSERT INTO counted VALUES (3, 'three'), (40, 'forty'), (41, 'gone');
    DELETE FROM counted WHERE id = 41;
    INSERT INTO pairs VALUES ('x', 1, 'c'), ('y', 1, NULL), ('x', 2, '');
    INSERT INTO exact VALUES (1, 1, 1), (2, 2, 'two'), (3, 3, 3.0), (4, 4, x'04'), (5, 5, NULL);
    INSERT INTO invoices (net, note) VALUES (1, 'a'), (2.5, NULL), (NULL, NULL);
    INSERT INTO people VALUES (1, 1, 1), (2, 1, 1), (3, NULL, NULL);
    INSERT INTO teams VALUES (1, 2), (2, NULL);
    INSERT INTO badges VALUES (1, 'a'), (3, 'b'), (NULL, 'c');
    INSERT INTO docs (rowid, title, body) VALUES (7, 'Größe runs', x'00ff'), (-3, NULL, 1.5), (9007199254740993, '', 'text' || char(0));
    INSERT INTO old_docs (docid, body) VALUES (5, 'older words'), (6, NULL);
    INSERT INTO boxes VALUES (1, 0.1, 2.5, 'a'), (9, -1e30, 3, x'00');
    INSERT INTO alembic_version VALUES ('ae1027a6acf'), ('1975ea83b712');
"#;

const OTHER_ROWS: &str = "
    INSERT INTO anything (id, t) VALUES (1, 'old');
    INSERT INTO counted VALUES (900, 'old');
    INSERT INTO people VALUES (9, NULL, NULL);
    INSERT INTO badges VALUES (9, 'old');
    INSERT INTO docs VALUES ('old', 'old');
    INSERT INTO boxes VALUES (1, 5, 6, 'old');
    INSERT INTO alembic_version VALUES ('target');
";

struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(journal: &str, rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Ä file: app.sqlite");
        let file = Self { folder, path };
        let connection = file.connect();
        connection
            .pragma_update(None, "journal_mode", journal)
            .unwrap();
        // Cycles can only be filled with the keys off; the delete trigger would object.
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF")
            .unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
            .set_db_config(
                rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
                false,
            )
            .unwrap();
        connection.execute_batch(rows).unwrap();
        connection
            .execute_batch("INSERT INTO found (found) VALUES ('rebuild')")
            .unwrap();
        file
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn engine(&self) -> Sqlite {
        Sqlite::new(self.path.clone())
    }

    /// Files beside the database.
    fn beside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| Path::new(name) != self.path.file_name().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Every table's rows with every value's class and bytes, sorted; and the counters.
    fn state(&self) -> Vec<String> {
        let connection = self.connect();
        let names = texts(
            &connection,
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
                AND name NOT LIKE 'sqlite_s%'",
        );
        let mut all = texts(
            &connection,
            "SELECT 'counter ' || name || ' ' || seq FROM sqlite_sequence",
        );
        for name in names {
            let columns = texts(
                &connection,
                &format!(
                    "SELECT format('typeof(\"%w\") || '':'' || coalesce(hex(CAST(\"%w\" AS BLOB)), ''NULL'') || coalesce(quote(\"%w\"), '''')', name, name, name)
                       FROM pragma_table_xinfo('{}')",
                    name.replace('\'', "''")
                ),
            );
            all.extend(
                texts(
                    &connection,
                    &format!(
                        "SELECT {} FROM \"{}\"",
                        columns.join(" || ' | ' || "),
                        name.replace('"', "\"\"")
                    ),
                )
                .into_iter()
                .map(|row| format!("{name} {row}")),
            );
        }
        for (table, values) in [
            ("docs", "rowid || quote(title) || quote(body)"),
            ("old_docs", "docid || quote(body)"),
            (
                "boxes",
                "id || ' ' || quote(x0) || quote(x1) || quote(label)",
            ),
        ] {
            all.extend(texts(
                &connection,
                &format!("SELECT '{table} ' || {values} FROM {table}"),
            ));
        }
        all.sort();
        all
    }
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| {
            // quote() shows text that is not UTF-8 as it is.
            Ok(
                String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default())
                    .into_owned(),
            )
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn main_tables(names: &[&str]) -> Vec<TableName> {
    names
        .iter()
        .map(|name| TableName::new("main", *name))
        .collect()
}

#[tokio::test]
async fn everything_arrives_with_its_storage_class() {
    for (from, to) in [("wal", "delete"), ("delete", "wal"), ("delete", "delete")] {
        let source = File::new(from, ROWS);
        let target = File::new(to, OTHER_ROWS);
        let exported = export(&source.engine()).await.unwrap();
        replace(&target.engine(), &exported, &exported.names())
            .await
            .unwrap();
        let own = |row: &String| !row.starts_with("alembic_version");
        let here: Vec<String> = source.state().into_iter().filter(own).collect();
        let there: Vec<String> = target.state().into_iter().filter(own).collect();
        assert_eq!(here, there);
        assert!(here.len() > 25, "{here:?}");
        assert!(there.contains(&"counter counted 41".to_owned()));
        // The ledger is the target's own affair.
        assert_eq!(
            texts(&target.connect(), "SELECT version_num FROM alembic_version"),
            ["target"]
        );
        // The full-text index follows, and triggers are as they were.
        let connection = target.connect();
        for (word, hits) in [("forty", 1), ("old", 0)] {
            let found: i64 = connection
                .query_row(
                    "SELECT count(*) FROM found WHERE found MATCH ?1",
                    [word],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(found, hits, "{word}");
        }
        // A full-text table with its own rows is an index of the restored ones, stemmed as the target does it.
        let hits = |sql: &str| texts(&connection, sql).len();
        assert_eq!(hits("SELECT '' FROM docs WHERE docs MATCH 'running'"), 1);
        assert_eq!(hits("SELECT '' FROM docs WHERE docs MATCH 'old'"), 0);
        assert_eq!(
            hits("SELECT '' FROM old_docs WHERE old_docs MATCH 'older'"),
            1
        );
        assert_eq!(hits("SELECT '' FROM boxes WHERE x0 > -2 AND x1 < 5"), 1);
        connection
            .execute_batch(
                "INSERT INTO found (found) VALUES ('integrity-check');
                 INSERT INTO docs (docs) VALUES ('integrity-check');
                 INSERT INTO old_docs (old_docs) VALUES ('integrity-check')",
            )
            .unwrap();
        assert_eq!(texts(&connection, "PRAGMA integrity_check"), ["ok"]);
        connection
            .execute("INSERT INTO counted (word) VALUES ('next')", [])
            .unwrap();
        assert_eq!(connection.last_insert_rowid(), 42);
        assert_eq!(texts(&connection, "SELECT text FROM log"), ["added next"]);
        drop(connection);
        assert_eq!(target.beside(), Vec::<String>::new());
        assert_eq!(source.beside(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_file_is_described() {
    let source = File::new("wal", ROWS);
    let snapshot = source.engine().snapshot().await.unwrap();
    let database = snapshot.database();
    assert_eq!(database.name, "Ä file: app.sqlite");
    assert!(database.engine_version.starts_with("3."));
    let table = |name: &str| {
        database
            .schema
            .table(&TableName::new("main", name))
            .unwrap()
    };
    assert_eq!(database.schema.tables.len(), 14);
    assert_eq!(table("docs").primary_key, ["rowid"]);
    assert_eq!(table("pairs").primary_key, ["b", "a"]);
    assert_eq!(table("exact").unique, [["n"]]);
    assert_eq!(table("invoices").unique, [["note"]]);
    let generated: Vec<bool> = table("invoices")
        .columns
        .iter()
        .map(|c| c.generated)
        .collect();
    assert_eq!(generated, [false, true, true, false]);
    let id = &table("counted").columns[0];
    assert!(id.identity && !id.nullable);
    assert!(!table("anything").columns[0].identity);
    assert_eq!(table("counted").columns[1].type_name, "TEXT");
    let keys = &table("people").foreign_keys;
    assert_eq!(keys[0].columns, ["boss"]);
    // No column was named, so it is the primary key.
    assert_eq!(keys[0].referenced_columns, ["id"]);
    assert_eq!(keys[1].references, TableName::new("main", "teams"));
    assert_eq!(
        database.migration,
        Some(Migration {
            ledger: TableName::new("main", "alembic_version"),
            head: "1975ea83b712, ae1027a6acf".into()
        })
    );
    assert_eq!(
        database.sequences,
        [Sequence {
            name: TableName::new("main", "counted"),
            owned_by: Some(OwnedBy {
                table: TableName::new("main", "counted"),
                column: "id".into()
            }),
            last_value: 41,
            is_called: true
        }]
    );
    let object = |kind: &str, name: &str, reason| LeftOut::Object {
        kind: kind.into(),
        name: name.into(),
        reason,
    };
    assert_eq!(
        database.left_out,
        [
            object("virtual table", "found", LeftOutReason::Derived),
            object("virtual table", "found_words", LeftOutReason::Derived),
            object(
                "full-text index without content",
                "silent",
                LeftOutReason::Derived
            ),
            object("view", "words", LeftOutReason::NotData),
            object("migration ledger", "alembic_version", LeftOutReason::Ledger),
        ]
    );
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_while_the_application_writes() {
    let source = File::new("wal", ROWS);
    let app = source.connect();
    app.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO log VALUES ('before')")
        .unwrap();
    let mut snapshot = source.engine().snapshot().await.unwrap();
    app.execute_batch("INSERT INTO log VALUES ('after'); DELETE FROM pairs; CREATE TABLE late (x)")
        .unwrap();
    let counts = snapshot.count_rows().await.unwrap();
    assert!(counts.contains(&(TableName::new("main", "log"), 1)));
    assert!(counts.contains(&(TableName::new("main", "pairs"), 3)));
    assert_eq!(counts.len(), 14);
    let policy = everything(snapshot.database());
    let log = policy
        .tables
        .iter()
        .find(|table| table.table.name == "log")
        .unwrap();
    let parts = export_table(&mut *snapshot, log).await.unwrap();
    assert_eq!(parts[0].text, b"text\nbefore\n");
    // Reading forbids itself to write.
    let error = snapshot.scalar("INSERT INTO log VALUES (1)").await;
    assert!(
        matches!(error, Err(EngineError::Database { .. })),
        "{error:?}"
    );
    let mut scalar = async |query: &str| snapshot.scalar(query).await;
    assert_eq!(
        scalar("SELECT text FROM log;").await.unwrap(),
        Some("before".into())
    );
    assert_eq!(scalar("VALUES (7) -- why").await.unwrap(), Some("7".into()));
    assert_eq!(scalar("SELECT NULL").await.unwrap(), None);
    assert_eq!(scalar("SELECT 1 WHERE 0").await.unwrap(), None);
    for harmful in [
        "COMMIT",
        "SELECT 1); COMMIT; SELECT (1",
        "PRAGMA query_only = OFF",
    ] {
        assert!(scalar(harmful).await.is_err(), "{harmful}");
    }
    assert_eq!(
        scalar("SELECT count(*) FROM pairs").await.unwrap(),
        Some("3".into())
    );
}

#[tokio::test]
async fn credentials_are_not_even_read() {
    let source = File::new("delete", ROWS);
    let mut snapshot = source.engine().snapshot().await.unwrap();
    let instead = |text: &str| ColumnPolicy::Replace(Some(text.into()));
    let policy = TablePolicy {
        table: TableName::new("main", "exact"),
        columns: vec![
            ColumnPolicy::Keep,
            instead("0"),
            ColumnPolicy::Replace(None),
        ],
    };
    let parts = export_table(&mut *snapshot, &policy).await.unwrap();
    assert_eq!(
        String::from_utf8(parts[0].text.clone()).unwrap(),
        "id\tn\tv\n1\t0\t\\N\n2\t0\t\\N\n3\t0\t\\N\n4\t0\t\\N\n5\t0\t\\N\n"
    );
    let policy = TablePolicy {
        table: TableName::new("main", "badges"),
        columns: vec![instead("none"), instead("some\twhere")],
    };
    let parts = export_table(&mut *snapshot, &policy).await.unwrap();
    assert_eq!(
        String::from_utf8(parts[0].text.clone()).unwrap(),
        "person\tplace\n\\Tnone\tsome\\twhere\n\\Tnone\tsome\\twhere\n\\N\tsome\\twhere\n"
    );
}

#[tokio::test]
async fn without_commit_nothing_happened() {
    for journal in ["wal", "delete"] {
        let source = File::new("delete", ROWS);
        let target = File::new(journal, OTHER_ROWS);
        let before = target.state();
        let exported = export(&source.engine()).await.unwrap();
        let session = replace_uncommitted(&target.engine(), &exported, &exported.names())
            .await
            .unwrap();
        drop(session);
        assert_eq!(target.state(), before);
        assert_eq!(target.beside(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_key_that_would_point_at_nothing_undoes_everything() {
    let source = File::new("wal", ROWS);
    let target = File::new("wal", OTHER_ROWS);
    let before = target.state();
    let exported = export(&source.engine()).await.unwrap();
    // The target's badge points at person 9, whom the archive doesn't have.
    let error = replace(
        &target.engine(),
        &exported,
        &main_tables(&["people", "teams", "counted"]),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error,
        EngineError::ForeignKey {
            key: "person".into(),
            table: "main.badges".into(),
            references: "main.people".into(),
            rows: Some(1)
        }
    );
    // The archive's people point at teams that the target doesn't have.
    let error = replace(
        &target.engine(),
        &exported,
        &main_tables(&["people", "badges"]),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error,
        EngineError::ForeignKey {
            key: "team".into(),
            table: "main.people".into(),
            references: "main.teams".into(),
            rows: Some(2)
        }
    );
    assert_eq!(target.state(), before);

    replace(
        &target.engine(),
        &exported,
        &main_tables(&["people", "badges", "teams"]),
    )
    .await
    .unwrap();
    // A table that wasn't chosen keeps its rows and its counter.
    let after = target.state();
    assert!(
        after.contains(&"counter counted 900".to_owned()),
        "{after:?}"
    );
    assert!(after.iter().any(|row| row.starts_with("counted ")));
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_without_being_shown() {
    let target = File::new("wal", OTHER_ROWS);
    let before = target.state();
    let cases: &[(&str, &str, &[u8], &str)] = &[
        ("counted", "word", b"hunter2\n\\N\n", "row 2: NOT NULL"),
        (
            "counted",
            "word",
            b"hunter2hunter2hunter2\n",
            "row 1: CHECK",
        ),
        ("counted", "id", b"hunter2\n", "cannot be read"),
        ("counted", "id", b"\\Thunter2\n", "row 1: datatype mismatch"),
        ("exact", "n", b"1\n1\n", "row 2: UNIQUE"),
        ("exact", "n", b"\\Thunter2\n", "row 1: cannot store TEXT"),
        ("log", "text", b"hunter2\thunter2\n", "2 fields"),
        ("log", "text", b"hunter2\nhun", "cut off"),
        ("log", "text", b"hunter\\2\n", "unknown escape"),
        ("invoices", "gross", b"1\n", "no column"),
    ];
    for (table, column, text, reason) in cases {
        let name = TableName::new("main", *table);
        let mut session = target
            .engine()
            .begin_replace(std::slice::from_ref(&name))
            .await
            .unwrap();
        session.clear().await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Bytes::copy_from_slice(text)).await.unwrap();
        drop(sender);
        let error = session
            .load(&name, &[(*column).to_owned()], receiver)
            .await
            .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(reason) && !text.contains("hunter"), "{text}");
        assert!(matches!(
            session.settle(&[]).await,
            Err(EngineError::Ended { .. })
        ));
        assert!(matches!(
            session.commit().await,
            Err(EngineError::Ended { .. })
        ));
    }
    assert_eq!(target.state(), before);
}

#[tokio::test]
async fn a_constraint_that_would_drop_rows_silently_is_overruled() {
    let target = File::new("wal", "");
    let names = main_tables(&["invoices"]);
    let mut session = target.engine().begin_replace(&names).await.unwrap();
    session.clear().await.unwrap();
    let (sender, receiver) = mpsc::channel(1);
    sender.send(Bytes::from_static(b"a\na\n")).await.unwrap();
    drop(sender);
    let error = session
        .load(&names[0], &["note".into()], receiver)
        .await
        .unwrap_err();
    assert!(
        matches!(error, EngineError::RowRefused { row: Some(2), .. }),
        "{error}"
    );
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    let source = File::new("wal", ROWS);
    let exported = export(&source.engine()).await.unwrap();
    let engine = source.engine();
    let ended = |error: EngineError| assert!(matches!(error, EngineError::Ended { .. }), "{error}");
    let mut session = engine.begin_replace(&exported.names()).await.unwrap();
    ended(
        load(&mut *session, exported.table("log"))
            .await
            .unwrap_err(),
    );
    ended(session.settle(&[]).await.unwrap_err());
    session.clear().await.unwrap();
    ended(session.clear().await.unwrap_err());
    ended(session.commit().await.unwrap_err());
    for missing in [
        "nope",
        "words",
        "found",
        "found_data",
        "alembic_version",
        "sqlite_sequence",
    ] {
        let error = engine
            .begin_replace(&main_tables(&[missing]))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(error, EngineError::NoTable { .. }),
            "{missing}: {error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_database_or_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let attempt = async |path: PathBuf| {
        let engine = Sqlite::new(path);
        let read = engine.snapshot().await.err().unwrap();
        let write = engine.begin_replace(&[]).await.err().unwrap();
        assert_eq!(read, write);
        read
    };
    let missing = folder.path().join("missing.db");
    assert!(matches!(
        attempt(missing.clone()).await,
        EngineError::NoFile { .. }
    ));
    assert!(!missing.exists());
    assert!(matches!(
        attempt(folder.path().to_owned()).await,
        EngineError::NotADatabase { .. }
    ));
    let text = folder.path().join("text.db");
    fs::write(&text, "this is a text and no database ".repeat(100)).unwrap();
    assert!(matches!(
        attempt(text).await,
        EngineError::NotADatabase { .. }
    ));

    let target = File::new("delete", OTHER_ROWS);
    let app = target.connect();
    app.execute_batch("BEGIN IMMEDIATE; INSERT INTO log VALUES ('x')")
        .unwrap();
    let error = target.engine().begin_replace(&[]).await.err().unwrap();
    assert!(matches!(error, EngineError::Busy { .. }), "{error}");
    app.execute_batch("COMMIT").unwrap();
    target.engine().begin_replace(&[]).await.unwrap();
}

#[tokio::test]
async fn a_virtual_table_that_hides_a_part_of_its_rows_is_refused() {
    for module in ["fts4(body, languageid=\"lid\")", "fts4(rowid, body)"] {
        let source = File::new("wal", ROWS);
        source
            .connect()
            .execute_batch(&format!("CREATE VIRTUAL TABLE \"own data\" USING {module}"))
            .unwrap();
        let error = source.engine().snapshot().await.err().unwrap();
        assert!(
            matches!(&error, EngineError::Unsupported { name, .. } if name == "own data"),
            "{error}"
        );
        // A restore doesn't touch it, so it is no obstacle.
        source
            .engine()
            .begin_replace(&main_tables(&["log"]))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn texts_in_utf_16_are_exact_or_refused() {
    let texts = ["", "plain", "Größe 🐙", "\u{fffd}", "\u{feff}mark", "a\0b"];
    for encoding in ["UTF-16le", "UTF-16be"] {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            let connection = Connection::open(&path).unwrap();
            let schema = "CREATE TABLE words (id INTEGER PRIMARY KEY, word)";
            connection
                .execute_batch(&format!("PRAGMA encoding = '{encoding}'; {schema}"))
                .unwrap();
            (Sqlite::new(path), connection)
        };
        let words = |connection: &Connection| -> Vec<(String, String)> {
            let sql = "SELECT word, hex(word) FROM words ORDER BY id";
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
            rows.unwrap().map(Result::unwrap).collect()
        };
        let ((source, app), (target, restored)) = (file("source"), file("target"));
        for text in texts {
            app.execute("INSERT INTO words (word) VALUES (?1)", [text])
                .unwrap();
        }
        let exported = export(&source).await.unwrap();
        replace(&target, &exported, &main_tables(&["words"]))
            .await
            .unwrap();
        assert_eq!(words(&restored), words(&app), "{encoding}");
        assert_eq!(words(&app).len(), texts.len());

        // Half of a surrogate pair, the same in either order of bytes.
        for bytes in ["d8d8", "d8d80041"] {
            let sql = format!("UPDATE words SET word = CAST(x'{bytes}' AS TEXT) WHERE id = 2");
            app.execute_batch(&sql).unwrap();
            let refused = export(&source).await;
            assert!(
                matches!(&refused, Err(EngineError::Unsupported { name, .. }) if name == "main.words.word"),
                "{encoding} {bytes} {refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn many_rows_come_in_parts_and_the_receiver_may_leave() {
    let source = File::new("wal", "");
    source
        .connect()
        .execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO log SELECT printf('%.1200c', 'x') || i FROM n",
        )
        .unwrap();
    let engine = source.engine();
    let exported = export(&engine).await.unwrap();
    assert_eq!(exported.table("log").parts.len(), 3);
    assert_eq!(exported.table("log").rows(), 20_000);

    let mut snapshot = engine.snapshot().await.unwrap();
    let policy = everything(snapshot.database());
    let log = policy
        .tables
        .iter()
        .find(|table| table.table.name == "log")
        .unwrap();
    let (sender, mut receiver) = mpsc::channel(1);
    let first_only = async {
        receiver.recv().await.unwrap();
        drop(receiver);
    };
    let (result, ()) = tokio::join!(snapshot.export(log, sender), first_only);
    result.unwrap();

    let target = File::new("delete", "");
    replace(&target.engine(), &exported, &exported.names())
        .await
        .unwrap();
    assert_eq!(target.state(), source.state());
}
