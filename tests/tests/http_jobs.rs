//! Jobs of a server: to a folder and to a real S3 server, verified in each, kept by rules, found again, and told of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use coffer_core::seal::Password;
use coffer_server::{
    catalog::Id,
    notify::{ChannelSecret, Signature},
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
    let adopted = other.post(&at("adopt"), &wanted).expect(200).json();
    let adopted = adopted["adopted"].as_array().unwrap();
    let (backup, told) = (&adopted[0]["backup"][0], &adopted[0]["backup"][1]);
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
    let path = format!("/api/destinations/{}/adopt", id(&again));
    let adopted = site.post(&path, &wanted).expect(200).json();
    assert_eq!(
        adopted["adopted"][0]["backup"][1]["verified"], true,
        "{adopted}"
    );
    assert_eq!(
        adopted["adopted"][1]["backup"][1]["verified"], false,
        "{adopted}"
    );
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
    let adopt = |name: &str| {
        let path = format!("/api/destinations/{}/adopt", id(&far));
        let adopted = site.post(&path, &json!({ "names": [name] })).expect(200);
        adopted.json()["adopted"][0].clone()
    };
    fs::write(&copied, &bytes[..bytes.len() - 1]).unwrap();
    assert_ne!(adopt(&stored[0][0])["error"], Value::Null);
    fs::write(&copied, &bytes).unwrap();
    let backup = adopt(&stored[0][0])["backup"][0].clone();
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
    let sent = header(&head, "webhook-timestamp").parse().unwrap();
    let sent = time::OffsetDateTime::from_unix_timestamp(sent).unwrap();
    let expected = Signature::new(&secret, header(&head, "webhook-id"), sent, &body).unwrap();
    assert_eq!(header(&head, "webhook-signature"), expected.signature);
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
