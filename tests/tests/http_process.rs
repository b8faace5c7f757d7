//! The program itself: what it prints, how it is stopped, and what is left when it is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use coffer_tests::{
    coffer::{coffer, program},
    demo,
    keys::profile,
    site::{PASSWORD, Site},
};
use serde_json::json;

/// A `coffer serve` as a person would start it. It is killed when dropped.
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: String,
    /// What it tells on standard error, complete when it has ended.
    told: Option<JoinHandle<String>>,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(program())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "debug",
                "--data",
            ])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("coffer is built with `cargo build --release`");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        // Read all the time: a pipe that nobody empties would stop the server at its next line.
        let told = thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).unwrap();
            told
        });
        Self {
            child,
            stdout,
            told: Some(told),
            printed: String::new(),
        }
    }

    /// The link that it prints, with no token behind once there are users.
    fn link(&mut self) -> String {
        let mut address = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it ended");
            self.printed.push_str(&line);
            if line.contains("#set-up=") {
                return line.trim().to_owned();
            }
            if let Some((_, found)) = line.trim().split_once("running at ") {
                found.clone_into(&mut address);
            }
            if line.contains("name and password") {
                return format!("{address}/#set-up=");
            }
        }
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: sends a signal to the child that this test started and still holds.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for its end: its exit code, and what it told on standard error.
    fn ended(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
        let told = self.told.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().code(), told)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn signed_in(process: &mut Process, data: &Path) -> Site {
    let mut site = Site::reached(&process.link(), data.to_owned());
    site.sign_in();
    site
}

/// Starts the backup of a database that takes a while, and waits until it is at the rows.
fn start_long_backup(site: &Site, folder: &Path) -> String {
    let path = folder.join("large.sqlite");
    demo::execute(
        &path,
        "CREATE TABLE numbers (id INTEGER PRIMARY KEY, noise BLOB);
         INSERT INTO numbers SELECT value, randomblob(400)
         FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 600000)
               SELECT value FROM n);",
    );
    let url = format!("sqlite:{}", path.display());
    let body = json!({ "name": "Large", "url": url, "file_sets": [], "preset": null });
    let source = site.post("/api/sources", &body).expect(201).json();
    let profile = site.post("/api/profiles", &profile("Home", "password"));
    let body = json!({ "profile": profile.expect(201).json()["id"], "sensitive": false });
    let path = format!("/api/sources/{}/backups", source["id"].as_str().unwrap());
    let run = site.post(&path, &body).expect(202).json();
    let run = run["run"].as_str().unwrap().to_owned();
    let view = || site.get(&format!("/api/runs/{run}")).json();
    let begun = Instant::now();
    while view()["progress"]["rows"] == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", view());
        thread::sleep(Duration::from_millis(5));
    }
    run
}

#[test]
fn it_prints_a_link_and_ends_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut process = Process::start(&data);
        let site = signed_in(&mut process, &data);
        assert!(
            process
                .printed
                .starts_with("Coffer is running at http://127.0.0.1:")
        );
        process.signal(signal);
        let (code, told) = process.ended();
        assert_eq!(code, Some(0), "{told}");
        assert!(
            told.contains("signed in") && told.contains("stopping"),
            "{told}"
        );
        let cookie = site.cookie().split_once('=').unwrap().1;
        for secret in [site.token.as_str(), cookie, PASSWORD] {
            // There is a link at the first start alone.
            let logged = !secret.is_empty() && told.contains(secret);
            assert!(!logged, "the link is printed, and nothing of it is logged");
        }
    }
}

#[test]
fn an_address_for_other_machines_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let run = coffer(["serve", "--listen", "0.0.0.0:0", "--data", &data], &[]);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(
        run.stderr.contains("TLS") && run.stderr.contains("--allow-remote"),
        "{run:?}"
    );
}

#[test]
fn what_a_killed_process_left_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    let upload = site.begin_upload("bundle").expect(201).json();
    let _piece = site
        .append(
            upload["id"].as_str().unwrap(),
            0,
            b"\x89CFR\r\n\x1a\n\0\x01",
        )
        .expect(204);
    let run = start_long_backup(&site, folder.path());
    let archives = || fs::read_dir(data.join("archives")).unwrap().count();
    assert!(archives() > 0, "it is being written");
    process.signal(libc::SIGKILL);
    assert_eq!(process.ended().0, None);
    assert!(archives() > 0);
    // What somebody put there by hand is not this program's to remove.
    fs::write(data.join("archives/by-hand.coffer"), "x").unwrap();

    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    let view = site.get(&format!("/api/runs/{run}")).expect(200).json();
    assert_eq!(view["state"], "failed");
    assert_eq!(view["error"]["code"], "interrupted");
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(archives(), 1);
    assert!(data.join("archives/by-hand.coffer").exists());
    assert_eq!(fs::read_dir(data.join("uploads")).unwrap().count(), 0);
}

#[test]
fn secrets_are_wrapped_and_change_their_key_while_nobody_serves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let secret = |command: &[&str], more: &[(&str, &str)]| {
        let arguments = [&["--json"], command, &["--data", data.to_str().unwrap()]];
        coffer(arguments.concat(), more)
    };
    let refused = |run: &coffer_tests::coffer::Run| run.json()["error"]["code"].clone();
    let stop = |process: Process| {
        process.signal(libc::SIGTERM);
        assert_eq!(process.ended().0, Some(0));
    };

    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    let path = folder.path().join("app.sqlite");
    demo::execute(&path, "CREATE TABLE notes (body TEXT)");
    let url = format!("sqlite:{}", path.display());
    let body = json!({ "name": "App", "url": url, "file_sets": [], "preset": null });
    let source = site.post("/api/sources", &body).expect(201).json();
    let told = || {
        let files = fs::read_dir(&data).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let told = |path: std::path::PathBuf| {
            let bytes = fs::read(path).unwrap();
            bytes.windows(url.len()).any(|part| part == url.as_bytes())
        };
        files.filter(|path| path.is_file()).any(told)
    };
    assert!(!told());
    let run = secret(&["secret", "rotate"], &[]);
    assert_eq!((run.code, refused(&run)), (5, json!("in_use")), "{run:?}");
    stop(process);
    assert!(!told());

    let key = fs::read_to_string(data.join("secret.key")).unwrap();
    let rotated = secret(&["secret", "rotate"], &[]).ok().json();
    assert_eq!(rotated["secrets"], 1);
    assert_ne!(rotated["from"], rotated["to"]);
    let new_key = fs::read_to_string(data.join("secret.key")).unwrap();
    assert_ne!(key, new_key);
    // By the environment from now on.
    let digits = |key: &str| key.lines().nth(1).unwrap().to_owned();
    let (current, next) = (digits(&new_key), "ab".repeat(32));
    let run = secret(&["secret", "rotate"], &[("COFFER_SECRET_KEY", &current)]);
    assert_eq!(
        (run.code, refused(&run)),
        (5, json!("secret_key")),
        "{run:?}"
    );
    let environment = [
        ("COFFER_SECRET_KEY", &*current),
        ("COFFER_NEW_SECRET_KEY", &next),
    ];
    let rotated = secret(&["secret", "rotate"], &environment).ok().json();
    assert_eq!(rotated["secrets"], 1);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let run = secret(&serve, &[]);
    assert_eq!(
        (run.code, refused(&run)),
        (5, json!("secret_key")),
        "{run:?}"
    );
    assert!(run.stdout.contains(rotated["to"].as_str().unwrap()));
    assert!(!run.stdout.contains(&current) && !run.stdout.contains(&next));
    fs::write(data.join("secret.key"), &next).unwrap();

    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    assert_eq!(site.get("/api/sources").json()[0]["id"], source["id"]);
    stop(process);

    fs::remove_file(data.join("secret.key")).unwrap();
    let run = secret(&serve, &[]);
    assert_eq!(
        (run.code, refused(&run)),
        (5, json!("secret_key")),
        "{run:?}"
    );
    assert!(run.stdout.contains("coffer secret forget"));
    let run = secret(&["secret", "forget"], &[]);
    assert_eq!(
        (run.code, refused(&run)),
        (5, json!("not_confirmed")),
        "{run:?}"
    );
    let forgotten = secret(&["secret", "forget", "--yes"], &[]).ok().json();
    assert_eq!(forgotten["secrets"], 1);
    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    assert_eq!(site.get("/api/sources").json(), json!([]));
    stop(process);
}
