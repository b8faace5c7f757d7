//! Sources that files describe, in a server: their hooks run around runs, and only who starts the server can name them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffer_server::http::{DEFAULT_UPLOAD_QUOTA, ServeError, ServeOptions, Server};
use coffer_tests::{keys::profile, site::Site};
use rusqlite::Connection;
use serde_json::{Value, json};

fn options(folder: &Path, sources: &[PathBuf]) -> ServeOptions {
    ServeOptions {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        data: folder.join("data"),
        catalog: None,
        store: None,
        web: None,
        demo: false,
        sources: sources.to_vec(),
        allow_remote: false,
        hosts: Vec::new(),
        trusted_proxies: Vec::new(),
        upload_quota: DEFAULT_UPLOAD_QUOTA,
        user_upload_quota: DEFAULT_UPLOAD_QUOTA,
        safety_recipients: Vec::new(),
    }
}

fn start(folder: &Path, sources: &[PathBuf]) -> Site {
    let mut site = Site::start_with(options(folder, sources));
    site.sign_in();
    site
}

/// Describes a shop whose hooks note what they are told.
fn describe(folder: &Path, stop: &str) -> PathBuf {
    let file = folder.join("shop.toml");
    let text = format!(
        r#"
name = "Shop"
database = "sqlite:{0}/shop.sqlite"
[[file_set]]
name = "uploads"
folder = "uploads"
exclude = ["*.tmp"]
[[hook]]
name = "stop"
when = "before_backup"
command = ["sh", "-c", "echo stop >> {0}/notes; echo stopping; {stop}"]
[[hook]]
name = "start"
when = "after_backup"
command = ["sh", "-c", "echo start $COFFER_OUTCOME >> {0}/notes"]
even_if_failed = true
"#,
        folder.display()
    );
    fs::write(&file, text).unwrap();
    file
}

fn shop(folder: &Path) {
    fs::create_dir(folder.join("uploads")).unwrap();
    for name in ["a.txt", "b.tmp"] {
        fs::write(folder.join("uploads").join(name), name).unwrap();
    }
    let database = Connection::open(folder.join("shop.sqlite")).unwrap();
    database
        .execute_batch("CREATE TABLE items (id INTEGER PRIMARY KEY); INSERT INTO items VALUES (1);")
        .unwrap();
}

/// Takes a backup and waits for the run's end.
fn backup(site: &Site, source: &Value, profile: &Value) -> Value {
    let path = format!("/api/sources/{}/backups", source["id"].as_str().unwrap());
    let body = json!({ "profile": profile["id"], "sensitive": false });
    let started = site.post(&path, &body).expect(202).json();
    let id = started["run"].as_str().unwrap();
    let (_, view) = site.events(id).pop().unwrap();
    assert_eq!(site.get(&format!("/api/runs/{id}")).json(), view);
    view
}

#[test]
fn runs_run_the_hooks_of_a_source_and_tell_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    shop(folder);
    let notes = || fs::read_to_string(folder.join("notes")).unwrap();
    let site = start(folder, &[describe(folder, "true")]);
    let profile = site
        .post("/api/profiles", &profile("At home", "a long password"))
        .expect(201)
        .json();
    let sources = site.get("/api/sources").expect(200).json();
    let source = &sources[0];
    assert_eq!(source["name"], "Shop");
    assert_eq!(source["file_sets"], json!([{ "name": "uploads" }]));

    let view = backup(&site, source, &profile);
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(view["result"]["files"], 1, "{view}");
    assert_eq!(notes(), "stop\nstart done\n");
    assert_eq!(view["hooks"].as_array().unwrap().len(), 2);
    assert_eq!(view["hooks"][0]["output"], "stopping\n");
    assert_eq!(view["hooks"][1]["when"], "after_backup");
    drop(site);

    // What the file says now counts, also where the server is started without naming it again.
    describe(folder, "exit 3");
    fs::remove_file(folder.join("notes")).unwrap();
    let site = start(folder, &[]);
    let view = backup(&site, source, &profile);
    assert_eq!(view["state"], "failed", "{view}");
    assert_eq!(view["error"]["code"], "hook_failed", "{view}");
    assert_eq!(
        view["hooks"][0]["failure"], "it ended with exit code 3",
        "{view}"
    );
    assert_eq!(notes(), "stop\nstart failed\n");
    assert_eq!(site.get("/api/backups").json().as_array().unwrap().len(), 1);
    drop(site);

    // The same source again, not a second one, also while its database can't be reached.
    fs::rename(folder.join("shop.sqlite"), folder.join("away")).unwrap();
    let site = start(folder, &[folder.join("shop.toml")]);
    assert_eq!(site.get("/api/sources").expect(200).json(), sources);
    // A file that is gone is told of where the source is used.
    fs::remove_file(folder.join("shop.toml")).unwrap();
    let path = format!("/api/sources/{}/backups", source["id"].as_str().unwrap());
    let body = json!({ "profile": profile["id"], "sensitive": false });
    let (status, code) = site.post(&path, &body).problem();
    assert_eq!((status, code.as_str()), (422, "file"));
}

#[test]
fn nobody_names_a_file_over_the_network_and_a_wrong_one_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    shop(folder);
    let file = describe(folder, "true");
    let site = start(folder, &[]);
    let url = format!("sqlite:{}/shop.sqlite", folder.display());
    let mut body = json!({ "name": "Shop", "url": url, "file_sets": [], "preset": null });
    for (key, value) in [("config", json!(file)), ("hooks", json!([]))] {
        body[key] = value;
        let answer = site.post("/api/sources", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        body.as_object_mut().unwrap().remove(key);
    }
    let _added = site.post("/api/sources", &body).expect(201);
    drop(site);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = |says: &str| {
        let started = runtime.block_on(Server::start(options(folder, std::slice::from_ref(&file))));
        match started {
            Err(error @ ServeError::Described { .. }) => {
                assert!(error.to_string().contains(says), "{error}");
            }
            other => panic!("{other:?}"),
        }
    };
    // Somebody else's source is not taken over.
    refused("was added in the page");
    fs::write(&file, "app = \"Shop\"").unwrap();
    refused("no name");
    fs::write(&file, "name = \"Other\"").unwrap();
    refused("names no database");
    fs::write(&file, "name = \"Other\"\ndatabse = \"x\"").unwrap();
    refused("line 2, column 1");
}
