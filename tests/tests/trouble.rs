//! Disks without room, connections that are cut, roles without rights, rows that the target refuses: a clear error,
//! nothing changed, and nothing half left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_server::{engine::DatabaseUrl, recover};
use coffer_tests::{
    coffer::{Run, coffer, coffer_uncompared, coffer_with_small_files},
    cut::{Proxy, Way},
    planned::Uncompared,
    postgres::{self, OWNER, PASSWORD, Server},
    small_disk::SmallDisk,
    two_sides::{App, SCHEMA, both, files_below},
};
use sqlx::{Executor, Row};

/// Room on the small disks: more than rows and files of [`App`] need packed, less than the noise.
const ROOM: usize = 512 << 10;
const NOISE: usize = 1 << 20;

/// Code and sentence of an error, which says that nothing was changed or written.
fn refused(run: &Run) -> (String, String) {
    assert_eq!(run.code, 1, "{run:?}");
    let error = &run.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// Names in the folder of safety backups, other than those of keys and locks.
fn kept(safety: &Path) -> Vec<String> {
    let Ok(listing) = fs::read_dir(safety) else {
        return Vec::new();
    };
    listing
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["lock", "safety.key", "sender.key"].contains(&name.as_str()))
        .collect()
}

/// Adds to the archive, or to what is there now, a file that doesn't fit on a small disk.
fn add_noise(app: &App, to_archive: bool) {
    if to_archive {
        fs::remove_file(app.archive()).unwrap();
        app.fill("new");
    }
    let mut bytes = vec![0; NOISE];
    getrandom::fill(&mut bytes).unwrap();
    fs::write(app.uploads().join("noise"), bytes).unwrap();
    if to_archive {
        let out = PathBuf::from(app.archive());
        let _taken = coffer(app.backup(&app.url(), &out), &[]).ok();
        app.fill("old");
    }
}

/// Where the application's safety backups go.
fn in_folder(safety: &Path) -> String {
    safety.display().to_string()
}

/// The two ways in which there is no room, by what the system says of them. Whoever may not mount can still limit files.
const NO_ROOM: [&str; 2] = ["File too large", "No space left"];

/// Checks that a restore failed for that reason, and changed and left nothing.
fn nothing_changed(app: &App, before: &[String], safety: &Path, run: &Run, why: &[&str]) {
    let (code, message) = refused(run);
    assert!(
        why.iter().any(|why| message.contains(why)),
        "{code}: {message}"
    );
    let undone = ["nothing was changed", "everything was undone"];
    assert!(
        undone.iter().any(|words| message.contains(words)),
        "{message}"
    );
    assert_eq!(app.everything(), before, "{message}");
    app.nothing_is_left();
    assert_eq!(kept(safety), [""; 0], "{message}");
}

#[test]
fn without_room_for_the_archive_nothing_is_published() {
    both(|app| {
        add_noise(&app, false);
        let before = app.everything();
        let folder = app.path("archives");
        fs::create_dir(&folder).unwrap();
        let check = |run: Run, folder: &Path, why: &str| {
            let (code, message) = refused(&run);
            assert_eq!(code, "write_failed", "{message}");
            assert!(message.contains(why), "{message}");
            assert!(message.contains("no backup was taken"), "{message}");
            assert_eq!(files_below(folder), Vec::<PathBuf>::new());
            assert_eq!(app.everything(), before);
            app.nothing_is_left();
        };
        let arguments = app.backup(&app.url(), &folder.join("taken.zip"));
        let limited = coffer_with_small_files(&arguments, &[], ROOM as u64);
        check(limited, &folder, NO_ROOM[0]);
        let disk = app.path("small");
        if let Some(disk) = SmallDisk::try_mount(&disk, ROOM, "an archive on a full disk") {
            let arguments = app.backup(&app.url(), &disk.path().join("taken.zip"));
            check(coffer(arguments, &[]), disk.path(), NO_ROOM[1]);
        }
    });
}

#[test]
fn without_room_for_the_safety_backup_nothing_is_restored() {
    both(|app| {
        add_noise(&app, false);
        let before = app.everything();
        let arguments = app.restore(&app.url());
        let safety = app.path("safety");
        let environment = in_folder(&safety);
        let environment = [("COFFER_SAFETY_FOLDER", environment.as_str())];
        let run = coffer_with_small_files(&arguments, &environment, ROOM as u64);
        assert_eq!(refused(&run).0, "safety_backup");
        nothing_changed(&app, &before, &safety, &run, &NO_ROOM[..1]);

        let disk = app.path("small");
        if let Some(disk) = SmallDisk::try_mount(&disk, ROOM, "a safety backup on a full disk") {
            let safety = disk.path().join("safety");
            let environment = in_folder(&safety);
            let run = coffer(arguments, &[("COFFER_SAFETY_FOLDER", environment.as_str())]);
            assert_eq!(refused(&run).0, "safety_backup");
            nothing_changed(&app, &before, &safety, &run, &NO_ROOM[1..]);
        }
    });
}

#[test]
fn without_room_for_the_files_nothing_is_restored() {
    both(|mut app| {
        add_noise(&app, true);
        let before = app.everything();
        let safety = app.path("safety");
        let environment = in_folder(&safety);
        let environment = [("COFFER_SAFETY_FOLDER", environment.as_str())];
        let run = coffer_with_small_files(&app.restore(&app.url()), &environment, ROOM as u64);
        assert_eq!(refused(&run).0, "files");
        nothing_changed(&app, &before, &safety, &run, &NO_ROOM[..1]);

        let disk = app.path("small");
        if let Some(disk) = SmallDisk::try_mount(&disk, ROOM, "staged files on a full disk") {
            app.move_uploads(disk.path());
            let before = app.everything();
            let run = coffer(app.restore(&app.url()), &environment);
            assert_eq!(refused(&run).0, "files");
            nothing_changed(&app, &before, &safety, &run, &NO_ROOM[1..]);
            fs::remove_dir_all(app.uploads()).unwrap();
        }
    });
}

#[test]
fn without_room_for_the_rows_nothing_is_restored() {
    // The rows fit on their disk once and not twice, as they would have to before the old ones may go.
    let mut app = App::sqlite();
    let before = app.everything();
    let safety = app.path("safety");
    let environment = in_folder(&safety);
    let environment = [("COFFER_SAFETY_FOLDER", environment.as_str())];
    let database = fs::metadata(app.path("app.sqlite")).unwrap().len();
    // Neither the file nor the journal of its old pages can get as large as they must.
    let run = coffer_with_small_files(&app.restore(&app.url()), &environment, database / 2);
    assert_eq!(refused(&run).0, "database");
    nothing_changed(&app, &before, &safety, &run, &["no room left", "I/O error"]);
    let disk = app.path("small");
    let room = usize::try_from(database).unwrap() * 3 / 2;
    if let Some(disk) = SmallDisk::try_mount(&disk, room, "an SQLite file on a full disk") {
        app.move_database(disk.path());
        let run = coffer(app.restore(&app.url()), &environment);
        assert_eq!(refused(&run).0, "database");
        nothing_changed(&app, &before, &safety, &run, &["no room left"]);
    }
}

#[test]
fn without_room_for_the_rows_of_postgres_nothing_is_restored() {
    let server = Arc::new(Server::start());
    let app = App::postgres(server.clone());
    let (_, name) = app.server();
    let size: i64 = app.runtime.block_on(async {
        let mut superuser = server.connect_superuser(name).await;
        // Without what was deleted before, of which there is as much.
        postgres::run(&mut superuser, "VACUUM FULL facts").await;
        let size = superuser
            .fetch_one("SELECT pg_relation_size('facts')")
            .await;
        size.unwrap().get(0)
    });
    let room = usize::try_from(size).unwrap() * 3 / 2;
    let disk = server.socket_folder().join("small");
    let Some(disk) = SmallDisk::try_mount(&disk, room, "a tablespace on a full disk") else {
        return;
    };
    disk.give_to_owner_of(server.socket_folder());
    let place = disk.path().display();
    let create = format!("CREATE TABLESPACE small LOCATION '{place}'");
    app.runtime.block_on(async {
        let mut superuser = server.connect_superuser(name).await;
        for statement in [&create, "ALTER TABLE facts SET TABLESPACE small"] {
            postgres::run(&mut superuser, statement).await;
        }
    });
    let before = app.everything();
    let safety = app.path("safety");
    let environment = in_folder(&safety);
    let run = coffer(
        app.restore(&app.url()),
        &[("COFFER_SAFETY_FOLDER", environment.as_str())],
    );
    assert_eq!(refused(&run).0, "database");
    nothing_changed(&app, &before, &safety, &run, &["no room left"]);
    // The server ends before its disk does.
    drop(app);
    drop(server);
}

#[test]
fn a_backup_whose_connection_is_cut_leaves_nothing() {
    let app = App::postgres(Server::shared());
    let (server, name) = app.server();
    let proxy = Proxy::to(server.port());
    let url = server.url_of(OWNER, proxy.port(), name);
    let folder = app.path("archives");
    fs::create_dir(&folder).unwrap();
    let arguments = app.backup(&url, &folder.join("taken.zip"));
    let _taken = coffer(&arguments, &[]).ok();
    let (_, down) = proxy.passed();
    fs::remove_file(folder.join("taken.zip")).unwrap();
    for tenth in 0..10 {
        proxy.cut_after(Way::Down, down * tenth / 10);
        let (code, message) = refused(&coffer(&arguments, &[]));
        assert!(proxy.is_cut());
        assert_eq!(code, "database", "{message}");
        assert!(
            ["nothing was changed", "nothing was read or written"]
                .iter()
                .any(|words| message.contains(words)),
            "{message}"
        );
        assert_eq!(files_below(&folder), Vec::<PathBuf>::new());
    }
    proxy.mend();
    let _taken = coffer(&arguments, &[]).ok();
}

/// Where a connection is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    After(Way, u64),
    Commit(u64, bool),
}

#[test]
fn a_restore_whose_connection_is_cut_has_no_effect_or_all() {
    let app = App::postgres(Server::shared());
    let (server, name) = app.server();
    let proxy = Proxy::to(server.port());
    let url = server.url_of(OWNER, proxy.port(), name);
    let safety = app.path("safety");
    let environment = in_folder(&safety);
    let restore = || {
        coffer_uncompared(
            Uncompared::ConnectionIsCut,
            app.restore(&url),
            &[("COFFER_SAFETY_FOLDER", environment.as_str())],
        )
    };
    let _restored = restore().ok();
    let (up, down) = proxy.passed();
    // All over the run, and at the commit, which is the last one: the server gets it or not, and its answer is lost.
    let last = proxy.commits();
    assert!(last > 0);
    let mut cuts = vec![Cut::Commit(last, false), Cut::Commit(last, true)];
    for (way, bytes) in [(Way::Up, up), (Way::Down, down)] {
        cuts.extend((0..6).map(|part| Cut::After(way, bytes * part / 6)));
    }
    let mut sides = Vec::new();
    for cut in cuts {
        app.fill("old");
        let _ = fs::remove_dir_all(&safety);
        let before = app.everything();
        match cut {
            Cut::After(way, bytes) => proxy.cut_after(way, bytes),
            Cut::Commit(number, goes_up) => proxy.cut_at_commit(number, goes_up),
        }
        let run = restore();
        assert!(proxy.is_cut(), "{run:?}");
        let (code, message) = refused(&run);
        proxy.mend();
        if let Cut::Commit(..) = cut {
            assert_eq!(code, "outcome_unknown", "{message}");
            assert!(message.contains("coffer recover"), "{message}");
            let database = DatabaseUrl::parse(&url).unwrap();
            let sets = app.sets();
            let ended = app.runtime.block_on(recover::run(&database, &sets));
            assert!(!ended.unwrap().is_empty());
            sides.push(app.side());
        } else {
            assert_eq!(app.everything(), before, "{cut:?}: {message}");
            assert!(message.contains("nothing was"), "{message}");
            assert_eq!(kept(&safety), [""; 0], "{cut:?}: {message}");
        }
        app.nothing_is_left();
    }
    assert_eq!(sides, ["old", "new"]);
}

#[test]
fn a_role_without_rights_is_told_so() {
    let app = App::postgres(Server::shared());
    let (server, name) = app.server();
    let role = format!("clerk_{name}");
    app.runtime.block_on(async {
        let mut superuser = server.connect_superuser(name).await;
        let make = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
        postgres::run(&mut superuser, &make).await;
    });
    let url = server.url_of(&role, server.port(), name);
    let folder = app.path("archives");
    fs::create_dir(&folder).unwrap();
    let before = app.everything();
    let safety = app.path("safety");
    let environment = in_folder(&safety);
    let environment = [("COFFER_SAFETY_FOLDER", environment.as_str())];

    let backup = coffer(app.backup(&url, &folder.join("taken.zip")), &[]);
    assert!(refused(&backup).1.contains("does not permit"), "{backup:?}");
    assert_eq!(files_below(&folder), Vec::<PathBuf>::new());
    // First it may read nothing; then only read; then write, but not empty the table.
    for rights in ["", "SELECT", "INSERT, UPDATE, DELETE"] {
        if !rights.is_empty() {
            app.sql(&format!("GRANT {rights} ON facts TO {role}"));
        }
        let run = coffer(app.restore(&url), &environment);
        nothing_changed(&app, &before, &safety, &run, &["does not permit"]);
    }
    let _restored = coffer(app.restore(&app.url()), &environment).ok();
    assert_eq!(app.side(), "new");
}

#[test]
fn a_row_that_a_check_refuses_undoes_everything() {
    both(|app| {
        if app.is_sqlite() {
            let checked = SCHEMA.replace(
                "text NOT NULL",
                "text NOT NULL CONSTRAINT only_old CHECK (side = 'old')",
            );
            app.sql(&format!("DROP TABLE facts; {checked}"));
            app.fill("old");
        } else {
            app.sql("ALTER TABLE facts ADD CONSTRAINT only_old CHECK (side = 'old')");
        }
        let before = app.everything();
        let safety = app.path("safety");
        let environment = in_folder(&safety);
        let run = coffer(
            app.restore(&app.url()),
            &[("COFFER_SAFETY_FOLDER", environment.as_str())],
        );
        nothing_changed(&app, &before, &safety, &run, &["only_old"]);
        let (_, message) = refused(&run);
        assert!(message.contains("facts refuses"), "{message}");
        assert!(
            !message.contains("'new'") && !message.contains("1\tnew"),
            "{message}"
        );
    });
}
