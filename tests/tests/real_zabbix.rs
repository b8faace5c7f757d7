//! Zabbix's database, as its package ships it, through the built program: about 170 tables with a dense
//! foreign-key graph, triggers that write into other tables, and sequences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{env, fs::File, io::Read, path::PathBuf};

use coffer_tests::{
    coffer::coffer,
    postgres::{Server, run, texts},
};
use sqlx::{PgConnection, Row};

fn script(name: &str) -> String {
    let folder = PathBuf::from(env::var_os("COFFER_ZABBIX").expect("npm test sets COFFER_ZABBIX"));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(File::open(folder.join(name)).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    texts(connection, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").await
}

/// Every table's rows, by a query of its own.
async fn digests(connection: &mut PgConnection) -> Vec<(String, i64, Option<String>)> {
    let mut digests = Vec::new();
    for table in tables(connection).await {
        let query = format!(
            "SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\")) FROM public.\"{table}\" AS t"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        digests.push((table, row.get(0), row.get(1)));
    }
    digests
}

/// Constraints and triggers with everything that may be off about them.
async fn guards(connection: &mut PgConnection) -> Vec<String> {
    let mut guards = texts(
        connection,
        "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    )
    .await;
    guards.extend(
        texts(connection, "SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal").await,
    );
    guards
}

#[tokio::test(flavor = "multi_thread")]
async fn zabbix_survives_backup_and_restore() {
    let server = Server::shared();
    let (source, target) = (
        server.create_database().await,
        server.create_database().await,
    );
    let mut from = server.connect(&source).await;
    for name in ["schema.sql.gz", "images.sql.gz", "data.sql.gz"] {
        run(&mut from, &script(name)).await;
    }
    // The tables that sequences feed come empty: they get what a proxy would have collected.
    run(
        &mut from,
        "INSERT INTO proxy_autoreg_host (clock, host) SELECT 1700000000 + n, 'host ' || n FROM generate_series(1, 500) AS n",
    )
    .await;
    let mut to = server.connect(&target).await;
    run(&mut to, &script("schema.sql.gz")).await;
    // The schema's script writes its own version into one table; an empty database has none.
    run(&mut to, "DELETE FROM dbversion").await;
    assert!(tables(&mut from).await.len() > 150);
    let superuser = texts(
        &mut to,
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
    )
    .await;
    assert_eq!(superuser, ["false"]);
    let guards_before = guards(&mut to).await;

    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("zabbix.coffer");
    let archive = archive.to_str().unwrap();
    let (from_url, to_url) = (server.url(&source), server.url(&target));
    let secret = [
        ("ARCHIVE_PASSWORD", "correct horse"),
        ("COFFER_SOURCE", &from_url),
        ("COFFER_TARGET", &to_url),
    ];
    let taken = coffer(
        [
            "backup",
            "--json",
            "--out",
            archive,
            "--sealed",
            "--password-env",
            "ARCHIVE_PASSWORD",
        ],
        &secret,
    )
    .ok()
    .json();
    assert!(
        taken["archive"]["rows"].as_u64().unwrap() > 10_000,
        "{taken}"
    );
    let restore = [
        "restore",
        archive,
        "--json",
        "--mode",
        "replace",
        "--yes",
        "--password-env",
        "ARCHIVE_PASSWORD",
    ];
    let restored = coffer(restore, &secret).ok().json();
    assert_eq!(restored["rows"], taken["archive"]["rows"]);

    let (before, after) = (digests(&mut from).await, digests(&mut to).await);
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(one, other);
    }
    assert_eq!(before.len(), after.len());
    assert_eq!(guards(&mut to).await, guards_before);
    // Name, greatest value of the column and next value of every sequence that feeds a column.
    let sequences = texts(
        &mut to,
        "SELECT s.relname || ' ' || (xpath('//m/text()', query_to_xml(
            format('SELECT COALESCE(max(%I), 0) AS m FROM %s', a.attname, d.refobjid::regclass), false, true, '')))[1]
            || ' ' || nextval(s.oid)
         FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i')
         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE s.relkind = 'S'",
    )
    .await;
    assert!(sequences.len() >= 3, "{sequences:?}");
    let mut used = 0;
    for sequence in &sequences {
        let words: Vec<&str> = sequence.split(' ').collect();
        let (greatest, next): (i64, i64) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        assert!(next > greatest, "behind its column: {sequence}");
        used += i64::from(greatest > 0);
    }
    assert!(
        used > 0,
        "no column that a sequence feeds has rows: {sequences:?}"
    );

    // A second restore finds rows and refuses; nothing changes.
    let refused = coffer(restore, &secret);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert_eq!(digests(&mut to).await, after);
}
