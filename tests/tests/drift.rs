//! An older archive into a newer schema: what fits goes in, what doesn't is named with its rows, and what is decided
//! happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use coffer_tests::{
    coffer::{Run, coffer},
    scratch::{Database, Scratch},
};

/// What a restore of the archive of one shape into the other shape comes to.
enum Comes<'a> {
    /// The query gives these rows afterwards.
    To(&'a str, &'a [&'a str]),
    /// Refused with these words about the table `t`, and the options that would help.
    Refused(&'a str),
    /// The database refuses a row.
    Undone(&'a str),
}

use Comes::{Refused, To, Undone};

struct Case<'a> {
    old: &'a str,
    new: &'a str,
    options: &'a [&'a str],
    comes: Comes<'a>,
}

fn backup(scratch: &Scratch, source: &Database, name: &str) -> String {
    let archive = scratch.path(name).display().to_string();
    let url = scratch.url(source);
    let _taken = coffer(["backup", "--source", &url, "--out", &archive], &[]).ok();
    archive
}

fn restore(scratch: &Scratch, archive: &str, target: &Database, options: &[&str]) -> Run {
    let url = scratch.url(target);
    let base = [
        "restore", archive, "--json", "--target", &url, "--mode", "replace", "--yes",
    ];
    coffer(base.iter().chain(options), &[])
}

fn message(run: &Run) -> String {
    run.json()["error"]["message"].as_str().unwrap().to_owned()
}

fn check(scratch: &Scratch, cases: &[Case<'_>]) {
    let schema = if scratch.is_sqlite() {
        "main"
    } else {
        "public"
    };
    for (number, case) in cases.iter().enumerate() {
        let source = scratch.database(&format!("{number}-old"), case.old);
        let target = scratch.database(&format!("{number}-new"), case.new);
        let archive = backup(scratch, &source, &format!("{number}.zip"));
        let run = restore(scratch, &archive, &target, case.options);
        let about = format!("{} into {}: {run:?}", case.old, case.new);
        match case.comes {
            To(query, rows) => {
                assert_eq!(run.code, 0, "{about}");
                assert_eq!(scratch.texts(&target, query), rows, "{about}");
            }
            Refused(words) => {
                assert_eq!(run.code, 5, "{about}");
                let words = words.replace("{t}", &format!("{schema}.t"));
                let expected = format!("refused: {words}; nothing was changed");
                // SQLite prints types in capitals.
                let found = message(&run).to_lowercase();
                assert_eq!(found, expected.to_lowercase(), "{about}");
                assert!(scratch.texts(&target, "SELECT 1 FROM t").is_empty());
            }
            Undone(words) => {
                assert_eq!(run.code, 1, "{about}");
                assert!(message(&run).contains(words), "{about}");
                assert!(scratch.texts(&target, "SELECT 1 FROM t").is_empty());
            }
        }
    }
}

const ID_AND_TEXT: &str = "CREATE TABLE t (id integer PRIMARY KEY, a text);
    INSERT INTO t VALUES (1, 'one'), (2, NULL), (3, 'three')";

/// What is the same wherever it happens.
fn common() -> Vec<Case<'static>> {
    vec![
        // Further columns take their default, and the order of columns doesn't matter.
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (b text, a text, id integer PRIMARY KEY, c integer NOT NULL DEFAULT 7)",
            options: &[],
            comes: To(
                "SELECT id || ' ' || coalesce(a, '-') || ' ' || coalesce(b, '-') || ' ' || c FROM t",
                &["1 one - 7", "2 - - 7", "3 three - 7"],
            ),
        },
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text, b text NOT NULL)",
            options: &[],
            comes: Refused(
                "{t} does not fit: the archive does not hold the column b, which needs a value and has no default",
            ),
        },
        // A column that is gone.
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY)",
            options: &[],
            comes: Refused(
                "{t} needs a decision: the target has no column a, and 2 rows hold a value in it that would be lost \
                 (--drop-column {t}.a loses it)",
            ),
        },
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY)",
            options: &["--drop-column", "t.a"],
            comes: To("SELECT id FROM t", &["1", "2", "3"]),
        },
        Case {
            old: "CREATE TABLE t (a text, id integer PRIMARY KEY); INSERT INTO t VALUES (NULL, 1)",
            new: "CREATE TABLE t (id integer PRIMARY KEY)",
            options: &[],
            comes: To("SELECT id FROM t", &["1"]),
        },
        // One that may not be NULL any more.
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL)",
            options: &[],
            comes: Refused(
                "{t} needs a decision: the column a is text in the archive, text not null in the target, and 1 row \
                 does not fit (--fill {t}.a=VALUE puts a value in its place)",
            ),
        },
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL)",
            options: &["--fill", "t.a=none	at all"],
            comes: To("SELECT a FROM t", &["none	at all", "one", "three"]),
        },
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'one')",
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL)",
            options: &[],
            comes: To("SELECT a FROM t", &["one"]),
        },
        // One that may be NULL now.
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a text NOT NULL); INSERT INTO t VALUES (1, 'one')",
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text)",
            options: &[],
            comes: To("SELECT a FROM t", &["one"]),
        },
        // One that the target computes.
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a integer); INSERT INTO t VALUES (1, 5)",
            new: "CREATE TABLE t (id integer PRIMARY KEY, a integer GENERATED ALWAYS AS (id * 2) STORED)",
            options: &["--drop-column", "t.a"],
            comes: To("SELECT a FROM t", &["2"]),
        },
        // And the other way round: it was computed, and is stored now.
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a integer GENERATED ALWAYS AS (id * 2) STORED); \
                  INSERT INTO t VALUES (1)",
            new: "CREATE TABLE t (id integer PRIMARY KEY, a integer DEFAULT 9)",
            options: &[],
            comes: To("SELECT a FROM t", &["9"]),
        },
        // A table that is gone, and one that the archive doesn't know.
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t2 (id integer); INSERT INTO t2 VALUES (5); CREATE VIEW t AS SELECT id FROM t2 WHERE id > 9",
            options: &[],
            comes: Refused("{t} does not fit: the target does not have it"),
        },
        Case {
            old: ID_AND_TEXT,
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text); CREATE TABLE t2 (id integer); INSERT INTO t2 VALUES (5)",
            options: &["--force"],
            comes: To(
                "SELECT id FROM t2 UNION ALL SELECT id FROM t",
                &["1", "2", "3", "5"],
            ),
        },
        // Keys: a name is no difference, and a new one is checked.
        Case {
            old: "CREATE TABLE t (id integer CONSTRAINT one PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x'), (2, 'y')",
            new: "CREATE TABLE t (id integer CONSTRAINT two PRIMARY KEY, a text UNIQUE)",
            options: &[],
            comes: To("SELECT a FROM t", &["x", "y"]),
        },
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x'), (2, 'x')",
            new: "CREATE TABLE t (id integer PRIMARY KEY, a text UNIQUE)",
            options: &[],
            comes: Undone("nothing was changed"),
        },
        // What holds no rows fits whatever its columns are.
        Case {
            old: "CREATE TABLE t (id integer PRIMARY KEY, a text)",
            new: "CREATE TABLE t (id integer PRIMARY KEY, b integer NOT NULL)",
            options: &[],
            comes: To("SELECT id FROM t", &[]),
        },
    ]
}

#[test]
fn sqlite_takes_older_archives() {
    check(&Scratch::sqlite(), &common());
}

#[test]
fn postgresql_takes_older_archives() {
    check(&Scratch::postgres(), &common());
}

#[test]
fn types_of_sqlite_change() {
    check(
        &Scratch::sqlite(),
        &[
            Case {
                old: "CREATE TABLE t (a VARCHAR(10), b INTEGER, c TEXT, d REAL); INSERT INTO t VALUES ('x', 5, '12', 2.0), \
                      ('y', 'odd', 'no number', NULL), (x'00', NULL, '1.5', 'text')",
                new: "CREATE TABLE t (d INTEGER, c INTEGER, b TEXT, a TEXT)",
                options: &[],
                comes: To(
                    "SELECT typeof(a) || quote(a) || typeof(b) || quote(b) || typeof(c) || quote(c) || typeof(d) || quote(d) FROM t",
                    &[
                        "blobX'00'nullNULLreal1.5text'text'",
                        "text'x'text'5'integer12integer2",
                        "text'y'text'odd'text'no number'nullNULL",
                    ],
                ),
            },
            Case {
                old: "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT); INSERT INTO t VALUES (1, '007'), (2, '12'), (3, '1e3')",
                new: "CREATE TABLE t (id INTEGER PRIMARY KEY, code INTEGER)",
                options: &[],
                comes: Refused(
                    "{t} needs a decision: the column code is TEXT in the archive, INTEGER in the target, and 2 rows do \
                     not fit (--fill {t}.code=VALUE puts a value in its place)",
                ),
            },
            Case {
                old: "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT); INSERT INTO t VALUES (1, '007'), (2, '12'), (3, '1e3')",
                new: "CREATE TABLE t (id INTEGER PRIMARY KEY, code INTEGER)",
                options: &["--fill", "main.t.code"],
                comes: To(
                    "SELECT typeof(code) || coalesce(code, '') FROM t",
                    &["integer12", "null", "null"],
                ),
            },
            Case {
                old: "CREATE TABLE t (id INTEGER PRIMARY KEY, a REAL); INSERT INTO t VALUES (1, 0.1), (2, 3.0)",
                new: "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
                options: &[],
                comes: Refused(
                    "{t} needs a decision: the column a is REAL in the archive, TEXT in the target, and 2 rows do not fit \
                     (--fill {t}.a=VALUE puts a value in its place)",
                ),
            },
        ],
    );
}

#[test]
fn types_of_postgresql_change() {
    let widened = "CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TABLE t (id integer PRIMARY KEY, a varchar(10), b integer, c numeric(6,2), d date, e timestamp, f real,
                        g char(3), h mood, i json, j integer[], k jsonb);
        INSERT INTO t VALUES
            (1, 'a\tb', 5, 1.50, '2025-01-02', '2025-01-02 03:04:05.5', 1234567, 'x', 'good', '{\"a\":  1}', '{1,2}', '[1]'),
            (2, NULL, NULL, 'NaN', '0044-03-15 BC', 'infinity', 0.1, '', 'bad', NULL, NULL, NULL)";
    let into = "CREATE TYPE mood AS ENUM ('new', 'bad', 'good');
        CREATE TABLE t (k text, j bigint[], i jsonb, h mood, g char(5), f double precision, e timestamptz, d timestamp,
                        c numeric(9,4), b bigint, a varchar(50), id bigint PRIMARY KEY)";
    check(
        &Scratch::postgres(),
        &[
            Case {
                old: widened,
                new: into,
                options: &[],
                comes: To(
                    "SELECT concat_ws('|', id, a, b, c, d, e AT TIME ZONE 'UTC', f, g || '.', h, i, j, k) FROM t",
                    &[
                        "1|a\tb|5|1.5000|2025-01-02 00:00:00|2025-01-02 03:04:05.5|1234567|x.|good|{\"a\": 1}|{1,2}|[1]",
                        "2|NaN|0044-03-15 00:00:00 BC|infinity|0.1|.|bad",
                    ],
                ),
            },
            Case {
                old: "CREATE TABLE t (id bigint PRIMARY KEY, a text, b numeric);
                      INSERT INTO t VALUES (1, 'short', 1.5), (3000000000, 'longer text', 12.345), (3, 'also too long', 1234)",
                new: "CREATE TABLE t (id integer PRIMARY KEY, a varchar(5), b numeric(5,2))",
                options: &[],
                comes: Refused(
                    "{t} needs a decision: the column id is bigint not null in the archive, integer not null in the target, \
                     and 1 row does not fit; the column a is text in the archive, character varying(5) in the target, and 2 \
                     rows do not fit; the column b is numeric in the archive, numeric(5,2) in the target, and 2 rows do not \
                     fit (--fill {t}.id=VALUE puts a value in its place; --fill {t}.a=VALUE puts a value in its place; \
                     --fill {t}.b=VALUE puts a value in its place)",
                ),
            },
            Case {
                old: "CREATE TABLE t (id bigint PRIMARY KEY, a text, b numeric);
                      INSERT INTO t VALUES (1, 'short', 1.5), (3000000000, 'longer text', 12.345), (3, 'also too long', 1234)",
                new: "CREATE TABLE t (id integer PRIMARY KEY, a varchar(5), b numeric(5,2))",
                options: &["--fill", "t.id=30", "--fill", "t.a", "--fill", "t.b=0"],
                comes: To(
                    "SELECT concat_ws('|', id, coalesce(a, '-'), b) FROM t",
                    &["1|short|1.50", "30|-|0.00", "3|-|0.00"],
                ),
            },
            // A fill that does not fit is no decision.
            Case {
                old: "CREATE TABLE t (id integer, a text); INSERT INTO t VALUES (1, 'too long')",
                new: "CREATE TABLE t (id integer, a varchar(5))",
                options: &["--fill", "t.a=as long"],
                comes: Refused(
                    "{t} needs a decision: the column a is text in the archive, character varying(5) in the target, and 1 \
                     row does not fit (--fill {t}.a=VALUE puts a value in its place)",
                ),
            },
            Case {
                old: "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE t (id integer, m mood); \
                      INSERT INTO t VALUES (1, 'good'), (2, 'bad'), (3, 'bad')",
                new: "CREATE TYPE mood AS ENUM ('good', 'fine'); CREATE TABLE t (id integer, m mood, more text)",
                options: &[],
                comes: Refused(
                    "{t} needs a decision: the archive does not hold the column more, which stays empty; the target's \
                     public.mood lacks labels that the column m has in the archive, and 2 rows do not fit (--fill \
                     {t}.m=LABEL puts another label in its place)",
                ),
            },
            Case {
                old: "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TABLE t (id integer, m mood); \
                      INSERT INTO t VALUES (1, 'good'), (2, 'bad'), (3, 'bad')",
                new: "CREATE TYPE mood AS ENUM ('good', 'fine'); CREATE TABLE t (id integer, m mood, more text)",
                options: &["--fill", "t.m=fine"],
                comes: To("SELECT m FROM t", &["fine", "fine", "good"]),
            },
            Case {
                old: "CREATE TABLE t (id integer, a bytea); INSERT INTO t VALUES (1, '\\x00')",
                new: "CREATE TABLE t (id integer, a text)",
                options: &["--fill", "t.a=x", "--drop-column", "t.a"],
                comes: Refused(
                    "{t} does not fit: the column a is bytea in the archive, text in the target, and its values cannot \
                     become values of that",
                ),
            },
        ],
    );
}

/// What the plan says of a target at another migration, and that its columns' texts are compared as they come back.
#[test]
fn heads_are_compared_and_what_was_not_compared_is_told() {
    let scratch = Scratch::postgres();
    let ledger = |head: &str| {
        format!(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('{head}');"
        )
    };
    let old = "CREATE TABLE t (id integer PRIMARY KEY, a json); INSERT INTO t VALUES (1, '{\"b\":1,  \"a\":2}')";
    let new = "CREATE TABLE t (id integer PRIMARY KEY, a jsonb)";
    let source = scratch.database("old", &format!("{}{old}", ledger("0aa")));
    let target = scratch.database("new", &format!("{}{new}", ledger("0bb")));
    let archive = backup(&scratch, &source, "heads.zip");
    let shown = restore(&scratch, &archive, &target, &["--dry-run"]).ok();
    let findings = shown.json()["plan"]["findings"].clone();
    let codes: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"migration_mismatch"), "{findings}");
    assert!(codes.contains(&"drift"), "{findings}");
    let done = restore(&scratch, &archive, &target, &[]).ok().json();
    assert_eq!(done["tables"][0]["not_compared"][0], "a", "{done}");
    assert_eq!(
        scratch.texts(&target, "SELECT a FROM t"),
        ["{\"a\": 2, \"b\": 1}"]
    );
    // A second restore into the same: the row goes and comes.
    let again = restore(&scratch, &archive, &target, &["--force"])
        .ok()
        .json();
    assert_eq!(again["rows"], 1);
}

/// A merge takes an older archive as a replacement does: what fits is brought together, and the rest is decided upon.
fn merge(scratch: &Scratch) {
    let source = scratch.database(
        "old",
        "CREATE TABLE t (id integer PRIMARY KEY, code varchar(3) NOT NULL UNIQUE, a text, gone text);
         INSERT INTO t VALUES (1, 'x', 'one', 'g'), (2, 'y', NULL, 'h')",
    );
    let target = scratch.database(
        "new",
        "CREATE TABLE t (more text DEFAULT 'd', a varchar(50) NOT NULL, code text NOT NULL UNIQUE, id bigint PRIMARY KEY);
         INSERT INTO t VALUES ('kept', 'old', 'x', 1), ('own', 'new', 'z', 3)",
    );
    let archive = backup(scratch, &source, "merge.zip");
    let url = scratch.url(&target);
    let overwrite = |more: &[&str]| {
        let base = [
            "restore",
            &archive,
            "--json",
            "--target",
            &url,
            "--mode",
            "overwrite",
            "--yes",
            "--force",
        ];
        coffer(base.iter().chain(more), &[])
    };
    let refused = overwrite(&[]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(message(&refused).contains("2 rows hold a value in it that would be lost"));
    assert!(message(&refused).contains("1 row does not fit"));
    let decided = ["--drop-column", "t.gone", "--fill", "t.a=none"];
    let done = overwrite(&decided).ok().json();
    let counts = &done["merged"][0];
    assert_eq!(
        (&counts["insert"], &counts["update"]),
        (&1.into(), &1.into()),
        "{done}"
    );
    let rows = || {
        scratch.texts(
            &target,
            "SELECT id || ' ' || code || ' ' || a || ' ' || more FROM t",
        )
    };
    let expected = ["1 x one kept", "2 y none d", "3 z new own"];
    assert_eq!(rows(), expected);
    // A second time nothing changes.
    let again = overwrite(&decided).ok().json();
    let counts = &again["merged"][0];
    assert_eq!(
        (&counts["insert"], &counts["keep"]),
        (&0.into(), &2.into()),
        "{again}"
    );
    assert_eq!(rows(), expected);
}

/// In mode skip only new rows have to fit, and rows that are there stay as they are.
fn skip(scratch: &Scratch) {
    let source = scratch.database(
        "older",
        "CREATE TABLE t (id integer PRIMARY KEY, code varchar(3) NOT NULL UNIQUE, a text);
         INSERT INTO t VALUES (1, 'x', 'theirs'), (2, 'y', 'came'), (3, 'w', 'renumbered')",
    );
    let target = scratch.database(
        "newer",
        "CREATE TABLE t (more text NOT NULL DEFAULT 'd', a varchar(50), code text NOT NULL UNIQUE, id bigint PRIMARY KEY);
         INSERT INTO t VALUES ('kept', 'mine', 'x', 1), ('own', 'mine', 'z', 3)",
    );
    let archive = backup(scratch, &source, "skip.zip");
    let url = scratch.url(&target);
    let skip = || {
        let base = ["restore", &archive, "--json", "--target", &url];
        let more = ["--mode", "skip", "--yes", "--force"];
        let done = coffer(base.iter().chain(&more), &[]).ok().json();
        let counts = &done["merged"][0];
        ["insert", "update", "keep"].map(|what| counts[what].as_u64().unwrap())
    };
    let rows = || {
        let query = "SELECT id || ' ' || code || ' ' || a || ' ' || more FROM t ORDER BY id";
        scratch.texts(&target, query)
    };
    assert_eq!(skip(), [2, 0, 1]);
    let expected = [
        "1 x mine kept",
        "2 y came d",
        "3 z mine own",
        "4 w renumbered d",
    ];
    assert_eq!(rows(), expected);
    assert_eq!(skip(), [0, 0, 3]);
    assert_eq!(rows(), expected);
}

#[test]
fn merges_take_older_archives() {
    for scratch in [Scratch::sqlite(), Scratch::postgres()] {
        merge(&scratch);
        skip(&scratch);
    }
}
