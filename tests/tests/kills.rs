//! `kill -9` at any moment, of Coffer and of PostgreSQL: once it is recovered, rows and files are both old or both new,
//! and an archive that has its name is whole.
//!
//! `COFFER_KILLS` says how often Coffer is killed in each test for each engine, `COFFER_CRASHES` how often PostgreSQL is;
//! the defaults keep the run short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use coffer_tests::{
    coffer::{coffer, program},
    postgres::Server,
    two_sides::{App, FILES, ROWS, both, temporary_names},
};
use serde_json::Value;

/// Longest wait for a process that lost its database, and for a session that lost its process.
const LIMIT: Duration = Duration::from_secs(60);

fn count(variable: &str, otherwise: u32) -> u32 {
    env::var(variable).map_or(otherwise, |count| count.parse().unwrap())
}

/// A moment in each of `count` equal parts of a run and a little beyond, in an order that mixes early and late.
fn moments(count: u32, whole: Duration) -> impl Iterator<Item = Duration> {
    (0..count).map(move |number| {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let within = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
        let part = (f64::from(number * 7 % count) + within) / f64::from(count);
        whole.mul_f64(part * 1.1)
    })
}

fn start(app: &App, arguments: &[String]) -> Child {
    Command::new(program())
        .args(arguments)
        .env("COFFER_SAFETY_FOLDER", app.path("safety"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for a process, which is expected to end by itself.
fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("coffer does not notice that its database is gone");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// How long a whole run takes.
fn duration(app: &App, arguments: &[String]) -> Duration {
    let begun = Instant::now();
    assert!(start(app, arguments).wait().unwrap().success());
    begun.elapsed()
}

/// The side that an archive is of, all of whose rows and files are there and are what the archive says.
fn side_of(archive: &Path) -> String {
    let path = archive.display().to_string();
    let verified = coffer(["verify", "--json", &path], &[]).ok().json();
    assert_eq!(verified["error"], Value::Null, "{verified}");
    let mut zip = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
    let mut sides: BTreeMap<String, usize> = BTreeMap::new();
    let mut files = 0;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let text = std::io::read_to_string(entry).unwrap();
        if name.starts_with("tables/") {
            for line in text.lines().skip(1) {
                let (_, side) = line.split_once('\t').unwrap();
                *sides.entry(side.to_owned()).or_default() += 1;
            }
        } else if name.starts_with("files/") {
            files += 1;
        }
    }
    assert_eq!((sides.len(), files), (1, FILES), "{sides:?}");
    let (side, rows) = sides.pop_first().unwrap();
    assert_eq!(rows, ROWS);
    side
}

#[test]
fn a_backup_that_is_killed_leaves_no_archive_or_a_whole_one() {
    let kills = count("COFFER_KILLS", 10);
    both(|app| {
        // Alone in its folder. It says "old"; the archive that it replaces in every other run says "new".
        fs::create_dir(app.path("archives")).unwrap();
        let out = app.path("archives/taken.zip");
        let arguments = app.backup(&app.url(), &out);
        let whole = duration(&app, &arguments);
        fs::remove_file(&out).unwrap();
        let mut counts = [0; 4];
        for (number, moment) in moments(kills, whole).enumerate() {
            let replaces = number % 2 == 1;
            let mut arguments = arguments.clone();
            if replaces {
                arguments.push("--overwrite".into());
                fs::copy(app.archive(), &out).unwrap();
            }
            let mut child = start(&app, &arguments);
            thread::sleep(moment);
            child.kill().unwrap();
            let done = child.wait().unwrap().success();
            let found = if out.exists() {
                side_of(&out)
            } else {
                String::new()
            };
            match (replaces, found.as_str()) {
                (false, "") => counts[0] += 1,
                (false, "old") => counts[1] += 1,
                (true, "new") => counts[2] += 1,
                (true, "old") => counts[3] += 1,
                other => panic!("{other:?}"),
            }
            assert!(!done || found == "old", "it said that it was done");
            let _ = fs::remove_file(&out);
        }
        println!(
            "{kills} kills of a backup: {} without and {} with an archive; {} left the old one and {} replaced it",
            counts[0], counts[1], counts[2], counts[3]
        );
        assert!(
            counts[0] + counts[2] > 0,
            "no kill came before the archive had its name"
        );
        // The application has not noticed, and the next backup cleans up.
        assert_eq!(app.side(), "old");
        app.nothing_is_left();
        let _taken = coffer(&arguments, &[]).ok();
        assert_eq!(side_of(&out), "old");
        assert_eq!(temporary_names(&app.path("archives")), [""; 0]);
    });
}

#[test]
fn a_restore_that_is_killed_leaves_rows_and_files_of_one_side() {
    both(|app| {
        let arguments = app.restore(&app.url());
        kill_restores(&app, &arguments, "a restore");
    });
}

#[test]
fn a_merge_that_is_killed_leaves_rows_and_files_of_one_side() {
    both(|app| {
        // All rows and files are the same ones, and take what the archive says.
        let preset = app.path("facts.toml");
        let rules =
            "app = \"facts\"\n[[table]]\ntable = \"facts\"\nidentity = [{ columns = [\"id\"] }]\n";
        fs::write(&preset, rules).unwrap();
        let mut arguments = app.restore(&app.url());
        for argument in &mut arguments {
            if argument == "replace" {
                *argument = "overwrite".into();
            }
        }
        arguments.extend(["--preset".into(), preset.display().to_string()]);
        kill_restores(&app, &arguments, "a merge");
    });
}

/// Kills a restore that makes everything new, at moments all over it.
fn kill_restores(app: &App, arguments: &[String], what: &str) {
    let kills = count("COFFER_KILLS", 10);
    let whole = duration(app, arguments);
    assert_eq!(app.side(), "new");
    let mut sides = [0, 0];
    for moment in moments(kills, whole) {
        app.fill("old");
        let mut child = start(app, arguments);
        thread::sleep(moment);
        child.kill().unwrap();
        let done = child.wait().unwrap().success();
        app.recover();
        let side = app.side();
        assert!(!done || side == "new", "it said that it was done");
        app.nothing_is_left();
        sides[usize::from(side == "new")] += 1;
    }
    println!(
        "{kills} kills of {what}: {} old, {} new",
        sides[0], sides[1]
    );
    assert!(sides[0] > 0, "no kill came before the commit");
    nothing_is_left_of_safety_backups(app);
}

/// After a restore that went well there are as many safety backups as are kept, and none that is unfinished.
fn nothing_is_left_of_safety_backups(app: &App) {
    let _restored = app.restored().ok();
    let safety = app.path("safety").display().to_string();
    let listed = coffer(
        ["undo", "--list", "--json", "--target", &app.url()],
        &[("COFFER_SAFETY_FOLDER", &safety)],
    )
    .ok()
    .json();
    assert_eq!(listed["unreadable"], serde_json::json!([]));
    let kept = listed["safety_backups"].as_array().unwrap();
    assert!((1..=5).contains(&kept.len()), "{kept:?}");
    for backup in kept {
        assert_eq!(backup["restore"], "committed", "{backup}");
    }
    let names = fs::read_dir(app.path("safety")).unwrap();
    let archives = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".coffer"));
    assert_eq!(archives.count(), kept.len());
    assert_eq!(temporary_names(&app.path("safety")), [""; 0]);
}

#[test]
fn a_database_that_is_killed_leaves_rows_and_files_of_one_side() {
    let crashes = count("COFFER_CRASHES", 4);
    let server = Arc::new(Server::start());
    let app = App::postgres(server.clone());
    let (_, name) = app.server();
    let arguments = app.restore(&app.url());
    let whole = duration(&app, &arguments);
    let mut sides = [0, 0];
    for (number, moment) in moments(crashes, whole).enumerate() {
        app.fill("old");
        let mut child = start(&app, &arguments);
        thread::sleep(moment);
        // The whole server, as by a power cut; or one session, after which the server recovers by itself.
        if number % 2 == 1 || !server.kill_session(name) {
            server.kill();
            let done = ended(&mut child);
            server.start_again();
            recover_after(&app, done, &mut sides);
        } else {
            let done = ended(&mut child);
            recover_after(&app, done, &mut sides);
        }
    }
    println!(
        "{crashes} kills of PostgreSQL in a restore: {} old, {} new",
        sides[0], sides[1]
    );
    assert!(sides[0] > 0, "no kill came before the commit");
    nothing_is_left_of_safety_backups(&app);
}

fn recover_after(app: &App, done: ExitStatus, sides: &mut [u32; 2]) {
    app.recover();
    let side = app.side();
    assert!(!done.success() || side == "new", "it said that it was done");
    app.nothing_is_left();
    sides[usize::from(side == "new")] += 1;
}

#[test]
fn a_database_that_is_killed_during_a_backup_leaves_no_archive() {
    let crashes = count("COFFER_CRASHES", 2);
    let server = Arc::new(Server::start());
    let app = App::postgres(server.clone());
    fs::create_dir(app.path("archives")).unwrap();
    let out = app.path("archives/taken.zip");
    let arguments = app.backup(&app.url(), &out);
    let whole = duration(&app, &arguments);
    fs::remove_file(&out).unwrap();
    let mut published = 0;
    for moment in moments(crashes, whole) {
        let mut child = start(&app, &arguments);
        thread::sleep(moment);
        server.kill();
        let done = ended(&mut child).success();
        server.start_again();
        // It needs no database any more once it has read it.
        assert_eq!(out.exists(), done);
        if done {
            assert_eq!(side_of(&out), "old");
            fs::remove_file(&out).unwrap();
            published += 1;
        }
        assert_eq!(temporary_names(&app.path("archives")), [""; 0]);
        assert_eq!(app.side(), "old");
    }
    println!("{crashes} kills of PostgreSQL in a backup: {published} archives, all of them whole");
}
