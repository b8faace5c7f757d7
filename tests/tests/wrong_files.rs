//! What the command line says of files that are no archive, or not a whole one: each in its own words and with its
//! exit code, and nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{collections::BTreeSet, fs, io::Write, path::Path};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;

const PASSWORDS: [(&str, &str); 2] = [("RIGHT", "correct horse"), ("WRONG", "battery staple")];

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn make_archive(folder: &Path) -> Vec<u8> {
    let database = folder.join("app.sqlite");
    let connection = Connection::open(&database).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO notes SELECT i, hex(randomblob(20)) FROM n;",
        )
        .unwrap();
    let archive = folder.join("good.coffer");
    let source = format!("sqlite:{}", database.display());
    let _taken = coffer(
        [
            "backup",
            "--source",
            &source,
            "--out",
            path(&archive),
            "--sealed",
            "--password-env",
            "RIGHT",
        ],
        &PASSWORDS,
    )
    .ok();
    fs::read(archive).unwrap()
}

#[test]
fn every_wrong_file_has_its_own_answer_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = make_archive(folder);
    let mut flipped = good.clone();
    flipped[60_000] ^= 1;
    let mut zip = Vec::new();
    {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut zip));
        writer
            .start_file("holiday.txt", zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(b"sun").unwrap();
        writer.finish().unwrap();
    }
    let files: [(&str, &[u8], &str, i32, &str); 6] = [
        ("wrong password", &good, "WRONG", 3, "wrong_password"),
        (
            "truncated",
            &good[..good.len() / 2],
            "RIGHT",
            4,
            "cut_short",
        ),
        ("flipped byte", &flipped, "RIGHT", 4, "chunk_damaged"),
        ("ordinary zip", &zip, "RIGHT", 4, "not_an_archive"),
        ("empty", b"", "RIGHT", 4, "empty"),
        (
            "text",
            b"Dear diary, this is no archive.\n",
            "RIGHT",
            4,
            "not_an_archive",
        ),
    ];
    let target = folder.join("target.sqlite");
    let connection = Connection::open(&target).unwrap();
    connection.execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'kept');").unwrap();
    let before = fs::read(&target).unwrap();
    let target_url = format!("sqlite:{}", target.display());

    let mut sentences = BTreeSet::new();
    for (name, bytes, password, code, error) in files {
        let file = folder.join(name);
        fs::write(&file, bytes).unwrap();
        let check = |run: &Run, command: &str| {
            assert_eq!(run.code, code, "{command} on {name}: {run:?}");
            assert_eq!(
                run.json()["error"]["code"],
                error,
                "{command} on {name}: {run:?}"
            );
            run.json()["error"]["message"].as_str().unwrap().to_owned()
        };
        let verified = coffer(
            ["verify", path(&file), "--json", "--password-env", password],
            &PASSWORDS,
        );
        let sentence = check(&verified, "verify");
        let restored = coffer(
            [
                "restore",
                path(&file),
                "--json",
                "--target",
                &target_url,
                "--mode",
                "replace",
                "--yes",
                "--force",
                "--password-env",
                password,
            ],
            &PASSWORDS,
        );
        check(&restored, "restore");
        let spoken = coffer(
            ["verify", path(&file), "--password-env", password],
            &PASSWORDS,
        );
        assert_eq!(spoken.stderr, format!("coffer: {sentence}\n"));
        assert!(
            sentences.insert(sentence.clone()),
            "{name} has the sentence of another: {sentence}"
        );
        assert_eq!(
            fs::read(&target).unwrap(),
            before,
            "{name} changed the target"
        );
        let left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|entry| {
                entry.starts_with(".coffer")
                    || entry.ends_with("-journal")
                    || entry.ends_with("-wal")
            })
            .collect();
        assert!(left.is_empty(), "{name} left {left:?} behind");
    }
}

#[test]
fn a_refused_or_failed_backup_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.coffer");
    let missing = format!("sqlite:{}", folder.path().join("missing.sqlite").display());
    let run = coffer(
        [
            "backup",
            "--json",
            "--source",
            &missing,
            "--out",
            path(&out),
        ],
        &[],
    );
    assert_eq!(run.code, 1, "{run:?}");
    make_archive(folder.path());
    let source = format!("sqlite:{}", folder.path().join("app.sqlite").display());
    let sensitive = coffer(
        [
            "backup",
            "--json",
            "--source",
            &source,
            "--out",
            path(&out),
            "--sensitive",
        ],
        &[],
    );
    assert_eq!(sensitive.code, 5, "{sensitive:?}");
    let no_folder = coffer(
        [
            "backup",
            "--json",
            "--source",
            &source,
            "--files",
            "up=/nonexistent/folder",
            "--out",
            path(&out),
        ],
        &[],
    );
    assert_eq!(no_folder.code, 1, "{no_folder:?}");
    let existing = folder.path().join("good.coffer");
    let kept = fs::read(&existing).unwrap();
    let exists = coffer(
        [
            "backup",
            "--json",
            "--source",
            &source,
            "--out",
            path(&existing),
        ],
        &[],
    );
    assert_eq!(exists.code, 5, "{exists:?}");
    assert_eq!(fs::read(&existing).unwrap(), kept);
    let names: BTreeSet<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["app.sqlite".to_owned(), "good.coffer".to_owned()])
    );
}
