//! A restore of rows and files that is interrupted at a certain moment leaves both old or both new, once it is recovered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use coffer_core::{Digest, manifest::FileEntry, schema::TableName};
use coffer_server::{
    engine::{self, CommitMark, DatabaseUrl, ReplaceSession},
    files::FilesError,
    recover::{self, RecoverError},
    switch::{FileSwitch, JournalError, Singles, Staging},
};
use coffer_tests::{
    coffer::coffer,
    two_sides::{App, FILES, ROWS, SCHEMA, both},
};
use rusqlite::Connection;

/// Stages the new files, as a restore does.
fn stage(app: &App) -> FileSwitch {
    let mut switch = FileSwitch::new().unwrap();
    add_files(switch.stage("uploads", app.uploads()).unwrap());
    switch
}

fn path(number: usize) -> String {
    format!("{}/{number}", number % 3)
}

/// As a merge does, which puts single files in place.
fn stage_single(app: &App) -> FileSwitch {
    let mut switch = FileSwitch::new().unwrap();
    let singles = Singles {
        replaced: (0..FILES).map(path).collect(),
        ..Singles::default()
    };
    let staging = switch.stage_single("uploads", app.uploads(), singles);
    add_files(staging.unwrap());
    switch
}

fn add_files(staging: &Staging) {
    for number in 0..FILES {
        let text = format!("new {number}");
        let file = FileEntry {
            set: "uploads".to_owned(),
            path: path(number),
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
}

/// Replaces the rows in a transaction that is not committed yet, and arms the switch with its mark.
fn load(app: &App, switch: &mut FileSwitch) -> Box<dyn ReplaceSession> {
    app.runtime.block_on(async {
        let engine = engine::open(&app.database());
        let schema = if app.is_sqlite() { "main" } else { "public" };
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

/// Runs a test for folders that are replaced, and for single files that are.
fn both_ways(test: impl Fn(App, fn(&App) -> FileSwitch)) {
    both(|app| test(app, stage));
    both(|app| test(app, stage_single));
}

fn commit(app: &App, session: Box<dyn ReplaceSession>) {
    app.runtime.block_on(session.commit()).unwrap();
}

#[test]
fn killed_before_the_commit_it_is_undone() {
    both_ways(|app, stage| {
        let mut switch = stage(&app);
        let session = load(&app, &mut switch);
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
    both_ways(|app, stage| {
        let mut switch = stage(&app);
        let session = load(&app, &mut switch);
        commit(&app, session);
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
        let mut switch = stage(&app);
        let session = load(&app, &mut switch);
        commit(&app, session);
        switch.journal().unwrap().put_in_place().unwrap();
        drop(switch);
        assert_eq!(app.recover().finished.len(), 1);
        assert_eq!(app.side(), "new");
        app.nothing_is_left();
    });
}

#[test]
fn killed_amid_its_single_files_it_is_finished() {
    both(|app| {
        let mut switch = stage_single(&app);
        let session = load(&app, &mut switch);
        commit(&app, session);
        // As a process leaves it that is killed after some of the renames.
        let staged = fs::read_dir(app.path("")).unwrap();
        let staged = staged
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir() && path.to_str().unwrap().contains(switch.id()))
            .unwrap();
        for number in 0..FILES / 2 {
            fs::rename(staged.join(path(number)), app.uploads().join(path(number))).unwrap();
        }
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
        let living = stage(&app);
        let report = app.recover();
        assert_eq!(report.abandoned, 1);
        assert!(!orphan.exists());
        // What a living process stages stays.
        let staged = fs::read_dir(app.path("")).unwrap();
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
        let mut switch = stage(&app);
        let session = load(&app, &mut switch);
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
    let app = App::sqlite();
    let mut switch = stage(&app);
    let session = load(&app, &mut switch);
    commit(&app, session);
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
    let app = App::sqlite();
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
    let app = App::sqlite();
    let real = app.path("real");
    fs::rename(app.uploads(), &real).unwrap();
    std::os::unix::fs::symlink(&real, app.uploads()).unwrap();
    let _restored = app.restored().ok();
    assert!(fs::symlink_metadata(app.uploads()).unwrap().is_symlink());
    assert_eq!(app.side(), "new");
    app.nothing_is_left();
}
