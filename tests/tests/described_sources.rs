//! Sources that a file describes: optional file sets, programs that make files smaller, hooks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A recorder of meetings: a database that names files, and the files.
struct Recorder {
    folder: TempDir,
}

impl Recorder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Self { folder };
        for name in ["audio/deep", "thumbs", "restored"] {
            fs::create_dir_all(recorder.at(name)).unwrap();
        }
        for name in ["app.sqlite", "target.sqlite"] {
            recorder.sql(
                name,
                "CREATE TABLE recordings (id INTEGER PRIMARY KEY, path TEXT, link); CREATE TABLE log (line TEXT);",
            );
        }
        recorder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sql(&self, database: &str, sql: &str) {
        let connection = Connection::open(self.at(database)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn audio(&self, path: &str, content: &str) {
        fs::write(self.at("audio").join(path), content).unwrap();
    }

    /// Writes the source's file; FOLDER in it is the test's folder.
    fn describe(&self, text: &str) {
        let folder = self.folder.path().to_str().unwrap();
        fs::write(self.at("app.toml"), text.replace("FOLDER", folder)).unwrap();
    }

    fn backup(&self, options: &[&str]) -> Run {
        let (config, archive) = (self.at("app.toml"), self.at("app.zip"));
        let backup = [
            "backup",
            "--json",
            "--overwrite",
            "--config",
            config.to_str().unwrap(),
            "--out",
            archive.to_str().unwrap(),
        ];
        coffer([&backup, options].concat(), &[])
    }

    fn restore(&self, options: &[&str]) -> Run {
        let (config, archive) = (self.at("app.toml"), self.at("app.zip"));
        let target = format!("sqlite:{}", self.at("target.sqlite").display());
        let restore = [
            "restore",
            archive.to_str().unwrap(),
            "--json",
            "--config",
            config.to_str().unwrap(),
            "--target",
            &target,
            "--mode",
            "replace",
            "--yes",
            "--force",
        ];
        coffer([&restore, options].concat(), &[])
    }

    fn entry(&self, name: &str) -> Option<String> {
        let mut zip = zip::ZipArchive::new(File::open(self.at("app.zip")).unwrap()).unwrap();
        let mut text = String::new();
        zip.by_name(name).ok()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&self.entry("manifest.json").unwrap()).unwrap()
    }

    /// What the hooks have noted.
    fn notes(&self) -> String {
        fs::read_to_string(self.at("notes")).unwrap_or_default()
    }
}

/// A source with a program that makes capitals of text and is afraid of the word "bad".
fn transforming(columns: &str) -> String {
    format!(
        r#"
database = "sqlite:FOLDER/app.sqlite"
[[file_set]]
name = "audio"
folder = "audio"
[file_set.transform]
program = ["sh", "-c", '''
    grep -q bad "$1" && {{ echo "a bad recording" >&2; exit 4; }}
    tr a-z A-Z < "$1" > "$2"
''', "sh", "{{in}}", "{{out}}"]
suffixes = [".wav"]
new_suffix = ".opus"
columns = [{columns}]
"#
    )
}

#[test]
fn files_become_others_and_rows_follow_them() {
    let recorder = Recorder::new();
    recorder.describe(&transforming(
        r#"
{ table = "recordings", column = "path", prefix = "audio/" },
{ table = "recordings", column = "link", prefix = "file:" }
"#,
    ));
    let long = "a long recording ".repeat(700_000);
    for (path, content) in [
        ("deep/one.wav", "one"),
        ("TWO.WAV", "two"),
        ("bad.wav", "bad"),
        ("both.wav", "first"),
        ("both.opus", "second"),
        ("long.wav", &long),
        ("nobody.wav", "nobody names me"),
        ("notes.txt", "notes"),
    ] {
        recorder.audio(path, content);
    }
    let one = recorder.at("audio/deep/one.wav");
    fs::set_permissions(&one, fs::Permissions::from_mode(0o640)).unwrap();
    let file = File::options().write(true).open(&one).unwrap();
    file.set_modified(UNIX_EPOCH).unwrap();
    recorder.sql(
        "app.sqlite",
        "INSERT INTO recordings VALUES
             (1, 'audio/deep/one.wav', 'file:TWO.WAV'), (2, 'audio/bad.wav', NULL), (3, 'audio/both.wav', x'00'),
             (4, 'audio/long.wav', 7), (5, 'elsewhere/long.wav', 'file:both.opus');
         INSERT INTO log VALUES ('audio/long.wav');",
    );
    let _run = recorder.backup(&[]).ok();

    let manifest = recorder.manifest();
    assert_eq!(
        manifest["file_sets"][0]["transform"],
        json!({
            "program": "sh", "new_suffix": ".opus", "files": 4,
            "original_bytes": 3 + 3 + long.len() + 15, "kept": 2, "unnamed": 1
        })
    );
    let mut notices: Vec<String> = manifest["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notice| {
            let text = |name: &str| notice[name].as_str().unwrap().to_owned();
            format!("{}: {}", text("path"), text("why"))
        })
        .collect();
    notices.sort();
    assert_eq!(
        notices,
        [
            "bad.wav: sh: it ended with exit code 4, and said: a bad recording",
            "both.wav: another file would be called both.opus too"
        ]
    );
    let inspected = coffer(["inspect", recorder.at("app.zip").to_str().unwrap()], &[]).ok();
    assert!(
        inspected.stdout.contains("4 made .opus by sh"),
        "{}",
        inspected.stdout
    );

    // Rows and files say the same in the target, whatever became of each file.
    let restored = format!("audio={}", recorder.at("restored").display());
    let _run = recorder.restore(&["--files", &restored]).ok();
    let target = Connection::open(recorder.at("target.sqlite")).unwrap();
    let rows = |sql: &str| -> Vec<(String, String)> {
        let mut rows = target.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let expected = [
        ("audio/deep/one.opus", "'file:TWO.opus'"),
        ("audio/bad.wav", "NULL"),
        ("audio/both.wav", "X'00'"),
        ("audio/long.opus", "7"),
        ("elsewhere/long.wav", "'file:both.opus'"),
    ];
    assert_eq!(
        rows("SELECT path, quote(link) FROM recordings ORDER BY id"),
        expected.map(|(path, link)| (path.to_owned(), link.to_owned()))
    );
    // A column that isn't declared stays.
    assert_eq!(
        rows("SELECT line, '' FROM log"),
        [("audio/long.wav".to_owned(), String::new())]
    );
    let files = [
        ("deep/one.opus", "ONE"),
        ("TWO.opus", "TWO"),
        ("bad.wav", "bad"),
        ("both.wav", "first"),
        ("both.opus", "second"),
        ("nobody.opus", "NOBODY NAMES ME"),
        ("notes.txt", "notes"),
    ];
    for (path, content) in files {
        let found = fs::read_to_string(recorder.at("restored").join(path)).unwrap();
        assert_eq!(found, content, "{path}");
    }
    let found = fs::read_to_string(recorder.at("restored/long.opus")).unwrap();
    assert!(found == long.to_uppercase());
    let names = fs::read_dir(recorder.at("restored")).unwrap().count();
    assert_eq!(names, files.len() + 1);
    // Mode and time are those of the file that was.
    let after = fs::metadata(recorder.at("restored/deep/one.opus")).unwrap();
    assert_eq!(after.permissions().mode() & 0o7777, 0o640);
    assert_eq!(after.modified().unwrap(), SystemTime::UNIX_EPOCH);
}

#[test]
fn a_program_that_is_not_there_keeps_everything_and_a_wrong_column_refuses() {
    let recorder = Recorder::new();
    recorder.audio("a.wav", "a");
    recorder.sql(
        "app.sqlite",
        "INSERT INTO recordings VALUES (1, 'a.wav', NULL)",
    );
    for column in [
        r#"{ table = "recording", column = "path" }"#,
        r#"{ table = "recordings", column = "paths" }"#,
    ] {
        recorder.describe(&transforming(column));
        let run = recorder.backup(&[]);
        assert_eq!(run.code, 5, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "no_such_column", "{run:?}");
        assert!(!recorder.at("app.zip").exists());
    }
    let described = transforming(r#"{ table = "recordings", column = "path" }"#);
    recorder.describe(&described.replace(r#"["sh", "-c","#, r#"["/nonexistent/ffmpeg","#));
    let _run = recorder.backup(&[]).ok();
    assert_eq!(recorder.entry("files/audio/a.wav").as_deref(), Some("a"));
    let rows = recorder.entry("tables/main.recordings/000001.tsv");
    assert_eq!(rows.as_deref(), Some("id\tpath\tlink\n1\ta.wav\t\\N\n"));
    let manifest = recorder.manifest();
    let outcome = &manifest["file_sets"][0]["transform"];
    assert_eq!(
        (&outcome["kept"], &outcome["files"]),
        (&json!(1), &json!(0))
    );
    let why = manifest["notices"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("ffmpeg could not be run"), "{why}");
}

#[test]
fn only_optional_file_sets_are_left_out_of_a_backup() {
    let recorder = Recorder::new();
    recorder.audio("a.wav", "a");
    let thumb = recorder.at("thumbs/t.png");
    fs::write(&thumb, "t").unwrap();
    recorder.describe(
        r#"
database = "sqlite:FOLDER/app.sqlite"
exclude = ["log"]
[[file_set]]
name = "audio"
folder = "audio"
[[file_set]]
name = "thumbs"
folder = "thumbs"
exclude = ["*.tmp"]
optional = true
"#,
    );
    for name in ["audio", "other"] {
        let run = recorder.backup(&["--without-file-set", name]);
        assert_eq!(run.code, 5, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "not_optional", "{run:?}");
    }
    let _run = recorder.backup(&["--without-file-set", "thumbs"]).ok();
    let manifest = recorder.manifest();
    assert_eq!(manifest["file_sets"].as_array().unwrap().len(), 1);
    let left_out = manifest["left_out"].as_array().unwrap();
    let expected = json!({ "what": "file_set", "name": "thumbs", "reason": "excluded" });
    assert!(left_out.contains(&expected), "{manifest}");
    // A restore of it leaves the folder alone.
    let _run = recorder.restore(&[]).ok();
    assert!(thumb.exists());

    // Patterns on the command line add to those of the file.
    let _run = recorder.backup(&["--exclude-files", "thumbs=*.bak"]).ok();
    let left_out = recorder.manifest()["left_out"].clone();
    let patterns = left_out.as_array().unwrap().iter();
    let patterns: Vec<&str> = patterns
        .filter_map(|item| item["pattern"].as_str())
        .collect();
    assert_eq!(patterns, ["*.tmp", "*.bak"]);

    fs::write(&thumb, "changed").unwrap();
    let unknown = recorder.restore(&["--without-file-set", "other"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    let _run = recorder.restore(&["--without-file-set", "thumbs"]).ok();
    assert_eq!(fs::read_to_string(&thumb).unwrap(), "changed");
    let _run = recorder.restore(&[]).ok();
    assert_eq!(fs::read_to_string(&thumb).unwrap(), "t");
}

/// A source with hooks that note their names, and what Coffer tells them, each with its occasion and what else it does.
fn hooked(hooks: &[(&str, &str, &str)]) -> String {
    let hooks = hooks.iter().map(|(name, when, more)| {
        let always = *name == "start";
        let even = if always { "even_if_failed = true" } else { "" };
        format!(
            r#"
[[hook]]
name = "{name}"
when = "{when}"
command = ["sh", "-c", "echo {name} $COFFER_HOOK $COFFER_OUTCOME >> FOLDER/notes; {more}"]
{even}
"#
        )
    });
    format!(
        "database = \"sqlite:FOLDER/app.sqlite\"\n{}",
        hooks.collect::<String>()
    )
}

#[test]
fn hooks_stand_around_backups() {
    let recorder = Recorder::new();
    recorder.describe(&hooked(&[
        ("stop", "before_backup", "echo stopped"),
        ("start", "after_backup", "true"),
        ("index", "after_restore", "true"),
    ]));
    let done = recorder.backup(&[]).ok().json();
    assert_eq!(
        recorder.notes(),
        "stop before_backup\nstart after_backup done\n"
    );
    assert_eq!(done["verified"], true);
    assert_eq!(done["hooks"][0]["output"], "stopped\n");
    assert_eq!(done["hooks"][1]["failure"], Value::Null);

    // What opens the archive is no business of theirs.
    let sealed = recorder.at("app.coffer");
    recorder.describe(&hooked(&[(
        "look",
        "before_backup",
        "echo ${HELD-none} $OTHER",
    )]));
    let config = recorder.at("app.toml");
    let held = "not for hooks";
    let done = coffer(
        [
            "backup",
            "--json",
            "--sealed",
            "--password-env",
            "HELD",
            "--config",
            config.to_str().unwrap(),
            "--out",
            sealed.to_str().unwrap(),
        ],
        &[("HELD", held), ("OTHER", "there")],
    );
    assert_eq!(done.ok().json()["hooks"][0]["output"], "none there\n");

    // Refused by a hook: nothing was done, and what was stopped is started again.
    for file in ["app.zip", "notes"] {
        fs::remove_file(recorder.at(file)).unwrap();
    }
    recorder.describe(&hooked(&[
        ("stop", "before_backup", "true"),
        ("ask", "before_backup", "echo not now; exit 9"),
        ("start", "after_backup", "true"),
        ("tell", "after_backup", "true"),
    ]));
    let refused = recorder.backup(&[]);
    assert_eq!(refused.code, 5, "{refused:?}");
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "hook_failed");
    assert_eq!(error["hooks"][1]["output"], "not now\n");
    assert_eq!(
        recorder.notes(),
        "stop before_backup\nask before_backup\nstart after_backup failed\n"
    );
    assert!(!recorder.at("app.zip").exists());

    // A hook that fails afterwards takes nothing back, and isn't overlooked.
    fs::remove_file(recorder.at("notes")).unwrap();
    recorder.describe(&hooked(&[
        ("tell", "after_backup", "exit 1"),
        ("more", "after_backup", "true"),
    ]));
    let failed = recorder.backup(&[]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let error = &failed.json()["error"];
    assert_eq!(error["code"], "hook_failed_afterwards");
    assert_eq!(error["result"]["verified"], true);
    assert!(recorder.at("app.zip").exists());
    assert_eq!(
        recorder.notes(),
        "tell after_backup done\nmore after_backup done\n"
    );
}

#[test]
fn hooks_stand_around_restores_also_of_those_that_fail() {
    let recorder = Recorder::new();
    recorder.sql("app.sqlite", "INSERT INTO recordings VALUES (1, 'x', NULL)");
    recorder.describe(&hooked(&[
        ("stop", "before_restore", "true"),
        ("start", "after_restore", "true"),
        ("index", "after_restore", "true"),
    ]));
    let _run = recorder.backup(&[]).ok();
    assert_eq!(recorder.notes(), "");
    // A row that the target refuses.
    recorder.sql(
        "target.sqlite",
        "CREATE TRIGGER keep BEFORE INSERT ON log BEGIN SELECT 1; END;
         DROP TABLE recordings;
         CREATE TABLE recordings (id INTEGER PRIMARY KEY CHECK (id > 1), path TEXT, link);",
    );
    let failed = recorder.restore(&[]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert_eq!(
        recorder.notes(),
        "stop before_restore\nstart after_restore failed\n",
        "{failed:?}"
    );
    assert_eq!(failed.json()["error"]["hooks"].as_array().unwrap().len(), 2);

    // A plan that is only shown runs nothing.
    fs::remove_file(recorder.at("notes")).unwrap();
    recorder.sql(
        "target.sqlite",
        "DROP TABLE recordings; CREATE TABLE recordings (id INTEGER PRIMARY KEY, path TEXT, link);",
    );
    let _run = recorder.restore(&["--dry-run"]).ok();
    assert_eq!(recorder.notes(), "");
    let done = recorder.restore(&[]).ok().json();
    assert_eq!(
        recorder.notes(),
        "stop before_restore\nstart after_restore done\nindex after_restore done\n"
    );
    assert_eq!(done["hooks"].as_array().unwrap().len(), 3);
}

#[test]
fn a_file_that_anybody_could_have_written_runs_nothing() {
    let recorder = Recorder::new();
    recorder.describe(&hooked(&[("evil", "before_backup", "true")]));
    let config = recorder.at("app.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    let run = recorder.backup(&[]);
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(run.json()["error"]["code"], "unsafe_config");
    assert_eq!(recorder.notes(), "");
    recorder.describe("databse = 5");
    let run = recorder.backup(&[]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.json()["error"]["code"], "bad_config");
    let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("line 1, column 1") && message.contains("databse"),
        "{message}"
    );
}
