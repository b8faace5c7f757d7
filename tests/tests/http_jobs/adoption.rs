//! Backups that are found in destinations.

use std::{fs, time::Instant};

use coffer_tests::site::{Site, Start};
use serde_json::{Value, json};

use crate::{LIMIT, Ready, add_job, adopt, folder_destination, id, names, ready, run};

#[test]
fn backups_are_found_again_by_a_server_that_knows_nothing_of_them() {
    let Ready {
        folder: _folder,
        site,
        profile: known,
        disk,
        near,
    } = ready();
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
    let Ready {
        folder: _folder,
        site,
        profile: known,
        disk,
        near,
    } = ready();
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
