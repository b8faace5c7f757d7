//! `coffer --server URL`: a server elsewhere driven by the command line, over a wire that these tests listen to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
use coffer_core::seal::{KeyFile, Password};
use coffer_server::read::{FileSource, Look, ReadAt, look};
use coffer_tests::{
    coffer::{Run, coffer, program},
    demo,
    installation::{Installation, Kind},
    keys::profile,
    site::{Site, Start},
    tap::Tap,
};
use serde_json::{Value, json};

const PASSWORD: &str = "Früh übt sich & 4% Rabatt";
const EVERYTHING: [&str; 4] = ["view", "back_up", "restore", "configure"];

/// A server with the demo application and a ready profile, and the wire to it.
struct Case {
    folder: tempfile::TempDir,
    site: Site,
    tap: Tap,
    token: String,
}

impl Case {
    fn new() -> Self {
        let (folder, site) = Site::signed_in(Start::default());
        let _made = site
            .post("/api/profiles", &profile("Home", PASSWORD))
            .expect(201);
        let tap = Tap::to(site.address);
        let token = token(&site, &EVERYTHING);
        Self {
            folder,
            site,
            tap,
            token,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a command against the server.
    fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &self.token)
    }

    fn run_with(&self, arguments: &[&str], token: &str) -> Run {
        let url = self.tap.url();
        let mut all = vec!["--server", url.as_str(), "--json"];
        all.extend(arguments);
        let environment = [("COFFER_TOKEN", token), ("ARCHIVE_PASSWORD", PASSWORD)];
        coffer(all, &environment)
    }

    /// Restores into a source with what is said, and the archive's password.
    fn restore(&self, arguments: &[&str]) -> Run {
        let opened = ["restore", "--password-env", "ARCHIVE_PASSWORD"];
        self.run(&[&opened, arguments].concat())
    }

    /// The id of a new backup of a source.
    fn backup(&self, source: &str) -> String {
        let taken = self.run(&["backup", source]).ok().json();
        taken["backup"].as_str().unwrap().to_owned()
    }

    fn demo(&self) -> PathBuf {
        demo::database(&self.site.data)
    }

    fn now(&self) -> demo::Dump {
        demo::dump(&self.demo())
    }

    /// The demo's name.
    fn name(&self) -> String {
        let sources = self.site.get("/api/sources").expect(200).json();
        sources[0]["name"].as_str().unwrap().to_owned()
    }

    fn add(&self, name: &str, url: &str) {
        let body = json!({ "name": name, "url": url, "file_sets": [], "preset": null });
        let _added = self.site.post("/api/sources", &body).expect(201);
    }

    fn damage(&self) {
        let lose = "DELETE FROM messages WHERE id % 2 = 0; UPDATE customers SET name = 'lost';";
        demo::execute(&self.demo(), lose);
    }

    fn uploads_left(&self) -> usize {
        fs::read_dir(self.site.data.join("uploads")).map_or(0, Iterator::count)
    }
}

fn token(site: &Site, permissions: &[&str]) -> String {
    let wanted = json!({ "name": "program", "permissions": permissions, "days": 7 });
    let made = site.post("/api/account/tokens", &wanted).expect(201).json();
    made["secret"].as_str().unwrap().to_owned()
}

/// Exit code and stable name of a failure.
fn failed(run: &Run) -> (i32, String) {
    let error = &run.json()["error"];
    assert!(error["message"].as_str().unwrap().len() > 10, "{run:?}");
    (run.code, error["code"].as_str().unwrap().to_owned())
}

fn refused(code: i32, name: &str) -> (i32, String) {
    (code, name.to_owned())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// The forms in which a secret could be on a wire.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{secret:?}");
    let encoded: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        Base64::encode_string(secret).into_bytes(),
        Base64Unpadded::encode_string(secret).into_bytes(),
        Base64UrlUnpadded::encode_string(secret).into_bytes(),
        listed.trim_matches(['[', ']']).as_bytes().to_vec(),
        encoded.into_bytes(),
    ]
}

#[test]
fn a_backup_is_taken_listed_fetched_and_restored_from_elsewhere() {
    let case = Case::new();
    let before = case.now();
    let files = demo::files(&demo::uploads(&case.site.data));
    let source = case.name();
    let taken = case.run(&["backup", &source, "--sensitive"]).ok().json();
    let id = taken["backup"].as_str().unwrap();
    assert!(taken["tables"].as_u64().unwrap() > 5 && taken["rows"].as_u64().unwrap() > 100);

    let listed = case
        .run(&["list", "backups", "--source", &source])
        .ok()
        .json();
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["state"], "verified");
    let none = case
        .run(&["list", "backups", "--source", "another"])
        .ok()
        .json();
    assert_eq!(none, json!([]));
    let sources = case.run(&["list", "sources"]).ok().json();
    assert_eq!(sources[0]["name"], source.as_str());
    for (what, count) in [("jobs", 0), ("runs", 0), ("profiles", 1)] {
        let listed = case.run(&["list", what]).ok().json();
        assert_eq!(listed.as_array().unwrap().len(), count, "{what}");
    }

    let out = case.text("copy.coffer");
    let done = case.run(&["download", id, "--out", &out]).ok().json();
    let stored = case.site.get(&format!("/api/backups/{id}/archive"));
    let stored = stored.expect(200);
    assert!(fs::read(&out).unwrap() == stored.body);
    assert_eq!(
        stored.header("etag"),
        format!("\"{}\"", done["sha256"].as_str().unwrap())
    );
    let again = case.run(&["download", id, "--out", &out]);
    assert_eq!(failed(&again), refused(5, "exists"));

    // Planned only, and refused where it would replace what nobody allowed.
    case.damage();
    let damaged = case.now();
    let options = ["--backup", id, "--target", &source, "--mode", "replace"];
    let plan = [
        &["plan", "--password-env", "ARCHIVE_PASSWORD"],
        &options[..],
    ]
    .concat();
    let planned = case.run(&plan).ok().json();
    assert_eq!(planned["plan"]["blocked"], true);
    let dry = case.restore(&[&options[..], &["--force", "--dry-run"]].concat());
    assert_eq!(dry.ok().json()["plan"]["blocked"], false);
    let run = case.restore(&[&options[..], &["--yes"]].concat());
    assert_eq!(failed(&run), refused(5, "plan_blocked"));
    let unasked = case.restore(&[&options[..], &["--force"]].concat());
    assert_eq!(
        failed(&unasked),
        refused(2, "usage"),
        "no terminal to confirm on"
    );
    assert_eq!(case.now(), damaged);
    assert_eq!(case.uploads_left(), 0);

    // From what the server stores, and then from the copy.
    for archive in [&["--backup", id][..], &[out.as_str()]] {
        let all = [archive, &options[2..], &["--force", "--yes"]].concat();
        let done = case.restore(&all).ok().json();
        assert_eq!(done["restored"], true);
        assert!(
            done["safety_backup"]["rows"].as_u64().unwrap() > 0,
            "{done}"
        );
        assert_eq!(case.now(), before);
        assert_eq!(demo::files(&demo::uploads(&case.site.data)), files);
        assert_eq!(case.uploads_left(), 0);
        case.damage();
    }
}

#[test]
fn a_merge_is_rehearsed_shown_and_done_and_a_second_one_changes_nothing() {
    let case = Case::new();
    let before = case.now();
    let source = case.name();
    let id = case.backup(&source);
    case.damage();
    let damaged = case.now();
    let options = [
        "--backup",
        &id,
        "--target",
        &source,
        "--mode",
        "overwrite",
        "--force",
    ];
    let dry = case
        .restore(&[&options[..], &["--dry-run"]].concat())
        .ok()
        .json();
    assert!(dry["samples"].to_string().contains("lost"), "{dry}");
    assert_eq!(case.now(), damaged);
    assert_eq!(case.uploads_left(), 0, "what was rehearsed is removed");

    let done = case
        .restore(&[&options[..], &["--yes"]].concat())
        .ok()
        .json();
    assert_eq!(done["restored"], true);
    assert_eq!(case.now()["messages"], before["messages"]);
    assert_eq!(case.now()["customers"], before["customers"]);
    let again = case
        .restore(&[&options[..], &["--yes"]].concat())
        .ok()
        .json();
    assert_eq!(again["restored"], false);

    // One record, with the rows that belong to it.
    case.damage();
    let ticket = "main.tickets:id=1";
    let options = [
        "--backup",
        &id,
        "--target",
        &source,
        "--mode",
        "overwrite",
        "--force",
        "--yes",
    ];
    let done = case.restore(&[&options[..], &["--record", ticket, "--without-files"]].concat());
    assert_eq!(done.ok().json()["restored"], true);
    let whole = |dump: &demo::Dump| dump["messages"].len();
    assert!(whole(&damaged) < whole(&case.now()) && whole(&case.now()) < whole(&before));
    assert_eq!(case.uploads_left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_source_is_backed_up_and_restored_from_elsewhere() {
    let case = Case::new();
    let schema = "CREATE TABLE notes (id integer PRIMARY KEY, slug text NOT NULL UNIQUE, body text NOT NULL);
                  INSERT INTO notes SELECT n, 'note-' || n, 'Note ' || n FROM generate_series(1, 500) n";
    let shop = Installation::new(Kind::Postgres, schema, None).await;
    case.add("Shop", &shop.url());
    let query = "SELECT id, slug, body FROM notes ORDER BY id";
    let before = shop.rows(query).await;
    let id = case.backup("Shop");
    shop.sql("UPDATE notes SET body = 'lost' WHERE id < 100; DELETE FROM notes WHERE id > 400")
        .await;
    let options = [
        "--backup", &id, "--target", "Shop", "--force", "--yes", "--mode",
    ];
    let done = case
        .restore(&[&options[..], &["skip"]].concat())
        .ok()
        .json();
    assert_eq!(done["merged"][0]["insert"], 100, "{done}");
    assert_eq!(
        shop.rows("SELECT count(*) FROM notes WHERE body = 'lost'")
            .await,
        ["99"]
    );
    let done = case
        .restore(&[&options[..], &["replace"]].concat())
        .ok()
        .json();
    assert_eq!(done["rows"], 500);
    assert_eq!(shop.rows(query).await, before);
}

#[test]
fn nothing_that_opens_an_archive_and_nothing_of_its_content_is_sent() {
    let case = Case::new();
    let marker = "Klartext-Zebra-20261122";
    demo::execute(
        &case.demo(),
        &format!("UPDATE customers SET name = '{marker}' WHERE id = 1"),
    );
    let before = case.now();
    // Archives made here, by a password and by a key that the server has never seen.
    let source = format!("sqlite:{}", case.demo().display());
    let key = case.text("key");
    let made = coffer(["key", "new", "--json", "--out", &key], &[])
        .ok()
        .json();
    let recipient = made["recipient"].as_str().unwrap().to_owned();
    let own = "Another pässword: 9";
    let environment = [("ARCHIVE_PASSWORD", own)];
    let backup = |name: &str, seal: &[&str]| {
        let out = case.text(name);
        let all = ["backup", "--source", &source, "--sealed", "--out", &out];
        let _taken = coffer([&all[..], seal].concat(), &environment).ok();
        out
    };
    let by_password = backup(
        "by-password.coffer",
        &["--password-env", "ARCHIVE_PASSWORD"],
    );
    let by_key = backup("by-key.coffer", &["--recipient", &recipient]);

    case.damage();
    let name = case.name();
    let url = case.tap.url();
    for (archive, open) in [
        (&by_password, ["--password-env", "ARCHIVE_PASSWORD"]),
        (&by_key, ["--identity", &key]),
    ] {
        for mode in ["replace", "overwrite"] {
            let all = [
                "--server", &url, "restore", archive, open[0], open[1], "--target", &name,
            ];
            let more = ["--mode", mode, "--force", "--yes", "--without-files"];
            let environment = [("COFFER_TOKEN", case.token.as_str()), environment[0]];
            let done = coffer([&all[..], &more].concat(), &environment).ok();
            assert!(!done.stderr.contains(own) && !done.stdout.contains(own));
            assert_eq!(case.now(), before, "{mode}");
            case.damage();
        }
    }

    let file_key = |path: &str| -> Vec<u8> {
        let file: Arc<dyn ReadAt> = Arc::new(FileSource::open(Path::new(path)).unwrap());
        let Look::Sealed(sealed) = look(&*file).unwrap() else {
            panic!("not sealed");
        };
        let key = if path == by_password {
            sealed.unlock(&Password::new(own)).unwrap()
        } else {
            let KeyFile::Secret(key) = KeyFile::parse(&fs::read_to_string(&key).unwrap()).unwrap()
            else {
                panic!("locked");
            };
            sealed.unlock_with_key(&key).unwrap()
        };
        key.expose().to_vec()
    };
    let secret = fs::read_to_string(&key).unwrap();
    let secret = secret
        .lines()
        .find(|line| line.starts_with("COFFER-SECRET-KEY-1"));
    let sent = case.tap.sent();
    assert!(sent.len() > 100_000, "{}", sent.len());
    assert!(
        contains(&sent, case.token.as_bytes()),
        "all of it was heard"
    );
    for (what, secret) in [
        ("password", own.as_bytes()),
        ("key", secret.unwrap().as_bytes()),
        ("file key", &file_key(&by_password)),
        ("file key", &file_key(&by_key)),
        ("row", marker.as_bytes()),
    ] {
        for form in forms(secret) {
            assert!(!contains(&sent, &form), "{what}");
        }
    }
    // Nor is any of it in what the server keeps, but for the row, which is its own database's.
    for (path, bytes) in demo::files(&case.site.data).into_keys().map(|path| {
        let bytes = fs::read(case.site.data.join(&path)).unwrap();
        (path, bytes)
    }) {
        for form in forms(own.as_bytes()) {
            assert!(!contains(&bytes, &form), "{}", path.display());
        }
    }
}

#[test]
fn a_restore_of_a_plan_that_has_changed_is_refused() {
    for mode in ["replace", "overwrite"] {
        let case = Case::new();
        let source = case.name();
        let id = case.backup(&source);
        case.damage();
        let database = case.demo();
        // Between the plan and its confirmation, somebody works.
        case.tap.before("POST /api/restores", move || {
            demo::execute(
                &database,
                "DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)",
            );
        });
        let damaged = case.now();
        let options = ["--backup", &id, "--target", &source, "--mode", mode];
        let run = case.restore(&[&options[..], &["--force", "--yes"]].concat());
        assert_eq!(failed(&run), refused(5, "plan_changed"));
        let now = case.now();
        assert_eq!(now["messages"].len() + 1, damaged["messages"].len());
        assert_eq!(now["customers"], damaged["customers"]);
        assert_eq!(case.uploads_left(), 0);
    }
}

#[test]
fn who_may_not_is_told_so_and_nothing_is_begun() {
    let case = Case::new();
    let source = case.name();
    let id = case.backup(&source);
    let before = case.now();
    let restore = [
        "restore",
        "--password-env",
        "ARCHIVE_PASSWORD",
        "--backup",
        &id,
        "--target",
        &source,
        "--mode",
        "replace",
        "--force",
        "--yes",
    ];
    for arguments in [&["list"][..], &["backup", &source], &restore] {
        let run = case.run_with(arguments, "coffer_0000000000000000000000000000000000000000");
        assert_eq!(failed(&run), refused(3, "not_signed_in"), "{run:?}");
    }
    let viewer = token(&case.site, &["view"]);
    for arguments in [&["backup", source.as_str()][..], &restore] {
        let run = case.run_with(arguments, &viewer);
        assert_eq!(failed(&run), refused(5, "not_permitted"), "{run:?}");
    }
    let listed = case.run_with(&["list"], &viewer).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(case.now(), before);

    // The token is in a file as well as in the environment, and never in an argument.
    let file = case.text("token");
    fs::write(&file, format!("{viewer}\n")).unwrap();
    let url = case.tap.url();
    let run = coffer(
        ["--server", &url, "--token-file", &file, "list", "sources"],
        &[],
    );
    assert!(run.ok().stdout.contains(&source));
    let nobody = coffer(["--server", &url, "--json", "list"], &[]);
    assert_eq!(failed(&nobody), refused(2, "usage"));
    let token = [("COFFER_TOKEN", viewer.as_str())];
    for address in [
        "http://backups.example",
        "http://user:Zebra7@127.0.0.1:1",
        "nothing",
    ] {
        let run = coffer(["--server", address, "--json", "list"], &token);
        assert_eq!(failed(&run), refused(2, "usage"), "{address}");
        assert!(
            !run.stdout.contains("Zebra7") && !run.stderr.contains("Zebra7"),
            "{run:?}"
        );
    }

    // The wrong password is found out here.
    let mut wrong = restore;
    wrong[2] = "WRONG";
    let mut all = vec!["--server", url.as_str(), "--json"];
    all.extend(wrong);
    let environment = [("COFFER_TOKEN", case.token.as_str()), ("WRONG", "not it")];
    let run = coffer(all, &environment);
    assert_eq!(failed(&run), refused(3, "wrong_password"));
    // What looks like an id may be one of Coffer's own configuration, so the server is asked.
    for (what, answer) in [
        ("nothing", refused(2, "usage")),
        ("0123456789abcdef0123456789abcdef", refused(1, "no_source")),
    ] {
        assert_eq!(failed(&case.run(&["backup", what])), answer);
        let run = case.run(&["download", what, "--out", &case.text("x")]);
        assert_eq!(failed(&run), refused(2, "usage"));
    }
}

/// Starts a command that is to be interrupted.
fn start(case: &Case, arguments: &[&str]) -> Child {
    Command::new(program())
        .args(["--server", &case.tap.url(), "--json"])
        .args(arguments)
        .env("COFFER_TOKEN", &case.token)
        .env("ARCHIVE_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn interrupted(mut child: Child) -> i32 {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: sends a signal to the child that this test started and still holds.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not come to that"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn large(case: &Case, megabytes: u32) {
    let path = case.path("large.sqlite");
    demo::execute(
        &path,
        &format!(
            "CREATE TABLE noise (id INTEGER PRIMARY KEY, bytes BLOB);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {megabytes})
             INSERT INTO noise SELECT i, randomblob(500000) FROM n;"
        ),
    );
    case.add("Large", &format!("sqlite:{}", path.display()));
}

#[test]
fn a_download_that_was_interrupted_goes_on_and_only_what_is_whole_gets_its_name() {
    let case = Case::new();
    // As text, 500,000 bytes of noise are twice as many, which pack into half of it.
    large(&case, 20);
    let id = case.backup("Large");
    let out = case.path("copy.coffer");
    let arguments = ["download", &id, "--out", out.to_str().unwrap()];
    let part = || -> Option<PathBuf> {
        let found = fs::read_dir(case.folder.path()).unwrap();
        let mut found = found.map(|entry| entry.unwrap().path());
        found.find(|path| path.extension().is_some_and(|end| end == "part"))
    };
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();

    case.tap.hold_after(6 << 20);
    let child = start(&case, &arguments);
    wait_for(|| part().is_some_and(|path| size(path) >= 4 << 20));
    assert_eq!(interrupted(child), 130);
    assert!(!out.exists());
    let unfinished = part().unwrap();
    let had = size(unfinished.clone());
    case.tap.hold_after(u64::MAX);

    // What somebody changed meanwhile is noticed, and fetched anew.
    let whole = fs::read(&unfinished).unwrap();
    let mut changed = whole.clone();
    changed[3 << 20] ^= 1;
    fs::write(&unfinished, changed).unwrap();
    let run = case.run(&arguments);
    assert_eq!(failed(&run), refused(4, "damaged"), "{run:?}");
    assert!(!out.exists() && part().is_none());

    fs::write(unfinished, whole).unwrap();
    let heard = case.tap.sent().len();
    let done = case.run(&arguments).ok().json();
    assert_eq!(done["resumed_at"], had);
    let sent = case.tap.sent().split_off(heard);
    assert!(contains(&sent, format!("bytes={had}-").as_bytes()));
    assert!(!contains(&sent, b"bytes=4096-"), "nothing is fetched twice");
    assert!(part().is_none());
    let stored = case.site.get(&format!("/api/backups/{id}/archive"));
    assert!(fs::read(&out).unwrap() == stored.expect(200).body);
}

#[test]
fn a_backup_that_is_interrupted_here_is_cancelled_there() {
    let case = Case::new();
    large(&case, 400);
    let child = start(&case, &["backup", "Large"]);
    let at_work = || {
        let runs = case.site.get("/api/runs").expect(200).json();
        runs[0]["run"]["progress"]["bytes"].as_u64() > Some(0)
    };
    wait_for(at_work);
    assert_eq!(interrupted(child), 130);
    let runs = case.site.get("/api/runs").expect(200).json();
    assert_eq!(runs, json!([]), "its end was waited for");
    let backups: Value = case.run(&["list"]).ok().json();
    assert_eq!(backups, json!([]));

    // Without waiting, it goes on there.
    let run = case.run(&["backup", &case.name(), "--detach"]).ok().json();
    let view = case.site.ended(run["run"].as_str().unwrap());
    assert_eq!(view["state"], "done", "{view}");
}
