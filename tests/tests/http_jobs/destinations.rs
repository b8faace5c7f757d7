//! Folders and buckets: added, tried, and away.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use coffer_tests::{
    keys::profile,
    site::{Site, Start},
};
use serde_json::{Value, json};

use crate::{KEY, PASSWORD, S3, add_job, ended, folder_destination, id, key, names, run};

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
