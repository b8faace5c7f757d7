//! Modes overwrite and skip, on SQLite and PostgreSQL alike: what comes out is worked out by hand here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use coffer_core::{merge::Counts, plan::Mode, schema::TableName};
use coffer_server::{
    progress::Progress,
    restore::{self, RestoreError},
};
use coffer_tests::{
    installation::{Installation, Kind},
    planned,
};

#[path = "merge/files.rs"]
mod files;
#[path = "merge/model.rs"]
mod model;
#[path = "merge/nojoin.rs"]
mod nojoin;
#[path = "merge/random.rs"]
mod random;
#[path = "merge/random_data.rs"]
mod random_data;
#[path = "merge/rules.rs"]
mod rules;
#[path = "merge/unique.rs"]
mod unique;

const SCHEMA: &str = "
    CREATE TABLE users (id integer PRIMARY KEY, username text NOT NULL UNIQUE, role text);
    CREATE TABLE recordings (id integer PRIMARY KEY, public_id text NOT NULL UNIQUE, user_id integer NOT NULL REFERENCES users, name text);
    CREATE TABLE tags (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users, name text NOT NULL, parent_id integer REFERENCES tags);
    CREATE TABLE recording_tags (id integer PRIMARY KEY, recording_id integer NOT NULL REFERENCES recordings, tag_id integer NOT NULL REFERENCES tags, UNIQUE (recording_id, tag_id));
    CREATE TABLE speakers (id integer PRIMARY KEY, recording_id integer REFERENCES recordings, name text, public_id text NOT NULL UNIQUE, merged_into integer REFERENCES speakers);
    CREATE TABLE transcripts (id integer PRIMARY KEY, recording_id integer UNIQUE REFERENCES recordings, segments text)";

const PRESET: &str = r#"
    app = "meetings"
    [[table]]
    table = "users"
    identity = [{ columns = ["username"] }]
    matched = "keep"
    [[table]]
    table = "recordings"
    identity = [{ columns = ["public_id"], normalise = "trim_lower" }]
    [[table]]
    table = "tags"
    identity = [{ columns = ["user_id", "name", "parent_id"] }]
    matched = "keep"
    [[table]]
    table = "speakers"
    identity = [{ columns = ["public_id"] }]
    [[foreign_key]]
    table = "recordings"
    columns = ["user_id"]
    class = "ownership"
    [[foreign_key]]
    table = "recording_tags"
    columns = ["recording_id"]
    class = "ownership"
    [[foreign_key]]
    table = "recording_tags"
    columns = ["tag_id"]
    class = "ownership"
    [[foreign_key]]
    table = "speakers"
    columns = ["recording_id"]
    class = "ownership"
    [[foreign_key]]
    table = "speakers"
    columns = ["merged_into"]
    class = "deferred"
    [[foreign_key]]
    table = "transcripts"
    columns = ["recording_id"]
    class = "ownership"
    [[reference]]
    table = "transcripts"
    column = "segments"
    path = "[*].speaker"
    references = "speakers"
    [[collision]]
    table = "speakers"
    columns = ["public_id"]
    column = "public_id"
    with = "uuid"
"#;

const A: &str = r#"
    INSERT INTO users VALUES (1, 'ann', 'admin'), (2, 'bob', 'user');
    INSERT INTO recordings VALUES (1, 'R-1', 1, 'Standup'), (2, 'r-2', 2, 'Plan'), (3, 'r-3', 1, 'Retro');
    INSERT INTO tags VALUES (1, 1, 'work', NULL), (2, 1, 'notes', 1), (3, 1, 'notes', NULL);
    INSERT INTO recording_tags VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3);
    INSERT INTO speakers VALUES (1, 1, 'Ann', 's-1', NULL), (2, 2, 'Bob', 's-2', 3), (3, 2, 'Bobby', 's-3', NULL), (4, 3, 'Eve', 's-9', NULL);
    INSERT INTO transcripts VALUES (1, 1, '[{"speaker": 1}]'), (2, 2, '[ {"speaker": 2, "at":1.50}, {"speaker":"3"}, {"speaker":77}, {"x":2} ]'), (3, 3, '[]')"#;

const B: &str = r#"
    INSERT INTO users VALUES (1, 'eve', 'user'), (2, 'ann', 'user');
    INSERT INTO recordings VALUES (1, 'q-1', 1, 'Other'), (2, 'r-1 ', 2, 'Standup, renamed');
    INSERT INTO tags VALUES (1, 2, 'notes', NULL), (2, 1, 'work', NULL), (5, 2, 'work', NULL);
    INSERT INTO recording_tags VALUES (1, 2, 5), (2, 2, 1);
    INSERT INTO speakers VALUES (1, 1, 'Zoe', 's-9', NULL), (2, 2, 'Ann B.', 's-1', NULL), (3, 2, 'Nobody', 's-4', 2);
    INSERT INTO transcripts VALUES (1, 2, '[{"speaker": 2}, {"speaker": 3}]')"#;

/// By table: insert, update, keep, delete.
fn short(counts: &[(String, Counts)]) -> Vec<(&str, [u64; 4])> {
    let mut short: Vec<(&str, [u64; 4])> = counts
        .iter()
        .map(|(table, counts)| {
            let numbers = [counts.insert, counts.update, counts.keep, counts.delete];
            (table.as_str(), numbers)
        })
        .collect();
    short.sort_unstable();
    short
}

const TABLES: [&str; 6] = [
    "users",
    "recordings",
    "tags",
    "recording_tags",
    "speakers",
    "transcripts",
];

async fn everything(installation: &Installation) -> Vec<String> {
    let mut all = Vec::new();
    for table in TABLES {
        for row in installation
            .rows(&format!("SELECT * FROM {table} ORDER BY id"))
            .await
        {
            all.push(format!("{table}: {row}"));
        }
    }
    all
}

async fn two(kind: Kind) -> (Installation, Installation) {
    let a = Installation::new(kind, SCHEMA, Some(PRESET)).await;
    a.sql(A).await;
    let b = Installation::new(kind, SCHEMA, Some(PRESET)).await;
    b.sql(B).await;
    (a, b)
}

async fn skip(kind: Kind) {
    let (a, b) = two(kind).await;
    let archive = a.backup().await;
    let counts = b.restore(&archive, Mode::Skip).await;
    assert_eq!(
        short(&counts),
        [
            ("recording_tags", [2, 0, 1, 0]),
            ("recordings", [2, 0, 1, 0]),
            ("speakers", [3, 0, 1, 0]),
            ("tags", [1, 0, 2, 0]),
            ("transcripts", [2, 0, 1, 0]),
            ("users", [1, 0, 1, 0]),
        ]
    );
    let speakers = b
        .rows("SELECT s.id, r.public_id, s.name, CASE WHEN length(s.public_id) > 9 THEN 'new' ELSE s.public_id END, m.name FROM speakers s JOIN recordings r ON r.id = s.recording_id LEFT JOIN speakers m ON m.id = s.merged_into ORDER BY s.id")
        .await;
    assert_eq!(
        speakers,
        [
            "1|q-1|Zoe|s-9|-",
            "2|r-1 |Ann B.|s-1|-",
            "3|r-1 |Nobody|s-4|Ann B.",
            "4|r-3|Eve|new|-",
            "5|r-2|Bob|s-2|Bobby",
            "6|r-2|Bobby|s-3|-",
        ]
    );
    assert_eq!(
        b.rows("SELECT r.id, r.public_id, u.username, r.name FROM recordings r JOIN users u ON u.id = r.user_id ORDER BY r.id").await,
        ["1|q-1|eve|Other", "2|r-1 |ann|Standup, renamed", "3|r-3|ann|Retro", "4|r-2|bob|Plan"]
    );
    assert_eq!(
        b.rows("SELECT r.public_id, t.segments FROM transcripts t JOIN recordings r ON r.id = t.recording_id ORDER BY 1").await,
        [
            r#"r-1 |[{"speaker": 2}, {"speaker": 3}]"#,
            r#"r-2|[ {"speaker": 5, "at":1.50}, {"speaker":"6"}, {"speaker":null}, {"x":2} ]"#,
            "r-3|[]",
        ]
    );
    assert_eq!(
        b.rows("SELECT t.id, u.username, t.name, p.name FROM tags t JOIN users u ON u.id = t.user_id LEFT JOIN tags p ON p.id = t.parent_id ORDER BY t.id").await,
        ["1|ann|notes|-", "2|eve|work|-", "5|ann|work|-", "6|ann|notes|work"]
    );
    let before = everything(&b).await;
    let again = b.restore(&archive, Mode::Skip).await;
    assert!(
        again
            .iter()
            .all(|(_, counts)| (counts.insert, counts.update, counts.delete) == (0, 0, 0)),
        "{again:?}"
    );
    assert_eq!(everything(&b).await, before);
}

async fn overwrite(kind: Kind) {
    let (a, b) = two(kind).await;
    let archive = a.backup().await;
    let kept = everything(&b).await;
    let mut request = b.request(&archive, Mode::Overwrite);
    request.consent.no_safety_backup = false;
    let (_, report) = b.try_restore(request).await.unwrap();
    let counts: Vec<(String, Counts)> = report
        .merged
        .into_iter()
        .map(|table| (table.name, table.counts))
        .collect();
    assert_eq!(
        short(&counts),
        [
            // The tag notes of r-1 is not in the archive.
            ("recording_tags", [2, 0, 1, 1]),
            ("recordings", [2, 1, 0, 0]),
            ("speakers", [3, 1, 0, 1]),
            ("tags", [1, 0, 2, 0]),
            ("transcripts", [2, 1, 0, 0]),
            ("users", [1, 0, 1, 0]),
        ]
    );
    assert_eq!(
        b.rows("SELECT r.id, r.public_id, u.username, r.name FROM recordings r JOIN users u ON u.id = r.user_id ORDER BY r.id").await,
        ["1|q-1|eve|Other", "2|R-1|ann|Standup", "3|r-3|ann|Retro", "4|r-2|bob|Plan"]
    );
    assert_eq!(
        b.rows("SELECT r.public_id, t.segments FROM transcripts t JOIN recordings r ON r.id = t.recording_id ORDER BY lower(public_id)").await,
        [
            r#"R-1|[{"speaker": 2}]"#,
            r#"r-2|[ {"speaker": 5, "at":1.50}, {"speaker":"6"}, {"speaker":null}, {"x":2} ]"#,
            "r-3|[]",
        ]
    );
    let before = everything(&b).await;
    let again = b.restore(&archive, Mode::Overwrite).await;
    assert!(
        again
            .iter()
            .all(|(_, counts)| (counts.insert, counts.update, counts.delete) == (0, 0, 0)),
        "{again:?}"
    );
    assert_eq!(everything(&b).await, before);
    b.undo().await;
    assert_eq!(everything(&b).await, kept);
}

#[tokio::test]
async fn sqlite_skip() {
    skip(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_skip() {
    skip(Kind::Postgres).await;
}

#[tokio::test]
async fn sqlite_overwrite() {
    overwrite(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_overwrite() {
    overwrite(Kind::Postgres).await;
}

const EVENTS: &str = "CREATE TABLE events (uid text PRIMARY KEY, title text, place text, status text, synced integer, cursor text)";

fn events_preset(columns: &str) -> String {
    format!(
        r#"
        app = "calendar"
        [[table]]
        table = "events"
        identity = [{{ columns = ["uid"] }}]
        fill = ["place"]
        newer = {{ by = "synced"{columns} }}
        settled = {{ status = {{ when = ["queued", "running"], value = "failed" }} }}
        "#
    )
}

/// Matched rows take what is newer, empty values are filled, and nothing stays under way.
#[tokio::test]
async fn rows_take_what_is_newer_and_settle_what_was_under_way() {
    const ARCHIVED: &str = "INSERT INTO events VALUES ('later', 'A', 'a', 'running', 5, 'x'), ('same', 'A', 'a', 'done', 5, 'x'),
        ('older', 'A', 'a', 'queued', 5, 'x'), ('unknown', 'A', 'a', 'done', NULL, 'x'), ('new', 'A', NULL, 'running', NULL, 'x')";
    const HELD: &str = "INSERT INTO events VALUES ('later', 'B', NULL, 'done', 4, 'y'), ('same', 'B', 'b', 'done', 5, 'y'),
        ('older', 'B', '', 'done', 6, 'y'), ('unknown', 'B', 'b', 'done', NULL, 'y'), ('here', 'B', 'b', 'running', 9, 'y')";
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for (columns, mode, expected) in [
            (
                "",
                Mode::Skip,
                [
                    "here|B|b|running|9|y",
                    "later|A|a|failed|5|x",
                    "new|A|-|failed|-|x",
                    "older|B|a|done|6|y",
                    "same|A|a|done|5|x",
                    "unknown|B|b|done|-|y",
                ],
            ),
            (
                r#", columns = ["cursor", "synced"]"#,
                Mode::Skip,
                [
                    "here|B|b|running|9|y",
                    "later|B|a|done|5|x",
                    "new|A|-|failed|-|x",
                    "older|B|a|done|6|y",
                    "same|B|b|done|5|x",
                    "unknown|B|b|done|-|y",
                ],
            ),
            (
                "",
                Mode::Overwrite,
                [
                    "here|B|b|running|9|y",
                    "later|A|a|failed|5|x",
                    "new|A|-|failed|-|x",
                    "older|A|a|failed|5|x",
                    "same|A|a|done|5|x",
                    "unknown|A|a|done|-|x",
                ],
            ),
        ] {
            let preset = events_preset(columns);
            let source = Installation::new(kind, EVENTS, Some(&preset)).await;
            source.sql(ARCHIVED).await;
            let target = Installation::new(kind, EVENTS, Some(&preset)).await;
            target.sql(HELD).await;
            let archive = source.backup().await;
            let _counts = target.restore(&archive, mode).await;
            let held = target.rows("SELECT * FROM events ORDER BY uid").await;
            assert_eq!(held, expected, "{kind:?} {mode} {columns}");
            let again = target.restore(&archive, mode).await;
            assert_eq!(short(&again)[0].1[..2], [0, 0], "{kind:?} {mode} {columns}");
        }
    }
}

#[tokio::test]
async fn rows_that_were_edited_since_the_plan_are_noticed() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let (a, b) = two(kind).await;
        let mut request = b.request(&a.backup().await, Mode::Skip);
        let planned = restore::plan(&request, &Progress::default()).await.unwrap();
        request.expected_plan = Some(planned.plan.digest());
        // As many rows as before, and the merge would do as much.
        b.sql("UPDATE tags SET parent_id = 2 WHERE id = 5").await;
        let before = everything(&b).await;
        let error = restore::run(request.clone(), Progress::default())
            .await
            .unwrap_err();
        let RestoreError::PlanChanged(now) = error else {
            panic!("{error}");
        };
        let edited = |states: &[(TableName, String)]| {
            let mut states = states.iter();
            states.find(|(table, _)| table.name == "tags").cloned()
        };
        assert_eq!(now.facts.rows, planned.facts.rows);
        assert_ne!(edited(&now.facts.states), edited(&planned.facts.states));
        assert_eq!(everything(&b).await, before);
        request.expected_plan = Some(now.plan.digest());
        let report = restore::run(request, Progress::default()).await.unwrap();
        planned::as_planned(&now.plan, &report);
    }
}
