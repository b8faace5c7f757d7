//! Coffer's own configuration over HTTP: backed up like any other source, and restored into a new installation by its one-time
//! link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use coffer_core::{manifest::Selection, seal::Password};
use coffer_server::{
    http::DEFAULT_UPLOAD_QUOTA,
    read::{OpenArchive, Unlock},
    read_at::MemorySource,
};
use coffer_tests::{
    bundle::Bundle,
    coffer::coffer,
    keys::profile,
    site::{NAME, PASSWORD, Site, Start},
};
use serde_json::{Value, json};

const SYSTEM: &str = "c0ffe2c0ffe2c0ffe2c0ffe2c0ffe2c0";
const KEY_PASSWORD: &str = "eine lange Reihe von Worten";
const OTHER_PASSWORD: &str = "another horse battery";
const BARE: Start = Start {
    demo: false,
    upload_quota: DEFAULT_UPLOAD_QUOTA,
};

/// Backs the configuration up, and opens the stored archive as a browser would.
fn taken(site: &Site, sensitive: bool) -> OpenArchive {
    let profiles = site.get("/api/profiles").expect(200).json();
    let profile = match profiles.as_array().unwrap().first() {
        Some(profile) => profile.clone(),
        None => site
            .post("/api/profiles", &profile("Tresor für Zürich", KEY_PASSWORD))
            .expect(201)
            .json(),
    };
    let body = json!({ "profile": profile["id"], "sensitive": sensitive });
    let run = site
        .post(&format!("/api/sources/{SYSTEM}/backups"), &body)
        .expect(202)
        .json();
    let ended = site.ended(run["run"].as_str().unwrap());
    assert_eq!(ended["state"], "done", "{ended}");
    let backups = site.get("/api/backups").expect(200).json();
    let backup = &backups[0];
    assert_eq!(backup["source"], SYSTEM);
    assert_eq!(backup["source_name"], "Coffer's own configuration");
    let path = format!("/api/backups/{}/archive", backup["id"].as_str().unwrap());
    let bytes = site.get(&path).expect(200).body;
    let unlock = Unlock::Password(Password::new(KEY_PASSWORD));
    OpenArchive::open(Arc::new(MemorySource(bytes.into())), &unlock).unwrap()
}

fn body(token: &str, bundle: &Bundle) -> Value {
    json!({
        "token": token,
        "key": bundle.key_text(),
        "bundle": Base64::encode_string(&bundle.bytes),
    })
}

/// A server that nobody has set up yet.
fn fresh() -> (tempfile::TempDir, Site) {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::start(folder.path().join("data"), BARE);
    (folder, site)
}

#[test]
fn a_new_installation_is_set_up_from_a_backup_of_another() {
    let (_old, site) = Site::signed_in(Start::default());
    let shown = site.get("/api/system").expect(200).json();
    assert_eq!(shown["source"], SYSTEM);
    assert_eq!(shown["needs"]["sources"], json!([]));
    let areas = shown["areas"].as_array().unwrap();
    assert!(areas.iter().any(|area| area["name"] == "people"));
    let sources = site.get("/api/sources").expect(200).json();
    assert_eq!(sources.as_array().unwrap().len(), 1);
    let archive = taken(&site, true);
    let bundle = Bundle::of(&archive, &Selection::ALL);

    let (_new, mut other) = fresh();
    // Only by the link, and only with the key.
    let refused = other.post("/api/system/restore", &body(&"0".repeat(64), &bundle));
    assert_eq!(refused.problem(), (401, "wrong_link".into()));
    let mut wrong = Bundle::of(&archive, &Selection::ALL);
    wrong.key[0] ^= 1;
    let refused = other.post("/api/system/restore", &body(&other.token, &wrong));
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(other.get("/api/session").json()["set_up"], true);

    let restored = other.post("/api/system/restore", &body(&other.token, &bundle));
    let restored = restored.expect(200).json();
    assert_eq!(
        restored["administrators"],
        json!([{ "name": NAME, "has_password": true }])
    );
    assert_eq!(restored["needs"]["users"], json!([]));
    assert_eq!(other.get("/api/session").json()["set_up"], false);
    // The link is used up, and the accounts of before are there.
    let again = other.post("/api/system/restore", &body(&other.token, &bundle));
    assert_eq!(again.problem(), (401, "wrong_link".into()));
    let answer = other.post(
        "/api/session",
        &json!({ "name": NAME, "password": PASSWORD }),
    );
    other.keep_cookie(&answer.expect(204));
    assert_eq!(other.get("/api/sources").expect(200).json(), sources);
    // What was wrapped there can be read here.
    let profiles = other.get("/api/profiles").expect(200).json();
    let start = json!({ "profile": profiles[0]["id"], "sensitive": false });
    let path = format!("/api/sources/{}/backups", other.demo());
    let run = other.post(&path, &start).expect(202).json();
    assert_eq!(other.ended(run["run"].as_str().unwrap())["state"], "done");
}

#[test]
fn without_credentials_an_administrator_chooses_a_password_by_the_link() {
    let (_old, site) = Site::signed_in(Start::default());
    let added = site.post("/api/users", &json!({ "name": "Eve", "groups": [] }));
    added.expect(201);
    let bundle = Bundle::of(&taken(&site, false), &Selection::ALL);
    let (_new, mut other) = fresh();
    let restored = other.post("/api/system/restore", &body(&other.token, &bundle));
    let restored = restored.expect(200).json();
    assert_eq!(
        restored["administrators"],
        json!([{ "name": NAME, "has_password": false }])
    );
    let sources = site.get("/api/sources").expect(200).json();
    assert_eq!(restored["needs"]["sources"], json!([sources[0]["name"]]));
    assert_eq!(other.get("/api/session").json()["set_up"], true);
    // Who is no administrator doesn't become one, and a stranger neither.
    for name in ["Eve", "Mallory"] {
        let chosen = json!({ "token": other.token, "name": name, "password": PASSWORD });
        let refused = other.post("/api/session/link", &chosen);
        assert_eq!(refused.problem(), (401, "wrong_link".into()), "{name}");
    }
    other.sign_in();
    assert_eq!(other.get("/api/session").json()["set_up"], false);
    let shown = other.get("/api/sources").expect(200).json();
    assert_eq!(shown[0]["needs_url"], true);
    let source = other.demo();
    let profiles = other.get("/api/profiles").expect(200).json();
    // Its secret key is in the recovery kit alone.
    assert_eq!(profiles[0]["keys"][0]["locked"], json!(null));
    let url = format!("/api/sources/{source}/url");
    let send = |url: &str, text: &str| {
        let json = json!({ "url": text }).to_string();
        other.send(
            "PUT",
            url,
            &[("content-type", "application/json")],
            json.as_bytes(),
        )
    };
    let own = format!("sqlite:{}", other.data.join("catalog.sqlite").display());
    assert_eq!(send(&url, &own).problem(), (422, "own_catalog".into()));
    let database = coffer_tests::demo::database(&site.data);
    let changed = send(&url, &format!("sqlite:{}", database.display()));
    assert_eq!(changed.expect(200).json()["needs_url"], false);
    let system = format!("/api/sources/{SYSTEM}/url");
    assert_eq!(send(&system, &own).problem(), (422, "not_by_hand".into()));
}

#[test]
fn only_administrators_touch_it_and_it_is_no_ordinary_source() {
    let (_folder, site) = Site::signed_in(BARE);
    taken(&site, false);
    let words = ["view", "back_up", "restore", "configure"];
    let group = json!({ "name": "Operators", "permissions": words, "sources": null });
    let group = site.post("/api/groups", &group).expect(201).json();
    let user = json!({ "name": "Bob", "groups": [group["id"]] });
    let added = site.post("/api/users", &user).expect(201).json();
    let bob = site.by_link(added["link"]["token"].as_str().unwrap(), OTHER_PASSWORD);
    let forbidden = (403, "not_permitted".to_owned());
    assert_eq!(bob.get("/api/system").problem(), forbidden);
    let profiles = site.get("/api/profiles").json();
    let backup = json!({ "profile": profiles[0]["id"], "sensitive": true });
    let path = format!("/api/sources/{SYSTEM}/backups");
    assert_eq!(bob.post(&path, &backup).problem(), forbidden);
    // He sees that there is one, as a stored archive that he can't open.
    let backups = bob.get("/api/backups").expect(200).json();
    let archive = format!("/api/backups/{}", backups[0]["id"].as_str().unwrap());
    bob.get(&format!("{archive}/archive")).expect(200);
    assert_eq!(bob.delete(&archive).problem(), forbidden);
    let folder = site.data.join("there");
    std::fs::create_dir(&folder).unwrap();
    let destination = json!({ "name": "Folder", "config": { "kind": "folder", "path": folder } });
    let destination = site
        .post("/api/destinations", &destination)
        .expect(201)
        .json();
    let job = json!({
        "name": "Nightly", "profile": profiles[0]["id"], "sensitive": true, "schedule": "0 3 * * *",
        "sources": [SYSTEM], "destinations": [destination["id"]],
    });
    assert_eq!(bob.post("/api/jobs", &job).problem(), forbidden);
    let job = site.post("/api/jobs", &job).expect(201).json();
    let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(bob.delete(&path).problem(), forbidden);
    // In none of these ways is it somebody's own source.
    let group = json!({ "name": "Some", "permissions": ["view"], "sources": [SYSTEM] });
    let refused = site.post("/api/groups", &group);
    assert_eq!(refused.problem(), (422, "no_source".into()));
    let url = format!("sqlite:{}", site.data.join("catalog.sqlite").display());
    let source = json!({ "name": "Catalog", "url": url, "file_sets": [], "preset": null });
    let refused = bob.post("/api/sources", &source);
    assert_eq!(refused.problem(), (422, "own_catalog".into()));
    let refused = site.delete(&format!("/api/sources/{SYSTEM}"));
    assert_eq!(refused.problem(), (404, "no_source".into()));
    let plan = json!({ "target": SYSTEM, "manifest": "{}", "mode": "replace" });
    assert_eq!(bob.post("/api/plans", &plan).problem(), forbidden);
    let refused = site.post("/api/plans", &plan);
    assert_eq!(refused.problem(), (422, "bad_mode".into()));
}

#[test]
fn the_command_line_takes_a_configuration_to_another_machine() {
    let (folder, site) = Site::signed_in(Start::default());
    let sources = site.get("/api/sources").expect(200).json();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (here, there, archive) = (path("data"), path("there"), path("own.coffer"));
    let password = [("COFFER_TEST_PASSWORD", KEY_PASSWORD)];
    let run = |arguments: &[&str]| {
        let tail = ["--password-env", "COFFER_TEST_PASSWORD"];
        coffer(["system"].iter().chain(arguments).chain(&tail), &password)
    };
    let _taken = run(&[
        "backup",
        "--data",
        &here,
        "--out",
        &archive,
        "--sealed",
        "--sensitive",
    ])
    .ok();

    // A server that runs is not restored under its feet.
    let refused = run(&["restore", &archive, "--data", &here, "--yes"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(site.get("/api/sources").expect(200).json(), sources);

    let planned = run(&["restore", &archive, "--data", &there, "--dry-run"]).ok();
    assert!(planned.stdout.contains("mode replace"), "{planned:?}");
    let _restored = run(&["restore", &archive, "--data", &there, "--yes"]).ok();
    let mut other = Site::start(there.into(), BARE);
    assert_eq!(other.token, "", "there is somebody, so no link is made");
    other.sign_in();
    assert_eq!(other.get("/api/sources").expect(200).json(), sources);
}
