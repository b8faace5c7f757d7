//! Backups taken by the server: in the background, followed, proven, downloaded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use coffer_core::{
    Digest,
    seal::{Password, SealedStream, SecretKey},
};
use coffer_server::read::{FileSource, OpenArchive, ReadAt, Unlock};
use coffer_tests::{
    demo,
    keys::profile,
    site::{Site, Start},
};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rusqlite::Connection;
use serde_json::{Value, json};

const PASSWORD: &str = "eine lange Reihe von Worten";

fn add_profile(site: &Site) -> Value {
    site.post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json()
}

fn start_backup(site: &Site, source: &str, profile: &Value, sensitive: bool) -> String {
    let body = json!({ "profile": profile["id"], "sensitive": sensitive });
    let answer = site.post(&format!("/api/sources/{source}/backups"), &body);
    let run = answer.expect(202).json();
    run["run"].as_str().unwrap().to_owned()
}

/// A SQLite database whose backup takes a while, as a source.
fn add_large(site: &Site, folder: &Path) -> String {
    let path = folder.join("large.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE numbers (id INTEGER PRIMARY KEY, text TEXT, noise BLOB);
             INSERT INTO numbers SELECT value, 'number ' || value, randomblob(150)
             FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 600000)
                   SELECT value FROM n);",
        )
        .unwrap();
    let url = format!("sqlite:{}", path.display());
    let body = json!({ "name": "Large", "url": url, "file_sets": [], "preset": null });
    let source = site.post("/api/sources", &body).expect(201).json();
    source["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_is_followed_to_its_end_and_proven_from_the_stored_bytes() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let before = demo::dump(&demo::database(&site.data));
    let run = start_backup(&site, &site.demo(), &profile, false);
    let events = site.events(&run);
    let (last, view) = events.last().unwrap();
    assert_eq!(
        (last.as_str(), &view["state"]),
        ("end", &json!("done")),
        "{view}"
    );
    assert!(events.iter().rev().skip(1).all(|(name, view)| {
        name == "progress" && view["state"] == "running" && view["progress"]["phase"].is_string()
    }));
    assert_eq!(site.get(&format!("/api/runs/{run}")).json(), *view);
    assert_eq!(site.events(&run), [("end".to_owned(), view.clone())]);

    let backups = site.get("/api/backups").expect(200).json();
    let backup = &backups[0];
    assert_eq!(backup["state"], "verified");
    assert_eq!(backup["source_name"], "Lindenhof IT Help Desk");
    assert_eq!(
        backup["fingerprints"],
        json!([profile["keys"][0]["fingerprint"]])
    );
    assert_eq!(backup["origin"], "taken");
    assert_eq!(backup["contents"], "standard");
    let sender = site.get("/api/session").json()["sender"].clone();
    assert_eq!(backup["sender"], sender);
    let name = backup["name"].as_str().unwrap();
    assert!(
        name.starts_with("lindenhof-it-help-desk-20") && name.ends_with("Z.coffer"),
        "{name}"
    );

    // What is downloaded opens with the password, and holds what the database holds.
    let path = format!("/api/backups/{}/archive", backup["id"].as_str().unwrap());
    let archive = site.get(&path).expect(200);
    assert_eq!(
        archive.header("content-disposition"),
        format!("attachment; filename=\"{name}\"")
    );
    assert_eq!(archive.header("cache-control"), "private, no-store");
    assert_eq!(
        archive.header("etag"),
        format!("\"{}\"", Digest::of(&archive.body))
    );
    assert_eq!(backup["size"], archive.body.len());
    let copy = folder.path().join("copy.coffer");
    fs::write(&copy, &archive.body).unwrap();
    let source: Arc<dyn ReadAt> = Arc::new(FileSource::open(&copy).unwrap());
    let unlock = Unlock::Password(Password::new(PASSWORD));
    let opened = OpenArchive::open(source, &unlock).unwrap();
    // It is signed with the key that lies in the server's folder, and names it.
    let signer = opened.plain().sender().unwrap();
    assert_eq!(sender, signer.fingerprint().to_string());
    let file = site.data.join("sender.key");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(
        kept.contains(&format!("# sender: {signer}\n")),
        "it is another key's file"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for table in &opened.manifest.tables {
        assert_eq!(
            table.rows,
            before[&table.table.name].len() as u64,
            "{}",
            table.table
        );
    }
    assert!(
        opened.manifest.notices.is_empty(),
        "{:?}",
        opened.manifest.notices
    );

    let id = backup["id"].as_str().unwrap();
    let _removed = site.delete(&format!("/api/backups/{id}")).expect(204);
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(fs::read_dir(site.data.join("archives")).unwrap().count(), 0);
    assert_eq!(site.get(&path).problem(), (404, "no_backup".into()));
}

#[test]
fn any_range_of_an_archive_can_be_had() {
    let (_folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let run = start_backup(&site, &site.demo(), &profile, false);
    assert_eq!(site.ended(&run)["state"], "done");
    let backup = site.get("/api/backups").json()[0].clone();
    let path = format!("/api/backups/{}/archive", backup["id"].as_str().unwrap());
    let whole = site.get(&path).expect(200);
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let tag = whole.header("etag").to_owned();
    let size = whole.body.len();

    let head = site.send("HEAD", &path, &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), size.to_string());
    assert_eq!(head.header("etag"), tag);

    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=100-4999".to_owned(), 100, 5000),
        (format!("bytes={}-", size - 72), size - 72, size),
        ("bytes=-72".to_owned(), size - 72, size),
        ("bytes=5000-99999999999".to_owned(), 5000, size),
    ] {
        let answer = site
            .send("GET", &path, &[("range", &range)], &[])
            .expect(206);
        assert_eq!(answer.body, whole.body[from..to], "{range}");
        let given = format!("bytes {from}-{}/{size}", to - 1);
        assert_eq!(answer.header("content-range"), given);
        assert_eq!(answer.header("content-length"), (to - from).to_string());
        let head = site.send("HEAD", &path, &[("range", &range)], &[]);
        assert_eq!(
            (head.status, head.header("content-range")),
            (206, given.as_str())
        );
    }
    let behind = format!("bytes={size}-");
    let answer = site.send("GET", &path, &[("range", &behind)], &[]);
    assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
    assert_eq!(answer.problem(), (416, "no_such_range".into()));

    let range = ("range", "bytes=0-9");
    let same = site.send("GET", &path, &[range, ("if-range", &tag)], &[]);
    assert_eq!((same.status, same.body.len()), (206, 10));
    for other in [
        "\"other\"",
        "Sat, 21 Nov 2026 04:05:06 GMT",
        &format!("W/{tag}"),
    ] {
        let answer = site.send("GET", &path, &[range, ("if-range", other)], &[]);
        assert_eq!((answer.status, answer.body.len()), (200, size), "{other}");
    }
    let known = site.send("GET", &path, &[("if-none-match", &tag)], &[]);
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn a_stored_archive_that_is_gone_or_cut_is_damaged() {
    let (_folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let run = start_backup(&site, &site.demo(), &profile, false);
    assert_eq!(site.ended(&run)["state"], "done");
    let backup = site.get("/api/backups").json()[0].clone();
    let stored = site
        .data
        .join("archives")
        .join(backup["name"].as_str().unwrap());
    let bytes = fs::read(&stored).unwrap();
    fs::write(&stored, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(site.get("/api/backups").json()[0]["state"], "damaged");
    fs::remove_file(&stored).unwrap();
    let path = format!("/api/backups/{}/archive", backup["id"].as_str().unwrap());
    assert_eq!(site.get(&path).problem(), (404, "no_archive".into()));
}

#[test]
fn a_cancelled_backup_leaves_nothing() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let source = add_large(&site, folder.path());
    let run = start_backup(&site, &source, &profile, false);
    let path = format!("/api/runs/{run}");
    while site.get(&path).json()["progress"]["rows"] == 0 {}
    assert_eq!(site.get("/api/backups").json(), json!([]));
    // Whoever comes back meanwhile finds it.
    let running = site.get("/api/runs").expect(200).json();
    assert_eq!(running.as_array().unwrap().len(), 1, "{running}");
    assert_eq!(
        (&running[0]["source"], &running[0]["run"]["id"]),
        (&json!(source), &json!(run))
    );
    let _asked = site.post(&format!("{path}/cancel"), &json!({})).expect(202);
    let view = site.ended(&run);
    assert_eq!(
        (&view["state"], &view["error"]),
        (&json!("cancelled"), &json!(null)),
        "{view}"
    );
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(site.get("/api/runs").json(), json!([]));
    assert_eq!(fs::read_dir(site.data.join("archives")).unwrap().count(), 0);
    let _again = site.post(&format!("{path}/cancel"), &json!({})).expect(202);
}

#[test]
fn stopping_the_server_cancels_its_runs() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let source = add_large(&site, folder.path());
    let run = start_backup(&site, &source, &profile, false);
    let site = site.restarted(Start::default());
    assert_eq!(site.ended(&run)["state"], "cancelled");
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(fs::read_dir(site.data.join("archives")).unwrap().count(), 0);
    // Sources and profiles are still there, the demo only once.
    assert_eq!(site.get("/api/sources").json().as_array().unwrap().len(), 2);
    let profiles = site.get("/api/profiles").json();
    assert_eq!(profiles[0]["id"], profile["id"]);
    assert_eq!(profiles[0]["keys"], profile["keys"]);
}

#[test]
fn what_cannot_be_backed_up_is_said_before_anything_starts() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = add_profile(&site);
    let demo = site.demo();
    let nobody = "0123456789abcdef0123456789abcdef";
    let backups = |source: &str| format!("/api/sources/{source}/backups");
    let body = json!({ "profile": profile["id"], "sensitive": false });
    assert_eq!(
        site.post(&backups(nobody), &body).problem(),
        (404, "no_source".into())
    );
    let unsealed = json!({ "profile": nobody, "sensitive": false });
    assert_eq!(
        site.post(&backups(&demo), &unsealed).problem(),
        (422, "no_profile".into())
    );
    let source = add_large(&site, folder.path());
    let sensitive = json!({ "profile": profile["id"], "sensitive": true });
    assert_eq!(
        site.post(&backups(&source), &sensitive).problem(),
        (422, "no_preset".into())
    );

    // A database that is gone by then fails its run, and leaves nothing.
    fs::remove_file(folder.path().join("large.sqlite")).unwrap();
    let run = start_backup(&site, &source, &profile, false);
    let view = site.ended(&run);
    assert_eq!(
        (&view["state"], &view["error"]["code"]),
        (&json!("failed"), &json!("database"))
    );
    assert_eq!(site.get("/api/backups").json(), json!([]));
    assert_eq!(fs::read_dir(site.data.join("archives")).unwrap().count(), 0);
}

#[test]
fn profiles_are_checked() {
    let (_folder, site) = Site::signed_in(Start {
        demo: false,
        ..Start::default()
    });
    let (one, two) = (profile("One", "a"), profile("Two", "b"));
    let post = |body: &Value| site.post("/api/profiles", body);
    let mut mixed = one.clone();
    mixed["keys"][0]["locked"] = two["keys"][0]["locked"].clone();
    assert_eq!(post(&mixed).problem(), (422, "keys_do_not_match".into()));
    let mut garbled = one.clone();
    garbled["keys"][0]["recipient"] = json!("coffer1nonsense");
    assert_eq!(post(&garbled).problem(), (422, "key_malformed".into()));
    let mut nameless = one.clone();
    nameless["name"] = json!(" \n");
    assert_eq!(post(&nameless).problem(), (422, "bad_name".into()));
    let added = post(&one).expect(201).json();
    let (key, sent) = (&added["keys"][0], &one["keys"][0]);
    assert_eq!(
        (&key["recipient"], &key["locked"], &key["state"]),
        (&sent["recipient"], &sent["locked"], &json!("active"))
    );
    assert_eq!(added["ready"], true);
    assert_eq!(post(&one).problem(), (409, "taken".into()));
    assert_eq!(site.get("/api/profiles").json(), json!([added]));
    let none = json!({ "name": "None", "keys": [] });
    assert_eq!(post(&none).problem(), (422, "bad_profile".into()));
    // A name and its key come both or not at all.
    let half = json!({ "name": "Three", "keys": [two["keys"][0], one["keys"][0]] });
    assert_eq!(post(&half).problem(), (409, "taken".into()));
    assert_eq!(site.get("/api/profiles").json(), json!([added]));
}

/// A key pair whose secret half a kit would hold.
fn key_pair() -> (SecretKey, Value) {
    let secret = SecretKey::generate(&mut UnwrapErr(SysRng));
    let recipient = secret.recipient().unwrap().to_string();
    (secret, json!({ "recipient": recipient }))
}

#[test]
fn a_key_is_sealed_to_once_its_kit_was_opened_again_and_old_kits_open_old_backups() {
    let (_folder, site) = Site::signed_in(Start::default());
    let source = site.demo();
    let start = |profile: &Value| {
        let body = json!({ "profile": profile["id"], "sensitive": false });
        site.post(&format!("/api/sources/{source}/backups"), &body)
    };
    let take = |profile: &Value| {
        let run = start(profile).expect(202).json();
        let view = site.ended(run["run"].as_str().unwrap());
        assert_eq!(view["state"], "done", "{view}");
        let id = view["result"]["backup"].as_str().unwrap().to_owned();
        site.get(&format!("/api/backups/{id}/archive"))
            .expect(200)
            .body
    };
    let opens = |archive: &[u8], secret: &SecretKey| {
        let mut stream = SealedStream::new();
        stream.push(archive, &mut Vec::new()).unwrap();
        stream.locks().unwrap().unlock_with_key(secret).is_ok()
    };
    let (first, public) = key_pair();
    let made = json!({ "name": "With a kit", "keys": [public] });
    let profile = site.post("/api/profiles", &made).expect(201).json();
    assert_eq!(
        (&profile["ready"], &profile["keys"][0]["state"]),
        (&json!(false), &json!("pending"))
    );
    assert_eq!(start(&profile).problem(), (422, "profile_not_ready".into()));

    let address = format!("/api/profiles/{}/keys", profile["id"].as_str().unwrap());
    let of = |profile: &Value, at: usize| {
        profile["keys"][at]["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let one = of(&profile, 0);
    let unknown = site.post(
        &format!("{address}/{}/verified", "0".repeat(32)),
        &json!({}),
    );
    assert_eq!(unknown.problem(), (404, "no_key".into()));
    let verify = |key: &str, retire: &[&str]| {
        let body = json!({ "retire": retire });
        site.post(&format!("{address}/{key}/verified"), &body)
            .expect(200)
            .json()
    };
    let ready = verify(&one, &[]);
    assert_eq!(
        (&ready["ready"], &ready["keys"][0]["state"]),
        (&json!(true), &json!("active"))
    );
    let old = take(&profile);
    assert!(opens(&old, &first));
    let last = site.post(&format!("{address}/{one}/retire"), &json!({}));
    assert_eq!(last.problem(), (409, "last_key".into()));

    // A new key takes its place, but not before its own kit was opened again.
    let (second, public) = key_pair();
    let grown = site.post(&address, &public).expect(201).json();
    let keys = grown["keys"].as_array().unwrap();
    let pending = keys.iter().find(|key| key["state"] == "pending").unwrap();
    let two = pending["fingerprint"].as_str().unwrap().to_owned();
    assert!(opens(&take(&profile), &first));
    verify(&two, &[&one]);
    let new = take(&profile);
    assert!(opens(&new, &second) && !opens(&new, &first));
    assert!(opens(&old, &first), "old kits open old backups");
    let listed = site.get("/api/profiles").json();
    let key = |fingerprint: &str| {
        let keys = listed[0]["keys"].as_array().unwrap().iter();
        keys.clone()
            .find(|key| key["fingerprint"] == fingerprint)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&key(&one)["state"], &key(&one)["opens"]),
        (&json!("retired"), &json!(2))
    );
    assert_eq!(
        (&key(&two)["state"], &key(&two)["opens"]),
        (&json!("active"), &json!(1))
    );

    // Several keys: each opens alone.
    let (third, public) = key_pair();
    let grown = site.post(&address, &public).expect(201).json();
    assert_eq!(
        site.post(&address, &public).problem(),
        (409, "taken".into())
    );
    let keys = grown["keys"].as_array().unwrap();
    let pending = keys.iter().find(|key| key["state"] == "pending").unwrap();
    let three = pending["fingerprint"].as_str().unwrap().to_owned();
    verify(&three, &[]);
    let both = take(&profile);
    assert!(opens(&both, &second) && opens(&both, &third));
    let backups = site.get("/api/backups").json();
    let keys = |backup: &Value| backup["fingerprints"].as_array().unwrap().len();
    assert!(
        backups
            .as_array()
            .unwrap()
            .iter()
            .any(|backup| keys(backup) == 2)
    );
    // Only what nothing was sealed to can be discarded.
    let gone = site.delete(&format!("{address}/{three}"));
    assert_eq!(gone.problem(), (404, "no_key".into()));
    let (_, public) = key_pair();
    let grown = site.post(&address, &public).expect(201).json();
    let keys = grown["keys"].as_array().unwrap();
    let pending = keys.iter().find(|key| key["state"] == "pending").unwrap();
    let four = pending["fingerprint"].as_str().unwrap();
    let _gone = site.delete(&format!("{address}/{four}")).expect(204);
    // Nothing that is a secret key ever got there.
    let catalog = fs::read(site.data.join("catalog.sqlite")).unwrap();
    let wal = fs::read(site.data.join("catalog.sqlite-wal")).unwrap_or_default();
    let text = String::from_utf8_lossy(&[catalog, wal].concat()).to_uppercase();
    assert!(text.contains(&one.to_uppercase()) && !text.contains("COFFER-SECRET-KEY"));
}

#[test]
fn sources_are_connected_to_before_they_are_kept_and_never_tell_their_url() {
    let (folder, site) = Site::signed_in(Start::default());
    let path = folder.path().join("notes.sqlite");
    demo::execute(
        &path,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, password TEXT);",
    );
    let url = format!("sqlite:{}", path.display());
    let uploads = folder.path().join("files");
    fs::create_dir(&uploads).unwrap();
    let set = |name: &str, folder: &Path| json!({ "name": name, "folder": folder });
    let body = |url: &str, sets: Value, preset: Value| json!({ "name": "Notes", "url": url, "file_sets": sets, "preset": preset });
    let refused = |body: &Value| {
        let answer = site.post("/api/sources", body);
        assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
        answer.problem()
    };
    let missing = format!("sqlite:{}", folder.path().join("nothing").display());
    assert_eq!(
        refused(&body(&missing, json!([]), json!(null))),
        (422, "database".into())
    );
    let nobody = "postgres://app:hunter2@127.0.0.1:1/shop";
    assert_eq!(
        refused(&body(nobody, json!([]), json!(null))),
        (422, "database".into())
    );
    let other = "mysql://app:hunter2@127.0.0.1/shop";
    assert_eq!(
        refused(&body(other, json!([]), json!(null))),
        (422, "bad_url".into())
    );
    let unreadable = json!("app = ");
    assert_eq!(
        refused(&body(&url, json!([]), unreadable)),
        (422, "bad_preset".into())
    );
    let foreign =
        json!("app = \"Shop\"\n[[credential]]\ntable = \"users\"\ncolumn = \"password\"\n");
    assert_eq!(
        refused(&body(&url, json!([]), foreign)),
        (422, "preset".into())
    );
    for sets in [
        json!([set("../up", &uploads)]),
        json!([set("a/b", &uploads)]),
        json!([set("", &uploads)]),
        json!([set("a", &uploads), set("A", &uploads)]),
        json!([set("a", Path::new("relative"))]),
        json!([set("a", &folder.path().join("nothing"))]),
    ] {
        assert_eq!(
            refused(&body(&url, sets.clone(), json!(null))),
            (422, "bad_folder".into()),
            "{sets}"
        );
    }
    assert_eq!(site.get("/api/sources").json().as_array().unwrap().len(), 1);

    let good = body(&url, json!([set("files", &uploads)]), json!(null));
    let added = site.post("/api/sources", &good).expect(201).json();
    assert_eq!(added["engine"], "sqlite");
    assert_eq!(added["database"], "notes.sqlite");
    assert_eq!(added["file_sets"], json!([{ "name": "files" }]));
    let listed = site.get("/api/sources").expect(200);
    let text = String::from_utf8(listed.body).unwrap();
    assert!(!text.contains(&*folder.path().to_string_lossy()), "{text}");
    assert_eq!(
        site.post("/api/sources", &good).problem(),
        (409, "taken".into())
    );
    let removed = format!("/api/sources/{}", added["id"].as_str().unwrap());
    let _removed = site.delete(&removed).expect(204);
    assert_eq!(site.delete(&removed).problem(), (404, "no_source".into()));
    assert!(path.exists() && uploads.exists());
}
