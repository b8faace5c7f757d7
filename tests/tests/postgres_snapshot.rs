//! What a PostgreSQL database says about itself, and that a snapshot is of one moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres_zoo;

use std::time::Duration;

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Migration, OwnedBy},
    policy::{ColumnPolicy, TablePolicy},
    rows::TARGET_PART_BYTES,
    schema::{Schema, Table, TableName},
};
use coffer_server::engine::{DatabaseUrl, EngineError, open};
use coffer_tests::{
    engine::{everything, export, export_table},
    postgres::{Server, run, texts},
};
use postgres_zoo as zoo;
use tokio::sync::mpsc;

fn table<'a>(schema: &'a Schema, name: &str) -> &'a Table {
    schema.table(&TableName::new("public", name)).unwrap()
}

#[tokio::test]
async fn the_zoo_is_described() {
    let server = Server::shared();
    let name = zoo::source(&server).await;
    let mut session = server.connect(&name).await;
    run(&mut session, "CREATE TEMPORARY TABLE passing (id integer)").await;
    let snapshot = server.engine(&name).snapshot().await.unwrap();
    let database = snapshot.database();
    assert_eq!(
        database.name,
        format!("{name} on 127.0.0.1:{}", server.port())
    );
    assert!(
        database
            .engine_version
            .starts_with(|c: char| c.is_ascii_digit())
    );
    let names: Vec<&str> = database
        .schema
        .tables
        .iter()
        .map(|table| table.name.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "Größe \"x\" 漢字",
            "animals",
            "badges",
            "bookings",
            "codes",
            "dogs",
            "domain_fed",
            "downwards",
            "event_marks",
            "events",
            "every_type",
            "half_logged",
            "invoices",
            "labels",
            "left_half",
            "legacy",
            "more_types",
            "notes",
            "people",
            "prices",
            "right_half",
            "rounds",
            "ruled",
            "t",
            "teams",
            "words"
        ]
    );
    let invoices = table(&database.schema, "invoices");
    let columns: Vec<_> = invoices
        .columns
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                c.type_name.as_str(),
                c.nullable,
                c.generated,
                c.identity,
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("net", "numeric(10,2)", false, false, false),
            ("gross", "numeric(12,4)", true, true, false),
            ("number", "integer", false, false, true),
            ("note", "text", true, false, false),
        ]
    );
    assert!(invoices.primary_key.is_empty());
    assert_eq!(
        invoices.unique,
        [vec!["note".to_owned()], vec!["number".into(), "net".into()]]
    );
    let key = &table(&database.schema, "badges").foreign_keys[0];
    assert_eq!(key.columns, ["invoice", "net"]);
    assert_eq!(key.references, TableName::new("public", "invoices"));
    assert_eq!(key.referenced_columns, ["number", "net"]);
    let codes = &table(&database.schema, "codes").columns[0];
    assert!(codes.identity);
    assert_eq!(
        codes.default.as_deref(),
        Some("('C-'::text || nextval('public.receipt_numbers'::regclass))")
    );
    // The key of the partitioned table, without its copies for partitions or a partition's own.
    assert_eq!(table(&database.schema, "events").foreign_keys.len(), 1);
    assert_eq!(table(&database.schema, "events").primary_key, ["id", "at"]);
    let type_of = |name: &str| {
        let columns = &table(&database.schema, "every_type").columns;
        let column = columns.iter().find(|column| column.name == name);
        column.unwrap().type_name.clone()
    };
    assert_eq!(type_of("v_mood"), "public.mood");
    assert_eq!(type_of("v_bit"), "bit(5)");
    let citext = &table(&database.schema, "more_types").columns[0];
    assert_eq!(citext.type_name, "public.citext");

    assert_eq!(
        database.migration,
        Some(Migration {
            ledger: TableName::new("public", "_sqlx_migrations"),
            head: "20250202".into()
        })
    );
    let object = |kind: &str, name: &str, reason| LeftOut::Object {
        kind: kind.into(),
        name: name.into(),
        reason,
    };
    assert_eq!(
        database.left_out,
        [
            object("materialized view", "public.a_last", LeftOutReason::Derived),
            object(
                "materialized view",
                "public.never_filled",
                LeftOutReason::Derived
            ),
            object(
                "materialized view",
                "public.teams_counted",
                LeftOutReason::Derived
            ),
            object(
                "materialized view",
                "public.words_counted",
                LeftOutReason::Derived
            ),
            object("unlogged table", "public.cache", LeftOutReason::NotData),
            object("view", "public.bosses", LeftOutReason::NotData),
            object("view", "public.guarded", LeftOutReason::NotData),
            object("temporary table", "passing", LeftOutReason::Transient),
            object("schema", "attic", LeftOutReason::Excluded),
            object(
                "table without stored columns",
                "public.nothing",
                LeftOutReason::NotData
            ),
            object(
                "migration ledger",
                "public._sqlx_migrations",
                LeftOutReason::Ledger
            ),
        ]
    );

    let sequences: Vec<_> = database
        .sequences
        .iter()
        .map(|s| (s.name.name.as_str(), s.last_value, s.is_called))
        .collect();
    assert_eq!(
        sequences,
        [
            ("Größe \"x\" 漢字_id\" _seq", 20, true),
            ("bookings_id_seq", 5, true),
            ("countdown", -4, true),
            ("domain_numbers", 1, true),
            ("events_id_seq", 51, true),
            ("every_type_id_seq", 60_006, true),
            ("free_numbers", 9, true),
            ("invoices_number_seq", 3, true),
            ("receipt_numbers", 3, true),
            ("round_numbers", 3, true),
            ("shared_numbers", 7, true),
        ]
    );
    let owner = |name: &str| {
        let sequence = database.sequences.iter().find(|s| s.name.name == name);
        sequence.unwrap().owned_by.clone()
    };
    assert_eq!(
        owner("events_id_seq"),
        Some(OwnedBy {
            table: TableName::new("public", "events"),
            column: "id".into()
        })
    );
    assert_eq!(owner("free_numbers"), None);
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_whatever_happens_meanwhile() {
    let server = Server::shared();
    let name = zoo::source(&server).await;
    let mut app = server.connect(&name).await;
    run(&mut app, "DROP RULE swallow ON ruled").await;
    let before = zoo::rows(&mut app, "ruled").await;
    let mut snapshot = server.engine(&name).snapshot().await.unwrap();
    run(
        &mut app,
        "DELETE FROM ruled WHERE id = 1; INSERT INTO ruled VALUES (3, 'three')",
    )
    .await;
    // TRUNCATE and ALTER TABLE aren't bound to snapshots, so they have to wait.
    run(&mut app, "SET lock_timeout = 200").await;
    for sql in [
        "TRUNCATE ruled",
        "ALTER TABLE ruled ADD COLUMN late integer",
    ] {
        assert!(sqlx::query(sql).execute(&mut app).await.is_err(), "{sql}");
    }
    let policy = everything(snapshot.database());
    let ruled = policy
        .tables
        .iter()
        .find(|table| table.table.name == "ruled")
        .unwrap();
    let parts = export_table(&mut *snapshot, ruled).await.unwrap();
    assert_eq!(
        String::from_utf8(parts[0].text.clone()).unwrap(),
        "id\tword\n1\tone\n2\ttwo\n"
    );
    let counts = snapshot.count_rows().await.unwrap();
    assert!(counts.contains(&(TableName::new("public", "ruled"), before.len() as u64)));
    assert!(counts.contains(&(TableName::new("public", "events"), 51)));
    assert!(counts.contains(&(TableName::new("public", "animals"), 1)));
    drop(snapshot);
    run(&mut app, "SET lock_timeout = '20s'; TRUNCATE ruled").await;
}

#[tokio::test]
async fn parts_have_their_size_and_the_receiver_may_leave() {
    let server = Server::shared();
    let name = server.create_database().await;
    let mut app = server.connect(&name).await;
    run(
        &mut app,
        "CREATE TABLE big (id integer, body text);
         INSERT INTO big SELECT n, repeat(md5(n::text), 40) FROM generate_series(1, 20000) n",
    )
    .await;
    let engine = server.engine(&name);
    let exported = export(&*engine).await.unwrap();
    let parts = &exported.table("big").parts;
    assert_eq!(parts.len(), 4);
    assert!(
        parts
            .iter()
            .all(|part| part.text.len() < TARGET_PART_BYTES + 2000)
    );
    assert_eq!(exported.table("big").rows(), 20_000);

    let mut snapshot = engine.snapshot().await.unwrap();
    let table = everything(snapshot.database()).tables.remove(0);
    let (sender, mut receiver) = mpsc::channel(1);
    let first_only = async {
        receiver.recv().await.unwrap();
        drop(receiver);
    };
    let (result, ()) = tokio::join!(snapshot.export(&table, sender), first_only);
    result.unwrap();
    let error = export_table(&mut *snapshot, &table).await.unwrap_err();
    assert!(matches!(error, EngineError::Ended { .. }), "{error}");
}

#[tokio::test]
async fn credentials_are_replaced_by_the_database_and_never_sent() {
    let server = Server::shared();
    let name = server.create_database().await;
    let mut app = server.connect(&name).await;
    run(
        &mut app,
        "CREATE TYPE kind AS ENUM ('a', 'none');
         CREATE TABLE users (id integer, password text, token varchar(9), kind kind);
         INSERT INTO users VALUES (1, 'hunter2', 'hunter2', 'a'), (2, NULL, NULL, NULL)",
    )
    .await;
    let mut snapshot = server.engine(&name).snapshot().await.unwrap();
    let policy = TablePolicy {
        table: TableName::new("public", "users"),
        columns: vec![
            ColumnPolicy::Keep,
            ColumnPolicy::Replace(None),
            ColumnPolicy::Replace(Some("it's\\x".into())),
            ColumnPolicy::Replace(Some("none".into())),
        ],
    };
    let parts = export_table(&mut *snapshot, &policy).await.unwrap();
    assert_eq!(
        String::from_utf8(parts[0].text.clone()).unwrap(),
        "id\tpassword\ttoken\tkind\n1\t\\N\tit's\\\\x\tnone\n2\t\\N\t\\N\t\\N\n"
    );
}

#[tokio::test]
async fn a_presets_query_gives_one_text_and_can_do_no_harm() {
    let server = Server::shared();
    let name = zoo::source(&server).await;
    let mut snapshot = server.engine(&name).snapshot().await.unwrap();
    let mut scalar = async |query: &str| snapshot.scalar(query).await;
    assert_eq!(
        scalar("SELECT word FROM ruled WHERE id = 1;")
            .await
            .unwrap(),
        Some("one".into())
    );
    assert_eq!(
        scalar("SELECT 7 AS n -- why").await.unwrap(),
        Some("7".into())
    );
    assert_eq!(scalar("SELECT NULL").await.unwrap(), None);
    assert_eq!(
        scalar("SELECT word FROM ruled WHERE id = 99")
            .await
            .unwrap(),
        None
    );
    for harmful in [
        "SELECT 1) AS x (value); COMMIT; DELETE FROM ruled; SELECT * FROM (SELECT 1",
        "DELETE FROM ruled RETURNING word",
        "SELECT nope FROM ruled",
        "SELECT setval('free_numbers', 1)",
    ] {
        let error = scalar(harmful).await.unwrap_err();
        assert!(
            matches!(
                error,
                EngineError::Database { .. } | EngineError::ReadOnly { .. }
            ),
            "{harmful}: {error}"
        );
    }
    assert_eq!(
        scalar("SELECT word FROM ruled WHERE id = 2").await.unwrap(),
        Some("two".into())
    );
    assert_eq!(snapshot.count_rows().await.unwrap().len(), 26);
}

#[tokio::test]
async fn every_way_not_to_get_in_has_its_own_words() {
    let server = Server::shared();
    let name = server.create_database().await;
    let good = server.url(&name);
    let attempt = async |url: &str| {
        let engine = open(&DatabaseUrl::parse(url).unwrap());
        let error = engine.snapshot().await.err().unwrap();
        assert!(!error.to_string().contains("wrong-secret"), "{error}");
        error
    };
    let wrong_password = format!(
        "postgres://app:wrong-secret@127.0.0.1:{}/{name}",
        server.port()
    );
    assert!(matches!(
        attempt(&wrong_password).await,
        EngineError::SignInRefused { user, .. } if user == "app"
    ));
    assert!(matches!(
        attempt(&good.replace(&name, "missing")).await,
        EngineError::NoDatabase { .. }
    ));
    assert!(matches!(
        attempt("postgres://app:wrong-secret@127.0.0.1:1/x").await,
        EngineError::CannotConnect { .. }
    ));
    // Somebody who takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = tokio::time::timeout(
        Duration::from_secs(30),
        attempt(&format!("postgres://app:wrong-secret@127.0.0.1:{port}/x")),
    )
    .await
    .unwrap();
    assert!(
        matches!(error, EngineError::CannotConnect { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_would_be_incomplete_is_refused() {
    let server = Server::shared();
    let name = server.create_database().await;
    let mut superuser = server.connect_superuser(&name).await;
    let mut app = server.connect(&name).await;

    run(
        &mut superuser,
        "CREATE TABLE theirs (id integer); CREATE TABLE hidden (id integer);
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON hidden USING (id > 1);
         GRANT SELECT ON hidden TO app",
    )
    .await;
    let engine = server.engine(&name);
    let error = engine.snapshot().await.err().unwrap();
    assert!(
        matches!(error, EngineError::PermissionDenied { .. }),
        "{error}"
    );
    run(&mut superuser, "DROP TABLE theirs").await;
    let error = export(&*engine).await.unwrap_err();
    assert_eq!(
        error,
        EngineError::RowSecurity {
            table: "public.hidden".into()
        }
    );
    run(&mut superuser, "DROP TABLE hidden").await;

    run(&mut app, "SELECT lo_create(0); SELECT lo_create(0)").await;
    let error = engine.snapshot().await.err().unwrap();
    assert!(
        matches!(error, EngineError::LargeObjects { count: 2, .. }),
        "{error}"
    );
    run(
        &mut app,
        "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
    )
    .await;

    run(
        &mut app,
        "CREATE SCHEMA other; CREATE TABLE other.root (id integer) PARTITION BY LIST (id);
         CREATE TABLE stray PARTITION OF other.root DEFAULT",
    )
    .await;
    let error = engine.snapshot().await.err().unwrap();
    assert!(
        matches!(
            error,
            EngineError::Unsupported {
                kind: "partition",
                ..
            }
        ),
        "{error}"
    );
    run(&mut app, "DROP TABLE other.root").await;
    engine.snapshot().await.unwrap();
    assert_eq!(texts(&mut app, "SELECT 1").await, ["1"]);
}
