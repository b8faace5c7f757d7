//! A database with a bit of everything, and independent ways to look at it.

#![allow(dead_code, reason = "each test program looks in its own ways")]

use coffer_tests::postgres::{Server, run, texts};
use sqlx::PgConnection;

/// An empty database with the schema, owned by an ordinary role.
pub(crate) async fn empty(server: &Server) -> String {
    let name = server.create_database().await;
    let mut connection = server.connect(&name).await;
    run(&mut connection, include_str!("schema.sql")).await;
    name
}

/// A database with rows.
pub(crate) async fn source(server: &Server) -> String {
    let name = empty(server).await;
    let mut connection = server.connect(&name).await;
    run(&mut connection, include_str!("rows.sql")).await;
    name
}

/// A database with the same schema and other rows.
pub(crate) async fn target(server: &Server) -> String {
    let name = empty(server).await;
    let mut connection = server.connect(&name).await;
    run(&mut connection, include_str!("other_rows.sql")).await;
    name
}

/// All rows of one table as JSON text, sorted.
pub(crate) async fn rows(connection: &mut PgConnection, table: &str) -> Vec<String> {
    rows_of(connection, &format!("ONLY {table}")).await
}

async fn rows_of(connection: &mut PgConnection, from: &str) -> Vec<String> {
    // The alias is the same as a column of one of the tables, so the row is named as a whole.
    texts(
        connection,
        &format!("SELECT row_to_json(all_of_it.*)::text FROM {from} all_of_it"),
    )
    .await
}

/// Every table's rows as JSON text, each line preceded by the table.
pub(crate) async fn everything(connection: &mut PgConnection) -> Vec<String> {
    let tables = texts(
        connection,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('public', 'attic') AND c.relkind = 'r'",
    )
    .await;
    let mut all = Vec::new();
    for table in tables {
        for row in rows(connection, &table).await {
            all.push(format!("{table} {row}"));
        }
    }
    all
}

/// Every materialised view's rows, or that it has never been filled.
pub(crate) async fn views(connection: &mut PgConnection) -> Vec<String> {
    let views = texts(
        connection,
        "SELECT format('%s %I.%I', ispopulated, schemaname, matviewname) FROM pg_matviews",
    )
    .await;
    let mut all = Vec::new();
    for view in views {
        match view.split_once(' ') {
            Some(("t", name)) => {
                for row in rows_of(connection, name).await {
                    all.push(format!("{name} {row}"));
                }
            }
            _ => all.push(view),
        }
    }
    all
}

/// Every sequence with its state.
pub(crate) async fn sequences(connection: &mut PgConnection) -> Vec<String> {
    let names = texts(
        connection,
        "SELECT c.oid::regclass FROM pg_class c WHERE c.relkind = 'S'",
    )
    .await;
    let mut all = Vec::new();
    for name in names {
        let state = texts(
            connection,
            &format!("SELECT format('%s %s', last_value, is_called) FROM {name}"),
        )
        .await;
        all.push(format!("{name} {}", state.concat()));
    }
    all
}

/// Keys, triggers, rules and comments: everything around the rows that has to be as it was.
pub(crate) async fn surroundings(connection: &mut PgConnection) -> Vec<String> {
    texts(
        connection,
        "SELECT format('%s %s %s %s %s %s', conrelid::regclass, conname, convalidated, conparentid = 0,
                       obj_description(oid, 'pg_constraint'), pg_get_constraintdef(oid))
           FROM pg_constraint WHERE contype <> 't' AND connamespace::regnamespace::text IN ('public', 'attic')
          UNION ALL
         SELECT format('%s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
          UNION ALL
         SELECT format('%s internal triggers: %s', tgrelid::regclass, count(*)) FROM pg_trigger
          WHERE tgisinternal GROUP BY tgrelid
          UNION ALL
         SELECT format('%s %s', tablename, definition) FROM pg_rules WHERE schemaname = 'public'
          UNION ALL
         SELECT format('%s %s %s %s', indexdef, i.indisvalid, i.indisclustered, obj_description(i.indexrelid, 'pg_class'))
           FROM pg_indexes x JOIN pg_index i ON i.indexrelid = format('%I.%I', x.schemaname, x.indexname)::regclass
          WHERE x.schemaname IN ('public', 'attic')",
    )
    .await
}
