//! A restore of rows and files that is interrupted at any moment leaves both old or both new, once it is recovered.
//!
//! `COFFER_KILLS` says how often a restore is killed for each engine; the default keeps the run short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use coffer_core::{Digest, manifest::FileEntry, schema::TableName};
use coffer_server::{
    engine::{self, CommitMark, DatabaseUrl, ReplaceSession},
    files::FilesError,
    recover::{self, RecoverError},
    switch::{FileSwitch, JournalError},
};
use coffer_tests::{
    coffer::{coffer, program},
    postgres::{self, Server},
};
use rusqlite::Connection;
use sqlx::{Executor, Row};

/// Rows of the table, and files of the set, that say which side they are of.
const ROWS: usize = 20_000;
const FILES: usize = 40;
const SCHEMA: &str = "CREATE TABLE facts (id integer PRIMARY KEY, side text NOT NULL)";

enum Place {
    Sqlite,
    Postgres(Arc<Server>, String),
}

/// An application whose rows and files all say "old", and an archive in which they all say "new".
struct App {
    folder: tempfile::TempDir,
    place: Place,
    runtime: tokio::runtime::Runtime,
}

fn insert(side: &str, sqlite: bool) -> String {
    if sqlite {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO facts SELECT i, '{side}' FROM n"
        )
    } else {
        format!("INSERT INTO facts SELECT i, '{side}' FROM generate_series(1, {ROWS}) i")
    }
}

impl App {
    fn new(postgres: bool) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = if postgres {
            let server = Server::shared();
            let name = runtime.block_on(server.create_database());
            Place::Postgres(server, name)
        } else {
            Place::Sqlite
        };
        let app = Self {
            folder,
            place,
            runtime,
        };
        app.sql(SCHEMA);
        app.fill("new");
        let (url, files, out) = (app.url(), app.files_argument(), app.archive());
        let _taken = coffer(
            ["backup", "--source", &url, "--files", &files, "--out", &out],
            &[],
        )
        .ok();
        app.fill("old");
        app
    }

    fn url(&self) -> String {
        match &self.place {
            Place::Sqlite => format!("sqlite:{}", self.path("app.sqlite").display()),
            Place::Postgres(server, name) => server.url(name),
        }
    }

    fn database(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.url()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn uploads(&self) -> PathBuf {
        self.path("uploads")
    }

    fn sets(&self) -> Vec<(String, PathBuf)> {
        vec![("uploads".to_owned(), self.uploads())]
    }

    fn files_argument(&self) -> String {
        format!("uploads={}", self.uploads().display())
    }

    fn archive(&self) -> String {
        self.path("backup.zip").display().to_string()
    }

    fn sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite => {
                let connection = Connection::open(self.path("app.sqlite")).unwrap();
                connection.busy_timeout(Duration::from_secs(20)).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Place::Postgres(server, name) => self.runtime.block_on(async {
                postgres::run(&mut server.connect(name).await, sql).await;
            }),
        }
    }

    /// Makes all rows and files say `side`.
    fn fill(&self, side: &str) {
        self.sql("DELETE FROM facts");
        self.sql(&insert(side, matches!(self.place, Place::Sqlite)));
        let _ = fs::remove_dir_all(self.uploads());
        for number in 0..FILES {
            let path = self.uploads().join(format!("{}/{number}", number % 3));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{side} {number}")).unwrap();
        }
    }

    /// What the rows say, as side and count.
    fn rows(&self) -> Vec<(String, i64)> {
        let sql = "SELECT side, count(*) FROM facts GROUP BY side";
        match &self.place {
            Place::Sqlite => {
                let connection = Connection::open(self.path("app.sqlite")).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap();
                rows.map(Result::unwrap).collect()
            }
            Place::Postgres(server, name) => self.runtime.block_on(async {
                let rows = server.connect(name).await.fetch_all(sql).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }),
        }
    }

    /// The side that rows and files are of, which has to be the same, and complete.
    fn side(&self) -> String {
        let rows = self.rows();
        let [(side, count)] = rows.as_slice() else {
            panic!("rows of {rows:?}");
        };
        assert_eq!(*count, ROWS as i64);
        for number in 0..FILES {
            let path = self.uploads().join(format!("{}/{number}", number % 3));
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{side} {number}"), "{}", path.display());
        }
        side.clone()
    }

    /// Nothing of a restore is left: neither beside the folder, nor in the database.
    fn nothing_is_left(&self) {
        let names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".coffer"))
            .collect();
        assert!(names.is_empty(), "{names:?}");
        if matches!(self.place, Place::Sqlite) {
            let connection = Connection::open(self.path("app.sqlite")).unwrap();
            let tables: i64 = connection
                .query_row(
                    "SELECT count(*) FROM sqlite_schema WHERE type = 'table'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(tables, 1, "the mark is still there");
        }
    }

    fn recover(&self) -> recover::RecoverReport {
        self.runtime
            .block_on(recover::run(&self.database(), &self.sets()))
            .unwrap()
    }

    /// Stages the new files, as a restore does.
    fn stage(&self) -> FileSwitch {
        let mut switch = FileSwitch::new().unwrap();
        let staging = switch.stage("uploads", &self.uploads()).unwrap();
        for number in 0..FILES {
            let text = format!("new {number}");
            let file = FileEntry {
                set: "uploads".to_owned(),
                path: format!("{}/{number}", number % 3),
                entry: String::new(),
                size: text.len() as u64,
                sha256: Digest::of(text.as_bytes()),
                mode: 0o644,
                mtime: 0,
            };
            staging
                .add::<FilesError>(&file, |out: &mut File| {
                    out.write_all(text.as_bytes()).unwrap();
                    Ok(())
                })
                .unwrap();
        }
        switch
    }

    /// Replaces the rows in a transaction that is not committed yet, and arms the switch with its mark.
    fn load(&self, switch: &mut FileSwitch) -> Box<dyn ReplaceSession> {
        self.runtime.block_on(async {
            let engine = engine::open(&self.database());
            let schema = if matches!(self.place, Place::Sqlite) {
                "main"
            } else {
                "public"
            };
            let table = TableName::new(schema, "facts");
            let mut session = engine
                .begin_replace(std::slice::from_ref(&table))
                .await
                .unwrap();
            session.clear().await.unwrap();
            let text: String = (1..=ROWS).map(|id| format!("{id}\tnew\n")).collect();
            let (send, receive) = tokio::sync::mpsc::channel(1);
            send.send(text.into()).await.unwrap();
            drop(send);
            let columns = ["id".to_owned(), "side".to_owned()];
            session.load(&table, &columns, receive).await.unwrap();
            session.settle(&[]).await.unwrap();
            let mark = session.mark(switch.id()).await.unwrap();
            assert_ne!(mark, CommitMark::None);
            switch.arm(&engine.target(), mark).unwrap();
            session
        })
    }

    fn commit(&self, session: Box<dyn ReplaceSession>) {
        self.runtime.block_on(session.commit()).unwrap();
    }
}

fn both(test: impl Fn(App)) {
    test(App::new(false));
    test(App::new(true));
}

#[test]
fn killed_before_the_commit_it_is_undone() {
    both(|app| {
        let mut switch = app.stage();
        let session = app.load(&mut switch);
        drop(session);
        drop(switch);
        let report = app.recover();
        assert_eq!((report.finished.len(), report.undone.len()), (0, 1));
        assert_eq!(app.side(), "old");
        app.nothing_is_left();
        assert!(app.recover().is_empty());
    });
}

#[test]
fn killed_after_the_commit_it_is_finished() {
    both(|app| {
        let mut switch = app.stage();
        let session = app.load(&mut switch);
        app.commit(session);
        assert_eq!(app.rows(), [("new".to_owned(), ROWS as i64)]);
        drop(switch);
        let report = app.recover();
        assert_eq!((report.finished.len(), report.undone.len()), (1, 0));
        assert_eq!(app.side(), "new");
        app.nothing_is_left();
    });
}

#[test]
fn killed_after_its_files_are_in_place_it_is_finished() {
    both(|app| {
        let mut switch = app.stage();
        let session = app.load(&mut switch);
        app.commit(session);
        switch.journal().unwrap().put_in_place().unwrap();
        drop(switch);
        assert_eq!(app.recover().finished.len(), 1);
        assert_eq!(app.side(), "new");
        app.nothing_is_left();
    });
}

#[test]
fn what_was_only_staged_is_removed() {
    both(|app| {
        // As a process leaves it that is killed while it stages.
        let orphan = app.path(".coffer-staged-0123456789abcdef-uploads");
        fs::create_dir(&orphan).unwrap();
        fs::write(orphan.join("x"), "x").unwrap();
        let living = app.stage();
        let report = app.recover();
        assert_eq!(report.abandoned, 1);
        assert!(!orphan.exists());
        // What a living process stages stays.
        let staged = fs::read_dir(app.folder.path()).unwrap();
        assert!(staged.into_iter().any(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains(living.id())
        }));
        drop(living);
        app.nothing_is_left();
        assert_eq!(app.side(), "old");
    });
}

#[test]
fn a_restore_that_is_running_is_left_alone_and_keeps_backups_out() {
    both(|app| {
        let mut switch = app.stage();
        let session = app.load(&mut switch);
        let error = app
            .runtime
            .block_on(recover::run(&app.database(), &app.sets()))
            .unwrap_err();
        assert!(
            matches!(error, RecoverError::Journal(JournalError::Running { .. })),
            "{error}"
        );
        drop(session);
        drop(switch);

        // Interrupted: no backup is taken of rows and files that may not belong together.
        let (url, files, out) = (
            app.url(),
            app.files_argument(),
            app.path("second.zip").display().to_string(),
        );
        let backup = || {
            coffer(
                [
                    "backup", "--json", "--source", &url, "--files", &files, "--out", &out,
                ],
                &[],
            )
        };
        let refused = backup();
        assert_eq!(refused.code, 5, "{refused:?}");
        assert_eq!(refused.json()["error"]["code"], "interrupted_restore");
        assert!(!Path::new(&out).exists());

        // The command ends it, says so, and then has nothing to do.
        let recover = || {
            coffer(
                ["recover", "--json", "--target", &url, "--files", &files],
                &[],
            )
            .ok()
        };
        assert_eq!(recover().json()["undone"].as_array().unwrap().len(), 1);
        assert_eq!(recover().json()["undone"].as_array().unwrap().len(), 0);
        assert_eq!(app.side(), "old");
        assert_eq!(backup().code, 0);
    });
}

#[test]
fn another_database_is_not_asked() {
    let app = App::new(false);
    let mut switch = app.stage();
    let session = app.load(&mut switch);
    app.commit(session);
    drop(switch);
    let other = app.path("other.sqlite");
    Connection::open(&other)
        .unwrap()
        .execute_batch(SCHEMA)
        .unwrap();
    let url = DatabaseUrl::parse(&format!("sqlite:{}", other.display())).unwrap();
    let error = app
        .runtime
        .block_on(recover::run(&url, &app.sets()))
        .unwrap_err();
    assert!(matches!(error, RecoverError::OtherTarget { .. }), "{error}");
    assert_eq!(app.recover().finished.len(), 1);
    assert_eq!(app.side(), "new");
}

#[test]
fn a_damaged_journal_is_never_acted_on() {
    let app = App::new(false);
    let path = app.path(".coffer-restore-0123456789abcdef.journal");
    for text in [
        "",
        "{}",
        "not JSON",
        r#"{"coffer_journal":2,"id":"x","target":"y","mark":{"kind":"none"},"folders":[]}"#,
    ] {
        fs::write(&path, text).unwrap();
        let error = app
            .runtime
            .block_on(recover::run(&app.database(), &app.sets()))
            .unwrap_err();
        assert!(
            matches!(
                error,
                RecoverError::Journal(JournalError::Unreadable { .. })
            ),
            "{error}"
        );
        assert_eq!(app.side(), "old");
        assert!(path.exists());
    }
}

#[test]
fn a_link_to_the_folder_stays_a_link() {
    let app = App::new(false);
    let real = app.path("real");
    fs::rename(app.uploads(), &real).unwrap();
    std::os::unix::fs::symlink(&real, app.uploads()).unwrap();
    let _restored = restore(&app).ok();
    assert!(fs::symlink_metadata(app.uploads()).unwrap().is_symlink());
    assert_eq!(app.side(), "new");
    app.nothing_is_left();
}

fn arguments(app: &App) -> Vec<String> {
    [
        "restore",
        &app.archive(),
        "--target",
        &app.url(),
        "--mode",
        "replace",
        "--files",
        &app.files_argument(),
        "--yes",
        "--force",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn restore(app: &App) -> coffer_tests::coffer::Run {
    coffer(arguments(app), &[])
}

#[test]
fn killed_at_any_moment_rows_and_files_are_of_one_side() {
    let kills: u32 = env::var("COFFER_KILLS").map_or(10, |count| count.parse().unwrap());
    both(|app| {
        let begun = Instant::now();
        let _restored = restore(&app).ok();
        let whole = begun.elapsed();
        assert_eq!(app.side(), "new");
        let mut sides = [0, 0];
        for kill in 0..kills {
            app.fill("old");
            let mut child = Command::new(program())
                .args(arguments(&app))
                .env("COFFER_SAFETY_FOLDER", app.path("safety"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Spread over the run and a little beyond, in an order that mixes early and late.
            let part = f64::from(kill * 7 % kills) / f64::from(kills) * 1.1;
            thread::sleep(whole.mul_f64(part));
            child.kill().unwrap();
            child.wait().unwrap();
            app.recover();
            let side = app.side();
            app.nothing_is_left();
            sides[usize::from(side == "new")] += 1;
        }
        println!("{kills} kills: {} old, {} new", sides[0], sides[1]);
        assert!(sides[0] > 0, "no kill came before the commit");
    });
}
