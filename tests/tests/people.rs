//! Who may do what: people, groups, sessions, tokens, and each operation against each permission.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use coffer_server::http::DEFAULT_UPLOAD_QUOTA;
use coffer_tests::site::{Answer, NAME, PASSWORD, Site, Start};
use serde_json::{Value, json};

const BARE: Start = Start {
    demo: false,
    upload_quota: DEFAULT_UPLOAD_QUOTA,
};
const JSON: (&str, &str) = ("content-type", "application/json");
const SOME_ID: &str = "0123456789abcdef0123456789abcdef";
const PERMISSIONS: [&str; 5] = ["view", "back_up", "restore", "configure", "administer"];
const OTHER_PASSWORD: &str = "another horse battery";

/// An operation of the API, as its description says.
#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    permission: String,
}

impl Operation {
    /// Whether somebody with these permissions, for everything, is let in.
    fn lets_in(&self, held: &[&str], token: bool) -> bool {
        match self.permission.as_str() {
            "public" | "signed_in" => true,
            "session" => !token,
            words => words.split(' ').any(|word| held.contains(&word)),
        }
    }

    /// Asks for it, about something that isn't there, with a body that nothing can be done with.
    fn ask(&self, site: &Site, headers: &[(&str, &str)]) -> Answer {
        let mut sent = vec![JSON];
        sent.extend_from_slice(headers);
        site.send(&self.method, &self.path, &sent, b"{\"nothing\":1}")
    }
}

/// All operations, out of the description that the server gives.
fn operations(site: &Site) -> Vec<Operation> {
    let document = site.get("/api/openapi.json").expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push(Operation {
                method: method.to_uppercase(),
                path: path
                    .split('/')
                    .map(|part| if part.starts_with('{') { SOME_ID } else { part })
                    .collect::<Vec<_>>()
                    .join("/"),
                permission: operation["x-permission"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{method} {path} does not say what it needs"))
                    .to_owned(),
            });
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}

fn add_group(site: &Site, name: &str, permissions: &[&str], sources: Option<&[&str]>) -> String {
    let group = json!({ "name": name, "permissions": permissions, "sources": sources });
    let added = site.post("/api/groups", &group).expect(201).json();
    added["id"].as_str().unwrap().to_owned()
}

/// Adds a user, signed in, with the user's id.
fn add_user(site: &Site, name: &str, groups: &[&str]) -> (String, Site) {
    let user = json!({ "name": name, "groups": groups });
    let added = site.post("/api/users", &user).expect(201).json();
    let token = added["link"]["token"].as_str().unwrap();
    let id = added["user"]["id"].as_str().unwrap().to_owned();
    (id, site.by_link(token, OTHER_PASSWORD))
}

fn make_token(site: &Site, permissions: &[&str], sources: Option<&[&str]>) -> Answer {
    let token =
        json!({ "name": "program", "permissions": permissions, "sources": sources, "days": 7 });
    site.post("/api/account/tokens", &token)
}

fn patch(site: &Site, path: &str, change: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut sent = vec![JSON];
    sent.extend_from_slice(headers);
    site.send("PATCH", path, &sent, change.to_string().as_bytes())
}

/// Every operation × every permission, nothing, everything; by session, by token, disabled, expired, and unsigned.
#[test]
fn each_operation_lets_in_whom_its_description_says() {
    let (folder, site) = Site::signed_in(BARE);
    let operations = operations(&site);
    let mut words: Vec<&str> = operations
        .iter()
        .map(|operation| operation.permission.as_str())
        .collect();
    words.sort_unstable();
    words.dedup();
    for word in PERMISSIONS {
        let used = words
            .iter()
            .any(|words| words.split(' ').any(|one| one == word));
        assert!(used, "no operation needs {word}");
    }

    let mut kinds: BTreeMap<&str, Vec<&str>> =
        PERMISSIONS.iter().map(|&word| (word, vec![word])).collect();
    kinds.insert("nothing", vec![]);
    kinds.insert("everything", PERMISSIONS.to_vec());
    let mut checked = 0;
    for (name, held) in &kinds {
        let group = add_group(&site, name, held, None);
        let (_, user) = add_user(&site, name, &[&group]);
        let token = (!held.is_empty()).then(|| {
            let made = make_token(&user, held, None).expect(201).json();
            format!("Bearer {}", made["secret"].as_str().unwrap())
        });
        let program = site.stranger();
        for operation in &operations {
            let mut refused = |answer: &Answer, lets_in: bool, how: &str| {
                let is_refused = matches!(answer.status, 401 | 403)
                    && (operation.method == "HEAD"
                        || matches!(
                            answer.problem().1.as_str(),
                            "not_signed_in" | "not_permitted" | "needs_session"
                        ));
                assert_eq!(
                    is_refused, !lets_in,
                    "{operation:?} by {how} with {held:?}: {answer:?}"
                );
                assert_ne!(answer.status, 500, "{operation:?}: {answer:?}");
                checked += 1;
            };
            if let Some(token) = &token {
                let answer = operation.ask(&program, &[("authorization", token)]);
                refused(&answer, operation.lets_in(held, true), "token");
            }
            // Signing out ends the session, so each operation gets one of its own where it does.
            if operation.method == "DELETE" && operation.path == "/api/session" {
                continue;
            }
            let answer = operation.ask(&user, &[]);
            refused(&answer, operation.lets_in(held, false), "session");
        }
    }
    assert!(checked > operations.len() * 12, "{checked}");

    // Nobody, a disabled user, and a token that has ended: nothing but what is open.
    let group = add_group(&site, "all", &PERMISSIONS, None);
    let (id, disabled) = add_user(&site, "disabled", &[&group]);
    let ended = make_token(&disabled, &PERMISSIONS, None).expect(201).json();
    let (_, expired) = add_user(&site, "expired", &[&group]);
    let old = make_token(&expired, &PERMISSIONS, None).expect(201).json();
    patch(
        &site,
        &format!("/api/users/{id}"),
        &json!({ "disabled": true }),
        &[],
    )
    .expect(200);
    expire(&folder, old["id"].as_str().unwrap());
    let bearer = |made: &Value| format!("Bearer {}", made["secret"].as_str().unwrap());
    let nobody = site.stranger();
    for operation in &operations {
        let open = operation.permission == "public";
        for (site, headers) in [
            (&nobody, vec![]),
            (&disabled, vec![]),
            (&nobody, vec![("authorization", bearer(&ended))]),
            (&nobody, vec![("authorization", bearer(&old))]),
            // A token that doesn't work is no reason to look at cookies.
            (&expired, vec![("authorization", bearer(&old))]),
        ] {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let answer = operation.ask(site, &headers);
            if open {
                assert_ne!(answer.status, 403, "{operation:?}: {answer:?}");
            } else if operation.method == "HEAD" {
                assert_eq!(answer.status, 401, "{operation:?}");
            } else {
                assert_eq!(
                    answer.problem(),
                    (401, "not_signed_in".into()),
                    "{operation:?}"
                );
            }
        }
    }
}

/// Lets a token end, as time would.
fn expire(folder: &tempfile::TempDir, token: &str) {
    let file = folder.path().join("data/catalog.sqlite");
    let catalog = rusqlite::Connection::open(file).unwrap();
    catalog
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let changed = catalog
        .execute(
            "UPDATE tokens SET expires_at = '2020-01-01T00:00:00Z' WHERE id = ?",
            [token],
        )
        .unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn the_first_administrator_is_made_once_and_signs_in_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::start(folder.path().join("data"), BARE);
    let session = site.get("/api/session").expect(200).json();
    assert_eq!(session["set_up"], true);
    let chosen = |name: Option<&str>, password: &str| json!({ "token": site.token, "name": name, "password": password });
    // What is refused doesn't use the link up.
    let short = site.post("/api/session/link", &chosen(Some(NAME), "short"));
    assert_eq!(short.problem(), (422, "bad_password".into()));
    let nameless = site.post("/api/session/link", &chosen(None, PASSWORD));
    assert_eq!(nameless.problem(), (422, "no_name".into()));
    let wrong = json!({ "token": "0".repeat(64), "name": NAME, "password": PASSWORD });
    let wrong = site.post("/api/session/link", &wrong);
    assert_eq!(wrong.problem(), (401, "wrong_link".into()));
    site.sign_in();
    let session = site.get("/api/session").expect(200).json();
    assert_eq!(session["user"]["name"], NAME);
    assert_eq!(session["set_up"], false);
    assert_eq!(session["rights"]["everywhere"], json!(PERMISSIONS));

    // The session outlives the process; and there is no further link.
    let cookie = site.cookie().to_owned();
    let site = site.restarted(BARE);
    assert_eq!(site.token, "");
    let answer = site
        .stranger()
        .send("GET", "/api/sources", &[("cookie", &cookie)], &[]);
    assert_eq!(answer.status, 200);
    let sessions = site.get("/api/account/sessions").expect(200).json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    assert_eq!(
        sessions
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["this"] == true)
            .count(),
        1
    );
    // Neither password nor cookie nor link stand in the catalog.
    let secret = cookie.split_once('=').unwrap().1;
    for entry in std::fs::read_dir(&site.data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            for hidden in [secret, PASSWORD] {
                let found = content
                    .windows(hidden.len())
                    .any(|part| part == hidden.as_bytes());
                assert!(!found, "{}", path.display());
            }
        }
    }
}

#[test]
fn guessing_is_slowed_the_same_for_names_that_nobody_has() {
    let (_folder, site) = Site::signed_in(BARE);
    let stranger = site.stranger();
    let sign_in = |name: &str, password: &str| {
        stranger.post(
            "/api/session",
            &json!({ "name": name, "password": password }),
        )
    };
    sign_in("ADA", PASSWORD).expect(204);
    for name in [NAME, "Nobody"] {
        for _ in 0..5 {
            assert_eq!(
                sign_in(name, "guess guess guess").problem(),
                (401, "wrong_password".into())
            );
        }
        let locked = sign_in(name, PASSWORD);
        assert_eq!(locked.problem(), (429, "too_many_tries".into()));
        assert!(locked.header("retry-after").parse::<u64>().unwrap() <= 60);
    }
    // Ten wrong ones from this address; after twenty, nobody gets in from here.
    for number in 0..10 {
        assert_eq!(sign_in(&format!("Name {number}"), PASSWORD).status, 401);
    }
    assert_eq!(sign_in("Somebody", PASSWORD).status, 429);
    // Who is signed in stays so.
    site.get("/api/sources").expect(200);
    // All of it stands in the audit log, with the names that were tried and no password.
    let log = site.get("/api/audit-log?limit=5").expect(200);
    let text = String::from_utf8(log.body.clone()).unwrap();
    assert!(
        text.contains("too_many_tries") && text.contains("Somebody"),
        "{text}"
    );
    assert!(!text.contains("horse"), "{text}");
    assert_eq!(log.json()["items"][0]["address"], "127.0.0.1");
}

#[test]
fn nobody_gives_what_he_lacks() {
    let (_folder, site) = Site::signed_in(Start::default());
    let demo = site.demo();
    let keepers = add_group(&site, "Keepers", &["view", "administer"], None);
    let (_, keeper) = add_user(&site, "Kim", &[&keepers]);
    let exceeds = (403, "exceeds_own_rights".to_owned());

    let more = json!({ "name": "More", "permissions": ["restore"], "sources": [demo] });
    assert_eq!(keeper.post("/api/groups", &more).problem(), exceeds);
    let administrators = group_named(&site, "Administrators");
    let joining = json!({ "name": "Mallory", "groups": [administrators] });
    assert_eq!(keeper.post("/api/users", &joining).problem(), exceeds);
    // Nor to oneself, nor by a group that one is in already, nor by somebody else's link.
    let own = keeper.get("/api/session").json()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let groups = json!({ "groups": [keepers, administrators] });
    assert_eq!(
        patch(&keeper, &format!("/api/users/{own}"), &groups, &[]).problem(),
        exceeds
    );
    let grown =
        json!({ "name": "Keepers", "permissions": PERMISSIONS, "sources": null }).to_string();
    let path = format!("/api/groups/{keepers}");
    assert_eq!(
        keeper
            .send("PUT", &path, &[JSON], grown.as_bytes())
            .problem(),
        exceeds
    );
    let ada = site.get("/api/session").json()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let link = keeper.post(&format!("/api/users/{ada}/link"), &json!({}));
    assert_eq!(link.problem(), exceeds);
    assert_eq!(make_token(&keeper, &["restore"], None).problem(), exceeds);
    assert_eq!(make_token(&keeper, &[], None).problem(), exceeds);
    assert_eq!(
        keeper.get("/api/session").json()["rights"]["everywhere"],
        json!(["view", "administer"])
    );
    // What he has, he gives.
    let lookers = add_group(&keeper, "Lookers", &["view"], None);
    add_user(&keeper, "Lou", &[&lookers]);
}

fn group_named(site: &Site, name: &str) -> String {
    let groups = site.get("/api/groups").expect(200).json();
    let found = groups
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["name"] == name);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn somebody_always_administers() {
    let (_folder, site) = Site::signed_in(BARE);
    let last = (409, "last_administrator".to_owned());
    let own = site.get("/api/session").json()["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/users/{own}");
    assert_eq!(site.delete(&path).problem(), last);
    assert_eq!(
        patch(&site, &path, &json!({ "disabled": true }), &[]).problem(),
        last
    );
    assert_eq!(
        patch(&site, &path, &json!({ "groups": [] }), &[]).problem(),
        last
    );
    let administrators = group_named(&site, "Administrators");
    assert_eq!(
        site.delete(&format!("/api/groups/{administrators}"))
            .problem(),
        last
    );
    // One who has not chosen a password is none yet.
    let second = json!({ "name": "Bob", "groups": [administrators] });
    let added = site.post("/api/users", &second).expect(201).json();
    assert_eq!(site.delete(&path).problem(), last);
    let bob = site.by_link(added["link"]["token"].as_str().unwrap(), OTHER_PASSWORD);
    site.delete(&path).expect(204);
    assert_eq!(
        site.get("/api/sources").status,
        401,
        "the session went with its user"
    );
    bob.get("/api/users").expect(200);
}

#[test]
fn a_change_of_what_was_not_looked_at_is_refused() {
    let (_folder, site) = Site::signed_in(BARE);
    let group = add_group(&site, "Lookers", &["view"], None);
    let path = format!("/api/groups/{group}");
    let tag = site.get(&path).expect(200).header("etag").to_owned();
    let put = |name: &str, tag: &str| {
        let content = json!({ "name": name, "permissions": ["view"] }).to_string();
        site.send("PUT", &path, &[JSON, ("if-match", tag)], content.as_bytes())
    };
    let changed = put("Onlookers", &tag).expect(200);
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(put("Others", &tag).problem(), (412, "changed".into()));
    assert_eq!(site.get(&path).json()["name"], "Onlookers");
    put("Others", changed.header("etag")).expect(200);
}

#[test]
fn who_has_one_source_sees_and_touches_no_other() {
    let (_folder, site) = Site::signed_in(Start::default());
    let demo = site.demo();
    let second = json!({ "name": "Second", "url": format!("sqlite:{}", site.data.join("demo/helpdesk.sqlite").display()) });
    let second = site.post("/api/sources", &second).expect(201).json();
    let second = second["id"].as_str().unwrap();
    let group = add_group(
        &site,
        "Of the demo",
        &["view", "back_up", "restore", "configure"],
        Some(&[&demo]),
    );
    let (_, user) = add_user(&site, "Dana", &[&group]);
    let seen = user.get("/api/sources").expect(200).json();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["id"], json!(demo));
    let not_permitted = (403, "not_permitted".to_owned());
    let backup = json!({ "profile": SOME_ID });
    let refused = user.post(&format!("/api/sources/{second}/backups"), &backup);
    assert_eq!(refused.problem(), not_permitted);
    let allowed = user.post(&format!("/api/sources/{demo}/backups"), &backup);
    assert_eq!(allowed.problem(), (422, "no_profile".into()));
    assert_eq!(
        user.delete(&format!("/api/sources/{second}")).problem(),
        not_permitted
    );
    let plan = json!({ "target": second, "manifest": "{}", "mode": "replace" });
    assert_eq!(user.post("/api/plans", &plan).problem(), not_permitted);
    // What is of no source needs the permission for everything.
    let new = json!({ "name": "Third", "url": "sqlite:/nowhere" });
    assert_eq!(user.post("/api/sources", &new).problem(), not_permitted);
    // A token of his is narrower still.
    let made = make_token(&user, &["view"], Some(&[&demo]))
        .expect(201)
        .json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let program = site.stranger();
    let ask = |method: &str, path: &str| {
        program.send(method, path, &[JSON, ("authorization", &bearer)], b"{}")
    };
    assert_eq!(
        ask("GET", "/api/sources").json().as_array().unwrap().len(),
        1
    );
    assert_eq!(
        ask("DELETE", &format!("/api/sources/{demo}")).problem(),
        not_permitted
    );
    assert!(made["secret"].as_str().unwrap().starts_with("coffer_"));
    let listed = user.get("/api/account/tokens").expect(200);
    assert!(!String::from_utf8_lossy(&listed.body).contains(made["secret"].as_str().unwrap()));
    user.delete(&format!(
        "/api/account/tokens/{}",
        made["id"].as_str().unwrap()
    ))
    .expect(204);
    assert_eq!(ask("GET", "/api/sources").status, 401);
}

#[test]
fn a_new_password_ends_all_other_sessions() {
    let (_folder, site) = Site::signed_in(BARE);
    let mut other = site.stranger();
    other.token.clear();
    other.sign_in();
    let change = |old: &str, new: &str| {
        let body = json!({ "old": old, "new": new }).to_string();
        site.send("PUT", "/api/account/password", &[JSON], body.as_bytes())
    };
    assert_eq!(
        change("wrong wrong wrong", OTHER_PASSWORD).problem(),
        (422, "wrong_password".into())
    );
    other.get("/api/sources").expect(200);
    change(PASSWORD, OTHER_PASSWORD).expect(204);
    site.get("/api/sources").expect(200);
    assert_eq!(other.get("/api/sources").status, 401);
    let again = json!({ "name": NAME, "password": OTHER_PASSWORD });
    site.stranger().post("/api/session", &again).expect(204);
}

#[test]
fn the_audit_log_tells_who_did_what_and_is_read_in_parts() {
    let (_folder, site) = Site::signed_in(BARE);
    for number in 0..5 {
        add_group(&site, &format!("Group {number}"), &["view"], None);
    }
    site.get("/api/groups").expect(200);
    let nameless = json!({ "name": "", "permissions": ["view"] });
    site.post("/api/groups", &nameless).expect(422);
    let mut lines = Vec::new();
    let mut path = "/api/audit-log?limit=3".to_owned();
    loop {
        let part = site.get(&path).expect(200).json();
        lines.extend(part["items"].as_array().unwrap().clone());
        match part["next"].as_str() {
            Some(next) => path = format!("/api/audit-log?limit=3&cursor={next}"),
            None => break,
        }
    }
    let told: Vec<(&str, i64)> = lines
        .iter()
        .map(|line| {
            (
                line["action"].as_str().unwrap(),
                line["status"].as_i64().unwrap(),
            )
        })
        .collect();
    let mut expected = vec![("add_group", 422)];
    expected.extend([("add_group", 201); 5]);
    expected.push(("sign_in_by_link", 204));
    assert_eq!(told, expected);
    assert!(
        lines
            .iter()
            .all(|line| line["who"] == NAME && line["address"] == "127.0.0.1")
    );
    assert_eq!(lines[0]["code"], "bad_name");
    // It is only ever read.
    for method in ["DELETE", "PUT", "PATCH", "POST"] {
        let answer = site.send(method, "/api/audit-log", &[JSON], b"{}");
        assert_eq!(answer.problem(), (405, "no_such_method".into()));
    }
}
