//! What a restore replaces is kept, and `coffer undo` brings it back: rows and files, on both engines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use coffer_server::{
    engine::DatabaseUrl,
    files::Globs,
    safety::{Record, State},
};
use coffer_tests::{
    coffer::{Run, coffer, coffer_uncompared, program},
    planned::Uncompared,
    postgres::{self, Server},
};
use rusqlite::Connection;
use serde_json::Value;
use sqlx::{Executor, Row};

/// Longest wait for something that another process does.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the program with arguments and environment variables.
type Runner<'a> = &'a dyn Fn(&[&str], &[(&str, &str)]) -> Run;

enum Place {
    Sqlite,
    Postgres(Arc<Server>, String),
}

/// An application with notes, tags and uploads, an archive of it, and a folder for safety backups.
struct App {
    folder: tempfile::TempDir,
    place: Place,
    runtime: tokio::runtime::Runtime,
}

impl App {
    fn new(postgres: bool) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let place = if postgres {
            let server = Server::shared();
            let name = runtime.block_on(server.create_database());
            Place::Postgres(server, name)
        } else {
            Place::Sqlite
        };
        let app = Self {
            folder: tempfile::tempdir().unwrap(),
            place,
            runtime,
        };
        app.sql(
            "CREATE TABLE notes (id integer PRIMARY KEY, text text NOT NULL);
             CREATE TABLE tags (note integer REFERENCES notes, tag text);
             INSERT INTO notes VALUES (1, 'archived'), (2, 'archived too');
             INSERT INTO tags VALUES (1, 'blue');",
        );
        app.write("a.txt", "archived");
        let (url, files, out) = (app.url(), app.files(), app.archive());
        let _taken = coffer(
            ["backup", "--source", &url, "--files", &files, "--out", &out],
            &[],
        )
        .ok();
        app.sql(
            "DELETE FROM tags; UPDATE notes SET text = 'later' WHERE id = 1;
             INSERT INTO notes VALUES (3, 'new'); INSERT INTO tags VALUES (3, 'red'), (3, NULL);",
        );
        app.write("a.txt", "later");
        app.write("deep/b.txt", "new");
        app
    }

    fn url(&self) -> String {
        match &self.place {
            Place::Sqlite => format!("sqlite:{}", self.path("app.sqlite").display()),
            Place::Postgres(server, name) => server.url(name),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> String {
        format!("uploads={}", self.path("uploads").display())
    }

    fn archive(&self) -> String {
        self.path("backup.zip").display().to_string()
    }

    fn safety(&self) -> PathBuf {
        self.path("state/safety")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("uploads").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite => self.sqlite().execute_batch(sql).unwrap(),
            Place::Postgres(server, name) => self.runtime.block_on(async {
                postgres::run(&mut server.connect(name).await, sql).await;
            }),
        }
    }

    fn sqlite(&self) -> Connection {
        let connection = Connection::open(self.path("app.sqlite")).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection
    }

    /// All rows and files, as text.
    fn holds(&self) -> Vec<String> {
        let sql = "SELECT 'note ' || id || text FROM notes
                   UNION ALL SELECT 'tag ' || note || coalesce(tag, '?') FROM tags ORDER BY 1";
        let mut all: Vec<String> = match &self.place {
            Place::Sqlite => {
                let connection = self.sqlite();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Place::Postgres(server, name) => self.runtime.block_on(async {
                let rows = server.connect(name).await.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }),
        };
        let uploads = self.path("uploads");
        let walk = coffer_server::files::walk("uploads", &uploads, &Globs::default()).unwrap();
        for file in walk.found {
            let text = fs::read_to_string(&file.disk).unwrap();
            all.push(format!("file {} {text}", file.path));
        }
        all
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_by(&|all, environment| coffer(all, environment), arguments)
    }

    fn run_by(&self, run: Runner<'_>, arguments: &[&str]) -> Run {
        let folder = self.safety().display().to_string();
        let url = self.url();
        run(
            &[arguments, &["--json"]].concat(),
            &[("COFFER_SAFETY_FOLDER", &folder), ("COFFER_TARGET", &url)],
        )
    }

    fn restore(&self, more: &[&str]) -> Run {
        self.restore_by(&|all, environment| coffer(all, environment), more)
    }

    fn restore_by(&self, run: Runner<'_>, more: &[&str]) -> Run {
        let (archive, files) = (self.archive(), self.files());
        let fixed = ["restore", &archive, "--mode", "replace", "--yes", "--force"];
        let files = ["--files", &files];
        self.run_by(run, &[&fixed[..], &files, more].concat())
    }

    fn undo(&self, more: &[&str]) -> Run {
        self.run(&[&["undo", "--yes"], more].concat())
    }

    fn list(&self) -> Vec<Value> {
        let listed = self.run(&["undo", "--list"]).ok().json();
        assert_eq!(listed["unreadable"], serde_json::json!([]));
        listed["safety_backups"].as_array().unwrap().clone()
    }

    /// Names in the folder of safety backups, other than those of keys and locks.
    fn kept(&self) -> Vec<String> {
        let Ok(listing) = fs::read_dir(self.safety()) else {
            return Vec::new();
        };
        let mut names: Vec<String> = listing
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["lock", "safety.key", "sender.key"].contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }

    fn records(&self) -> Vec<Record> {
        let names = self.kept().into_iter();
        names
            .filter(|name| name.ends_with(".json"))
            .map(|name| {
                serde_json::from_slice(&fs::read(self.safety().join(name)).unwrap()).unwrap()
            })
            .collect()
    }
}

fn both(test: impl Fn(App)) {
    test(App::new(false));
    test(App::new(true));
}

fn code(run: &Run) -> (i32, String) {
    let code = run.json()["error"]["code"].as_str().unwrap().to_owned();
    (run.code, code)
}

#[test]
fn what_a_restore_replaced_comes_back_and_goes_again() {
    both(|app| {
        let before = app.holds();
        let restored = app.restore(&[]).ok().json();
        let after = app.holds();
        assert_ne!(before, after);
        let kept = &restored["safety_backup"];
        assert_eq!((&kept["rows"], &kept["files"]), (&5.into(), &2.into()));
        assert!(PathBuf::from(kept["file"].as_str().unwrap()).is_file());

        // Nobody else can read it, and it is an archive like every other.
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(app.safety()), 0o700);
        for name in app.kept().iter().chain(["safety.key".to_owned()].iter()) {
            assert_eq!(mode(app.safety().join(name)), 0o600, "{name}");
        }
        let key = app.safety().join("safety.key").display().to_string();
        let file = kept["file"].as_str().unwrap();
        let sender = app.safety().join("sender.key").display().to_string();
        let sender = coffer(["sender", "fingerprint", &sender], &[]).ok().stdout;
        let _verified = coffer(
            [
                "verify",
                file,
                "--identity",
                &key,
                "--expect-sender",
                sender.trim(),
            ],
            &[],
        )
        .ok();

        let planned = app.run(&["undo", "--dry-run"]).ok().json();
        assert_eq!(planned["safety_backup"]["id"], kept["id"]);
        assert_eq!(planned["changed_since"]["tables"], serde_json::json!([]));
        assert_eq!(planned["plan"]["blocked"], false);
        assert_eq!(app.holds(), after, "a plan changes nothing");

        let undone = app.undo(&[]).ok().json();
        assert_eq!(app.holds(), before);
        // The undo was kept from being final, too.
        assert_ne!(undone["safety_backup"]["id"], kept["id"]);
        let _again = app.undo(&[]).ok();
        assert_eq!(app.holds(), after);
        let befores: Vec<Value> = app
            .list()
            .iter()
            .map(|entry| entry["before"].clone())
            .collect();
        assert_eq!(befores, ["undo", "undo", "restore"]);
        // And the one of the restore is still there, by its name.
        let _named = app.undo(&[kept["id"].as_str().unwrap()]).ok();
        assert_eq!(app.holds(), before);
    });
}

#[test]
fn only_what_is_selected_is_kept_and_brought_back() {
    both(|app| {
        let before = app.holds();
        // Tables without files; the other table keeps what it holds.
        app.sql("DELETE FROM tags");
        let restored = app.run(&[
            "restore",
            &app.archive(),
            "--mode",
            "replace",
            "--yes",
            "--force",
            "--table",
            "notes",
        ]);
        let kept = &restored.ok().json()["safety_backup"];
        assert_eq!((&kept["rows"], &kept["files"]), (&3.into(), &0.into()));
        app.sql("INSERT INTO tags VALUES (1, 'kept')");
        app.write("c.txt", "kept");
        let _undone = app.undo(&[]).ok();
        let mut expected: Vec<String> = before
            .into_iter()
            .filter(|line| !line.starts_with("tag "))
            .chain(["tag 1kept".to_owned(), "file c.txt kept".to_owned()])
            .collect();
        let mut found = app.holds();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn what_changed_since_is_not_lost_without_consent() {
    both(|app| {
        let before = app.holds();
        for change in ["rows", "files"] {
            let _restored = app.restore(&[]).ok();
            let count = app.kept().len();
            match change {
                "rows" => app.sql("UPDATE notes SET text = 'written since' WHERE id = 2"),
                _ => app.write("since.txt", "written since"),
            }
            let changed = app.holds();
            let refused = app.undo(&[]);
            assert_eq!(
                code(&refused),
                (5, "changed_since".to_owned()),
                "{refused:?}"
            );
            let named = if change == "rows" {
                "notes"
            } else {
                "the files of uploads"
            };
            assert!(refused.stdout.contains(named), "{refused:?}");
            assert_eq!(app.holds(), changed);
            assert_eq!(app.kept().len(), count, "a refusal keeps nothing");
            let _undone = app.undo(&["--discard-changes"]).ok();
            assert_eq!(app.holds(), before);
        }
    });
}

#[test]
fn it_can_be_declined_and_the_plan_says_so() {
    both(|app| {
        let declined = ["--no-safety-backup"];
        let planned = app
            .restore(&["--no-safety-backup", "--dry-run"])
            .ok()
            .json();
        let codes: Vec<&Value> = planned["plan"]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| &finding["code"])
            .collect();
        assert!(
            codes.contains(&&Value::from("no_safety_backup")),
            "{codes:?}"
        );
        let restored = app.restore(&declined).ok().json();
        assert_eq!(restored["safety_backup"], Value::Null);
        assert!(app.kept().is_empty());
        let nothing = app.undo(&[]);
        assert_eq!(code(&nothing), (5, "nothing_to_undo".to_owned()));
    });
}

#[test]
fn a_restore_that_fails_keeps_nothing() {
    both(|app| {
        app.sql(
            "DELETE FROM tags; DELETE FROM notes WHERE id <> 3; INSERT INTO tags VALUES (3, 'red')",
        );
        let before = app.holds();
        // The other table still points at a row that would go.
        let refused = app.run(&[
            "restore",
            &app.archive(),
            "--mode",
            "replace",
            "--yes",
            "--force",
            "--table",
            "notes",
        ]);
        assert_eq!(code(&refused), (1, "database".to_owned()), "{refused:?}");
        assert_eq!(app.holds(), before);
        assert!(app.kept().is_empty(), "{:?}", app.kept());
    });
}

#[test]
fn without_room_for_it_nothing_is_restored() {
    both(|app| {
        let before = app.holds();
        // A file where the folder should be: no rights help against that, also not those of root.
        fs::create_dir_all(app.safety().parent().unwrap()).unwrap();
        fs::write(app.safety(), "in the way").unwrap();
        let refused = app.restore(&[]);
        assert_eq!(
            code(&refused),
            (1, "safety_backup".to_owned()),
            "{refused:?}"
        );
        assert!(refused.stdout.contains("nothing was changed"));
        assert_eq!(app.holds(), before);
        fs::remove_file(app.safety()).unwrap();
        let _restored = app.restore(&[]).ok();
    });
}

#[test]
fn sealed_to_a_recipient_it_needs_that_key() {
    both(|app| {
        let before = app.holds();
        let key = app.path("my.key").display().to_string();
        let recipient = coffer(["key", "new", "--out", &key], &[]).ok().stdout;
        let _restored = app.restore(&["--safety-recipient", recipient.trim()]).ok();
        let after = app.holds();
        assert!(!app.safety().join("safety.key").exists(), "no key is made");
        let locked = app.undo(&[]);
        assert_eq!(
            code(&locked),
            (3, "safety_backup_locked".to_owned()),
            "{locked:?}"
        );
        assert_eq!(app.holds(), after);
        let _undone = app.undo(&["--identity", &key]).ok();
        assert_eq!(app.holds(), before);
    });
}

#[test]
fn the_last_few_of_each_target_stay() {
    let (app, other) = (App::new(false), App::new(false));
    let safety = app.safety().display().to_string();
    let _other = other.restore(&["--safety-folder", &safety]).ok();
    for _ in 0..4 {
        let _restored = app.restore(&["--keep-safety-backups", "2"]).ok();
    }
    let mut targets: Vec<String> = app
        .records()
        .into_iter()
        .map(|record| record.target)
        .collect();
    targets.sort();
    targets.dedup();
    assert_eq!((app.records().len(), targets.len()), (3, 2));
    assert_eq!(app.list().len(), 2, "those of the target");
    assert_eq!(app.kept().len(), 6, "archive and record of each");
    // Of another database, nothing is undone.
    let id = app.list()[0]["id"].as_str().unwrap().to_owned();
    let foreign = other.undo(&["--safety-folder", &safety, &id]);
    assert_eq!(
        code(&foreign),
        (5, "other_target".to_owned()),
        "{foreign:?}"
    );
}

#[test]
fn what_a_folder_holds_besides_files_is_named() {
    let app = App::new(false);
    symlink("a.txt", app.path("uploads").join("link")).unwrap();
    let restored = app.restore(&[]).ok().json();
    let lacks = restored["safety_backup"]["lacks"].as_array().unwrap();
    assert_eq!(lacks.len(), 1, "{lacks:?}");
    assert!(lacks[0].as_str().unwrap().contains("link"), "{lacks:?}");
}

#[test]
fn files_alone_are_kept_and_come_back() {
    both(|app| {
        app.sql("DELETE FROM tags; DELETE FROM notes");
        let (url, files, out) = (app.url(), app.files(), app.path("files.zip"));
        let out = out.display().to_string();
        app.write("a.txt", "archived");
        let exclude = ["--exclude", "notes", "--exclude", "tags"];
        let fixed = ["backup", "--source", &url, "--files", &files, "--out", &out];
        let _taken = coffer([&fixed[..], &exclude].concat(), &[]).ok();
        app.sql("INSERT INTO notes VALUES (9, 'stays')");
        app.write("a.txt", "later");
        let before = app.holds();
        let fixed = ["restore", &out, "--mode", "replace", "--yes", "--force"];
        let _restored = app.run(&[&fixed[..], &["--files", &files]].concat()).ok();
        assert_ne!(app.holds(), before);
        let _undone = app.undo(&[]).ok();
        assert_eq!(app.holds(), before);
    });
}

#[test]
fn a_write_that_waits_for_the_lock_is_not_lost_silently() {
    // It comes in before the safety backup, and is in it, or after the restore, and is there; and undo asks.
    both(|app| {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let written = std::sync::Mutex::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut id = 100;
                // Ends also if the other side fails, which could not stop it then.
                let end = Instant::now() + 2 * LIMIT;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) && Instant::now() < end {
                    app.sql(&format!("INSERT INTO notes VALUES ({id}, 'concurrent')"));
                    *written.lock().unwrap() = id;
                    id += 1;
                    // SQLite gives no turns: without a pause, nobody else might get in on a busy machine.
                    thread::sleep(Duration::from_millis(2));
                }
            });
            let deadline = Instant::now() + LIMIT;
            while *written.lock().unwrap() < 103 {
                assert!(Instant::now() < deadline);
                thread::sleep(Duration::from_millis(5));
            }
            // Planned anew each time that a write came between plan and lock.
            let restored = loop {
                let run = app.restore_by(
                    &|all, environment| {
                        coffer_uncompared(Uncompared::OthersWrite, all, environment)
                    },
                    &[],
                );
                if run.code == 0 {
                    break run;
                }
                assert_eq!(code(&run), (5, "plan_changed".to_owned()), "{run:?}");
                assert!(Instant::now() < deadline);
                if *written.lock().unwrap() > 130 {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            };
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            drop(restored);
        });
        let last = *written.lock().unwrap();
        let in_target = app.holds();
        let _undone = app.undo(&["--discard-changes"]).ok();
        let in_safety = app.holds();
        for id in 100..=last {
            let line = format!("note {id}concurrent");
            assert!(
                in_target.contains(&line) || in_safety.contains(&line),
                "{id} of {last} is lost"
            );
        }
    });
}

/// Starts a restore that is stopped, by SIGKILL, once `until` holds for its record.
fn killed(app: &App, until: impl Fn(&Record) -> bool) -> bool {
    let (archive, files, url) = (app.archive(), app.files(), app.url());
    let mut child = Command::new(program())
        .args(["restore", &archive, "--mode", "replace", "--yes", "--force"])
        .args(["--files", &files, "--target", &url])
        .env("COFFER_SAFETY_FOLDER", app.safety())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    loop {
        let there = app.records_if_whole().iter().any(&until);
        if there || child.try_wait().unwrap().is_some() {
            let _ = child.kill();
            child.wait().unwrap();
            return there;
        }
        assert!(Instant::now() < deadline);
    }
}

impl App {
    /// As [`App::records`], while another process is at work on them.
    fn records_if_whole(&self) -> Vec<Record> {
        let Ok(listing) = fs::read_dir(self.safety()) else {
            return Vec::new();
        };
        listing
            .filter_map(|entry| fs::read(entry.ok()?.path()).ok())
            .filter_map(|json| serde_json::from_slice(&json).ok())
            .collect()
    }
}

#[test]
fn killed_between_the_safety_backup_and_the_commit_nothing_is_left() {
    both(|app| {
        // Enough rows that loading takes longer than it takes to notice that the record is there.
        let many = match app.place {
            Place::Sqlite => {
                "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
                 INSERT INTO notes SELECT i, 'x' FROM n"
            }
            Place::Postgres(..) => {
                "INSERT INTO notes SELECT i, 'x' FROM generate_series(1000, 60000) i"
            }
        };
        app.sql(many);
        fs::remove_file(app.archive()).unwrap();
        let (url, files, out) = (app.url(), app.files(), app.archive());
        let _taken = coffer(
            ["backup", "--source", &url, "--files", &files, "--out", &out],
            &[],
        )
        .ok();
        app.sql("UPDATE notes SET text = 'mine' WHERE id = 3");
        app.write("a.txt", "mine");
        let before = app.holds();
        let deadline = Instant::now() + LIMIT;
        loop {
            let in_time = killed(&app, |record| record.state == State::Begun);
            if in_time && app.holds() == before {
                break;
            }
            // It was quicker than the look at its record.
            let _undone = app.undo(&[]);
            assert_eq!(app.holds(), before);
            assert!(Instant::now() < deadline, "no kill came in time");
        }
        assert!(!app.kept().is_empty(), "the kill left something");
        let begun = app.list();
        assert!(
            begun.iter().all(|entry| entry["restore"] == "committed"),
            "{begun:?}"
        );
        let restored = app.restore(&[]).ok().json();
        let ids: Vec<Value> = app.list().iter().map(|entry| entry["id"].clone()).collect();
        assert_eq!(ids[0], restored["safety_backup"]["id"]);
        assert_eq!(app.kept().len(), 2 * ids.len(), "{:?}", app.kept());
        let _undone = app.undo(&[]).ok();
        assert_eq!(app.holds(), before);
    });
}

#[test]
fn killed_around_the_commit_the_target_tells_what_became_of_it() {
    both(|app| {
        let before = app.holds();
        let deadline = Instant::now() + LIMIT;
        for _ in 0..3 {
            loop {
                let armed = killed(&app, |record| {
                    matches!(record.state, State::Committing { .. })
                });
                let files = [("uploads".to_owned(), app.path("uploads"))];
                let url = DatabaseUrl::parse(&app.url()).unwrap();
                app.runtime
                    .block_on(coffer_server::recover::run(&url, &files))
                    .unwrap();
                let listed = app.list();
                if app.holds() == before {
                    assert!(listed.is_empty() || armed, "{listed:?}");
                } else {
                    assert_eq!(listed[0]["restore"], "committed");
                    let _undone = app.undo(&[]).ok();
                    assert_eq!(app.holds(), before);
                }
                if armed {
                    break;
                }
                assert!(Instant::now() < deadline, "no kill came in time");
            }
        }
    });
}

#[test]
fn an_exchanged_archive_and_a_strange_record_are_not_used() {
    let app = App::new(false);
    let _restored = app.restore(&[]).ok();
    let _undone = app.undo(&[]).ok();
    let records = app.list();
    let archive = |index: usize| {
        let id = records[index]["id"].as_str().unwrap();
        app.safety().join(format!("{id}.coffer"))
    };
    let before = app.holds();
    fs::copy(archive(1), archive(0)).unwrap();
    let refused = app.undo(&["--discard-changes"]);
    assert_eq!(
        code(&refused),
        (5, "safety_backup".to_owned()),
        "{refused:?}"
    );
    assert_eq!(app.holds(), before);
    fs::write(app.safety().join("x.json"), "{}").unwrap();
    let listed = app.run(&["undo", "--list"]).ok().json();
    assert_eq!(listed["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(listed["safety_backups"].as_array().unwrap().len(), 2);
}

/// SQLite keeps rows that point at nothing unless the application asks for foreign keys. Whoever has such rows needs
/// their backup, and an undo, like everybody else.
#[test]
fn rows_that_pointed_at_nothing_come_back_as_they_were() {
    let app = App::new(false);
    app.sql("PRAGMA foreign_keys = OFF; DELETE FROM notes WHERE id = 3;");
    let before = app.holds();
    let restored = app.restore(&[]).ok().json();
    assert_eq!(restored["dangling"], serde_json::json!([]));
    let undone = app.undo(&[]).ok().json();
    assert_eq!(app.holds(), before);
    let dangling = serde_json::json!([{
        "table": { "schema": "main", "name": "tags" }, "key": "note", "references": "main.notes", "rows": 2,
    }]);
    assert_eq!(undone["dangling"], dangling);

    // An archive of them is restored exactly; but tags alone would be made to point at nothing by the restore.
    fs::remove_file(app.archive()).unwrap();
    let (url, out) = (app.url(), app.archive());
    let _taken = coffer(["backup", "--source", &url, "--out", &out], &[]).ok();
    let alone = ["--without-files", "--table", "tags"];
    let restore = |more: &[&str]| {
        let fixed = ["restore", &out, "--mode", "replace", "--yes", "--force"];
        app.run(&[&fixed[..], more].concat())
    };
    let refused = restore(&alone);
    assert_eq!(code(&refused).1, "database");
    assert!(
        refused.stdout.contains("restore both tables together")
            || refused.stderr.contains("restore both tables together")
    );
    assert_eq!(app.holds(), before);
    app.sql("PRAGMA foreign_keys = OFF; DELETE FROM tags;");
    let restored = restore(&["--without-files"]).ok().json();
    assert_eq!(restored["dangling"], dangling);
    assert_eq!(app.holds(), before);
}
