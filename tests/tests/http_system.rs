//! Coffer's own configuration over HTTP: backed up like any other source, and restored into a new installation by its one-time
//! link.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

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
    demo,
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
    let database = demo::database(&site.data);
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
    fs::create_dir(&folder).unwrap();
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
    assert!(!Path::new(&there).exists(), "a plan makes no installation");
    let _restored = run(&["restore", &archive, "--data", &there, "--yes"]).ok();
    let mut other = Site::start(there.clone().into(), BARE);
    assert_eq!(other.token, "", "there is somebody, so no link is made");
    other.sign_in();
    assert_eq!(other.get("/api/sources").expect(200).json(), sources);

    // A restore into it, and back again: only with the server stopped, and only by what looks after it.
    let name = |site: &Site| site.get("/api/sources").json()[0]["name"].clone();
    let renamed = name(&other);
    drop(other);
    demo::execute(
        &Path::new(&there).join("catalog.sqlite"),
        "UPDATE destinations SET name = name; UPDATE channels SET name = name; UPDATE sources SET name = 'Changed here'",
    );
    let restore = [
        "restore", &archive, "--data", &there, "--only", "sources", "--force", "--yes",
    ];
    let _merged = run(&[&restore[..], &["--mode", "overwrite"]].concat()).ok();
    let other = Site::start(there.clone().into(), BARE);
    let undo = ["system", "undo", "--data", &there, "--yes", "--json"];
    let served = coffer(undo, &[]);
    assert_eq!(served.json()["error"]["code"], "in_use", "{served:?}");
    drop(other);
    let catalog = format!("sqlite:{there}/catalog.sqlite");
    let safety = format!("{there}/safety");
    let around = [
        "undo",
        "--target",
        &catalog,
        "--safety-folder",
        &safety,
        "--yes",
        "--json",
    ];
    let around = coffer(around, &[]);
    assert_eq!(
        (around.code, &around.json()["error"]["code"]),
        (5, &json!("needs_guard"))
    );
    let planned = coffer([&undo[..4], &["--dry-run", "--json"]].concat(), &[]);
    assert_eq!(planned.ok().json()["plan"]["blocked"], false);
    let _undone = coffer(undo, &[]).ok();
    let mut other = Site::start(there.into(), BARE);
    other.sign_in();
    assert_ne!(renamed, "Changed here");
    assert_eq!(name(&other), "Changed here");
}

#[test]
fn areas_of_a_configuration_are_brought_together_while_it_is_in_use() {
    let (folder, site) = Site::signed_in(Start::default());
    let taken = taken(&site, true);
    let source = site.demo();
    let headers = [("content-type", "application/json")];
    let database = folder.path().join("second.sqlite");
    demo::execute(&database, "CREATE TABLE notes (body TEXT)");
    let url = format!("sqlite:{}", database.display());
    let second = json!({ "name": "Second", "url": url, "file_sets": [], "preset": null });
    let second = site.post("/api/sources", &second).expect(201).json();
    let group = json!({ "name": "Later", "permissions": ["view"], "sources": null });
    let _later = site.post("/api/groups", &group).expect(201);
    let _gone = site.delete(&format!("/api/sources/{source}")).expect(204);
    let everybody = site.get("/api/groups").expect(200).json();

    let areas = site.get("/api/system").expect(200).json()["areas"].clone();
    let tables = |area: &str| -> Vec<Value> {
        let areas = areas.as_array().unwrap();
        let area = areas.iter().find(|one| one["name"] == area).unwrap();
        let tables = area["tables"].as_array().unwrap().iter();
        tables
            .map(|name| json!({ "schema": "main", "name": name }))
            .collect()
    };
    let only = json!({ "tables": tables("sources"), "file_sets": [] });
    for (mode, comes) in [("skip", 1), ("overwrite", 0)] {
        let bundle = Bundle::of(&taken, &Selection::ALL);
        let upload = site.begin_upload("bundle").expect(201).json();
        let upload = upload["id"].as_str().unwrap();
        let _sent = site.append(upload, 0, &bundle.bytes).expect(204);
        let mut body = json!({
            "target": SYSTEM, "upload": upload, "key": bundle.key_text(), "mode": mode, "selection": only,
            "consent": { "replace_existing": true },
        });
        let run = site.post("/api/rehearsals", &body).expect(202).json();
        let rehearsal = site.ended(run["run"].as_str().unwrap());
        assert_eq!(rehearsal["state"], "done", "{rehearsal}");
        let planned = rehearsal["result"]["plan"]["tables"].as_array().unwrap();
        let sources = planned.iter().find(|one| one["table"]["name"] == "sources");
        assert_eq!(
            sources.unwrap()["merge"]["insert"].as_u64().unwrap_or(0),
            comes
        );
        body["plan_digest"] = rehearsal["result"]["digest"].clone();
        body["rehearsed"] = json!(true);
        let run = site.post("/api/restores", &body).expect(202).json();
        let done = site.ended(run["run"].as_str().unwrap());
        assert_eq!(done["state"], "done", "{mode} {done}");
        // What came is at work at once; what the archive doesn't know, and other areas, are as they were.
        let now = site.get("/api/sources").expect(200).json();
        let ids: Vec<&Value> = now
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["id"])
            .collect();
        assert_eq!(ids.len(), 2, "{now}");
        assert!(ids.contains(&&json!(source)) && ids.contains(&&second["id"]));
        assert_eq!(site.get("/api/groups").expect(200).json(), everybody);
        let profiles = site.get("/api/profiles").expect(200).json();
        let backup = json!({ "profile": profiles[0]["id"] });
        let run = site.post(&format!("/api/sources/{source}/backups"), &backup);
        let run = run.expect(202).json();
        assert_eq!(site.ended(run["run"].as_str().unwrap())["state"], "done");
    }
    // The last one is undone, by the same way as of any source.
    let rename = json!({ "name": "Renamed since", "permissions": ["view"], "sources": null });
    let _other_areas_may_change = site.post("/api/groups", &rename).expect(201);
    let kept = site.get("/api/safety-backups").expect(200).json();
    let kept = kept["safety_backups"][0]["id"].as_str().unwrap().to_owned();
    let mut undo = json!({ "target": SYSTEM, "consent": {} });
    let path = format!("/api/safety-backups/{kept}");
    let planned = site.post(&format!("{path}/plan"), &undo).expect(200).json();
    assert_eq!(planned["plan"]["blocked"], false, "{planned}");
    undo["plan_digest"] = planned["digest"].clone();
    let run = site.post(&format!("{path}/undo"), &undo).expect(202).json();
    let undone = site.ended(run["run"].as_str().unwrap());
    assert_eq!(undone["state"], "done", "{undone}");
    // The one-time way is for new installations alone.
    let bundle = Bundle::of(&taken, &Selection::ALL);
    let body = body("0000", &bundle).to_string();
    let refused = site.send("POST", "/api/system/restore", &headers, body.as_bytes());
    assert!(refused.status >= 400, "{refused:?}");
}

#[test]
fn a_job_backs_up_the_configuration_that_it_belongs_to() {
    let (folder, site) = Site::signed_in(BARE);
    let home = site.post("/api/profiles", &profile("Home", KEY_PASSWORD));
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let config = json!({ "kind": "folder", "path": disk });
    let destination = json!({ "name": "Disk", "config": config });
    let destination = site
        .post("/api/destinations", &destination)
        .expect(201)
        .json();
    let job = json!({
        "name": "Own", "profile": home.expect(201).json()["id"], "sources": [SYSTEM], "sensitive": true,
        "destinations": [destination["id"]], "schedule": "0 4 * * *", "time_zone": "UTC", "retention": { "last": 3 },
    });
    let job = site.post("/api/jobs", &job).expect(201).json();
    let runs = format!("/api/jobs/{}/runs", job["id"].as_str().unwrap());
    let run = site.post(&runs, &json!({})).expect(202).json();
    let path = format!("/api/job-runs/{}", run["run"].as_str().unwrap());
    let begun = Instant::now();
    let view = loop {
        let view = site.get(&path).expect(200).json();
        if !matches!(view["state"].as_str(), Some("waiting" | "running")) {
            break view;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{view}");
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(view["state"], "done", "{view}");
    let backups = site.get("/api/backups").expect(200).json();
    assert_eq!(
        (&backups[0]["state"], &backups[0]["source"]),
        (&json!("verified"), &json!(SYSTEM))
    );
    let bytes = fs::read(disk.join(backups[0]["name"].as_str().unwrap())).unwrap();
    let unlock = Unlock::Password(Password::new(KEY_PASSWORD));
    let archive = OpenArchive::open(Arc::new(MemorySource(bytes.into())), &unlock).unwrap();
    let rows = |name: &str| {
        let mut tables = archive.manifest.tables.iter();
        tables.find(|table| table.table.name == name).unwrap().rows
    };
    assert_eq!(
        (rows("jobs"), rows("destinations"), rows("users")),
        (1, 1, 1)
    );
}
