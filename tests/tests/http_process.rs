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
    postgres,
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
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, environment: &[(&str, &str)]) -> Self {
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
            .envs(environment.iter().copied())
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

/// A database of noise that takes a while.
fn noise(path: &Path, rows: u32) {
    demo::execute(
        path,
        &format!(
            "CREATE TABLE numbers (id INTEGER PRIMARY KEY, noise BLOB);
             INSERT INTO numbers SELECT value, randomblob(400)
             FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {rows})
                   SELECT value FROM n);"
        ),
    );
}

/// Real servers, a real catalog, a real archive: what the many simulated runs show of leases holds for the bytes too.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_server_is_killed_is_done_once_by_another() {
    let database = postgres::Server::shared();
    let name = database.create_database().await;
    let url = database.url(&name);
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let secret = "5c".repeat(32);
    let environment = [
        ("COFFER_CATALOG", url.as_str()),
        ("COFFER_SECRET_KEY", &secret),
    ];
    let (here, there) = (folder.path().join("a"), folder.path().join("b"));

    let mut first = Process::start_with(&here, &environment);
    let site = signed_in(&mut first, &here);
    let app = folder.path().join("app.sqlite");
    noise(&app, 150_000);
    let source = json!({ "name": "App", "url": format!("sqlite:{}", app.display()), "file_sets": [], "preset": null });
    let source = site.post("/api/sources", &source).expect(201).json();
    let home = site.post("/api/profiles", &profile("Home", "password"));
    let config = json!({ "kind": "folder", "path": disk });
    let destination = site
        .post(
            "/api/destinations",
            &json!({ "name": "Disk", "config": config }),
        )
        .expect(201)
        .json();
    let job = json!({
        "name": "Nightly", "profile": home.expect(201).json()["id"], "sources": [source["id"]],
        "destinations": [destination["id"]], "schedule": null, "time_zone": "UTC", "retention": { "last": 2 },
    });
    let job = site.post("/api/jobs", &job).expect(201).json();
    let runs = format!("/api/jobs/{}/runs", job["id"].as_str().unwrap());
    let run = site.post(&runs, &json!({})).expect(202).json();
    let run = format!("/api/job-runs/{}", run["run"].as_str().unwrap());
    let begun = Instant::now();
    while site.get(&run).json()["progress"]["rows"]
        .as_u64()
        .unwrap_or(0)
        == 0
    {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}",
            site.get(&run).json()
        );
        thread::sleep(Duration::from_millis(5));
    }
    first.signal(libc::SIGKILL);
    assert_eq!(first.ended().0, None);
    // Nobody hears of it for as long as a lease lasts.
    let mut connection = database.connect(&name).await;
    let lost = "UPDATE job_runs SET expires_at = '2020-01-01T00:00:00Z' WHERE state = 'running'";
    postgres::run(&mut connection, lost).await;

    let mut second = Process::start_with(&there, &environment);
    let site = signed_in(&mut second, &there);
    let begun = Instant::now();
    let view = loop {
        let view = site.get(&run).expect(200).json();
        if !matches!(view["state"].as_str(), Some("waiting" | "running")) {
            break view;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{view}");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(view["state"], "done", "{view}");

    // The one that was killed comes back, and finds nothing to do.
    let mut first = Process::start_with(&here, &environment);
    let again = signed_in(&mut first, &here);
    for site in [&site, &again] {
        assert_eq!(
            site.get(&runs).expect(200).json().as_array().unwrap().len(),
            1
        );
        let backups = site.get("/api/backups").expect(200).json();
        assert_eq!(backups.as_array().unwrap().len(), 1, "{backups}");
        let backup = &backups[0];
        assert_eq!(backup["state"], "verified");
        assert_eq!(backup["copies"].as_array().unwrap().len(), 1);
        let stored: Vec<String> = fs::read_dir(&disk)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".coffer-destination"))
            .collect();
        assert_eq!(
            stored,
            [backup["name"].as_str().unwrap()],
            "nothing half is left"
        );
        let archive = disk.join(&stored[0]).display().to_string();
        let word = [("WORD", "password")];
        let whole = coffer(
            ["verify", &archive, "--password-env", "WORD", "--json"],
            &word,
        );
        assert_eq!(whole.ok().json()["rows"], 150_000);
        let kept = |data: &Path| fs::read_dir(data.join("archives")).map_or(0, Iterator::count);
        assert_eq!((kept(&here), kept(&there)), (0, 0));
    }
}

#[test]
fn users_are_kept_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut process = Process::start(&data);
    let site = signed_in(&mut process, &data);
    let user = |arguments: &[&str]| {
        let place = ["--data", data.to_str().unwrap(), "--json"];
        coffer([&["user"], arguments, &place].concat(), &[])
    };
    let names = |run: coffer_tests::coffer::Run| -> Vec<(String, bool, bool)> {
        let users = run.ok().json()["users"].clone();
        let users = users.as_array().unwrap().iter();
        users
            .map(|user| {
                let name = user["name"].as_str().unwrap().to_owned();
                (name, user["disabled"] == true, user["has_password"] == true)
            })
            .collect()
    };
    let token = |run: coffer_tests::coffer::Run| {
        let link = run.ok().json()["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with("https://backups.example/#link="), "{link}");
        link.split_once("#link=").unwrap().1.to_owned()
    };
    let page = ["--page", "https://backups.example/"];
    let group = "Readers";
    let readers = json!({ "name": group, "permissions": ["view"], "sources": null });
    let _added = site.post("/api/groups", &readers).expect(201);

    let added = token(user(
        &[&["add", "Bob", "--group", group], &page[..]].concat(),
    ));
    let ada = ("Ada".to_owned(), false, true);
    let bob = |disabled, password| ("Bob".to_owned(), disabled, password);
    assert_eq!(names(user(&["list"])), [ada.clone(), bob(false, false)]);
    let bobs = site.by_link(&added, "a long word of Bob");
    assert_eq!(bobs.get("/api/session").json()["user"]["name"], "Bob");
    assert_eq!(names(user(&["list"])), [ada.clone(), bob(false, true)]);

    let _out = user(&["disable", "Bob"]).ok();
    assert_eq!(bobs.get("/api/account/sessions").status, 401);
    assert_eq!(names(user(&["list"])), [ada.clone(), bob(true, true)]);
    let signs_in = |password: &str| {
        let word = json!({ "name": "Bob", "password": password });
        site.stranger().post("/api/session", &word).status
    };
    assert_eq!(signs_in("a long word of Bob"), 401);
    let again = token(user(&[&["reset", "Bob"], &page[..]].concat()));
    let bobs = site.by_link(&again, "another long word");
    assert_eq!(bobs.get("/api/session").json()["user"]["name"], "Bob");
    assert_eq!(signs_in("a long word of Bob"), 401);
    assert_eq!(signs_in("another long word"), 204);

    // What can't be is refused, and changes nothing.
    for (wrong, code) in [
        (&["disable", "Nobody"][..], 2),
        (&["reset", "Nobody"], 2),
        (&["add", "Cy", "--group", "no such group"], 2),
        (&["add", " "], 2),
        (&["add", "bob"], 1),
        (&["disable", "Ada"], 1),
    ] {
        let run = user(wrong);
        assert_eq!(run.code, code, "{wrong:?} {run:?}");
    }
    assert_eq!(names(user(&["list"])), [ada, bob(false, true)]);
    let log = site.get("/api/audit-log").expect(200).json();
    let beside = log["items"].as_array().unwrap().iter();
    let beside: Vec<&str> = beside
        .filter(|line| line["via"] == "console")
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(beside, ["make_link", "change_user", "add_user"]);
}
