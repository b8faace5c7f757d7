//! Two installations of Nojoin with its own tables and preset, which have gone different ways: the same recordings, renamed
//! tags, clashing numbers and unique values, a legacy recording without identifiers, ids inside of JSON. What comes out is
//! worked out by hand.

use coffer_core::{
    merge::{Counts, FileCounts, Skipped},
    plan::Mode,
};
use coffer_tests::installation::{Installation, Kind};

const TABLES: &str = include_str!("../../products/nojoin.sql");
const PRESET: &str = include_str!("../../../presets/nojoin.toml");

/// Gives each column that needs a value one, so that rows below name only what matters.
const DEFAULTS: &str = include_str!("../../products/defaults.sql");

const A: &str = r#"
    INSERT INTO users (id, username, role) VALUES (1, 'ann', 'admin'), (2, 'bob', 'user');
    INSERT INTO recordings (id, user_id, name, meeting_uid, public_id, audio_path, proxy_path, upload_progress) VALUES
        (1, 1, 'Standup', 'm-1', 'p-1', 'recordings/standup.wav', 'standup.mp3', 100),
        (2, 2, 'Plan', 'm-2', 'p-2', 'recordings/plan.opus', 'plan.mp3', 100),
        (3, 1, 'Retro', 'm-3', 'p-3', 'recordings/retro.wav', NULL, 50),
        (4, 1, 'Legacy', '', '', 'recordings/legacy.wav', NULL, 0);
    INSERT INTO tags (id, user_id, name, parent_id) VALUES (1, 1, 'work', NULL), (2, 1, 'notes', 1), (3, 1, 'notes', NULL);
    INSERT INTO recording_tags (id, recording_id, tag_id) VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 1);
    INSERT INTO global_speakers (id, user_id, name, company, email) VALUES (1, 1, 'Eve', 'ACME', 'eve@acme'), (2, 1, 'Zed', NULL, NULL);
    INSERT INTO recording_speakers (id, recording_id, global_speaker_id, name, public_id, merged_into_id) VALUES
        (1, 1, 1, 'Ann', 's-1', NULL), (2, 2, NULL, 'Bob', 's-2', 3), (3, 2, 2, 'Bobby', 's-3', NULL), (4, 3, NULL, 'Max', 's-9', NULL);
    INSERT INTO transcripts (id, recording_id, text, segments, speaker_name_suggestions) VALUES
        (1, 1, 'one', '[{"recording_speaker_id": 1}]', '[]'),
        (2, 2, 'two', '[{"recording_speaker_id": 2, "confidence_payload": {"inherited_manual_speaker": {"recording_speaker_id": 3}}}, {"recording_speaker_id": 99}]',
            '[{"recording_speaker_id": 3, "suggested_global_speaker_id": 2, "resolution_actor_user_id": 2}]'),
        (3, 3, 'three', NULL, '[]'), (4, 4, 'four', NULL, '[]');
    INSERT INTO chat_messages (id, recording_id, user_id, role, content) VALUES (1, 1, 1, 'user', 'Hi'), (2, 2, 2, 'user', 'Hello');
    INSERT INTO documents (id, recording_id, title, file_path) VALUES (1, 2, 'Slides', 'documents/slides.pdf');
    INSERT INTO document_pages (id, document_id, page_number, content) VALUES (1, 1, 1, 'page one'), (2, 1, 2, 'page two');
    INSERT INTO user_tasks (id, user_id, title) VALUES (1, 2, 'Buy milk'), (2, 1, 'Call');
    INSERT INTO user_task_recordings (id, task_id, recording_id) VALUES (1, 1, 2), (2, 2, 1)"#;

const B: &str = r#"
    INSERT INTO users (id, username, role) VALUES (1, 'eve', 'user'), (2, 'ann', 'user');
    INSERT INTO recordings (id, user_id, name, meeting_uid, public_id, audio_path, proxy_path) VALUES
        (1, 1, 'Other', 'm-8', 'p-8', 'recordings/plan.opus', NULL),
        (2, 2, 'Standup, renamed', 'M-1 ', 'p-7', 'recordings/b-standup.wav', 'b.mp3'),
        (3, 2, 'Old', 'm-6', 'p-6', 'recordings/legacy.opus', NULL);
    INSERT INTO tags (id, user_id, name, parent_id) VALUES (1, 2, 'notes', NULL), (2, 1, 'work', NULL), (5, 2, 'work', NULL);
    INSERT INTO recording_tags (id, recording_id, tag_id) VALUES (1, 2, 1), (2, 1, 2);
    INSERT INTO global_speakers (id, user_id, name, company, email, title) VALUES (1, 1, 'Eve', 'ACME', NULL, NULL), (7, 2, 'Eve', 'ACME', NULL, 'CEO');
    INSERT INTO recording_speakers (id, recording_id, name, public_id) VALUES (1, 1, 'Zoe', 's-9'), (2, 2, 'Ann B.', 's-1'), (3, 2, 'Nobody', 's-4');
    INSERT INTO transcripts (id, recording_id, text, segments) VALUES (1, 2, 'uno', '[{"recording_speaker_id": 2}, {"recording_speaker_id": 3}]');
    INSERT INTO transcript_utterances (id, recording_id, recording_speaker_id, text) VALUES (1, 2, 3, 'derived');
    INSERT INTO chat_messages (id, recording_id, user_id, role, content) VALUES (1, 2, 2, 'user', 'Only here');
    INSERT INTO user_tasks (id, user_id, title) VALUES (1, 2, 'Call'), (2, 1, 'Mine')"#;

const A_AUDIO: &[(&str, &str)] = &[
    ("standup.wav", "A standup"),
    ("standup.mp3", "A proxy"),
    ("plan.opus", "A plan"),
    ("retro.wav", "A retro"),
    ("legacy.wav", "A legacy"),
];
const A_DOCUMENTS: &[(&str, &str)] = &[("slides.pdf", "A slides")];

const B_AUDIO: &[(&str, &str)] = &[
    ("plan.opus", "B other"),
    ("b-standup.wav", "B standup"),
    ("b.mp3", "B proxy"),
    ("legacy.opus", "B old"),
    ("standup.mp3", "B stray"),
];
const B_DOCUMENTS: &[(&str, &str)] = &[("manual.pdf", "B manual")];

async fn installation(
    rows: &str,
    audio: &[(&str, &str)],
    documents: &[(&str, &str)],
) -> Installation {
    let mut installation = Installation::new(Kind::Postgres, TABLES, Some(PRESET)).await;
    installation.sql(DEFAULTS).await;
    installation.sql(rows).await;
    installation.add_files("recordings", audio);
    installation.add_files("documents", documents);
    installation
}

/// The two installations, which have gone different ways.
async fn two() -> (Installation, Installation) {
    (
        installation(A, A_AUDIO, A_DOCUMENTS).await,
        installation(B, B_AUDIO, B_DOCUMENTS).await,
    )
}

/// Each recording with the audio that it names.
async fn audio(installation: &Installation) -> Vec<String> {
    let rows = installation
        .rows("SELECT name, substr(audio_path, 12) AS path FROM recordings ORDER BY id")
        .await;
    let read = |row: &String| {
        let (name, path) = row.split_once('|').unwrap();
        let audio = std::fs::read_to_string(installation.set("recordings").join(path));
        format!("{name}: {}", audio.unwrap())
    };
    rows.iter().map(read).collect()
}

/// Restores, and gives what becomes of rows and of the two file sets.
async fn restore(
    b: &Installation,
    archive: &std::path::Path,
    mode: Mode,
) -> (Vec<(String, Counts)>, [FileCounts; 2]) {
    let mut request = b.request(archive, mode);
    request.consent.no_safety_backup = false;
    let (_, report) = b.try_restore(request).await.unwrap();
    let rows = report.merged.into_iter();
    let files: Vec<FileCounts> = ["recordings", "documents"]
        .iter()
        .map(|name| {
            let mut sets = report.file_sets.iter();
            sets.find(|set| set.name == *name).unwrap().merged.unwrap()
        })
        .collect();
    (
        rows.map(|table| (table.name, table.counts)).collect(),
        files.try_into().unwrap(),
    )
}

/// What changes in some table, by the table's name: insert, update, keep, delete, and left out with parents.
fn short(counts: &[(String, Counts)]) -> Vec<(&str, [u64; 5])> {
    let mut short: Vec<_> = counts
        .iter()
        .map(|(table, counts)| {
            let with = counts.skipped.get(&Skipped::WithParent).copied();
            let skipped: u64 = counts.skipped.values().sum();
            assert_eq!(with.unwrap_or(0), skipped, "{table}: {counts:?}");
            let Counts {
                insert,
                update,
                keep,
                delete,
                ..
            } = *counts;
            (table.as_str(), [insert, update, keep, delete, skipped])
        })
        .filter(|(_, counts)| counts.iter().any(|count| *count > 0))
        .collect();
    short.sort_unstable();
    short
}

const RECORDINGS: &str = "SELECT r.id, u.username, r.name, r.meeting_uid, r.public_id,
    regexp_replace(r.audio_path, '__[0-9a-f-]{36}', '__new') AS audio, r.proxy_path, r.upload_progress
    FROM recordings r JOIN users u ON u.id = r.user_id ORDER BY r.id";
const TAGS: &str = "SELECT r.name AS recording, t.name, p.name AS parent, u.username FROM recording_tags x JOIN recordings r ON r.id = x.recording_id
    JOIN tags t ON t.id = x.tag_id JOIN users u ON u.id = t.user_id LEFT JOIN tags p ON p.id = t.parent_id ORDER BY 1, 2, 3";
const SPEAKERS: &str = "SELECT s.id, r.name AS recording, s.name, CASE WHEN length(s.public_id) = 36 THEN 'new' ELSE s.public_id END AS public, g.name AS known, m.name AS merged
    FROM recording_speakers s JOIN recordings r ON r.id = s.recording_id LEFT JOIN global_speakers g ON g.id = s.global_speaker_id
    LEFT JOIN recording_speakers m ON m.id = s.merged_into_id ORDER BY s.id";
const TRANSCRIPTS: &str = "SELECT r.name AS recording, t.text, t.segments, t.speaker_name_suggestions FROM transcripts t JOIN recordings r ON r.id = t.recording_id ORDER BY t.text";

async fn a_second_time(b: &Installation, archive: &std::path::Path, mode: Mode) {
    let mut before = Vec::new();
    for query in [RECORDINGS, TAGS, SPEAKERS, TRANSCRIPTS] {
        before.push(b.rows(query).await);
    }
    let files = (b.files("recordings"), b.files("documents"), audio(b).await);
    let kept = b.safety_backups();
    assert_eq!(kept, 1);
    let (rows, sets) = restore(b, archive, mode).await;
    for (table, counts) in rows {
        assert!(counts.is_unchanged(), "{table}: {counts:?}");
    }
    assert!(sets.iter().all(FileCounts::is_unchanged), "{sets:?}");
    assert_eq!(
        files,
        (b.files("recordings"), b.files("documents"), audio(b).await)
    );
    // Nothing had to be kept.
    assert_eq!(b.safety_backups(), kept);
    for (query, rows) in [RECORDINGS, TAGS, SPEAKERS, TRANSCRIPTS].iter().zip(before) {
        assert_eq!(b.rows(query).await, rows);
    }
}

#[tokio::test]
async fn nojoin_skip_adds_what_is_new() {
    let (a, b) = two().await;
    let archive = a.backup().await;
    let (counts, [recordings, documents]) = restore(&b, &archive, Mode::Skip).await;
    assert_eq!(
        short(&counts),
        [
            ("chat_messages", [1, 0, 0, 0, 1]),
            ("document_pages", [2, 0, 0, 0, 0]),
            ("documents", [1, 0, 0, 0, 0]),
            // Eve's address is filled in.
            ("global_speakers", [1, 1, 0, 0, 0]),
            ("recording_speakers", [3, 0, 1, 0, 0]),
            ("recording_tags", [2, 0, 0, 0, 2]),
            ("recordings", [2, 0, 2, 0, 0]),
            ("tags", [1, 0, 2, 0, 0]),
            ("transcripts", [2, 0, 1, 0, 1]),
            // Call and its recording are both there, and stay as they are.
            ("user_task_recordings", [1, 0, 0, 0, 1]),
            ("user_tasks", [1, 0, 1, 0, 0]),
            ("users", [1, 0, 1, 0, 0]),
        ]
    );
    assert_eq!(
        b.rows(RECORDINGS).await,
        [
            "1|eve|Other|m-8|p-8|recordings/plan.opus|-|0",
            "2|ann|Standup, renamed|M-1 |p-7|recordings/b-standup.wav|b.mp3|0",
            "3|ann|Old|m-6|p-6|recordings/legacy.opus|-|0",
            "5|bob|Plan|m-2|p-2|recordings/plan__new.opus|-|0",
            "6|ann|Retro|m-3|p-3|recordings/retro.wav|-|0",
        ]
    );
    assert_eq!(
        b.rows(TAGS).await,
        [
            "Other|work|-|eve",
            "Plan|notes|work|ann",
            "Retro|notes|-|ann",
            "Standup, renamed|notes|-|ann",
        ]
    );
    assert_eq!(
        b.rows(SPEAKERS).await,
        [
            "1|Other|Zoe|s-9|-|-",
            "2|Standup, renamed|Ann B.|s-1|-|-",
            "3|Standup, renamed|Nobody|s-4|-|-",
            "4|Retro|Max|new|-|-",
            "5|Plan|Bob|s-2|-|Bobby",
            "6|Plan|Bobby|s-3|Zed|-",
        ]
    );
    assert_eq!(
        b.rows(TRANSCRIPTS).await,
        [
            "Retro|three|-|[]",
            r#"Plan|two|[{"confidence_payload": {"inherited_manual_speaker": {"recording_speaker_id": 6}}, "recording_speaker_id": 5}, {"recording_speaker_id": null}]|[{"recording_speaker_id": 6, "resolution_actor_user_id": 3, "suggested_global_speaker_id": 2}]"#,
            r#"Standup, renamed|uno|[{"recording_speaker_id": 2}, {"recording_speaker_id": 3}]|[]"#,
        ]
    );
    assert_eq!(
        b.rows("SELECT username, role, hashed_password FROM users ORDER BY id")
            .await,
        ["eve|user|x", "ann|user|x", "bob|user|!"]
    );
    assert_eq!(
        b.rows(
            "SELECT name, company, email, title FROM global_speakers WHERE user_id = 2 ORDER BY id"
        )
        .await,
        ["Zed|-|-|-", "Eve|ACME|eve@acme|CEO"]
    );
    // Audio comes with its recording; where the name is another recording's, under a name of its own.
    assert_eq!(
        b.files("recordings"),
        [
            "b-standup.wav: B standup",
            "b.mp3: B proxy",
            "legacy.opus: B old",
            "plan.opus: B other",
            "plan__new.opus: A plan",
            "retro.wav: A retro",
            "standup.mp3: B stray",
        ]
    );
    assert_eq!(
        audio(&b).await,
        [
            "Other: B other",
            "Standup, renamed: B standup",
            "Old: B old",
            "Plan: A plan",
            "Retro: A retro",
        ]
    );
    assert_eq!(
        b.files("documents"),
        ["manual.pdf: B manual", "slides.pdf: A slides"]
    );
    assert_eq!(
        (recordings, documents),
        (
            FileCounts {
                add: 2,
                keep: 1,
                rename: 1,
                skipped: 2,
                ..FileCounts::default()
            },
            FileCounts {
                add: 1,
                ..FileCounts::default()
            }
        )
    );
    a_second_time(&b, &archive, Mode::Skip).await;
}

#[tokio::test]
async fn nojoin_overwrite_makes_the_backup_count() {
    let (a, b) = two().await;
    let archive = a.backup().await;
    let (counts, [recordings, documents]) = restore(&b, &archive, Mode::Overwrite).await;
    assert_eq!(
        short(&counts),
        [
            ("chat_messages", [2, 0, 0, 1, 0]),
            ("document_pages", [2, 0, 0, 0, 0]),
            ("documents", [1, 0, 0, 0, 0]),
            ("global_speakers", [1, 1, 0, 0, 0]),
            ("recording_speakers", [3, 1, 0, 1, 0]),
            ("recording_tags", [4, 0, 0, 1, 0]),
            ("recordings", [2, 2, 0, 0, 0]),
            ("tags", [1, 0, 2, 0, 0]),
            ("transcripts", [3, 1, 0, 0, 0]),
            ("user_task_recordings", [2, 0, 0, 0, 0]),
            ("user_tasks", [1, 0, 1, 0, 0]),
            ("users", [1, 0, 1, 0, 0]),
        ]
    );
    let detached: Vec<&str> = counts
        .iter()
        .filter(|(_, counts)| counts.detached > 0)
        .map(|(table, _)| table.as_str())
        .collect();
    assert_eq!(detached, ["transcript_utterances"]);
    assert_eq!(
        b.rows(RECORDINGS).await,
        [
            "1|eve|Other|m-8|p-8|recordings/plan.opus|-|0",
            "2|ann|Standup|m-1|p-1|recordings/standup.wav|b.mp3|0",
            // The archive knows no identifiers of it, so it keeps those that it has.
            "3|ann|Legacy|m-6|p-6|recordings/legacy.wav|-|0",
            "5|bob|Plan|m-2|p-2|recordings/plan__new.opus|-|0",
            "6|ann|Retro|m-3|p-3|recordings/retro.wav|-|0",
        ]
    );
    assert_eq!(
        b.rows(TAGS).await,
        [
            "Legacy|work|-|ann",
            "Other|work|-|eve",
            "Plan|notes|work|ann",
            "Retro|notes|-|ann",
            "Standup|work|-|ann",
        ]
    );
    assert_eq!(
        b.rows(SPEAKERS).await,
        [
            "1|Other|Zoe|s-9|-|-",
            "2|Standup|Ann|s-1|Eve|-",
            "4|Retro|Max|new|-|-",
            "5|Plan|Bob|s-2|-|Bobby",
            "6|Plan|Bobby|s-3|Zed|-",
        ]
    );
    assert_eq!(
        b.rows(TRANSCRIPTS).await[1],
        r#"Standup|one|[{"recording_speaker_id": 2}]|[]"#
    );
    // What matched recordings named before goes, and nothing else: proxies are no recording's audio.
    assert_eq!(
        b.files("recordings"),
        [
            "b.mp3: B proxy",
            "legacy.wav: A legacy",
            "plan.opus: B other",
            "plan__new.opus: A plan",
            "retro.wav: A retro",
            "standup.mp3: A proxy",
            "standup.wav: A standup",
        ]
    );
    assert_eq!(
        audio(&b).await,
        [
            "Other: B other",
            "Standup: A standup",
            "Legacy: A legacy",
            "Plan: A plan",
            "Retro: A retro",
        ]
    );
    assert_eq!(
        b.files("documents"),
        ["manual.pdf: B manual", "slides.pdf: A slides"]
    );
    assert_eq!(
        (recordings, documents),
        (
            FileCounts {
                add: 4,
                replace: 1,
                remove: 2,
                rename: 1,
                ..FileCounts::default()
            },
            FileCounts {
                add: 1,
                ..FileCounts::default()
            }
        )
    );
    a_second_time(&b, &archive, Mode::Overwrite).await;
    // The one safety backup brings all of it back.
    b.undo().await;
    assert_eq!(
        b.files("recordings"),
        [
            "b-standup.wav: B standup",
            "b.mp3: B proxy",
            "legacy.opus: B old",
            "plan.opus: B other",
            "standup.mp3: B stray",
        ]
    );
    assert_eq!(b.files("documents"), ["manual.pdf: B manual"]);
    assert_eq!(
        audio(&b).await,
        [
            "Other: B other",
            "Standup, renamed: B standup",
            "Old: B old"
        ]
    );
}
