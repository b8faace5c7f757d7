//! Jobs of a server: to a folder and to a real S3 server, verified in each, kept by rules, found again, and told of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use coffer_core::seal::Password;
use coffer_server::read::{FileSource, OpenArchive, ReadAt, Unlock};
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

#[path = "http_jobs/adoption.rs"]
mod adoption;
#[path = "http_jobs/api.rs"]
mod api;
#[path = "http_jobs/destinations.rs"]
mod destinations;
#[path = "http_jobs/notices.rs"]
mod notices;
#[path = "http_jobs/several.rs"]
mod several;

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

/// A server with a profile, and a folder that is a destination.
struct Ready {
    folder: tempfile::TempDir,
    site: Site,
    profile: Value,
    disk: PathBuf,
    near: Value,
}

fn ready() -> Ready {
    let (folder, site) = Site::signed_in(Start::default());
    let profile = site
        .post("/api/profiles", &profile("At home", PASSWORD))
        .expect(201)
        .json();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let near = folder_destination(&site, "Disk", &disk);
    Ready {
        folder,
        site,
        profile,
        disk,
        near,
    }
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
    let Ready {
        folder: _folder,
        site,
        profile,
        disk,
        near,
    } = ready();
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

#[test]
fn a_backup_names_its_job_and_rules_are_tried_without_being_kept() {
    let Ready {
        folder: _folder,
        site,
        profile,
        disk,
        near,
    } = ready();
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
