//! Plain indexes are taken off the tables while rows are loaded, and come back exactly as they were, or nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use coffer_core::schema::TableName;
use coffer_server::engine::{EngineError, IndexesBuilt, RowByRow};
use coffer_tests::{
    engine::{Exported, export, load},
    postgres::{Server, run, texts},
};
use sqlx::PgConnection;

/// Every kind of index that a table of an application may have.
const TABLES: &str = r#"
    CREATE TABLE people (
        id int PRIMARY KEY, email text NOT NULL, name text COLLATE "C", tags text[], age int, seen timestamptz,
        manager int, CONSTRAINT "one e-mail" UNIQUE (email) DEFERRABLE, EXCLUDE USING btree (name WITH =));
    CREATE UNIQUE INDEX by_number ON people (age, id);
    CREATE UNIQUE INDEX "Größe ""x""" ON people (lower(email)) WHERE age IS NOT NULL;
    CREATE UNIQUE INDEX nothing_once ON people (manager, id) NULLS NOT DISTINCT;
    CREATE INDEX ON people (name COLLATE "POSIX" text_pattern_ops DESC NULLS LAST) INCLUDE (age) WITH (fillfactor = 70);
    CREATE INDEX ON people USING gin (tags) WITH (fastupdate = off);
    CREATE INDEX ON people USING brin (seen) WITH (pages_per_range = 8);
    CREATE INDEX ON people USING hash (age);
    CREATE INDEX in_its_place ON people (seen) TABLESPACE elsewhere;
    CREATE INDEX computed ON people ((age * 2), (length(name)));
    ALTER INDEX computed ALTER COLUMN 2 SET STATISTICS 500;
    COMMENT ON INDEX computed IS 'what''s older';
    ALTER TABLE people CLUSTER ON computed;
    CREATE UNIQUE INDEX identity ON people (email, id);
    ALTER TABLE people REPLICA IDENTITY USING INDEX identity;
    CREATE TABLE outside (email text, person int, FOREIGN KEY (person, email) REFERENCES people (id, email));
    CREATE TABLE visits (at int NOT NULL, who int) PARTITION BY RANGE (at);
    CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM (0) TO (100);
    CREATE INDEX of_all ON visits (who);
    CREATE INDEX of_one ON visits_old (at, who);
    CREATE TABLE grouped (id int PRIMARY KEY, name text, CONSTRAINT later UNIQUE (name) INITIALLY DEFERRED);
    COMMENT ON CONSTRAINT later ON grouped IS 'checked at the end';
    CREATE VIEW of_groups AS SELECT id, name, count(*) FROM grouped GROUP BY id;
"#;
/// For the key from outside.
const REFERENCED: &str = "CREATE UNIQUE INDEX referenced ON people (id, email);";
const ROWS: &str = "
    INSERT INTO people SELECT n, 'p' || n || '@example.org', 'name ' || n, ARRAY['a', n::text], n % 90, now(), n - 1
      FROM generate_series(1, 3000) n;
    INSERT INTO outside VALUES ('p7@example.org', 7);
    INSERT INTO grouped VALUES (1, 'one'), (2, 'two');
    INSERT INTO visits SELECT n % 100, n FROM generate_series(1, 500) n;";

/// What PostgreSQL says about all indexes, but for where they are stored.
const INDEXES: &str = "
    SELECT concat_ws(' | ', pg_get_indexdef(x.oid), x.reltablespace, x.reloptions, x.relowner, i.indisunique, i.indisprimary,
           i.indisexclusion, i.indimmediate, i.indisclustered, i.indisvalid, i.indisreplident, i.indnullsnotdistinct,
           obj_description(x.oid, 'pg_class'), x.relispartition,
           (SELECT string_agg(a.attname || a.attstattarget, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = x.oid),
           (SELECT string_agg(concat_ws(' ', k.conname, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')),
                              ',' ORDER BY k.conname)
              FROM pg_constraint k WHERE k.conindid = x.oid))
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relnamespace = 'public'::regnamespace ORDER BY x.relname";
/// The plain ones among them by their identity, which a new one has not.
const IDENTITIES: &str = "
    SELECT x.relname || ' ' || x.oid FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     WHERE x.relnamespace = 'public'::regnamespace ORDER BY 1";

async fn database(server: &Server) -> (String, PgConnection) {
    let name = server.create_database().await;
    let mut superuser = server.connect_superuser(&name).await;
    run(
        &mut superuser,
        "SET allow_in_place_tablespaces = on;
         DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'elsewhere')
                    THEN PERFORM set_config('coffer.make', 'yes', false); END IF; END$$",
    )
    .await;
    let make = texts(
        &mut superuser,
        "SELECT current_setting('coffer.make', true)",
    )
    .await;
    if make == ["yes"] {
        run(
            &mut superuser,
            "CREATE TABLESPACE elsewhere OWNER app LOCATION ''",
        )
        .await;
    }
    let mut connection = server.connect(&name).await;
    let keyed = TABLES.replace(
        "CREATE TABLE outside",
        &format!("{REFERENCED} CREATE TABLE outside"),
    );
    run(&mut connection, &keyed).await;
    run(&mut connection, ROWS).await;
    (name, connection)
}

fn all() -> Vec<TableName> {
    ["people", "visits", "grouped"]
        .map(|name| TableName::new("public", name))
        .to_vec()
}

/// Replaces the rows and says what became of the indexes.
async fn replace(
    server: &Server,
    name: &str,
    exported: &Exported,
) -> Result<IndexesBuilt, EngineError> {
    let engine = server.engine(name);
    let mut session = engine.begin_replace(&all()).await?;
    session.clear().await?;
    for table in exported
        .tables
        .iter()
        .filter(|table| all().contains(&table.name))
    {
        load(&mut *session, table).await?;
    }
    let settled = session.settle(&[]).await?;
    session.commit().await?;
    Ok(settled.indexes)
}

fn reasons(built: &IndexesBuilt) -> Vec<(&str, RowByRow)> {
    let mut reasons: Vec<_> = built
        .filled
        .iter()
        .map(|index| (index.name.as_str(), index.why))
        .collect();
    reasons.sort_by_key(|(name, _)| *name);
    reasons
}

#[tokio::test]
async fn indexes_come_back_as_they_were() {
    let server = Server::start();
    let (name, mut connection) = database(&server).await;
    // One that could not be built, since several people are of the same age.
    let refused = sqlx::query("CREATE UNIQUE INDEX CONCURRENTLY unfinished ON people (age)")
        .execute(&mut connection)
        .await;
    assert!(refused.is_err());
    // Indexes without a tablespace of their own must not follow the role's setting.
    run(
        &mut connection,
        "ALTER ROLE app SET default_tablespace = 'elsewhere'; ALTER ROLE app SET maintenance_work_mem = '1MB'",
    )
    .await;
    let exported = export(&*server.engine(&name)).await.unwrap();
    let before = texts(&mut connection, INDEXES).await;
    let ids = texts(&mut connection, IDENTITIES).await;

    let built = replace(&server, &name, &exported).await.unwrap();
    assert_eq!(texts(&mut connection, INDEXES).await, before);
    let ids_now = texts(&mut connection, IDENTITIES).await;
    let stayed: Vec<&str> = ids
        .iter()
        .filter(|id| ids_now.contains(id))
        .filter_map(|id| id.rsplit_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        stayed,
        [
            "grouped_pkey",
            "of_all",
            "people_name_excl",
            "unfinished",
            "visits_old_who_idx"
        ]
    );
    assert_eq!(built.built as usize, ids.len() - stayed.len());
    assert_eq!(
        reasons(&built),
        [
            ("public.grouped_pkey", RowByRow::DependedOn),
            ("public.of_all", RowByRow::PartOfPartitioned),
            ("public.unfinished", RowByRow::Invalid),
            ("public.visits_old_who_idx", RowByRow::PartOfPartitioned),
        ]
    );
    // They are used, and hold all rows.
    run(&mut connection, "SET enable_seqscan = off").await;
    let found = "SELECT count(*) FROM people WHERE tags @> ARRAY['77']";
    assert_eq!(texts(&mut connection, found).await, ["1"]);
}

#[tokio::test]
async fn a_role_that_may_not_create_indexes_fills_them_and_is_told_so() {
    let server = Server::start();
    let (name, mut connection) = database(&server).await;
    let exported = export(&*server.engine(&name)).await.unwrap();
    let mut superuser = server.connect_superuser(&name).await;
    run(
        &mut superuser,
        "REVOKE CREATE ON SCHEMA public FROM pg_database_owner, PUBLIC",
    )
    .await;
    let before = texts(&mut connection, IDENTITIES).await;
    let built = replace(&server, &name, &exported).await.unwrap();
    assert_eq!(texts(&mut connection, IDENTITIES).await, before);
    assert_eq!(built.built, 0);
    let refused = reasons(&built)
        .iter()
        .filter(|(_, why)| *why == RowByRow::NotPermitted)
        .count();
    // All but those that stay for another reason.
    assert_eq!(refused, before.len() - 4, "{built:?}");
    let rows = texts(&mut connection, "SELECT count(*) FROM people").await;
    assert_eq!(rows, ["3000"]);

    // With the schema but without the tablespace, only one has to stay.
    run(
        &mut superuser,
        "GRANT CREATE ON SCHEMA public TO app; ALTER TABLESPACE elsewhere OWNER TO CURRENT_USER",
    )
    .await;
    let built = replace(&server, &name, &exported).await.unwrap();
    let refused: Vec<_> = reasons(&built)
        .into_iter()
        .filter(|(_, why)| *why == RowByRow::NotPermitted)
        .collect();
    assert_eq!(refused, [("public.in_its_place", RowByRow::NotPermitted)]);
}

#[tokio::test]
async fn rows_that_an_index_refuses_undo_everything() {
    let server = Server::start();
    let (name, mut connection) = database(&server).await;
    let exported = export(&*server.engine(&name)).await.unwrap();
    run(
        &mut connection,
        "DELETE FROM people WHERE id > 50; CREATE UNIQUE INDEX of_an_age ON people (age)",
    )
    .await;
    let state = async |connection: &mut PgConnection| {
        [
            texts(connection, INDEXES).await,
            texts(connection, IDENTITIES).await,
            texts(connection, "SELECT p FROM people p ORDER BY id").await,
        ]
    };
    let before = state(&mut connection).await;
    let error = replace(&server, &name, &exported).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::RowRefused { row: None, reason, .. } if reason.contains("of_an_age")),
        "{error:?}"
    );
    assert!(state(&mut connection).await == before);
}
