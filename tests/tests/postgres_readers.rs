//! A large table is read over several connections: as of one moment, in the order in which one connection gives its rows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use coffer_tests::{
    engine::{everything, export, export_table},
    postgres::{Server, run},
};
use futures_util::TryStreamExt;
use sqlx::PgConnection;
use tokio::sync::mpsc;

/// More than two ranges of 16 MiB, with pages that hold nothing any more and rows that moved to the end.
const LARGE: &str = "
    CREATE TABLE large (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO large SELECT n, repeat(md5(n::text), 25) FROM generate_series(1, 60000) n;
    DELETE FROM large WHERE id BETWEEN 19000 AND 24000;
    UPDATE large SET body = 'moved ' || id WHERE id % 1000 = 7;
    CREATE TABLE small (id int); INSERT INTO small VALUES (1), (2);";

async fn copied(connection: &mut PgConnection, table: &str) -> Vec<u8> {
    let rows = connection
        .copy_out_raw(&format!("COPY {table} TO STDOUT"))
        .await
        .unwrap();
    rows.try_fold(Vec::new(), async |mut text, row| {
        text.extend_from_slice(&row);
        Ok(text)
    })
    .await
    .unwrap()
}

async fn rows_are_the_same(server: &Server, name: &str, connection: &mut PgConnection) {
    let exported = export(&*server.engine(name)).await.unwrap();
    for table in ["large", "small"] {
        let exported = exported.table(table);
        let text: Vec<u8> = exported
            .parts
            .iter()
            .flat_map(|part| exported.text(part).to_vec())
            .collect();
        assert!(text == copied(connection, table).await, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_the_order_of_one_reader() {
    let server = Server::start();
    let name = server.create_database().await;
    let mut connection = server.connect(&name).await;
    run(&mut connection, LARGE).await;
    rows_are_the_same(&server, &name, &mut connection).await;

    // Where nobody may sign in twice, one connection reads everything.
    let mut superuser = server.connect_superuser(&name).await;
    run(&mut superuser, "ALTER ROLE app CONNECTION LIMIT 2").await;
    rows_are_the_same(&server, &name, &mut connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_readers_see_one_moment() {
    let server = Server::shared();
    let name = server.create_database().await;
    let mut connection = server.connect(&name).await;
    run(&mut connection, LARGE).await;
    let before = copied(&mut connection, "large").await;
    let mut snapshot = server.engine(&name).snapshot().await.unwrap();
    let database = snapshot.database().clone();
    let changes = "
        UPDATE large SET body = 'changed' WHERE id % 3 = 0;
        DELETE FROM large WHERE id % 7 = 0;
        INSERT INTO large SELECT n, 'new' FROM generate_series(60001, 90000) n";
    run(&mut connection, changes).await;
    let tables = everything(&database).tables;
    let table = tables
        .iter()
        .find(|table| table.table.name == "large")
        .unwrap();
    // Twice, since the connections are used again.
    for _ in 0..2 {
        let parts = export_table(&mut *snapshot, table).await.unwrap();
        let text: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.text.strip_prefix(b"id\tbody\n").unwrap().to_vec())
            .collect();
        assert!(text == before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_ends_when_nobody_listens() {
    let server = Server::shared();
    let name = server.create_database().await;
    run(&mut server.connect(&name).await, LARGE).await;
    let mut snapshot = server.engine(&name).snapshot().await.unwrap();
    let tables = everything(snapshot.database()).tables;
    let (sender, mut parts) = mpsc::channel(1);
    let leave = async {
        parts.recv().await.unwrap();
        drop(parts);
    };
    let export = async { tokio::join!(snapshot.export(&tables[0], sender), leave).0 };
    let ended = tokio::time::timeout(Duration::from_secs(60), export).await;
    ended.unwrap().unwrap();
}
