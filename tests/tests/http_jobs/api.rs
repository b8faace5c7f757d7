//! Rights over jobs, previews, keys for actions, lists in parts.

use std::thread;

use coffer_tests::{
    keys::profile,
    site::{Site, Start},
};
use serde_json::{Value, json};

use crate::{PASSWORD, Ready, add_job, ended, id, ready, run};

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
    let Ready {
        folder,
        site,
        profile,
        near,
        ..
    } = ready();
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
fn an_action_asked_for_twice_with_one_key_is_begun_once() {
    let Ready {
        folder: _folder,
        site,
        profile,
        near,
        ..
    } = ready();
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

#[test]
fn lists_come_in_parts_and_changes_want_what_was_looked_at() {
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
        json!({ "retention": { "last": 9 } }),
    );
    for _ in 0..3 {
        assert_eq!(run(&site, &job)["state"], "done");
    }
    let all_parts = |path: &str| {
        let whole = site.get(path).expect(200);
        assert_eq!(whole.header("link"), "");
        let (mut path, mut items, mut parts) = (format!("{path}?limit=2"), Vec::new(), 0);
        loop {
            let part = site.get(&path).expect(200);
            items.extend(part.json().as_array().unwrap().clone());
            parts += 1;
            let Some(link) = part.header("link").strip_prefix('<') else {
                break;
            };
            let (next, rel) = link.split_once('>').unwrap();
            assert_eq!(rel, "; rel=\"next\"");
            path = next.to_owned();
        }
        assert_eq!((Value::from(items), parts), (whole.json(), 2));
        assert_eq!(
            site.get("/api/backups?cursor=!").problem(),
            (422, "bad_cursor".into())
        );
        assert_eq!(
            site.get("/api/backups?limit=two").problem(),
            (400, "bad_query".into())
        );
    };
    all_parts("/api/backups");
    all_parts(&format!("/api/jobs/{}/runs", id(&job)));

    // What is known already is not sent again.
    for path in [
        "/api/backups",
        "/api/destinations",
        "/api/sources",
        "/api/profiles",
    ] {
        let answer = site.get(path).expect(200);
        let tag = answer.header("etag").to_owned();
        assert_eq!(tag.len(), 34, "{path}: {tag}");
        let again = site.send("GET", path, &[("if-none-match", &tag)], &[]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), tag);
        let other = site.send("GET", path, &[("if-none-match", "\"other\"")], &[]);
        assert_eq!(other.expect(200).body, answer.body, "{path}");
    }

    // A job, a destination and a channel are changed by who has seen them as they are.
    let hook = json!({ "name": "Hook", "config": { "kind": "webhook", "url": "http://127.0.0.1:1/hook" } });
    let hook = site.post("/api/channels", &hook).expect(201).json()["channel"].clone();
    let config = json!({ "kind": "folder", "path": disk });
    let job_body = json!({ "name": "Nightly", "profile": profile["id"], "sources": job["sources"], "destinations": job["destinations"] });
    for (path, body) in [
        (format!("/api/jobs/{}", id(&job)), job_body),
        (
            format!("/api/destinations/{}", id(&near)),
            json!({ "name": "Nightly", "config": config }),
        ),
        (
            format!("/api/channels/{}", id(&hook)),
            json!({ "name": "Nightly", "config": hook["config"], "enabled": false }),
        ),
    ] {
        let seen = site.get(&path).expect(200);
        let tag = seen.header("etag").to_owned();
        let body = body.to_string();
        let send = |method: &str, tag: &str| {
            let headers = [("content-type", "application/json"), ("if-match", tag)];
            site.send(method, &path, &headers, body.as_bytes())
        };
        assert_eq!(
            send("PUT", "\"other\"").problem(),
            (412, "changed".into()),
            "{path}"
        );
        assert_eq!(
            send("PUT", &tag).expect(200).json()["name"],
            "Nightly",
            "{path}"
        );
        // It is another one now.
        assert_eq!(
            send("PUT", &tag).problem(),
            (412, "changed".into()),
            "{path}"
        );
        assert_eq!(
            send("DELETE", &tag).problem(),
            (412, "changed".into()),
            "{path}"
        );
        assert_eq!(site.get(&path).expect(200).json()["name"], "Nightly");
    }
    let path = format!("/api/channels/{}", id(&hook));
    let shown = site.get(&path).json();
    assert_eq!(
        (&shown["enabled"], &shown["has_secret"]),
        (&json!(false), &json!(true))
    );
    // A webhook's secret goes to no other address.
    let elsewhere = json!({ "name": "Nightly", "config": { "kind": "webhook", "url": "http://127.0.0.1:2/hook" } });
    let headers = [("content-type", "application/json")];
    let refused = site.send("PUT", &path, &headers, elsewhere.to_string().as_bytes());
    assert_eq!(refused.problem(), (422, "bad_channel".into()));
}

#[test]
fn a_mail_servers_password_stays_for_that_server_alone() {
    let (_folder, site) = Site::signed_in(Start::default());
    let config = |host: &str, to: &str| {
        json!({ "kind": "email", "host": host, "port": 587, "security": "starttls", "user": "coffer",
                "from": "coffer@example.org", "to": [to] })
    };
    let added = json!({ "name": "Mail", "config": config("mail.example.org", "a@example.org"), "secret": "of the mail server" });
    let added = site.post("/api/channels", &added).expect(201).json();
    let path = format!("/api/channels/{}", id(&added["channel"]));
    let put = |body: Value| {
        let headers = [("content-type", "application/json")];
        let answer = site.send("PUT", &path, &headers, body.to_string().as_bytes());
        let answer = answer.expect(200).json();
        assert_eq!(answer, site.get(&path).expect(200).json());
        assert!(!answer.to_string().contains("of the mail server"));
        answer
    };
    let changed =
        put(json!({ "name": "Post", "config": config("mail.example.org", "b@example.org") }));
    assert_eq!(
        (&changed["name"], &changed["has_secret"]),
        (&json!("Post"), &json!(true))
    );
    assert_eq!(changed["config"]["to"], json!(["b@example.org"]));
    let elsewhere =
        put(json!({ "name": "Post", "config": config("mail.example.com", "b@example.org") }));
    assert_eq!(
        elsewhere["has_secret"], false,
        "it is sent to no other server"
    );
    let again = json!({ "name": "Post", "config": config("mail.example.com", "b@example.org"), "secret": "of another" });
    assert_eq!(put(again)["has_secret"], true);
}
