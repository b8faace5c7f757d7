//! Unique indexes that compare otherwise than values are printed: the database judges, before anything is written, and who
//! comes second is left out and counted, with what belongs to it.

use coffer_core::{merge::Skipped, plan::Mode};
use coffer_tests::installation::{Installation, Kind};

/// Skips and overwrites, and gives what was left out for its unique key and what there is afterwards.
async fn merge(kind: Kind, schema: &str, mode: Mode, a: &str, b: &str) -> (u64, Vec<String>) {
    let source = Installation::new(kind, schema, None).await;
    source.sql(a).await;
    let target = Installation::new(kind, schema, None).await;
    target.sql(b).await;
    let archive = source.backup().await;
    let counts = target.restore(&archive, mode).await;
    let left_out = |reason: Skipped| -> u64 {
        let of = counts.iter();
        of.filter_map(|(_, counts)| counts.skipped.get(&reason))
            .sum()
    };
    let collisions = left_out(Skipped::Collision);
    let rows = target.rows("SELECT * FROM t ORDER BY 1").await;
    for (table, counts) in target.restore(&archive, mode).await {
        assert!(counts.is_unchanged(), "{table}: {counts:?}");
    }
    assert_eq!(target.rows("SELECT * FROM t ORDER BY 1").await, rows);
    (collisions, rows)
}

#[tokio::test]
async fn sqlite_collations_expressions_and_conditions_are_the_databases_own() {
    for (schema, a, b, expected) in [
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text UNIQUE COLLATE NOCASE)",
            "INSERT INTO t VALUES (1, 'u1', 'Ann'), (2, 'u2', 'Bob'), (3, 'u3', NULL)",
            "INSERT INTO t VALUES (7, 'u7', 'ANN')",
            ["2|u2|Bob", "3|u3|-", "7|u7|ANN"].as_slice(),
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text); CREATE UNIQUE INDEX \"odd (\" ON t (lower(name), 1)",
            "INSERT INTO t VALUES (1, 'u1', 'Ann'), (2, 'u2', 'Bob')",
            "INSERT INTO t VALUES (7, 'u7', 'ANN')",
            &["2|u2|Bob", "7|u7|ANN"],
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text, gone integer); CREATE UNIQUE INDEX live ON t (name) WHERE gone IS NULL",
            "INSERT INTO t VALUES (1, 'u1', 'Ann', NULL), (2, 'u2', 'Ann', 1), (3, 'u3', 'Bob', NULL)",
            "INSERT INTO t VALUES (7, 'u7', 'Ann', NULL)",
            &["2|u2|Ann|1", "3|u3|Bob|-", "7|u7|Ann|-"],
        ),
    ] {
        for mode in [Mode::Skip, Mode::Overwrite] {
            let (collisions, rows) = merge(Kind::Sqlite, schema, mode, a, b).await;
            assert_eq!(
                (collisions, rows.as_slice()),
                (1, expected.map_strings().as_slice()),
                "{schema}"
            );
        }
    }
}

#[tokio::test]
async fn postgres_expressions_conditions_nulls_collations_and_exclusions_are_the_databases_own() {
    for (schema, a, b, expected) in [
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text); CREATE UNIQUE INDEX \"a USING b\" ON t (lower(name)) WHERE id < 100",
            "INSERT INTO t VALUES (1, 'u1', 'Ann'), (2, 'u2', 'Bob')",
            "INSERT INTO t VALUES (7, 'u7', 'ANN')",
            ["2|u2|Bob", "7|u7|ANN"].as_slice(),
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text UNIQUE NULLS NOT DISTINCT)",
            "INSERT INTO t VALUES (1, 'u1', NULL), (2, 'u2', 'Bob')",
            "INSERT INTO t VALUES (7, 'u7', NULL)",
            &["2|u2|Bob", "7|u7|-"],
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, at int4range, EXCLUDE USING gist (at WITH &&) DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO t VALUES (1, 'u1', '[1,5)'), (2, 'u2', '[5,9)')",
            "INSERT INTO t VALUES (7, 'u7', '[4,5)')",
            &["2|u2|[5,9)", "7|u7|[4,5)"],
        ),
        (
            "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, lasts interval UNIQUE)",
            "INSERT INTO t VALUES (1, 'u1', '24 hours'), (2, 'u2', '2 days')",
            "INSERT INTO t VALUES (7, 'u7', '1 day')",
            &["2|u2|2 days", "7|u7|1 day"],
        ),
    ] {
        for mode in [Mode::Skip, Mode::Overwrite] {
            let (collisions, rows) = merge(Kind::Postgres, schema, mode, a, b).await;
            assert_eq!(
                (collisions, rows.as_slice()),
                (1, expected.map_strings().as_slice()),
                "{schema}"
            );
        }
    }
}

#[tokio::test]
async fn a_matched_row_that_would_collide_stays_as_it_was() {
    let schema = "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text); CREATE UNIQUE INDEX odd ON t (lower(name))";
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let (a, b) = (
            "INSERT INTO t VALUES (1, 'u1', 'Ann'), (2, 'u2', 'Bob')",
            "INSERT INTO t VALUES (1, 'u1', 'Eve'), (7, 'u7', 'ANN')",
        );
        let (collisions, rows) = merge(kind, schema, Mode::Overwrite, a, b).await;
        assert_eq!(
            (collisions, rows),
            (0, ["1|u1|Eve", "2|u2|Bob", "7|u7|ANN"].map_strings())
        );
    }
}

/// Where most rows are written, PostgreSQL's indexes are taken off and made anew from all of them; where few are, they stay.
#[tokio::test]
async fn indexes_of_tables_that_are_mostly_written_are_made_anew_as_they_were() {
    let schema = "CREATE TABLE t (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, name text, up integer REFERENCES t (id));
        CREATE UNIQUE INDEX odd ON t (lower(name)) WHERE name IS NOT NULL; COMMENT ON INDEX odd IS 'odd';
        CREATE INDEX plain ON t (up DESC NULLS LAST);
        CREATE TABLE u (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, t integer NOT NULL REFERENCES t (id));";
    let fill = |move_by: i32, from: i32, to: i32, few: i32| {
        format!(
            "INSERT INTO t SELECT i + {move_by}, 'u' || i, 'name of {move_by} ' || i, CASE WHEN i > {from} THEN i + {move_by} - 1 END FROM generate_series({from}, {to}) i;
             INSERT INTO u SELECT i, 'u' || i, {from} + {move_by} FROM generate_series(1, {few}) i;"
        )
    };
    let shape = "SELECT indexdef || coalesce(obj_description(indexname::regclass), '') FROM pg_indexes WHERE tablename IN ('t', 'u')
        UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('t'::regclass, 'u'::regclass) ORDER BY 1";
    let source = Installation::new(Kind::Postgres, schema, None).await;
    source.sql(&fill(0, 1, 3000, 2)).await;
    let archive = source.backup().await;
    for (mode, known) in [(Mode::Skip, 500), (Mode::Overwrite, 2900)] {
        let target = Installation::new(Kind::Postgres, schema, None).await;
        target.sql(&fill(10_000, 3001 - known, 3000, 1)).await;
        let before = target.rows(shape).await;
        let (_, report) = target
            .try_restore(target.request(&archive, mode))
            .await
            .unwrap();
        // All four of t, none of u.
        assert_eq!(report.indexes.built, 4, "{mode} {report:?}");
        assert_eq!(target.rows(shape).await, before, "{mode}");
        let count = "SELECT count(*)::text || ' ' || count(DISTINCT uid) || ' ' || (SELECT count(*) FROM u) FROM t";
        assert_eq!(target.rows(count).await, ["3000 3000 2"], "{mode}");
        let again = target.try_restore(target.request(&archive, mode)).await;
        assert_eq!(again.unwrap().1.indexes.built, 0, "nothing is left to do");
    }
}

trait MapStrings {
    fn map_strings(&self) -> Vec<String>;
}

impl MapStrings for [&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}
