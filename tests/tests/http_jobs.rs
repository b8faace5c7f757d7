//! Jobs of a server: to a folder and to a real S3 server, verified in each, kept by rules, found again, and told of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use coffer_core::{Digest, seal::Password};
use coffer_server::{
    catalog::Id,
    notify::ChannelSecret,
    read::{FileSource, OpenArchive, ReadAt, Unlock},
};
use coffer_tests::{
    keys::profile,
    site::{Site, Start},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use serde_json::{Value, json};

const PASSWORD: &str = "eine lange Reihe von Worten";
const KEY: (&str, &str) = ("AKIAEXAMPLE", "wJalrXUtnFEMI/secret+key");
/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(120);

/// A real S3 server over a folder, for as long as the process lives.
struct S3 {
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl S3 {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(listener, &root));
        Self { address, folder }
    }

    fn bucket(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn config(&self, bucket: &str) -> Value {
        let endpoint = format!("http://{}", self.address);
        json!({ "kind": "s3", "bucket": bucket, "endpoint": endpoint, "prefix": "coffer/shop" })
    }
}

fn serve(listener: TcpListener, root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
        let service = builder.build();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
}

fn key() -> Value {
    json!({ "access_key_id": KEY.0, "secret_access_key": KEY.1 })
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn add_job(site: &Site, profile: &Value, destinations: &[&Value], more: Value) -> Value {
    let mut job = json!({
        "name": "Every night", "profile": profile["id"], "sources": [site.demo()],
        "destinations": destinations.iter().map(|one| &one["id"]).collect::<Vec<_>>(),
        "schedule": "30 3 * * *", "time_zone": "Europe/Berlin", "retention": { "last": 2 },
    });
    for (name, value) in more.as_object().unwrap() {
        job[name] = value.clone();
    }
    site.post("/api/jobs", &job).expect(201).json()
}

/// Has a job run, and waits for its end.
fn run(site: &Site, job: &Value) -> Value {
    let started = site.post(&format!("/api/jobs/{}/runs", id(job)), &json!({}));
    let run = started.expect(202).json()["run"]
        .as_str()
        .unwrap()
        .to_owned();
    ended(site, &run)
}

fn ended(site: &Site, run: &str) -> Value {
    let begun = Instant::now();
    loop {
        let view = site.get(&format!("/api/job-runs/{run}")).expect(200).json();
        if !matches!(view["state"].as_str(), Some("waiting" | "running")) {
            return view;
        }
        assert!(begun.elapsed() < LIMIT, "{view}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn folder_destination(site: &Site, name: &str, path: &Path) -> Value {
    let body = json!({ "name": name, "config": { "kind": "folder", "path": path } });
    site.post("/api/destinations", &body).expect(201).json()
}

/// Adopts archives, and says what became of each.
fn adopt(site: &Site, destination: &Value, wanted: &Value) -> Value {
    let path = format!("/api/destinations/{}/adopt", id(destination));
    let started = site.post(&path, wanted).expect(202).json();
    let ended = site.ended(started["run"].as_str().unwrap());
    assert_eq!(ended["state"], "done", "{ended}");
    ended["result"]["adopted"].clone()
}

#[test]
fn a_job_stores_in_every_destination_and_keeps_what_its_rules_say() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let s3 = S3::start();
    let bucket = s3.bucket("backups");
    let far = json!({ "name": "Bucket", "config": s3.config("backups"), "key": key() });
    let far = site.post("/api/destinations", &far).expect(201);
    assert!(!String::from_utf8_lossy(&far.body).contains(KEY.1));
    let far = far.json();
    let tried = site
        .post(&format!("/api/destinations/{}/test", id(&far)), &json!({}))
        .expect(200)
        .json();
    assert_eq!(
        (&tried["archives"], &tried["free"]),
        (&json!(0), &Value::Null)
    );
    let tried = site
        .post(&format!("/api/destinations/{}/test", id(&near)), &json!({}))
        .expect(200)
        .json();
    assert!(tried["free"].as_u64().unwrap() > 0);
    assert_eq!(names(&disk), Vec::<String>::new());

    let job = add_job(&site, &profile, &[&near, &far], json!({}));
    assert_eq!(job["next"].as_array().unwrap().len(), 5);
    for _ in 0..3 {
        let view = run(&site, &job);
        assert_eq!(view["state"], "done", "{view}");
    }
    // What is there are the two that the rules keep, alike in both places, and nothing half.
    let stored = names(&disk);
    assert_eq!(stored.len(), 2);
    let objects = bucket.join("coffer/shop");
    assert_eq!(names(&objects), stored);
    let backups = site.get("/api/backups").expect(200).json();
    assert_eq!(backups.as_array().unwrap().len(), 2);
    for backup in backups.as_array().unwrap() {
        assert_eq!(backup["state"], "verified");
        let copies = backup["copies"].as_array().unwrap();
        assert_eq!(copies.len(), 2);
        assert!(copies.iter().all(|copy| copy["state"] == "verified"));
        let name = backup["name"].as_str().unwrap();
        assert_eq!(
            fs::read(disk.join(name)).unwrap(),
            fs::read(objects.join(name)).unwrap()
        );
        let source: Arc<dyn ReadAt> = Arc::new(FileSource::open(&objects.join(name)).unwrap());
        OpenArchive::open(source, &Unlock::Password(Password::new(PASSWORD))).unwrap();
    }
    // Another one would go next, unless it is locked.
    let oldest = id(&backups[1]).to_owned();
    let _locked = site
        .post(&format!("/api/backups/{oldest}/lock"), &json!({}))
        .expect(204);
    assert_eq!(run(&site, &job)["state"], "done");
    let dry = site
        .get(&format!("/api/jobs/{}/retention", id(&job)))
        .expect(200)
        .json();
    let fates = dry["destinations"][0]["backups"].as_array().unwrap();
    assert_eq!(fates.len(), 3);
    assert!(fates.iter().all(|fate| fate["stays"] == true));
    let locked = fates.iter().find(|fate| fate["backup"] == *oldest).unwrap();
    assert_eq!(locked["kept"], json!([{ "reason": "locked" }]));
    // The archive is served from a copy, also when the other one is gone.
    fs::remove_file(disk.join(backups[1]["name"].as_str().unwrap())).unwrap();
    let served = site
        .get(&format!("/api/backups/{oldest}/archive"))
        .expect(200);
    assert_eq!(
        served.body.len() as u64,
        backups[1]["size"].as_u64().unwrap()
    );
    // A destination in use is not forgotten, and no secret lies in the data folder.
    let removed = site.delete(&format!("/api/destinations/{}", id(&near)));
    assert_eq!(removed.problem(), (409, "in_use".into()));
    let catalog = fs::read(site.data.join("catalog.sqlite")).unwrap();
    assert!(
        !catalog
            .windows(KEY.1.len())
            .any(|bytes| bytes == KEY.1.as_bytes())
    );
}

/// A server that knows no bucket, as Amazon's answers for one.
fn without_buckets() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if reader.read_line(&mut line).unwrap() == 0 {
                    break;
                }
            }
            let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
            let answer = format!(
                "HTTP/1.1 404 Not Found\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn what_keeps_a_destination_from_being_used_is_said() {
    let (folder, site) = Site::signed_in(Start::default());
    let s3 = S3::start();
    s3.bucket("backups");
    let add = |config: Value, key: Value| {
        site.post(
            "/api/destinations",
            &json!({ "name": "X", "config": config, "key": key }),
        )
    };
    // s3s-fs makes buckets that are written to, which other servers don't.
    let mut nothing = s3.config("nothing");
    nothing["endpoint"] = json!(without_buckets());
    let refused = add(nothing, key());
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert_eq!(refused.problem(), (422, "cannot_write".into()));
    assert!(said.contains("there is no bucket"), "{said}");
    let wrong = json!({ "access_key_id": KEY.0, "secret_access_key": "another" });
    let refused = add(s3.config("backups"), wrong);
    assert!(
        !String::from_utf8_lossy(&refused.body).contains("another one"),
        "{refused:?}"
    );
    assert_eq!(refused.problem(), (422, "cannot_write".into()));
    assert_eq!(
        add(s3.config("backups"), Value::Null).problem(),
        (422, "no_key".into())
    );
    let mut nowhere = s3.config("backups");
    nowhere["endpoint"] = json!("http://127.0.0.1:1");
    assert_eq!(add(nowhere, key()).problem(), (422, "cannot_write".into()));
    let missing = json!({ "kind": "folder", "path": folder.path().join("not-mounted") });
    assert_eq!(
        add(missing, Value::Null).problem(),
        (422, "bad_folder".into())
    );
    let relative = json!({ "kind": "folder", "path": "backups" });
    assert_eq!(
        add(relative, Value::Null).problem(),
        (422, "bad_destination".into())
    );
    assert_eq!(site.get("/api/destinations").json(), json!([]));
}

#[test]
fn a_folder_below_a_disk_that_is_not_mounted_is_never_filled() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disks = ["one", "two", "away"].map(|name| folder.path().join(name));
    let [one, two, away] = &disks;
    for disk in [one, two] {
        fs::create_dir(disk).unwrap();
    }
    let near = folder_destination(&site, "Disk", one);
    let far = folder_destination(&site, "Other disk", two);
    let job = add_job(&site, &profile, &[&near], json!({}));
    assert_eq!(run(&site, &job)["state"], "done");
    let stored = names(one);

    // The disk is unmounted: what is left is the empty folder below.
    fs::rename(one, away).unwrap();
    fs::create_dir(one).unwrap();
    let view = run(&site, &job);
    assert_eq!(view["state"], "failed", "{view}");
    assert_eq!(view["error"]["code"], "not_there", "{view}");
    let said = view["error"]["detail"].as_str().unwrap();
    assert!(said.contains("mount what belongs there"), "{said}");
    let at =
        |destination: &Value, what: &str| format!("/api/destinations/{}{what}", id(destination));
    let tried = site.post(&at(&near, "/test"), &json!({}));
    assert_eq!(tried.problem(), (422, "not_there".into()));
    assert_eq!(
        site.get(&at(&near, "/found")).problem(),
        (422, "not_there".into())
    );
    assert_eq!(fs::read_dir(one).unwrap().count(), 0);
    // A backup whose only copy lies there is neither gone nor damaged.
    let backup = site.get("/api/backups").json()[0].clone();
    let path = format!("/api/backups/{}", id(&backup));
    assert_eq!(
        site.post(&format!("{path}/scrub"), &json!({})).problem(),
        (422, "not_there".into())
    );
    assert_eq!(site.delete(&path).problem(), (422, "not_there".into()));
    assert_eq!(site.get("/api/backups").json()[0], backup);

    // Another disk is mounted there.
    fs::remove_dir(one).unwrap();
    fs::rename(two, one).unwrap();
    let view = run(&site, &job);
    assert_eq!(view["error"]["code"], "not_there", "{view}");
    let said = view["error"]["detail"].as_str().unwrap();
    assert!(said.contains("another destination"), "{said}");
    assert_eq!(names(one), Vec::<String>::new());
    fs::rename(one, two).unwrap();

    // The right one is back.
    fs::rename(away, one).unwrap();
    assert_eq!(run(&site, &job)["state"], "done");
    assert!(names(one).len() > stored.len());

    // A new disk is taken only by who says so.
    fs::rename(one, away).unwrap();
    fs::create_dir(one).unwrap();
    let put = |mark: bool| {
        let body = json!({ "name": "New disk", "config": { "kind": "folder", "path": one }, "mark": mark });
        site.send(
            "PUT",
            &at(&near, ""),
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    };
    assert_eq!(put(false).problem(), (422, "not_there".into()));
    assert_eq!(put(true).expect(200).json()["name"], "New disk");
    assert_eq!(run(&site, &job)["state"], "done");
    // A destination that is removed takes its mark along, and leaves the rest.
    let _removed = site.delete(&at(&far, "")).expect(204);
    assert_eq!(fs::read_dir(two).unwrap().count(), 0);
}

#[test]
fn backups_are_found_again_by_a_server_that_knows_nothing_of_them() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile_body = profile("At home", PASSWORD);
    let known = site.post("/api/profiles", &profile_body).expect(201).json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(&site, &known, &[&near], json!({}));
    assert_eq!(run(&site, &job)["state"], "done");
    let name = names(&disk).remove(0);
    fs::write(
        disk.join("notes-2026-01-01T000000Z.coffer"),
        b"this is none",
    )
    .unwrap();

    // Another server, with another key to sign with.
    let (_other_folder, other) = Site::signed_in(Start::default());
    let near = folder_destination(&other, "Disk", &disk);
    let at = |what: &str| format!("/api/destinations/{}/{what}", id(&near));
    let found = other.get(&at("found")).expect(200).json();
    assert_eq!(found["found"].as_array().unwrap().len(), 2);
    let wanted = json!({ "names": [name, "notes-2026-01-01T000000Z.coffer", "../etc/passwd"] });
    let adopted = adopt(&other, &near, &wanted);
    let adopted = adopted.as_array().unwrap();
    let (backup, told) = (&adopted[0]["backup"], &adopted[0]["archive"]);
    assert_eq!(told["fingerprint"], known["keys"][0]["fingerprint"]);
    assert_eq!(told["sender"], site.get("/api/session").json()["sender"]);
    assert_eq!(
        (&told["sealed"], &told["verified"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(adopted[1]["error"]["code"], "not_an_archive");
    assert_eq!(adopted[2]["error"]["code"], "bad_name");
    let backups = other.get("/api/backups").json();
    assert_eq!(backups[0]["copies"][0]["state"], "unverified");
    // Nobody here can say that it is what was once written: that its bytes fit its own table is all that a scrub finds out.
    assert_eq!(
        (
            &backups[0]["state"],
            &backups[0]["origin"],
            &backups[0]["source"]
        ),
        (&json!("unverified"), &json!("adopted"), &Value::Null)
    );
    let path = format!("/api/backups/{}/scrub", backup.as_str().unwrap());
    let scrubbed = other.post(&path, &json!({})).expect(200).json();
    assert_eq!(scrubbed["state"], "unverified");
    assert_ne!(scrubbed["scrubbed_at"], Value::Null);
    let served = other
        .get(&format!(
            "/api/backups/{}/archive",
            backup.as_str().unwrap()
        ))
        .expect(200);
    assert_eq!(served.body, fs::read(disk.join(&name)).unwrap());
    assert_eq!(
        other.get(&at("found")).json()["found"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // The server that signed it knows it as its own again, and damage is seen.
    let body = json!({ "name": "Again", "config": { "kind": "folder", "path": disk } });
    let again = site.post("/api/destinations", &body).expect(201).json();
    let mut bytes = fs::read(disk.join(&name)).unwrap();
    let copy = name.replace(".coffer", "-2.coffer");
    fs::write(disk.join(&copy), &bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let rotten = name.replace(".coffer", "-3.coffer");
    fs::write(disk.join(&rotten), &bytes).unwrap();
    let wanted = json!({ "names": [copy, rotten] });
    let adopted = adopt(&site, &again, &wanted);
    assert_eq!(adopted[0]["archive"]["verified"], true, "{adopted}");
    assert_eq!(adopted[1]["archive"]["verified"], false, "{adopted}");
    let shown = site.get("/api/backups").json();
    let state = |name: &str| {
        let found = shown
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == *name);
        let found = found.unwrap();
        (
            found["state"].clone(),
            found["origin"].clone(),
            found["source"].clone(),
        )
    };
    assert_eq!(
        state(&copy),
        (json!("verified"), json!("adopted"), Value::Null)
    );
    assert_eq!(
        state(&rotten),
        (json!("unverified"), json!("adopted"), Value::Null)
    );
}

#[test]
fn many_archives_are_adopted_in_the_background_and_that_can_be_stopped() {
    let (folder, site) = Site::signed_in(Start::default());
    let known = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(&site, &known, &[&near], json!({}));
    assert_eq!(run(&site, &job)["state"], "done");
    let bytes = fs::read(disk.join(&names(&disk)[0])).unwrap();
    // Enough that somebody can step in: each is read to its end.
    let copies: Vec<String> = (0..400)
        .map(|number| format!("copy-{number:03}.coffer"))
        .collect();
    for name in &copies {
        fs::write(disk.join(name), &bytes).unwrap();
    }
    let path = format!("/api/destinations/{}/adopt", id(&near));
    for wrong in [json!({}), json!({ "names": ["a.coffer"], "all": true })] {
        assert_eq!(
            site.post(&path, &wrong).problem(),
            (422, "no_archives".into())
        );
    }
    let started = site.post(&path, &json!({ "all": true })).expect(202).json();
    let started = started["run"].as_str().unwrap();
    let begun = Instant::now();
    loop {
        let view = site.get(&format!("/api/runs/{started}")).expect(200).json();
        assert_eq!(
            (&view["state"], &view["kind"]),
            (&json!("running"), &json!("adopt"))
        );
        if view["progress"]["rows"].as_u64().unwrap() > 0 {
            assert_eq!(view["progress"]["rows_total"], 400);
            break;
        }
        assert!(begun.elapsed() < LIMIT, "{view}");
    }
    let _stopped = site
        .post(&format!("/api/runs/{started}/cancel"), &json!({}))
        .expect(202);
    assert_eq!(site.ended(started)["state"], "cancelled");
    let found = format!("/api/destinations/{}/found", id(&near));
    let left = site.get(&found).json()["found"].as_array().unwrap().len();
    assert!((1..400).contains(&left), "{left}");
    // What it got to stays, and the rest is taken by name.
    let adopted = adopt(&site, &near, &json!({ "all": true }));
    assert_eq!(adopted.as_array().unwrap().len(), left);
    assert_eq!(site.get(&found).json()["found"], json!([]));
    let shown = site.get("/api/backups").json();
    let shown = shown.as_array().unwrap();
    assert_eq!(shown.len(), 401);
    assert!(shown.iter().all(|one| one["state"] == "verified"));
}

#[test]
fn a_destination_that_is_away_keeps_the_others_from_nothing_and_gets_its_copy_later() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disks = ["near", "far"].map(|name| folder.path().join(name));
    let places = ["Near", "Far"];
    for disk in &disks {
        fs::create_dir(disk).unwrap();
    }
    let [near, far] = [0, 1].map(|at| folder_destination(&site, places[at], &disks[at]));
    let job = add_job(
        &site,
        &profile,
        &[&far, &near],
        json!({ "retries": 1, "retry_seconds": 2 }),
    );
    let away = folder.path().join("away");
    fs::rename(&disks[1], &away).unwrap();
    let started = site.post(&format!("/api/jobs/{}/runs", id(&job)), &json!({}));
    let run = started.expect(202).json()["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let begun = Instant::now();
    while names(&disks[0]).iter().all(|name| name.contains('#')) {
        assert!(begun.elapsed() < LIMIT);
        thread::sleep(Duration::from_millis(50));
    }
    fs::rename(&away, &disks[1]).unwrap();
    let view = ended(&site, &run);
    assert_eq!(
        (&view["state"], &view["attempt"]),
        (&json!("done"), &json!(2)),
        "{view}"
    );
    // The second attempt stored where something was missing, and nowhere else.
    let stored = [&disks[0], &disks[1]].map(|disk| names(disk));
    assert_eq!(
        stored.iter().map(Vec::len).collect::<Vec<_>>(),
        [1, 1],
        "{stored:?}"
    );
    assert_ne!(stored[0], stored[1]);

    // A copy that somebody made of it is known as one, and what only has its name is not.
    let copied = disks[1].join(&stored[0][0]);
    let bytes = fs::read(disks[0].join(&stored[0][0])).unwrap();
    let adopt_one = |name: &str| adopt(&site, &far, &json!({ "names": [name] }))[0].clone();
    fs::write(&copied, &bytes[..bytes.len() - 1]).unwrap();
    assert_ne!(adopt_one(&stored[0][0])["error"], Value::Null);
    fs::write(&copied, &bytes).unwrap();
    let backup = adopt_one(&stored[0][0])["backup"].clone();
    let shown = site.get("/api/backups").expect(200).json();
    let shown = shown.as_array().unwrap();
    assert_eq!(shown.len(), 2);
    let twice = shown.iter().find(|one| one["id"] == backup).unwrap();
    let copies = twice["copies"].as_array().unwrap();
    assert_eq!(copies.len(), 2);
    assert!(copies.iter().all(|copy| copy["state"] == "verified"));

    // One copy is damaged, and the other still makes a backup of it.
    let mut rotten = bytes.clone();
    rotten[bytes.len() / 2] ^= 1;
    fs::write(&copied, &rotten).unwrap();
    let path = format!("/api/backups/{}/scrub", backup.as_str().unwrap());
    let scrubbed = site.post(&path, &json!({})).expect(200).json();
    assert_eq!(scrubbed["state"], "verified");
    let served = site
        .get(&format!(
            "/api/backups/{}/archive",
            backup.as_str().unwrap()
        ))
        .expect(200);
    assert_eq!(served.body, bytes);
    fs::write(disks[0].join(&stored[0][0]), &rotten).unwrap();
    let scrubbed = site.post(&path, &json!({})).expect(200).json();
    assert_eq!(scrubbed["state"], "damaged");
}

/// Takes one message after the other, as a mail server or a web server would, and hands on what it was sent.
fn smtp_sink() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            socket.write_all(b"220 sink ESMTP\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let answer: &[u8] =
                    match line.split(' ').next().unwrap_or("").to_uppercase().as_str() {
                        "DATA" => {
                            socket.write_all(b"354 go on\r\n").unwrap();
                            let mail: Vec<String> = lines
                                .by_ref()
                                .map_while(Result::ok)
                                .take_while(|line| line != ".")
                                .collect();
                            sender.send(mail.join("\n")).unwrap();
                            b"250 taken\r\n"
                        }
                        "QUIT" => b"221 bye\r\n",
                        _ => b"250 ok\r\n",
                    };
                if socket.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    (port, receiver)
}

/// Requests as they came: head and body.
fn web_sink() -> (u16, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap() == 0 {
                    break;
                }
            }
            let len = header(&head, "content-length").parse().unwrap();
            let mut body = vec![0; len];
            reader.read_exact(&mut body).unwrap();
            sender
                .send((head, String::from_utf8(body).unwrap()))
                .unwrap();
            socket
                .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .unwrap();
        }
    });
    (port, receiver)
}

/// HMAC-SHA-256 as RFC 2104 has it, by nothing but the hash.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    assert!(key.len() <= 64);
    let padded = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block.to_vec()
    };
    let inner = Digest::of(&[padded(0x36), message.to_vec()].concat()).0;
    Digest::of(&[padded(0x5c), inner.to_vec()].concat()).0
}

#[test]
fn the_hmac_of_these_tests_is_the_one_of_rfc_4231() {
    let found = hmac(b"Jefe", b"what do ya want for nothing?");
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(Digest(found).to_string(), expected);
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
        .unwrap_or("")
}

#[test]
fn a_failure_and_the_recovery_from_it_are_told_once_each() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let (mail_port, mails) = smtp_sink();
    let (web_port, requests) = web_sink();
    let email = json!({ "name": "Mail", "config": { "kind": "email", "host": "127.0.0.1", "port": mail_port,
        "security": "none", "from": "Coffer <coffer@example.org>", "to": ["admin@example.org"] } });
    let email = site.post("/api/channels", &email).expect(201).json();
    let url = format!("http://127.0.0.1:{web_port}/hook");
    let hook = json!({ "name": "Hook", "config": { "kind": "webhook", "url": url } });
    let hook = site.post("/api/channels", &hook).expect(201).json();
    let secret = ChannelSecret::new(hook["secret"].as_str().unwrap());
    assert!(!String::from_utf8_lossy(&site.get("/api/channels").body).contains(secret.expose()));
    let _tried = site
        .post(
            &format!("/api/channels/{}/test", id(&email["channel"])),
            &json!({}),
        )
        .expect(204);
    assert!(
        mails
            .recv_timeout(LIMIT)
            .unwrap()
            .contains("Subject: Coffer: a test")
    );

    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(
        &site,
        &profile,
        &[&near],
        json!({ "retries": 1, "retry_seconds": 1 }),
    );
    // What belongs there is not mounted.
    fs::rename(&disk, folder.path().join("away")).unwrap();
    let view = run(&site, &job);
    assert_eq!(
        (&view["state"], &view["attempt"]),
        (&json!("failed"), &json!(2)),
        "{view}"
    );
    assert_eq!(view["error"]["code"], "bad_folder");
    assert_eq!(
        view["log"].as_str().unwrap().matches("attempt").count(),
        2,
        "{view}"
    );
    let mail = mails.recv_timeout(LIMIT).unwrap();
    assert!(
        mail.contains("Subject: Backup failed: Every night"),
        "{mail}"
    );
    let (head, body) = requests.recv_timeout(LIMIT).unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "job.failed");
    assert_eq!(event["data"]["code"], "bad_folder");
    let key = Base64::decode_vec(secret.expose().strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!(
        "{}.{}.{body}",
        header(&head, "webhook-id"),
        header(&head, "webhook-timestamp")
    );
    let signature = format!(
        "v1,{}",
        Base64::encode_string(&hmac(&key, signed.as_bytes()))
    );
    assert_eq!(header(&head, "webhook-signature"), signature);
    Id::parse(header(&head, "webhook-id")).unwrap();

    fs::rename(folder.path().join("away"), &disk).unwrap();
    for _ in 0..2 {
        assert_eq!(run(&site, &job)["state"], "done");
    }
    let mail = mails.recv_timeout(LIMIT).unwrap();
    assert!(
        mail.contains("Subject: Backup works again: Every night"),
        "{mail}"
    );
    let (_, body) = requests.recv_timeout(LIMIT).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["type"],
        "job.recovered"
    );
    // The second success tells nothing; what would be told has been written by now.
    let _tried = site
        .post(
            &format!("/api/channels/{}/test", id(&email["channel"])),
            &json!({}),
        )
        .expect(204);
    assert!(mails.recv_timeout(LIMIT).unwrap().contains("a test"));
}

#[test]
fn schedules_are_previewed_and_what_can_not_be_is_refused() {
    let (_folder, site) = Site::signed_in(Start::default());
    let ask = |schedule: &str, zone: &str| {
        site.post(
            "/api/schedules/preview",
            &json!({ "schedule": schedule, "time_zone": zone }),
        )
    };
    let next = ask("0 4 * * MON", "America/New_York").expect(200).json();
    assert_eq!(next["next"].as_array().unwrap().len(), 5);
    let after = |schedule: &str, zone: &str, after: &str| {
        let asked = json!({ "schedule": schedule, "time_zone": zone, "after": after });
        let next = site
            .post("/api/schedules/preview", &asked)
            .expect(200)
            .json();
        let next = next["next"].as_array().unwrap().clone();
        next.iter()
            .take(3)
            .map(|time| time.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Half past two comes not at all on one night in Berlin, and twice on another; in New York the nights are others.
    assert_eq!(
        after("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z"),
        [
            "2027-03-28T01:00:00Z",
            "2027-03-29T00:30:00Z",
            "2027-03-30T00:30:00Z"
        ]
    );
    assert_eq!(
        after("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z"),
        [
            "2027-10-31T00:30:00Z",
            "2027-11-01T01:30:00Z",
            "2027-11-02T01:30:00Z"
        ]
    );
    assert_eq!(
        after("30 1 * * *", "America/New_York", "2027-11-06T12:00:00Z"),
        [
            "2027-11-07T05:30:00Z",
            "2027-11-08T06:30:00Z",
            "2027-11-09T06:30:00Z"
        ]
    );
    // What comes every quarter of an hour does so in both hours that have the same name.
    assert_eq!(
        after("*/15 * * * *", "Europe/Berlin", "2027-10-31T00:45:00Z"),
        [
            "2027-10-31T01:00:00Z",
            "2027-10-31T01:15:00Z",
            "2027-10-31T01:30:00Z"
        ]
    );
    let wrong = json!({ "schedule": "* * * * *", "after": "tomorrow" });
    assert_eq!(
        site.post("/api/schedules/preview", &wrong).problem(),
        (422, "bad_time".into())
    );
    assert_eq!(
        ask("nightly", "UTC").problem(),
        (422, "bad_schedule".into())
    );
    assert_eq!(
        ask("0 4 * * *", "Mars/Olympus").problem(),
        (422, "bad_schedule".into())
    );
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let job = json!({ "name": "X", "profile": profile["id"], "sources": [site.demo()], "destinations": [] });
    assert_eq!(
        site.post("/api/jobs", &job).problem(),
        (422, "bad_job".into())
    );
}

/// A user with these permissions for these sources alone, signed in.
fn somebody(site: &Site, name: &str, permissions: &[&str], sources: &[&str]) -> Site {
    let group = json!({ "name": name, "permissions": permissions, "sources": sources });
    let group = site.post("/api/groups", &group).expect(201).json();
    let user = json!({ "name": name, "groups": [id(&group)] });
    let user = site.post("/api/users", &user).expect(201).json();
    site.by_link(user["link"]["token"].as_str().unwrap(), PASSWORD)
}

#[test]
fn a_job_is_for_those_who_may_with_each_of_its_sources() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let file = folder.path().join("other.sqlite");
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        .unwrap();
    drop(other);
    let other = json!({ "name": "Other", "url": format!("sqlite:{}", file.display()) });
    let other = site.post("/api/sources", &other).expect(201).json();
    let (mine, theirs) = (site.demo(), id(&other).to_owned());
    let job = |name: &str, sources: &[&str]| {
        let more = json!({ "name": name, "sources": sources });
        add_job(&site, &profile, &[&near], more)
    };
    let (of_mine, of_theirs) = (job("Mine", &[&mine]), job("Theirs", &[&theirs]));
    let of_both = job("Both", &[&mine, &theirs]);
    let permissions = ["view", "back_up", "configure"];
    let user = somebody(&site, "Kim", &permissions, &[&mine]);

    // Theirs isn't even seen, and of both isn't half allowed.
    let seen = user.get("/api/jobs").expect(200).json();
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen[0]["id"], of_mine["id"]);
    let run_of_theirs = run(&site, &of_theirs);
    let refused = (403, "not_permitted".to_owned());
    let body = |sources: &[&str], version: i64| json!({ "name": "Changed", "profile": profile["id"], "sources": sources, "destinations": [near["id"]], "version": version });
    let put = |job: &Value, body: &Value| {
        let path = format!("/api/jobs/{}", id(job));
        user.send(
            "PUT",
            &path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    };
    for job in [&of_theirs, &of_both] {
        let path = format!("/api/jobs/{}", id(job));
        let at = |what: &str| format!("{path}{what}");
        for path in [path.clone(), at("/runs"), at("/retention")] {
            assert_eq!(user.get(&path).problem(), refused, "{path}");
        }
        let rules = json!({ "retention": { "last": 1 } });
        assert_eq!(user.post(&at("/retention"), &rules).problem(), refused);
        assert_eq!(user.post(&at("/runs"), &json!({})).problem(), refused);
        assert_eq!(user.delete(&path).problem(), refused);
        // Neither may what is theirs be taken out, to have the job then.
        assert_eq!(put(job, &body(&[&mine], 1)).problem(), refused);
    }
    let path = format!("/api/job-runs/{}", id(&run_of_theirs));
    assert_eq!(user.get(&path).problem(), refused);
    let cancel = format!("{path}/cancel");
    assert_eq!(user.post(&cancel, &json!({})).problem(), refused);
    // Nor be put in.
    assert_eq!(
        put(&of_mine, &body(&[&mine, &theirs], 1)).problem(),
        refused
    );
    let added = user.post("/api/jobs", &body(&[&theirs], 1));
    assert_eq!(added.problem(), refused);
    assert_eq!(site.get("/api/jobs").json().as_array().unwrap().len(), 3);

    // What is of mine alone, goes.
    let view = run(&user, &of_mine);
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(
        put(&of_mine, &body(&[&mine], 1)).expect(200).json()["name"],
        "Changed"
    );
    let last = user.get("/api/jobs").json()[0]["last_run"].clone();
    assert_eq!((&last["id"], &last["log"]), (&view["id"], &Value::Null));
    let rules = json!({ "retention": { "last": 1 }, "time_zone": "UTC" });
    let path = format!("/api/jobs/{}", id(&of_mine));
    let fates = user
        .post(&format!("{path}/retention"), &rules)
        .expect(200)
        .json();
    assert_eq!(fates["destinations"][0]["backups"][0]["stays"], true);
    let mine_alone = body(&[&mine], 1);
    let mut added = mine_alone.clone();
    added["name"] = json!("Another");
    let added = user.post("/api/jobs", &added).expect(201).json();
    let _removed = user
        .delete(&format!("/api/jobs/{}", id(&added)))
        .expect(204);
    // Seeing is not doing.
    let reader = somebody(&site, "Lee", &["view"], &[&mine]);
    assert_eq!(reader.get("/api/jobs").json().as_array().unwrap().len(), 1);
    assert_eq!(
        reader.post(&format!("{path}/runs"), &json!({})).problem(),
        refused
    );
    assert_eq!(reader.delete(&path).problem(), refused);
}

#[test]
fn a_backup_names_its_job_and_rules_are_tried_without_being_kept() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(
        &site,
        &profile,
        &[&near],
        json!({ "retention": { "last": 5 } }),
    );
    for _ in 0..3 {
        assert_eq!(run(&site, &job)["state"], "done");
    }
    let backups = site.get("/api/backups").json();
    assert!(
        backups
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["job"] == job["id"])
    );
    let path = format!("/api/jobs/{}/retention", id(&job));
    let stay = |fates: Value| {
        let fates = fates["destinations"][0]["backups"]
            .as_array()
            .unwrap()
            .clone();
        fates.iter().filter(|fate| fate["stays"] == true).count()
    };
    assert_eq!(stay(site.get(&path).expect(200).json()), 3);
    let rules = json!({ "retention": { "last": 1 } });
    assert_eq!(stay(site.post(&path, &rules).expect(200).json()), 1);
    assert_eq!(stay(site.get(&path).expect(200).json()), 3);
    assert_eq!(names(&disk).len(), 3);
    let wrong = json!({ "retention": { "last": 1 }, "time_zone": "Mars/Olympus" });
    assert_eq!(
        site.post(&path, &wrong).problem(),
        (422, "bad_schedule".into())
    );
}

/// Runs the program beside the server, with nothing of this process's environment but what is given.
fn beside(site: &Site, args: &[&str], key: Option<(&str, &str)>) -> (bool, String) {
    let mut command = Command::new(coffer_tests::coffer::program());
    command
        .env_clear()
        .args(args)
        .arg("--json")
        .arg("--data")
        .arg(&site.data);
    if let Some((id, secret)) = key {
        command
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn buckets_are_added_tried_and_looked_through_by_the_command_line() {
    let (folder, site) = Site::signed_in(Start::default());
    let s3 = S3::start();
    let bucket = s3.bucket("backups");
    let endpoint = format!("http://{}", s3.address);
    let add = |name: &str, more: &[&str], key| {
        let args = [
            "destination",
            "add",
            name,
            "s3://backups/coffer/shop",
            "--endpoint",
            &endpoint,
        ];
        beside(&site, &[&args[..], more].concat(), key)
    };
    // No key, a wrong one, and one of the environment.
    let (ok, said) = add("Bucket", &[], None);
    assert!(!ok && said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    let (ok, said) = add("Bucket", &[], Some((KEY.0, "not the secret")));
    assert!(!ok && said.contains("cannot_write"), "{said}");
    assert!(!said.contains("not the secret"), "{said}");
    let (ok, said) = add("Bucket", &[], Some(KEY));
    assert!(ok, "{said}");
    assert!(!said.contains(KEY.1), "{said}");
    let added: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&added["archives"], &added["free"]),
        (&json!(0), &Value::Null)
    );
    // The same of a file, as Amazon's own tools have it.
    let credentials = folder.path().join("credentials");
    let text = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        KEY.0, KEY.1
    );
    fs::write(&credentials, text).unwrap();
    let (ok, said) = add(
        "Again",
        &["--key-file", credentials.to_str().unwrap()],
        None,
    );
    assert!(ok, "{said}");
    let (ok, said) = beside(&site, &["destination", "test", "Again"], None);
    assert!(ok, "{said}");
    let (ok, said) = beside(&site, &["destination", "remove", "Again"], None);
    assert!(ok, "{said}");
    let shown = site.get("/api/destinations").expect(200).json();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["access_key_id"], KEY.0);
    assert_eq!(shown[0]["config"]["prefix"], "coffer/shop");

    // A job of the server stores there, and what another server finds there is adopted.
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let job = add_job(&site, &profile, &[&shown[0]], json!({}));
    let (ok, said) = beside(&site, &["job", "run", "Every night"], None);
    assert!(ok, "{said}");
    let asked: Value = serde_json::from_str(&said).unwrap();
    let view = ended(&site, asked["run"].as_str().unwrap());
    assert_eq!(
        (&view["state"], &view["job"]),
        (&json!("done"), &job["id"]),
        "{view}"
    );
    let objects = bucket.join("coffer/shop");
    let stored = names(&objects);
    let copied = format!("copied-{}", stored[0]);
    fs::copy(objects.join(&stored[0]), objects.join(&copied)).unwrap();
    let (ok, said) = beside(&site, &["destination", "found", "Bucket"], None);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert!(
        ok && found.as_array().unwrap().len() == 1 && found[0]["name"] == copied,
        "{said}"
    );
    let (ok, said) = beside(&site, &["destination", "adopt", "Bucket", "--all"], None);
    let adopted: Value = serde_json::from_str(&said).unwrap();
    assert!(ok && adopted[0]["archive"]["verified"] == true, "{said}");
    let backups = site.get("/api/backups").json();
    assert_eq!(backups.as_array().unwrap().len(), 2);
    // What was done beside the server stands in its log.
    let log = site.get("/api/audit-log").expect(200);
    let log = String::from_utf8_lossy(&log.body).into_owned();
    for action in [
        "add_destination",
        "remove_destination",
        "start_job",
        "adopt_backups",
    ] {
        assert!(log.contains(action), "{action}: {log}");
    }
    assert!(!log.contains(KEY.1));
    // A folder goes the same way.
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let (ok, said) = beside(
        &site,
        &["destination", "add", "Disk", disk.to_str().unwrap()],
        None,
    );
    let added: Value = serde_json::from_str(&said).unwrap();
    assert!(
        ok && added["free"].as_u64().is_some_and(|free| free > 0),
        "{said}"
    );
}

#[test]
fn an_action_asked_for_twice_with_one_key_is_begun_once() {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    let job = add_job(&site, &profile, &[&near], json!({}));
    let ask = |site: &Site, path: &str, key: &str, body: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        site.send("POST", path, &headers, body.to_string().as_bytes())
    };
    let runs = format!("/api/jobs/{}/runs", id(&job));
    let first = ask(&site, &runs, "monday", &json!({})).expect(202);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = ask(&site, &runs, "monday", &json!({})).expect(202);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/json");
    assert_eq!(first.json(), again.json());
    let run = first.json()["run"].as_str().unwrap().to_owned();
    assert_eq!(ended(&site, &run)["state"], "done");
    assert_eq!(
        ask(&site, &runs, "monday", &json!({})).expect(202).json()["run"],
        *run
    );
    assert_eq!(site.get(&runs).json().as_array().unwrap().len(), 1);
    // Another action, another user, another key.
    let backup = format!("/api/sources/{}/backups", site.demo());
    let body = json!({ "profile": profile["id"] });
    assert_eq!(
        ask(&site, &backup, "monday", &body).problem(),
        (422, "key_reused".into())
    );
    let user = somebody(&site, "Kim", &["view", "back_up"], &[&site.demo()]);
    let theirs = ask(&user, &runs, "monday", &json!({})).expect(202).json();
    assert_ne!(theirs["run"], *run);
    let taken = ask(&site, &backup, "tuesday", &body).expect(202).json();
    assert_eq!(
        ask(&site, &backup, "tuesday", &body).expect(202).json(),
        taken
    );
    assert_eq!(site.ended(taken["run"].as_str().unwrap())["state"], "done");
    assert_eq!(
        ended(&site, theirs["run"].as_str().unwrap())["state"],
        "done"
    );
    assert_eq!(site.get("/api/backups").json().as_array().unwrap().len(), 3);
    // What was refused was not begun, and its key is free again.
    let nobody = json!({ "profile": "0".repeat(32) });
    assert_eq!(
        ask(&site, &backup, "wednesday", &nobody).problem(),
        (422, "no_profile".into())
    );
    let taken = ask(&site, &backup, "wednesday", &body).expect(202).json();
    assert_eq!(site.ended(taken["run"].as_str().unwrap())["state"], "done");
    for wrong in ["", "two words", &"x".repeat(256)] {
        let refused = ask(&site, &runs, wrong, &json!({}));
        assert_eq!(
            refused.problem(),
            (422, "bad_idempotency_key".into()),
            "{wrong:?}"
        );
    }
    // At the same moment: one begins, and the others are told the same or to come again.
    let answers: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| ask(&site, &runs, "thursday", &json!({}))))
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    let begun: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 202)
        .map(|answer| answer.json()["run"].clone())
        .collect();
    assert!(
        !begun.is_empty() && begun.iter().all(|run| *run == begun[0]),
        "{begun:?}"
    );
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        assert_eq!(answer.problem(), (409, "not_answered_yet".into()));
    }
    assert_eq!(ended(&site, begun[0].as_str().unwrap())["state"], "done");
    assert_eq!(site.get(&runs).json().as_array().unwrap().len(), 3);
    let document = site.get("/api/openapi.json").json();
    let described = &document["paths"]["/api/jobs/{id}/runs"]["post"];
    let named = described["parameters"].as_array().unwrap();
    assert!(
        named.iter().any(|one| one["name"] == "idempotency-key"),
        "{described}"
    );
}
