//! Single records with all that belongs to them, in all modes, on SQLite and PostgreSQL alike. Whole databases are compared
//! before and after: what is not listed here did not change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{collections::BTreeSet, path::Path};

use coffer_core::{
    manifest::{Record, Selection},
    merge::{Counts, MergeError, Skipped},
    plan::Mode,
    schema::TableName,
};
use coffer_server::{
    engine::EngineError,
    read::{FileSource, OpenArchive, Unlock},
    restore::{RestoreError, RestoreReport, RestoreRequest},
};
use coffer_tests::{
    coffer::coffer,
    installation::{Installation, Kind},
};

const SCHEMA: &str = "
    CREATE TABLE customers (id integer PRIMARY KEY, email text NOT NULL UNIQUE, name text);
    CREATE TABLE agents (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE tickets (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, assignee_id integer REFERENCES agents,
        merged_into integer REFERENCES tickets, subject text NOT NULL, token text);
    CREATE TABLE messages (id integer PRIMARY KEY, ticket_id integer NOT NULL REFERENCES tickets, agent_id integer REFERENCES agents,
        customer_id integer REFERENCES customers, reply_to integer REFERENCES messages, body text NOT NULL, mentions text);
    CREATE TABLE attachments (id integer PRIMARY KEY, message_id integer NOT NULL REFERENCES messages, path text NOT NULL);
    CREATE TABLE tags (id integer PRIMARY KEY, name text NOT NULL UNIQUE, parent_id integer REFERENCES tags);
    CREATE TABLE ticket_tags (ticket_id integer NOT NULL REFERENCES tickets, tag_id integer NOT NULL REFERENCES tags, PRIMARY KEY (ticket_id, tag_id));
    CREATE TABLE log (id integer PRIMARY KEY, ticket_id integer REFERENCES tickets, what text NOT NULL)";

const PRESET: &str = r#"
    app = "desk"
    table = [
        { table = "customers", identity = [{ columns = ["email"], normalise = "trim_lower" }] },
        { table = "agents", identity = [{ columns = ["name"] }] },
        { table = "tickets", identity = [{ columns = ["customer_id", "subject"] }] },
        { table = "messages", identity = [{ columns = ["ticket_id", "body"] }] },
        { table = "attachments", identity = [{ columns = ["message_id", "path"] }] },
        { table = "tags", identity = [{ columns = ["name"] }] },
    ]
    foreign_key = [
        { table = "tickets", columns = ["customer_id"], class = "ownership" },
        { table = "tickets", columns = ["assignee_id"], class = "enrichment" },
        { table = "tickets", columns = ["merged_into"], class = "deferred" },
        { table = "messages", columns = ["ticket_id"], class = "ownership" },
        { table = "messages", columns = ["agent_id"], class = "ownership", may_be_null = true },
        { table = "messages", columns = ["customer_id"], class = "ownership", may_be_null = true },
        { table = "messages", columns = ["reply_to"], class = "deferred" },
        { table = "attachments", columns = ["message_id"], class = "ownership" },
        { table = "ticket_tags", columns = ["ticket_id"], class = "ownership" },
        { table = "ticket_tags", columns = ["tag_id"], class = "ownership" },
        { table = "log", columns = ["ticket_id"], class = "enrichment" },
    ]
    [[credential]]
    table = "tickets"
    column = "token"
    placeholder = "again"
    [[reference]]
    table = "messages"
    column = "mentions"
    path = "[*].agent"
    references = "agents"
"#;

const TABLES: [&str; 8] = [
    "customers",
    "agents",
    "tickets",
    "messages",
    "attachments",
    "tags",
    "ticket_tags",
    "log",
];

/// Ticket 2 is the one that is chosen. Ticket 3 was merged into it, and it into ticket 1.
const A: &str = r#"
    INSERT INTO customers VALUES (1, 'ann@x', 'Ann'), (2, 'bob@x', 'Bob'), (3, 'eve@x', 'Eve');
    INSERT INTO agents VALUES (1, 'Max'), (2, 'Zoe'), (3, 'Kim'), (4, 'Lea');
    INSERT INTO tickets VALUES (1, 1, 1, NULL, 'Printer', NULL), (2, 2, 2, 1, 'Mail', 'secret'), (3, 3, 4, 2, 'Mail again', NULL);
    INSERT INTO messages VALUES (1, 1, 1, NULL, NULL, 'Paper?', '[]'), (2, 2, NULL, 2, NULL, 'No mail', '[{"agent": 3}]'),
        (3, 2, 2, NULL, 2, 'Try now', NULL), (4, 3, NULL, 3, NULL, 'Me too', NULL);
    INSERT INTO attachments VALUES (1, 1, 'a/1.png'), (2, 2, 'b/2.png'), (3, 3, 'c/3.png');
    INSERT INTO tags VALUES (1, 'hardware', NULL), (2, 'mail', 3), (3, 'network', NULL), (4, 'old', NULL);
    INSERT INTO ticket_tags VALUES (1, 1), (2, 2), (3, 4);
    INSERT INTO log VALUES (1, 2, 'opened'), (2, 1, 'opened')"#;

/// Bob is known under another number, and so is Zoe; number 2 is another ticket here, Kim is missing.
const B: &str = r#"
    INSERT INTO customers VALUES (1, 'bob@x', 'Bobby'), (2, 'fay@x', 'Fay');
    INSERT INTO agents VALUES (1, 'Zoe'), (3, 'Tom');
    INSERT INTO tickets VALUES (2, 2, NULL, NULL, 'Screen', 'mine'), (5, 1, 3, NULL, 'Other', NULL);
    INSERT INTO messages VALUES (2, 2, NULL, 2, NULL, 'Black', NULL);
    INSERT INTO attachments VALUES (2, 2, 'z/9.png');
    INSERT INTO tags VALUES (2, 'network', NULL), (3, 'other', NULL);
    INSERT INTO ticket_tags VALUES (2, 3);
    INSERT INTO log VALUES (1, 2, 'closed')"#;

/// As B, but the ticket is there, changed: other messages, another tag, an assignee.
const B_HAS_IT: &str = r#"
    INSERT INTO tickets VALUES (7, 1, 3, 5, 'Mail', 'kept');
    INSERT INTO messages VALUES (8, 7, NULL, 1, NULL, 'No mail', NULL), (9, 7, 3, NULL, 8, 'Only here', NULL), (10, 2, 3, NULL, 9, 'As in 9', NULL);
    INSERT INTO attachments VALUES (8, 9, 'only/here.png');
    INSERT INTO ticket_tags VALUES (7, 3);
    INSERT INTO log VALUES (7, 7, 'seen')"#;

async fn desk(kind: Kind, rows: &[&str]) -> Installation {
    let desk = Installation::new(kind, SCHEMA, Some(PRESET)).await;
    for rows in rows {
        desk.sql(rows).await;
    }
    desk
}

/// Every row of every table, after its table's name.
async fn all(installation: &Installation, tables: &[&str]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for table in tables {
        let rows = installation.rows(&format!("SELECT * FROM {table}")).await;
        all.extend(rows.into_iter().map(|row| format!("{table} {row}")));
    }
    all
}

/// What went and what came.
fn difference<'a>(
    before: &'a BTreeSet<String>,
    after: &'a BTreeSet<String>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let only = |of: &'a BTreeSet<String>, other: &BTreeSet<String>| {
        let rows = of.iter().filter(|row| !other.contains(*row));
        rows.map(String::as_str).collect()
    };
    (only(before, after), only(after, before))
}

fn record(kind: Kind, table: &str, key: &[(&str, &str)]) -> Record {
    let schema = match kind {
        Kind::Sqlite => "main",
        Kind::Postgres => "public",
    };
    let pairs = key
        .iter()
        .map(|(column, value)| ((*column).to_owned(), (*value).to_owned()));
    Record {
        table: TableName::new(schema, table),
        key: pairs.collect(),
    }
}

/// The restore of records, as the command line asks for it.
fn request(
    target: &Installation,
    archive: &Path,
    mode: Mode,
    records: Vec<Record>,
) -> Result<RestoreRequest, MergeError> {
    let mut request = target.request(archive, mode);
    let source = FileSource::open(archive).unwrap();
    let open = OpenArchive::open(std::sync::Arc::new(source), &Unlock::None).unwrap();
    request.selection = Selection::of_records(&open.manifest, target.preset.as_ref(), records)?
        .without_file_sets_but(Some(&[]));
    Ok(request)
}

async fn restored(
    target: &Installation,
    archive: &Path,
    mode: Mode,
    records: Vec<Record>,
) -> RestoreReport {
    let request = request(target, archive, mode, records).unwrap();
    let (plan, report) = target.try_restore(request).await.unwrap();
    let planned: Vec<_> = plan
        .tables
        .iter()
        .map(|table| table.merge.clone())
        .collect();
    let done: Vec<_> = report
        .merged
        .iter()
        .map(|table| Some(table.counts.clone()))
        .collect();
    assert_eq!(planned, done);
    report
}

/// What became of rows, by table: insert, update, keep, delete. Tables in which nothing became of any are not listed.
fn short(report: &RestoreReport) -> Vec<(&str, [u64; 4])> {
    let mut short: Vec<(&str, [u64; 4])> = report
        .merged
        .iter()
        .map(|table| {
            let Counts {
                insert,
                update,
                keep,
                delete,
                ..
            } = table.counts;
            (table.name.as_str(), [insert, update, keep, delete])
        })
        .filter(|(_, counts)| *counts != [0; 4])
        .collect();
    short.sort_unstable();
    short
}

const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];
const MODES: [Mode; 3] = [Mode::Replace, Mode::Overwrite, Mode::Skip];

#[tokio::test]
async fn a_record_that_is_missing_comes_with_what_belongs_to_it_and_what_it_needs() {
    for kind in BOTH {
        let source = desk(kind, &[A]).await;
        let archive = source.backup().await;
        let mail = || vec![record(kind, "tickets", &[("id", "2")])];
        for mode in MODES {
            let target = desk(kind, &[B]).await;
            let before = all(&target, &TABLES).await;
            let report = restored(&target, &archive, mode, mail()).await;
            assert_eq!(
                short(&report),
                [
                    ("agents", [1, 0, 1, 0]),
                    ("attachments", [2, 0, 0, 0]),
                    ("customers", [0, 0, 1, 0]),
                    ("messages", [2, 0, 0, 0]),
                    ("tags", [1, 0, 1, 0]),
                    ("ticket_tags", [1, 0, 0, 0]),
                    ("tickets", [1, 0, 0, 0]),
                ],
                "{kind:?} {mode}"
            );
            // Bob stays Bobby. The ticket that this one was merged into is another record, and is not here.
            let after = all(&target, &TABLES).await;
            let came = [
                "agents 4|Kim",
                "attachments 3|3|c/3.png",
                "attachments 4|4|b/2.png",
                "messages 3|6|1|-|4|Try now|-",
                "messages 4|6|-|1|-|No mail|[{\"agent\": 4}]",
                "tags 4|mail|2",
                "ticket_tags 6|4",
                "tickets 6|1|1|-|Mail|again",
            ];
            assert_eq!(
                difference(&before, &after),
                (Vec::new(), came.to_vec()),
                "{kind:?} {mode}"
            );
            let again = restored(&target, &archive, mode, mail()).await;
            assert!(
                again.merged.iter().all(|table| {
                    let counts = &table.counts;
                    (counts.insert, counts.update, counts.delete) == (0, 0, 0)
                }),
                "{kind:?} {mode} {:?}",
                short(&again)
            );
            assert_eq!(all(&target, &TABLES).await, after, "{kind:?} {mode}");
        }
    }
}

#[tokio::test]
async fn a_record_that_is_there_is_treated_as_the_mode_says_and_nothing_else_is() {
    for kind in BOTH {
        let source = desk(kind, &[A]).await;
        let archive = source.backup().await;
        for mode in MODES {
            let target = desk(kind, &[B, B_HAS_IT]).await;
            let before = all(&target, &TABLES).await;
            // The identity names it as well as its number does.
            let mail = record(
                kind,
                "tickets",
                &[("customer_id", "2"), ("subject", "Mail")],
            );
            let mut request = request(&target, &archive, mode, vec![mail]).unwrap();
            request.consent.no_safety_backup = false;
            let (_, report) = target.try_restore(request).await.unwrap();
            let after = all(&target, &TABLES).await;
            if mode == Mode::Skip {
                let kept = ["agents", "customers", "messages", "tags", "tickets"];
                let kept = kept.map(|table| (table, [0, 0, 1, 0]));
                assert_eq!(short(&report), kept, "{kind:?}");
                assert_eq!(after, before, "{kind:?}");
                let with_it: u64 = report
                    .merged
                    .iter()
                    .filter_map(|table| table.counts.skipped.get(&Skipped::WithParent))
                    .sum();
                assert_eq!(with_it, 4, "{kind:?}");
                continue;
            }
            assert_eq!(
                short(&report),
                [
                    ("agents", [1, 0, 1, 0]),
                    ("attachments", [2, 0, 0, 1]),
                    ("customers", [0, 0, 1, 0]),
                    ("messages", [1, 1, 0, 1]),
                    ("tags", [1, 0, 1, 0]),
                    ("ticket_tags", [1, 0, 0, 1]),
                    ("tickets", [0, 1, 0, 0]),
                ],
                "{kind:?} {mode}"
            );
            // Overwriting takes nobody's token away; replacing leaves what the archive holds.
            let ticket = if mode == Mode::Replace {
                "tickets 7|1|1|-|Mail|again"
            } else {
                "tickets 7|1|1|-|Mail|kept"
            };
            // A message of another ticket was a reply to one that went.
            let went = [
                "attachments 8|9|only/here.png",
                "messages 10|2|3|-|9|As in 9|-",
                "messages 8|7|-|1|-|No mail|-",
                "messages 9|7|3|-|8|Only here|-",
                "ticket_tags 7|3",
                "tickets 7|1|3|5|Mail|kept",
            ];
            let came = [
                "agents 4|Kim",
                "attachments 3|3|c/3.png",
                "attachments 9|8|b/2.png",
                "messages 10|2|3|-|-|As in 9|-",
                "messages 3|7|1|-|8|Try now|-",
                "messages 8|7|-|1|-|No mail|[{\"agent\": 4}]",
                "tags 4|mail|2",
                "ticket_tags 7|4",
                ticket,
            ];
            assert_eq!(
                difference(&before, &after),
                (went.to_vec(), came.to_vec()),
                "{kind:?} {mode}"
            );
            target.undo().await;
            assert_eq!(all(&target, &TABLES).await, before, "{kind:?} {mode}");
        }
    }
}

#[tokio::test]
async fn several_records_and_records_of_any_table_are_chosen_together() {
    for kind in BOTH {
        let source = desk(kind, &[A]).await;
        let archive = source.backup().await;
        let target = desk(kind, &[B]).await;
        let before = all(&target, &TABLES).await;
        // Two tickets of which one was merged into the other, and a tag that is known by its unique key.
        let records = vec![
            record(kind, "tickets", &[("id", "2")]),
            record(kind, "tickets", &[("id", "3")]),
            record(kind, "tags", &[("name", "hardware")]),
        ];
        let _report = restored(&target, &archive, Mode::Skip, records).await;
        let after = all(&target, &TABLES).await;
        let (went, came) = difference(&before, &after);
        assert_eq!(went, Vec::<&str>::new(), "{kind:?}");
        // The tag comes with the ticket that has it, and that one with whom it is of.
        let tickets: Vec<&&str> = came
            .iter()
            .filter(|row| row.starts_with("tickets"))
            .collect();
        assert_eq!(
            tickets,
            [
                &"tickets 1|4|5|-|Printer|-",
                &"tickets 3|3|4|6|Mail again|-",
                &"tickets 6|1|1|1|Mail|again"
            ],
            "{kind:?}"
        );
        let others = |table: &str| came.iter().filter(|row| row.starts_with(table)).count();
        assert_eq!(
            ["customers", "messages", "attachments", "ticket_tags"].map(others),
            [2, 3, 2, 3],
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn what_names_no_record_is_told_what_would() {
    for kind in BOTH {
        let source = desk(kind, &[A]).await;
        let archive = source.backup().await;
        let mut target = desk(kind, &[B]).await;
        let before = all(&target, &TABLES).await;
        let missing = record(kind, "tickets", &[("id", "77")]);
        let asked = request(&target, &archive, Mode::Skip, vec![missing]).unwrap();
        let error = target.try_restore(asked).await.unwrap_err();
        assert_eq!(error.code(), "no_such_record");
        assert!(matches!(
            &error,
            RestoreError::Engine(EngineError::NoRecord { rows: 3, examples, .. })
                if *examples == ["id=1", "id=2", "id=3"]
        ));
        let said = error.to_string();
        assert!(
            said.contains("tickets with id = 77") && said.contains("nothing was changed"),
            "{said}"
        );

        let by_subject = record(kind, "tickets", &[("subject", "Mail")]);
        let error = request(&target, &archive, Mode::Skip, vec![by_subject])
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("a record is known by id, or by customer_id and subject"),
            "{error}"
        );
        let nowhere = record(kind, "nothing", &[("id", "1")]);
        assert!(matches!(
            request(&target, &archive, Mode::Skip, vec![nowhere]),
            Err(MergeError::NoRecords { .. })
        ));
        target.preset = None;
        let mail = record(kind, "tickets", &[("id", "2")]);
        assert_eq!(
            request(&target, &archive, Mode::Skip, vec![mail]).err(),
            Some(MergeError::RecordsNeedPreset)
        );
        assert_eq!(all(&target, &TABLES).await, before);
    }
}

#[tokio::test]
async fn a_plan_of_records_is_carried_out_for_these_records_only() {
    let kind = Kind::Sqlite;
    let source = desk(kind, &[A]).await;
    let (backup, target) = (source.backup().await, desk(kind, &[B]).await);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (preset, kept, archive, url) = (
        path("preset.toml"),
        path("plan.json"),
        backup.display().to_string(),
        target.url(),
    );
    std::fs::write(&preset, PRESET).unwrap();
    let wanted = ["--target", &url, "--preset", &preset];
    let mode = ["--mode", "skip", "--record", "tickets:id=2"];
    let run = |arguments: &[&[&str]]| coffer(arguments.concat(), &[]);
    let planned = run(&[
        &["plan", &archive, "--out", &kept, "--json"],
        &wanted,
        &mode,
    ])
    .ok();
    let selection = planned.json()["plan"]["selection"].clone();
    assert_eq!(selection["records"][0]["key"]["id"], "2");
    assert_eq!(selection["tables"].as_array().unwrap().len(), 7);
    // Another choice makes another plan.
    let other = ["--mode", "skip", "--record", "tickets:id=1"];
    let other = run(&[&["plan", &archive, "--json"], &wanted, &other]).ok();
    assert_ne!(other.json()["digest"], planned.json()["digest"]);
    let both = run(&[
        &["restore", &archive, "--plan", &kept, "--yes", "--json"],
        &wanted,
        &mode,
    ]);
    assert_eq!(both.code, 2, "{both:?}");
    let missing = ["--mode", "skip", "--record", "tickets:id=77"];
    let missing = run(&[&["plan", &archive, "--json"], &wanted, &missing]);
    assert_eq!(
        (missing.code, &missing.json()["error"]["code"]),
        (2, &"no_such_record".into())
    );
    let before = all(&target, &TABLES).await;
    let done = run(&[
        &["restore", &archive, "--plan", &kept, "--yes", "--json"],
        &wanted,
    ])
    .ok();
    assert_eq!(done.json()["restored"], true);
    let after = all(&target, &TABLES).await;
    let (went, came) = difference(&before, &after);
    assert_eq!((went.len(), came.len()), (0, 8));
    // What the plan was made of is no longer so.
    let late = run(&[
        &["restore", &archive, "--plan", &kept, "--yes", "--json"],
        &wanted,
    ]);
    assert_eq!(
        (late.code, &late.json()["error"]["code"]),
        (5, &"plan_changed".into())
    );
}

/// The rows of a table that were taken out, each as a text of its first column.
fn taken(folder: &Path, part: &str, kind: Kind, table: &str) -> Vec<String> {
    let schema = record(kind, table, &[]).table.to_string();
    let path = folder.join(part).join(format!("{schema}.json"));
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&text).unwrap();
    let first = |row: serde_json::Map<String, serde_json::Value>| {
        let key = if row.contains_key("id") {
            "id"
        } else {
            "tag_id"
        };
        row[key].to_string().trim_matches('"').to_owned()
    };
    rows.into_iter().map(first).collect()
}

/// Without any database: the same rows that a restore of the record brings into one that has none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_taken_out_with_what_belongs_to_it_and_its_files() {
    let preset = format!(
        "{PRESET}\n[[file_set]]\nname = \"uploads\"\n[[file_set.column]]\ntable = \"attachments\"\ncolumn = \"path\"\n"
    );
    for kind in BOTH {
        let mut source = Installation::new(kind, SCHEMA, Some(&preset)).await;
        source.sql(A).await;
        source.add_files("uploads", &[("a/1.png", "one"), ("b/2.png", "two")]);
        let archive = source.backup().await;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("preset.toml"), &preset).unwrap();
        let (rules, out) = (path("preset.toml").display().to_string(), path("mail"));
        let archived = archive.display().to_string();
        let take = |record: &str, out: &Path, more: &[&str]| {
            let out = out.display().to_string();
            let arguments = [
                "extract", &archived, "--record", record, "--preset", &rules, "--out", &out,
            ];
            coffer([&arguments[..], more].concat(), &[])
        };
        let report = take("tickets:id=2", &out, &["--json"]).ok().json();
        assert_eq!((&report["files"], &report["bytes"]), (&1.into(), &3.into()));
        assert_eq!(
            report["missing_files"],
            serde_json::json!(["uploads/c/3.png"])
        );
        for (table, belongs, referred) in [
            ("tickets", &["2"][..], &[][..]),
            ("messages", &["2", "3"], &[]),
            ("attachments", &["2", "3"], &[]),
            ("ticket_tags", &["2"], &[]),
            ("customers", &[], &["2"]),
            ("agents", &[], &["2", "3"]),
            ("tags", &[], &["2", "3"]),
            ("log", &[], &[]),
        ] {
            assert_eq!(
                taken(&out, "belongs", kind, table),
                belongs,
                "{kind:?} {table}"
            );
            assert_eq!(
                taken(&out, "referred", kind, table),
                referred,
                "{kind:?} {table}"
            );
        }
        assert_eq!(
            std::fs::read(out.join("files/uploads/b/2.png")).unwrap(),
            b"two"
        );
        assert!(!out.join("files/uploads/a").exists());

        let empty = Installation::new(kind, SCHEMA, Some(&preset)).await;
        let mail = record(kind, "tickets", &[("id", "2")]);
        let restored = restored(&empty, &archive, Mode::Skip, vec![mail]).await;
        for table in &restored.merged {
            let mut counted = report["tables"].as_array().unwrap().iter();
            let counted = counted.find(|one| {
                one["table"].as_str() == Some(&record(kind, &table.name, &[]).table.to_string())
            });
            let rows = counted.map_or(0, |one| {
                one["belong"].as_u64().unwrap() + one["referred"].as_u64().unwrap()
            });
            assert_eq!(rows, table.counts.insert, "{kind:?} {}", table.name);
        }

        // By the identity of the preset, as CSV; several at once are taken out together.
        let by_mail = take("customers:email= BOB@x ", &path("bob"), &["--csv"]).ok();
        assert!(
            by_mail.stdout.contains("customers: 1 row belonging"),
            "{by_mail:?}"
        );
        let csv = record(kind, "customers", &[]).table.to_string();
        let csv = std::fs::read_to_string(path("bob/belongs").join(format!("{csv}.csv"))).unwrap();
        assert_eq!(csv, "id,email,name\r\n2,bob@x,Bob\r\n");

        // What isn't there leaves nothing, and what is there stays.
        let missing = take("tickets:id=77", &path("none"), &["--json"]);
        assert_eq!(
            (missing.code, &missing.json()["error"]["code"]),
            (2, &"no_such_record".into())
        );
        assert!(!path("none").exists());
        let there = take("tickets:id=1", &out, &["--json"]);
        assert_eq!(
            (there.code, &there.json()["error"]["code"]),
            (5, &"exists".into())
        );
        assert_eq!(taken(&out, "belongs", kind, "tickets"), ["2"]);
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["bob", "mail", "preset.toml"]);
    }
}

/// Two installations of Nojoin: a recording of Bob's, which the other one has nothing of but Ann, whom it names inside of JSON.
mod nojoin {
    use super::*;

    const TABLES: &str = include_str!("../products/nojoin.sql");
    const DEFAULTS: &str = include_str!("../products/defaults.sql");
    const PRESET: &str = include_str!("../../presets/nojoin.toml");

    const A: &str = r#"
        INSERT INTO users (id, username, role) VALUES (1, 'ann', 'admin'), (2, 'bob', 'user');
        INSERT INTO recordings (id, user_id, name, meeting_uid, public_id, audio_path) VALUES
            (1, 1, 'Standup', 'm-1', 'p-1', 'recordings/standup.wav'), (2, 2, 'Plan', 'm-2', 'p-2', 'recordings/plan.opus');
        INSERT INTO tags (id, user_id, name, parent_id) VALUES (1, 1, 'work', NULL), (2, 2, 'notes', 3), (3, 2, 'projects', NULL);
        INSERT INTO recording_tags (id, recording_id, tag_id) VALUES (1, 1, 1), (2, 2, 2);
        INSERT INTO global_speakers (id, user_id, name) VALUES (1, 1, 'Eve'), (2, 2, 'Zed'), (3, 2, 'Suggested');
        INSERT INTO recording_speakers (id, recording_id, global_speaker_id, name, public_id, merged_into_id) VALUES
            (1, 1, 1, 'Ann', 's-1', NULL), (2, 2, NULL, 'Bob', 's-2', 3), (3, 2, 2, 'Bobby', 's-3', NULL);
        INSERT INTO transcripts (id, recording_id, text, segments, speaker_name_suggestions) VALUES (1, 1, 'one', '[]', '[]'),
            (2, 2, 'two', '[{"recording_speaker_id": 2, "confidence_payload": {"inherited_manual_speaker": {"recording_speaker_id": 3}}}]',
                '[{"recording_speaker_id": 3, "suggested_global_speaker_id": 3, "resolution_actor_user_id": 1}]');
        INSERT INTO chat_messages (id, recording_id, user_id, role, content) VALUES (1, 1, 1, 'user', 'Hi'), (2, 2, 2, 'user', 'Hello');
        INSERT INTO documents (id, recording_id, title, file_path) VALUES (1, 2, 'Slides', 'documents/slides.pdf');
        INSERT INTO document_pages (id, document_id, page_number, content) VALUES (1, 1, 1, 'page one'), (2, 1, 2, 'page two');
        INSERT INTO user_tasks (id, user_id, title) VALUES (1, 2, 'Buy milk'), (2, 1, 'Call');
        INSERT INTO user_task_recordings (id, task_id, recording_id) VALUES (1, 1, 2), (2, 2, 1)"#;

    const B: &str = r#"
        INSERT INTO users (id, username, role) VALUES (1, 'eve', 'user'), (2, 'ann', 'user');
        INSERT INTO recordings (id, user_id, name, meeting_uid, public_id, audio_path) VALUES (1, 1, 'Other', 'm-8', 'p-8', 'recordings/plan.opus');
        INSERT INTO tags (id, user_id, name, parent_id) VALUES (2, 1, 'of eve', NULL);
        INSERT INTO recording_speakers (id, recording_id, name, public_id) VALUES (2, 1, 'Zoe', 's-9');
        INSERT INTO transcripts (id, recording_id, text, segments) VALUES (1, 1, 'uno', '[{"recording_speaker_id": 2}]')"#;

    async fn installation(rows: &str) -> Installation {
        let installation = Installation::new(Kind::Postgres, TABLES, Some(PRESET)).await;
        installation.sql(DEFAULTS).await;
        installation.sql(rows).await;
        installation
    }

    #[tokio::test]
    async fn one_recording_comes_with_all_of_it() {
        let source = installation(A).await;
        let archive = source.backup().await;
        let plan = || {
            vec![record(
                Kind::Postgres,
                "recordings",
                &[("meeting_uid", " M-2")],
            )]
        };
        for mode in [Mode::Replace, Mode::Skip] {
            let target = installation(B).await;
            let tables = target
                .rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
                .await;
            let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
            let before = all(&target, &tables).await;
            let report = restored(&target, &archive, mode, plan()).await;
            assert_eq!(
                short(&report),
                [
                    ("chat_messages", [1, 0, 0, 0]),
                    ("document_pages", [2, 0, 0, 0]),
                    ("documents", [1, 0, 0, 0]),
                    ("global_speakers", [2, 0, 0, 0]),
                    ("recording_speakers", [2, 0, 0, 0]),
                    ("recording_tags", [1, 0, 0, 0]),
                    ("recordings", [1, 0, 0, 0]),
                    ("tags", [2, 0, 0, 0]),
                    ("transcripts", [1, 0, 0, 0]),
                    ("user_task_recordings", [1, 0, 0, 0]),
                    ("user_tasks", [1, 0, 0, 0]),
                    ("users", [1, 0, 1, 0]),
                ],
                "{mode}"
            );
            let after = all(&target, &tables).await;
            let (went, came) = difference(&before, &after);
            assert_eq!((went, came.len()), (Vec::new(), 16), "{mode}");
            for (query, expected) in [
                ("SELECT id, username FROM users WHERE id > 2", vec!["3|bob"]),
                (
                    "SELECT id, user_id, public_id, audio_path LIKE 'recordings/plan\\_\\_%.opus' FROM recordings WHERE id > 1",
                    vec!["2|3|p-2|true"],
                ),
                ("SELECT id, user_id, name, parent_id FROM tags WHERE id > 2 ORDER BY id", vec!["3|3|projects|-", "4|3|notes|3"]),
                ("SELECT recording_id, tag_id FROM recording_tags", vec!["2|4"]),
                (
                    "SELECT id, recording_id, name, public_id, global_speaker_id, merged_into_id FROM recording_speakers WHERE id > 2 ORDER BY id",
                    vec!["3|2|Bobby|s-3|2|-", "4|2|Bob|s-2|-|3"],
                ),
                (
                    "SELECT recording_id, segments->0->>'recording_speaker_id',
                            segments #>> '{0,confidence_payload,inherited_manual_speaker,recording_speaker_id}' AS inherited,
                            speaker_name_suggestions->0->>'suggested_global_speaker_id' AS suggested,
                            speaker_name_suggestions->0->>'resolution_actor_user_id' AS actor FROM transcripts WHERE id > 1",
                    vec!["2|4|3|3|2"],
                ),
                ("SELECT recording_id, user_id FROM chat_messages", vec!["2|3"]),
                ("SELECT task_id, recording_id FROM user_task_recordings", vec!["1|2"]),
            ] {
                assert_eq!(target.rows(query).await, expected, "{mode} {query}");
            }
            let _again = restored(&target, &archive, mode, plan()).await;
            if mode == Mode::Skip {
                assert_eq!(all(&target, &tables).await, after);
            }
        }
    }
}
