//! Everything out of one PostgreSQL database and into another, as an owner who is no superuser; and nothing at all
//! when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres_zoo;

use std::collections::BTreeSet;

use bytes::Bytes;
use coffer_core::{rows::RowError, schema::TableName};
use coffer_server::engine::EngineError;
use coffer_tests::{
    engine::{Exported, export, load, replace, replace_uncommitted},
    postgres::{Server, run, texts},
};
use postgres_zoo as zoo;
use sqlx::PgConnection;
use tokio::sync::mpsc;

fn public(names: &[&str]) -> Vec<TableName> {
    names
        .iter()
        .map(|name| TableName::new("public", *name))
        .collect()
}

/// Everything that a restore could change.
async fn state(connection: &mut PgConnection) -> [Vec<String>; 3] {
    [
        zoo::everything(connection).await,
        zoo::sequences(connection).await,
        zoo::surroundings(connection).await,
    ]
}

#[tokio::test]
async fn everything_arrives_as_it_was() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let mut there = server.connect(&target).await;
    let [_, _, around_before] = state(&mut there).await;

    let exported = export(&*server.engine(&source)).await.unwrap();
    replace(&*server.engine(&target), &exported, &exported.names())
        .await
        .unwrap();

    let mut here = server.connect(&source).await;
    let not_ours = |row: &String| {
        ["public.cache", "attic.elsewhere", "public._sqlx_migrations"]
            .iter()
            .any(|table| row.starts_with(table))
    };
    let [mut rows_here, sequences_here, _] = state(&mut here).await;
    let [mut rows_there, sequences_there, around_after] = state(&mut there).await;
    let kept: Vec<String> = rows_there.extract_if(.., |row| not_ours(row)).collect();
    rows_here.retain(|row| !not_ours(row));
    assert_eq!(rows_here, rows_there);
    assert!(rows_here.len() > 60_000);
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().any(|row| row.contains("the target's own")));
    assert_eq!(around_before, around_after);

    // Views show the restored rows, each after the one that it reads; one that was never filled still isn't.
    assert_eq!(zoo::views(&mut here).await, zoo::views(&mut there).await);
    // The same, in the words of PostgreSQL's own program; the unlogged table isn't archived.
    let dumps = [&source, &target].map(|name| {
        let mut lines = server.dump(name, &["cache", "_sqlx_migrations"]);
        lines.retain(|line| {
            !["free_numbers", "domain_numbers"]
                .iter()
                .any(|name| line.contains(name))
        });
        lines
    });
    assert!(dumps[0].len() > 60_000 && dumps[0].len() == dumps[1].len());
    let [ours, theirs] = dumps.map(BTreeSet::from_iter);
    let differences: Vec<&String> = ours.symmetric_difference(&theirs).take(9).collect();
    assert_eq!(differences, [""; 0], "pg_dump sees a difference");

    // A sequence that feeds no column only moves ahead; all others are where they were at the source.
    for (here, there) in sequences_here.iter().zip(&sequences_there) {
        if here.starts_with("free_numbers") {
            assert_eq!(there, "free_numbers 1000 t");
        } else if here.starts_with("domain_numbers") {
            assert_eq!(
                (&**here, &**there),
                ("domain_numbers 1 t", "domain_numbers 700 t")
            );
        } else {
            assert_eq!(here, there);
        }
    }
    for (insert, next) in [
        (
            "INSERT INTO every_type DEFAULT VALUES RETURNING id",
            "60007",
        ),
        (
            "INSERT INTO \"Größe \"\"x\"\" 漢字\" DEFAULT VALUES RETURNING \"id\"\" \"",
            "25",
        ),
        ("INSERT INTO left_half DEFAULT VALUES RETURNING id", "8"),
        ("INSERT INTO downwards DEFAULT VALUES RETURNING id", "-5"),
        ("INSERT INTO codes DEFAULT VALUES RETURNING code", "C-4"),
        ("INSERT INTO bookings DEFAULT VALUES RETURNING id", "6"),
        // The archive's sequence was behind its own table: 1 was the last number that it gave.
        ("INSERT INTO domain_fed DEFAULT VALUES RETURNING id", "701"),
    ] {
        assert_eq!(returned(&mut there, insert).await, next, "{insert}");
    }
}

async fn returned(connection: &mut PgConnection, insert: &str) -> String {
    // The one returned column, whatever its name.
    let query = format!(
        "WITH inserted AS ({insert}) SELECT value FROM inserted i, json_each_text(row_to_json(i))"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_archive_of_nothing_empties_the_tables() {
    let server = Server::shared();
    let source = zoo::empty(&server).await;
    let target = zoo::target(&server).await;
    let exported = export(&*server.engine(&source)).await.unwrap();
    // `legacy` may keep its rows only because its key isn't validated.
    replace(&*server.engine(&target), &exported, &exported.names())
        .await
        .unwrap();
    let mut there = server.connect(&target).await;
    let rows = zoo::everything(&mut there).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
}

#[tokio::test]
async fn a_part_arrives_and_the_rest_stays() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let exported = export(&*server.engine(&source)).await.unwrap();
    let mut there = server.connect(&target).await;
    let [before, _, around_before] = state(&mut there).await;
    let chosen = public(&["notes", "left_half", "animals", "downwards"]);
    replace(&*server.engine(&target), &exported, &chosen)
        .await
        .unwrap();
    let [after, _, around_after] = state(&mut there).await;
    assert_eq!(around_before, around_after);
    let others = |rows: &[String]| -> Vec<String> {
        rows.iter()
            .filter(|row| {
                !["notes", "left_half", "animals", "downwards"]
                    .iter()
                    .any(|table| row.starts_with(&format!("public.{table} ")))
            })
            .cloned()
            .collect()
    };
    assert_eq!(others(&before), others(&after));
    let mut here = server.connect(&source).await;
    for table in ["notes", "left_half", "animals", "downwards"] {
        assert_eq!(
            zoo::rows(&mut here, table).await,
            zoo::rows(&mut there, table).await
        );
    }
    // `right_half` shares the sequence; neither table may get a number twice.
    assert_eq!(
        returned(
            &mut there,
            "INSERT INTO right_half DEFAULT VALUES RETURNING id"
        )
        .await,
        "8"
    );
}

#[tokio::test]
async fn a_key_from_outside_that_would_point_at_nothing_undoes_everything() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let exported = export(&*server.engine(&source)).await.unwrap();
    let mut there = server.connect(&target).await;
    let before = state(&mut there).await;
    // The target's badges point at person 9, whom the archive doesn't have.
    let chosen = public(&["people", "teams", "events", "event_marks", "every_type"]);
    let error = replace(&*server.engine(&target), &exported, &chosen)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        EngineError::ForeignKey {
            key: "badges_person_fkey".into(),
            table: "public.badges".into(),
            references: "public.people".into(),
            rows: Some(1)
        }
    );
    assert_eq!(state(&mut there).await, before);
}

#[tokio::test]
async fn without_commit_nothing_happened_not_even_to_sequences() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let exported = export(&*server.engine(&source)).await.unwrap();
    let mut there = server.connect(&target).await;
    let before = state(&mut there).await;
    let session = replace_uncommitted(&*server.engine(&target), &exported, &exported.names())
        .await
        .unwrap();
    drop(session);
    // Waits for the lock until the server has noticed.
    assert_eq!(state(&mut there).await, before);

    // The same in the middle of a COPY.
    let mut session = server
        .engine(&target)
        .begin_replace(&exported.names())
        .await
        .unwrap();
    session.clear().await.unwrap();
    let (sender, receiver) = mpsc::channel(1);
    let table = exported.table("notes");
    sender.send(Bytes::from_static(b"1\tx\n")).await.unwrap();
    {
        let loading = session.load(&table.name, &table.columns, receiver);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(200), loading).await;
        assert!(waited.is_err());
    }
    drop(session);
    assert_eq!(state(&mut there).await, before);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_without_being_shown() {
    let server = Server::shared();
    let target = zoo::target(&server).await;
    let mut there = server.connect(&target).await;
    let before = state(&mut there).await;
    /// Table, columns, row text, the row's number where it is known, part of the reason.
    type Case = (
        &'static str,
        &'static [&'static str],
        &'static [u8],
        Option<u64>,
        &'static str,
    );
    let cases: &[Case] = &[
        (
            "people",
            &["id"],
            b"1\nhunter2\n",
            Some(2),
            "does not have the form",
        ),
        ("people", &["id"], b"1\n1\n", Some(2), "people_pkey"),
        ("people", &["boss"], b"1\n", Some(1), "null value"),
        (
            "people",
            &["id"],
            b"99999999999\n",
            Some(1),
            "out of its type's range",
        ),
        ("invoices", &["net"], b"-1\n", Some(1), "invoices_net_check"),
        (
            "every_type",
            &["v_varchar"],
            b"hunter2hunter2hunter2hunter2\n",
            Some(1),
            "longer",
        ),
        (
            "every_type",
            &["v_email"],
            b"hunter2\n",
            Some(1),
            "email_check",
        ),
        (
            "every_type",
            &["v_date"],
            b"2025-13-01\n",
            Some(1),
            "date or time",
        ),
        (
            "every_type",
            &["v_text"],
            b"hunter2\xff\n",
            Some(1),
            "encoding",
        ),
        (
            "people",
            &["id", "boss"],
            b"1\t1\n2\n",
            Some(2),
            "as many values",
        ),
        ("badges", &["place"], b"1\n1\n", Some(2), "place_once"),
    ];
    for (table, columns, text, row, reason) in cases {
        let name = TableName::new("public", *table);
        let mut session = server
            .engine(&target)
            .begin_replace(std::slice::from_ref(&name))
            .await
            .unwrap();
        session.clear().await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Bytes::copy_from_slice(text)).await.unwrap();
        drop(sender);
        let columns: Vec<String> = columns.iter().map(|column| (*column).into()).collect();
        let loaded = session.load(&name, &columns, receiver).await;
        let error = match loaded {
            Err(error) => error,
            Ok(_) => session.settle(&[]).await.unwrap_err(),
        };
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains(reason), "{text}");
        if let EngineError::RowRefused { row: found, .. } = &error {
            assert_eq!(found, row, "{text}");
        } else {
            assert_eq!(*row, None, "{text}");
        }
        assert!(matches!(
            session.count_rows().await,
            Err(EngineError::Ended { .. })
        ));
        assert!(session.commit().await.is_err());
    }
    // Numbers that a failed load has drawn stay drawn, as in every failed insert.
    let [rows, _, around] = state(&mut there).await;
    assert_eq!([&rows, &around], [&before[0], &before[2]]);
}

#[tokio::test]
async fn a_row_that_was_cut_off_is_no_row() {
    let server = Server::shared();
    let target = zoo::target(&server).await;
    let names = public(&["ruled"]);
    let mut session = server.engine(&target).begin_replace(&names).await.unwrap();
    session.clear().await.unwrap();
    let (sender, receiver) = mpsc::channel(2);
    sender.send(Bytes::from_static(b"1\ton")).await.unwrap();
    sender.send(Bytes::from_static(b"e\n2\ttw")).await.unwrap();
    drop(sender);
    let columns = ["id".to_owned(), "word".to_owned()];
    let error = session
        .load(&names[0], &columns, receiver)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        EngineError::BadRows {
            table: names[0].clone(),
            error: RowError::Unfinished { length: 4 }
        }
    );
    assert!(session.commit().await.is_err());
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let exported: Exported = export(&*server.engine(&source)).await.unwrap();
    let engine = server.engine(&target);
    let ended = |error: EngineError| assert!(matches!(error, EngineError::Ended { .. }), "{error}");

    let mut session = engine.begin_replace(&exported.names()).await.unwrap();
    ended(
        load(&mut *session, exported.table("notes"))
            .await
            .unwrap_err(),
    );
    ended(session.settle(&[]).await.unwrap_err());
    session.clear().await.unwrap();
    ended(session.clear().await.unwrap_err());
    ended(session.commit().await.unwrap_err());

    let mut session = engine.begin_replace(&public(&["notes"])).await.unwrap();
    session.clear().await.unwrap();
    let error = load(&mut *session, exported.table("people"))
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::NoTable { .. }), "{error}");
    let (_, receiver) = mpsc::channel(1);
    let error = session
        .load(&public(&["notes"])[0], &["bodi".into()], receiver)
        .await
        .unwrap_err();
    assert!(matches!(error, EngineError::NoColumn { .. }), "{error}");
    drop(session);

    for missing in [
        "nope",
        "bosses",
        "teams_counted",
        "half_logged_1",
        "cache",
        "_sqlx_migrations",
        "events_2025",
    ] {
        let error = engine
            .begin_replace(&public(&[missing]))
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
async fn two_restores_at_once_and_tables_in_use_are_refused() {
    let server = Server::shared();
    let target = zoo::target(&server).await;
    let engine = server.engine(&target);
    let session = engine.begin_replace(&public(&["notes"])).await.unwrap();
    let error = engine
        .begin_replace(&public(&["people"]))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, EngineError::AnotherRestore { .. }),
        "{error}"
    );
    drop(session);

    let mut user = server.connect(&target).await;
    run(&mut user, "BEGIN; UPDATE people SET team = 9").await;
    let error = engine
        .begin_replace(&public(&["people"]))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(error, EngineError::Busy { seconds: 10, .. }),
        "{error}"
    );
    run(&mut user, "COMMIT").await;
    engine.begin_replace(&public(&["people"])).await.unwrap();
}

#[tokio::test]
async fn while_rows_are_replaced_nobody_sees_it() {
    let server = Server::shared();
    let source = zoo::source(&server).await;
    let target = zoo::target(&server).await;
    let exported = export(&*server.engine(&source)).await.unwrap();
    let session = replace_uncommitted(&*server.engine(&target), &exported, &public(&["notes"]))
        .await
        .unwrap();
    let mut there = server.connect(&target).await;
    // Tables outside stay readable and writable.
    run(
        &mut there,
        "INSERT INTO codes DEFAULT VALUES; SET lock_timeout = 100",
    )
    .await;
    let locked = sqlx::query("SELECT FROM notes").fetch_all(&mut there).await;
    assert!(locked.is_err());
    session.commit().await.unwrap();
    assert_eq!(texts(&mut there, "SELECT count(*) FROM notes").await, ["2"]);
}

#[tokio::test]
async fn a_role_that_does_not_own_the_tables_is_told_so() {
    let server = Server::shared();
    let target = zoo::target(&server).await;
    let mut superuser = server.connect_superuser(&target).await;
    run(
        &mut superuser,
        "CREATE TABLE theirs (id integer REFERENCES people); GRANT ALL ON theirs TO app;",
    )
    .await;
    let engine = server.engine(&target);
    let mut session = engine.begin_replace(&public(&["theirs"])).await.unwrap();
    let error = session.clear().await.unwrap_err();
    assert!(
        matches!(error, EngineError::PermissionDenied { .. }),
        "{error}"
    );
    drop(session);
    run(
        &mut superuser,
        &format!("ALTER DATABASE {target} SET default_transaction_read_only = on"),
    )
    .await;
    // Only a default, which a restore overrides knowingly.
    engine.begin_replace(&public(&["people"])).await.unwrap();
}
