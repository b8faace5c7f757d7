//! Rules of presets that look at some rows only, or at rows of other tables, on both engines and in both modes: what comes out
//! is worked out by hand here.

use std::{collections::BTreeMap, fs, path::Path};

use coffer_core::{
    manifest::{LeftOut, LeftOutReason, Manifest, Record, Selection},
    merge::{Counts, Skipped},
    plan::Mode,
    schema::TableName,
};
use coffer_tests::{
    coffer::coffer,
    installation::{Installation, Kind},
};

use super::{random_data::manifest_of, short};

const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

const fn schema_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "main",
        Kind::Postgres => "public",
    }
}

/// Restores, and again: the second time changes nothing.
async fn twice(
    target: &Installation,
    archive: &Path,
    mode: Mode,
    tables: &[&str],
) -> Vec<(String, Counts)> {
    let counts = target.restore(archive, mode).await;
    let all = async || {
        let mut all = Vec::new();
        for table in tables {
            all.extend(
                target
                    .rows(&format!("SELECT * FROM {table} ORDER BY 1"))
                    .await,
            );
        }
        all
    };
    let before = all().await;
    let again = target.restore(archive, mode).await;
    let nothing = |counts: &Counts| (counts.insert, counts.update, counts.delete) == (0, 0, 0);
    assert!(
        again.iter().all(|(_, counts)| nothing(counts)),
        "{mode} {again:?}"
    );
    assert_eq!(all().await, before);
    counts
}

fn skipped(counts: &[(String, Counts)], table: &str) -> BTreeMap<Skipped, u64> {
    let mut counts = counts.iter();
    counts
        .find(|(name, _)| name == table)
        .map(|(_, counts)| counts.skipped.clone())
        .unwrap()
}

const LEFT_OUT: &str = "
    CREATE TABLE settings (key text PRIMARY KEY, value text);
    CREATE TABLE devices (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE notes (id integer PRIMARY KEY, device_id integer NOT NULL REFERENCES devices, kind text, body text)";

const LEFT_OUT_PRESET: &str = r#"
    app = "watch"
    table = [
        { table = "settings", identity = [{ columns = ["key"] }] },
        { table = "devices", identity = [{ columns = ["name"] }] },
        { table = "notes", identity = [{ columns = ["device_id", "body"] }] },
    ]
    foreign_key = [{ table = "notes", columns = ["device_id"], class = "ownership" }]
    [[leave_out]]
    table = "settings"
    reason = "local"
    detail = "When something ran last."
    matching = { key = ["task.*.lastRunAt", "cache.[*]"] }
    [[leave_out]]
    table = "notes"
    reason = "transient"
    where = { kind = ["seen", 3] }
"#;

/// What an archive says of the rows that its preset left out: table, condition, reason, rows.
fn told(manifest: &Manifest) -> Vec<(String, String, LeftOutReason, u64)> {
    let left_out = manifest
        .left_out
        .iter()
        .filter_map(|left_out| match left_out {
            LeftOut::Rows {
                table,
                condition,
                reason,
                rows,
                ..
            } => Some((table.name.clone(), condition.clone(), *reason, *rows)),
            _ => None,
        });
    left_out.collect()
}

/// Bookkeeping of an installation is in no archive, goes nowhere from one that has it all the same, and stays where it is.
#[tokio::test]
async fn rows_that_a_preset_leaves_out_stay_where_they_are() {
    const A: &str = "
        INSERT INTO settings VALUES ('app.name', 'A'), ('task.x.lastRunAt', '1'), ('TASK.x.lastRunAt', 'other'), ('cache.[a]', '2');
        INSERT INTO devices VALUES (1, 'd1'), (2, 'd2');
        INSERT INTO notes VALUES (1, 1, 'seen', 's1'), (2, 1, 'text', 't1'), (3, 2, 'seen', 's2'), (4, 2, NULL, 'n2')";
    const B: &str = "
        INSERT INTO settings VALUES ('app.name', 'B'), ('task.x.lastRunAt', '9');
        INSERT INTO devices VALUES (7, 'd1');
        INSERT INTO notes VALUES (1, 7, 'seen', 'mine'), (2, 7, 'text', 'goes')";
    let expected = || {
        let matching = r#"key is "task.*.lastRunAt" or "cache.[*]""#.to_owned();
        let seen = r#"kind is "seen" or 3"#.to_owned();
        let mut told = vec![
            ("settings".to_owned(), matching, LeftOutReason::Local, 2),
            ("notes".to_owned(), seen, LeftOutReason::Transient, 2),
        ];
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    for kind in BOTH {
        let a = Installation::new(kind, LEFT_OUT, Some(LEFT_OUT_PRESET)).await;
        a.sql(A).await;
        let by_rule = a.backup().await;
        let mut found = told(&manifest_of(&by_rule));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected());
        let rows = |archive: &Path, table: &str| {
            let tables = manifest_of(archive).tables.into_iter();
            let mut tables = tables.filter(|own| own.table.name == table);
            tables.next().unwrap().rows
        };
        assert_eq!(
            (rows(&by_rule, "settings"), rows(&by_rule, "notes")),
            (2, 2)
        );

        // One that was taken without rules holds them all, and a redaction takes them out.
        let unruled = Installation::new(kind, LEFT_OUT, None).await;
        unruled.sql(A).await;
        let whole = unruled.backup().await;
        assert_eq!((rows(&whole, "settings"), rows(&whole, "notes")), (4, 4));
        let folder = tempfile::tempdir().unwrap();
        let preset = folder.path().join("watch.toml");
        fs::write(&preset, LEFT_OUT_PRESET).unwrap();
        let redacted = folder.path().join("redacted.zip");
        let [from, to, preset] = [&whole, &redacted, &preset].map(|path| path.to_str().unwrap());
        let _redacted = coffer(["redact", from, "--out", to, "--preset", preset], &[]).ok();
        let _verified = coffer(["verify", to], &[]).ok();
        let mut found = told(&manifest_of(&redacted));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected());
        assert_eq!(
            (rows(&redacted, "settings"), rows(&redacted, "notes")),
            (2, 2)
        );
        let shown = coffer(["inspect", to], &[]).ok().stdout;
        let listed = r#"settings whose key is "task.*.lastRunAt" or "cache.[*]": belongs to the installation it was taken from: When something ran last."#;
        assert!(shown.contains(listed), "{shown}");

        for (archive, left) in [(&by_rule, None), (&redacted, None), (&whole, Some(2))] {
            let left = |others: &[(Skipped, u64)]| -> BTreeMap<Skipped, u64> {
                let left = left.map(|rows| (Skipped::LeftOut, rows));
                others.iter().copied().chain(left).collect()
            };
            let b = Installation::new(kind, LEFT_OUT, Some(LEFT_OUT_PRESET)).await;
            b.sql(B).await;
            let counts = twice(&b, archive, Mode::Skip, &["settings", "devices", "notes"]).await;
            assert_eq!(
                short(&counts),
                [
                    ("devices", [1, 0, 1, 0]),
                    ("notes", [1, 0, 0, 0]),
                    ("settings", [1, 0, 1, 0]),
                ]
            );
            assert_eq!(skipped(&counts, "settings"), left(&[]));
            assert_eq!(skipped(&counts, "notes"), left(&[(Skipped::WithParent, 1)]));
            assert_eq!(
                b.rows("SELECT key, value FROM settings ORDER BY lower(key), key DESC")
                    .await,
                ["app.name|B", "task.x.lastRunAt|9", "TASK.x.lastRunAt|other"]
            );

            let b = Installation::new(kind, LEFT_OUT, Some(LEFT_OUT_PRESET)).await;
            b.sql(B).await;
            let counts = twice(
                &b,
                archive,
                Mode::Overwrite,
                &["settings", "devices", "notes"],
            )
            .await;
            assert_eq!(
                short(&counts),
                [
                    ("devices", [1, 0, 1, 0]),
                    ("notes", [2, 0, 0, 1]),
                    ("settings", [1, 1, 0, 0]),
                ]
            );
            assert_eq!(skipped(&counts, "settings"), left(&[]));
            assert_eq!(skipped(&counts, "notes"), left(&[]));
            assert_eq!(
                b.rows("SELECT * FROM notes ORDER BY id").await,
                ["1|7|seen|mine", "4|2|-|n2", "5|7|text|t1"]
            );
            assert_eq!(
                b.rows("SELECT key, value FROM settings ORDER BY lower(key), key DESC")
                    .await,
                ["app.name|A", "task.x.lastRunAt|9", "TASK.x.lastRunAt|other"]
            );
        }
    }
}

const ACCOUNTS: &str = "
    CREATE TABLE accounts (uid varchar(9) PRIMARY KEY, name text);
    CREATE TABLE addresses (id integer PRIMARY KEY, account_uid varchar(9) NOT NULL REFERENCES accounts, email text NOT NULL UNIQUE, is_primary boolean NOT NULL);
    CREATE TABLE tickets (id integer PRIMARY KEY, account_uid varchar(9) REFERENCES accounts, title text, seen_by text)";

const ACCOUNTS_PRESET: &str = r#"
    app = "desk"
    table = [
        { table = "accounts", identity = [
            { columns = ["uid"] },
            { columns = ["email"], through = { table = "addresses", columns = ["account_uid"], where = { is_primary = true } }, normalise = "trim_lower" },
        ] },
        { table = "addresses", identity = [{ columns = ["email"], normalise = "trim_lower" }] },
        { table = "tickets", identity = [{ columns = ["title"] }] },
    ]
    foreign_key = [
        { table = "addresses", columns = ["account_uid"], class = "ownership" },
        { table = "tickets", columns = ["account_uid"], class = "enrichment" },
    ]
    [[reference]]
    table = "tickets"
    column = "seen_by"
    path = "[*]"
    references = "accounts"
"#;

/// Ann is known by her first address, Bob by his uid, Eve by neither: her address is somebody's second one.
const ACCOUNTS_A: &str = r#"
    INSERT INTO accounts VALUES ('a1', 'Ann'), ('a2', 'Bob'), ('a3', 'Eve'), ('a4', 'Kim');
    INSERT INTO addresses VALUES (1, 'a1', ' Ann@X ', true), (2, 'a1', 'second@x', false), (3, 'a2', 'bob@x', true), (4, 'a3', 'eve@x', true);
    INSERT INTO tickets VALUES (1, 'a1', 'Printer', '["a1", "a2"]'), (2, 'a3', 'Mail', '["a4"]')"#;

const ACCOUNTS_B: &str = r#"
    INSERT INTO accounts VALUES ('b1', 'Anna'), ('a2', 'Robert'), ('b3', 'Sue'), ('b4', 'Kim');
    INSERT INTO addresses VALUES (1, 'b1', 'ann@x', true), (2, 'a2', 'robert@x', true), (3, 'b3', 'second@x', true), (9, 'b3', 'eve@x', false)"#;

const TICKETS: &str = "SELECT title, account_uid, seen_by FROM tickets ORDER BY title";
const NAMES: &str = "SELECT uid, name FROM accounts ORDER BY uid";
const ADDRESSES: &str = "SELECT account_uid, email FROM addresses ORDER BY email";

#[tokio::test]
async fn rows_are_recognised_by_rows_of_another_table() {
    let tables = ["accounts", "addresses", "tickets"];
    for kind in BOTH {
        let a = Installation::new(kind, ACCOUNTS, Some(ACCOUNTS_PRESET)).await;
        a.sql(ACCOUNTS_A).await;
        let archive = a.backup().await;
        let b = async || {
            let b = Installation::new(kind, ACCOUNTS, Some(ACCOUNTS_PRESET)).await;
            b.sql(ACCOUNTS_B).await;
            b
        };

        let skipping = b().await;
        let counts = twice(&skipping, &archive, Mode::Skip, &tables).await;
        assert_eq!(
            short(&counts),
            [
                ("accounts", [2, 0, 2, 0]),
                ("addresses", [0, 0, 1, 0]),
                ("tickets", [2, 0, 0, 0]),
            ],
            "{kind:?}"
        );
        assert_eq!(
            skipped(&counts, "addresses"),
            [(Skipped::WithParent, 2), (Skipped::Collision, 1)].into()
        );
        let names = [
            "a2|Robert",
            "a3|Eve",
            "a4|Kim",
            "b1|Anna",
            "b3|Sue",
            "b4|Kim",
        ];
        assert_eq!(skipping.rows(NAMES).await, names);
        let tickets = [r#"Mail|a3|["a4"]"#, r#"Printer|b1|["b1", "a2"]"#];
        assert_eq!(skipping.rows(TICKETS).await, tickets);

        let overwriting = b().await;
        let counts = twice(&overwriting, &archive, Mode::Overwrite, &tables).await;
        assert_eq!(
            short(&counts),
            [
                ("accounts", [2, 2, 0, 0]),
                ("addresses", [1, 1, 0, 1]),
                ("tickets", [2, 0, 0, 0]),
            ],
            "{kind:?}"
        );
        let names = ["a2|Bob", "a3|Eve", "a4|Kim", "b1|Ann", "b3|Sue", "b4|Kim"];
        assert_eq!(overwriting.rows(NAMES).await, names);
        assert_eq!(overwriting.rows(TICKETS).await, tickets);
        let mut addresses = overwriting.rows(ADDRESSES).await;
        addresses.sort_unstable();
        assert_eq!(
            addresses,
            ["a2|bob@x", "b1| Ann@X ", "b3|eve@x", "b3|second@x"]
        );

        // One ticket: whose it is, only its account's address says, which does not come along.
        let one = b().await;
        let mut request = one.request(&archive, Mode::Skip);
        let record = Record {
            table: TableName::new(schema_of(kind), "tickets"),
            key: [("id".to_owned(), "1".to_owned())].into(),
        };
        let manifest = manifest_of(&archive);
        request.selection =
            Selection::of_records(&manifest, one.preset.as_ref(), vec![record]).unwrap();
        let _restored = one.try_restore(request).await.unwrap();
        assert_eq!(one.rows(TICKETS).await, tickets[1..]);
        let untouched = ["a2|Robert", "b1|Anna", "b3|Sue", "b4|Kim"];
        assert_eq!(one.rows(NAMES).await, untouched);

        // One table: the others are looked at for whom it means.
        let only = b().await;
        let mut request = only.request(&archive, Mode::Overwrite);
        request.selection.tables = Some([TableName::new(schema_of(kind), "tickets")].into());
        let _restored = only.try_restore(request).await.unwrap();
        assert_eq!(
            only.rows(TICKETS).await,
            ["Mail|-|[null]", r#"Printer|b1|["b1", "a2"]"#]
        );
        assert_eq!(only.rows(NAMES).await, untouched);
    }
}

/// A standard archive lacks rows that are nothing without their credential, and what changed along with one: the target keeps
/// both.
#[tokio::test]
async fn what_a_standard_archive_lacks_stays_in_the_target() {
    const SCHEMA: &str = "
        CREATE TABLE people (uid varchar(9) PRIMARY KEY, name text, second_factor boolean NOT NULL, secret text);
        CREATE TABLE tokens (id integer PRIMARY KEY, person_uid varchar(9) NOT NULL REFERENCES people, hash text, label text)";
    const PRESET: &str = r#"
        app = "people"
        table = [
            { table = "people", identity = [{ columns = ["uid"] }] },
            { table = "tokens", identity = [{ columns = ["label"] }] },
        ]
        foreign_key = [{ table = "tokens", columns = ["person_uid"], class = "ownership" }]
        credential = [
            { table = "people", column = "secret", also_set = { second_factor = false } },
            { table = "tokens", column = "hash", omit_rows = true },
        ]"#;
    for kind in BOTH {
        let a = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        a.sql(
            "INSERT INTO people VALUES ('p1', 'Ann', true, 's1'), ('p2', 'Bob', true, 's2');
               INSERT INTO tokens VALUES (1, 'p1', 'h1', 'cli'), (2, 'p1', NULL, 'open')",
        )
        .await;
        let archive = a.backup().await;
        let b = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        b.sql(
            "INSERT INTO people VALUES ('p1', 'Anna', true, 's9');
               INSERT INTO tokens VALUES (5, 'p1', 'h9', 'ci'), (6, 'p1', NULL, 'old')",
        )
        .await;
        let counts = twice(&b, &archive, Mode::Overwrite, &["people", "tokens"]).await;
        assert_eq!(
            short(&counts),
            [("people", [1, 1, 0, 0]), ("tokens", [1, 0, 0, 1])],
            "{kind:?}"
        );
        assert_eq!(
            b.rows("SELECT uid, name, CASE WHEN second_factor THEN 'on' ELSE 'off' END, secret FROM people ORDER BY uid").await,
            ["p1|Ann|on|s9", "p2|Bob|off|-"]
        );
        assert_eq!(
            b.rows("SELECT * FROM tokens ORDER BY id").await,
            ["2|p1|-|open", "5|p1|h9|ci"]
        );
    }
}

/// A text needs its author, and is no part of that author.
#[tokio::test]
async fn what_is_required_owns_nothing() {
    const SCHEMA: &str = "
        CREATE TABLE authors (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
        CREATE TABLE texts (id integer PRIMARY KEY, author_id integer REFERENCES authors, title text)";
    const PRESET: &str = r#"
        app = "texts"
        table = [
            { table = "authors", identity = [{ columns = ["name"] }] },
            { table = "texts", identity = [{ columns = ["title"] }] },
        ]
        foreign_key = [{ table = "texts", columns = ["author_id"], class = "required" }]"#;
    for (kind, mode) in BOTH
        .into_iter()
        .flat_map(|kind| [(kind, Mode::Skip), (kind, Mode::Overwrite)])
    {
        let a = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        a.sql(
            "INSERT INTO authors VALUES (1, 'ann'), (2, 'bob');
               INSERT INTO texts VALUES (1, 1, 'new'), (2, 2, 'his'), (3, NULL, 'of nobody')",
        )
        .await;
        let archive = a.backup().await;
        let b = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        b.sql("INSERT INTO authors VALUES (7, 'ann'); INSERT INTO texts VALUES (1, 7, 'old')")
            .await;
        let counts = twice(&b, &archive, mode, &["authors", "texts"]).await;
        assert_eq!(
            short(&counts),
            [("authors", [1, 0, 1, 0]), ("texts", [2, 0, 0, 0])],
            "{kind:?} {mode}"
        );
        assert_eq!(
            skipped(&counts, "texts"),
            [(Skipped::UnresolvedOwner, 1)].into()
        );
        assert_eq!(
            b.rows("SELECT t.title, a.name FROM texts t JOIN authors a ON a.id = t.author_id ORDER BY t.title").await,
            ["his|bob", "new|ann", "old|ann"]
        );
        // A record of an author brings none of the texts along.
        let one = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        let mut request = one.request(&archive, mode);
        let record = Record {
            table: TableName::new(schema_of(kind), "authors"),
            key: [("name".to_owned(), "ann".to_owned())].into(),
        };
        let manifest = manifest_of(&archive);
        request.selection =
            Selection::of_records(&manifest, one.preset.as_ref(), vec![record]).unwrap();
        let _restored = one.try_restore(request).await.unwrap();
        assert_eq!(one.rows("SELECT count(*) FROM texts").await, ["0"]);
    }
}

/// What a matched row takes is said column by column, and what was under way may have come to its end.
#[tokio::test]
async fn columns_are_filled_preferred_kept_and_settled() {
    const SCHEMA: &str = "
        CREATE TABLE jobs (id integer PRIMARY KEY, uid text NOT NULL UNIQUE, status text, note text, zone text, chosen boolean, face text);
        CREATE TABLE results (id integer PRIMARY KEY, job_id integer NOT NULL REFERENCES jobs, state text, why text)";
    const PRESET: &str = r#"
        app = "jobs"
        foreign_key = [{ table = "results", columns = ["job_id"], class = "ownership" }]
        [[table]]
        table = "jobs"
        identity = [{ columns = ["uid"] }]
        fill = ["note", "face"]
        prefer = ["zone"]
        either = ["chosen"]
        never_emptied = ["face"]
        settled = { status = { when = ["queued", "running"], value = "failed", unless = { table = "results", columns = ["job_id"], where = { state = "done" }, value = "finished" } } }
        [[table]]
        table = "results"
        identity = [{ columns = ["job_id"] }]
        settled = { state = { when = "running", also_set = { why = "cut off" } } }
    "#;
    const A: &str = "
        INSERT INTO jobs VALUES (1, 'j1', 'running', 'nA', 'zA', true, NULL), (2, 'j2', 'running', NULL, NULL, false, 'fA'),
            (3, 'j3', 'queued', NULL, NULL, NULL, NULL), (4, 'j4', 'idle', NULL, NULL, NULL, NULL), (5, 'j5', 'idle', '', '', false, '');
        INSERT INTO results VALUES (1, 3, 'done', NULL), (2, 2, 'running', NULL), (3, 4, 'running', 'x')";
    const B: &str = "
        INSERT INTO jobs VALUES (1, 'j1', 'idle', NULL, 'zB', false, 'fB'), (5, 'j5', 'idle', 'nB', 'zB', true, NULL)";
    for kind in BOTH {
        let a = Installation::new(kind, SCHEMA, Some(PRESET)).await;
        a.sql(A).await;
        let archive = a.backup().await;
        for (mode, first, last) in [
            (Mode::Skip, "j1|idle|nA|zA|1|fB", "j5|idle|nB|zB|1|-"),
            (Mode::Overwrite, "j1|idle|nA|zA|1|fB", "j5|idle|||0|-"),
        ] {
            let b = Installation::new(kind, SCHEMA, Some(PRESET)).await;
            b.sql(B).await;
            let _counts = twice(&b, &archive, mode, &["jobs", "results"]).await;
            let jobs = b
                .rows("SELECT uid, status, note, zone, CASE WHEN chosen THEN 1 ELSE 0 END, face FROM jobs ORDER BY uid")
                .await;
            assert_eq!(
                jobs,
                [
                    first,
                    "j2|failed|-|-|0|fA",
                    "j3|finished|-|-|0|-",
                    "j4|idle|-|-|0|-",
                    last,
                ],
                "{kind:?} {mode}"
            );
            let results = b
                .rows("SELECT j.uid, r.state, r.why FROM results r JOIN jobs j ON j.id = r.job_id ORDER BY j.uid")
                .await;
            let expected = ["j2|running|cut off", "j3|done|-", "j4|running|cut off"];
            assert_eq!(results, expected, "{kind:?} {mode}");
        }
    }
}
