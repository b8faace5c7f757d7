//! Rows brought together with those of the target, and parts of a bundle: rehearsed, confirmed, done.

use super::*;

impl Case {
    fn rehearse(&self, upload: &str, key: &str, mode: &str, selection: &Value) -> Value {
        let body = json!({
            "target": self.source, "upload": upload, "key": key, "mode": mode, "selection": selection,
            "consent": consent(),
        });
        let run = self.site.post("/api/rehearsals", &body).expect(202).json();
        self.site.ended(run["run"].as_str().unwrap())
    }

    /// Confirms what was rehearsed.
    fn confirm(
        &self,
        rehearsal: &Value,
        upload: &str,
        key: &str,
        mode: &str,
        selection: &Value,
    ) -> Value {
        let mut body = self.request(&rehearsal["result"], upload, key);
        body["mode"] = json!(mode);
        body["selection"] = selection.clone();
        body["rehearsed"] = json!(true);
        let run = self.site.post("/api/restores", &body).expect(202).json();
        self.site.ended(run["run"].as_str().unwrap())
    }

    /// The one number that a query of the demo gives.
    fn one(&self, query: &str) -> i64 {
        let connection = Connection::open(self.database()).unwrap();
        connection.query_row(query, [], |row| row.get(0)).unwrap()
    }

    fn samples(&self, rehearsal: &Value) -> Value {
        let id = rehearsal["id"].as_str().unwrap();
        let answer = self.site.get(&format!("/api/rehearsals/{id}/samples"));
        answer.expect(200).json()["samples"].clone()
    }
}

fn everything() -> Value {
    json!({ "tables": null, "file_sets": null })
}

/// What a plan says of each table's rows and each file set's files.
fn counts(plan: &Value) -> std::collections::BTreeMap<String, Value> {
    let all = ["tables", "file_sets"].map(|part| plan[part].as_array().unwrap().clone());
    let all = all.concat().into_iter().map(|one| {
        let name = one.get("table").unwrap_or(&one)["name"].clone();
        (name.as_str().unwrap().to_owned(), one["merge"].clone())
    });
    all.collect()
}

fn count(rehearsal: &Value, table: &str, what: &str) -> u64 {
    let plan = &rehearsal["result"]["plan"];
    let counts = counts(plan);
    counts[table][what].as_u64().unwrap_or_default()
}

#[test]
fn a_rehearsed_merge_is_confirmed_and_done_exactly() {
    for mode in ["skip", "overwrite"] {
        let case = Case::new();
        case.damage();
        // In mode skip nothing comes below what is there; a setting belongs to nobody.
        demo::execute(
            &case.database(),
            "DELETE FROM settings WHERE key = (SELECT max(key) FROM settings WHERE key <> 'app.version');",
        );
        let damaged = case.now();
        let files = demo::files(&demo::uploads(&case.site.data));
        let bundle = case.bundle();
        let (upload, key) = (case.upload(&bundle), bundle.key_text());

        let rehearsal = case.rehearse(&upload, &key, mode, &everything());
        assert_eq!(rehearsal["state"], "done", "{rehearsal}");
        assert_eq!(rehearsal["kind"], "rehearsal");
        let lost = case.before["messages"].len() - damaged["messages"].len();
        let comes = if mode == "skip" { 0 } else { lost };
        assert_eq!(count(&rehearsal, "messages", "insert"), comes as u64);
        assert_eq!(count(&rehearsal, "settings", "insert"), 1);
        let renamed = if mode == "skip" {
            0
        } else {
            case.before["customers"].len() as u64
        };
        assert_eq!(count(&rehearsal, "customers", "update"), renamed);
        // Rows that change are shown to who may restore, and are no part of what is written down of the run.
        let samples = case.samples(&rehearsal).to_string();
        assert_eq!(samples.contains("lost"), mode == "overwrite", "{samples}");
        let id = rehearsal["id"].as_str().unwrap();
        let recorded = case.site.get(&format!("/api/runs/{id}")).json();
        assert!(!recorded.to_string().contains("\"lost\""), "{recorded}");
        // A rehearsal leaves no trace, and the upload to be restored.
        assert_eq!(case.now(), damaged);
        assert_eq!(demo::files(&demo::uploads(&case.site.data)), files);
        assert_eq!(case.uploads_left(), 1);

        let view = case.confirm(&rehearsal, &upload, &key, mode, &everything());
        assert_eq!(view["state"], "done", "{view}");
        let now = case.now();
        assert_eq!(now["messages"].len(), damaged["messages"].len() + comes);
        assert_eq!(now["settings"], case.before["settings"]);
        if mode == "overwrite" {
            assert_eq!(now["messages"], case.before["messages"]);
        }
        let expected = if mode == "skip" {
            &damaged
        } else {
            &case.before
        };
        assert_eq!(now["customers"], expected["customers"]);
        let found = demo::files(&demo::uploads(&case.site.data));
        let whole = case
            .files
            .iter()
            .all(|(path, digest)| found.get(path) == Some(digest));
        assert!(whole || mode == "skip");
        assert!(
            found.contains_key(Path::new("stray.txt")),
            "no file of the target's goes"
        );
        assert_eq!(case.uploads_left(), 0);

        // The same once more changes nothing.
        let upload = case.upload(&bundle);
        let again = case.rehearse(&upload, &key, mode, &everything());
        for table in now.keys() {
            for what in ["insert", "update", "delete"] {
                let plan = &again["result"]["plan"];
                let counts = counts(plan);
                let found = counts
                    .get(table)
                    .map_or(0, |counts| counts[what].as_u64().unwrap_or(0));
                assert_eq!(found, 0, "{mode} {table} {what}");
            }
        }
        let view = case.confirm(&again, &upload, &key, mode, &everything());
        assert_eq!(view["state"], "done", "{view}");
        assert_eq!(view["result"]["safety_backup"], Value::Null);
        assert_eq!(case.now(), now);
    }
}

#[test]
fn tables_file_sets_and_single_records_of_a_bundle_are_restored_alone() {
    let case = Case::new();
    let ticket = case.one(
        "SELECT ticket_id FROM messages GROUP BY ticket_id HAVING sum(id % 2 = 0) > 1 AND sum(id % 2) > 0 LIMIT 1",
    );
    let whole = case.one(&format!(
        "SELECT count(*) FROM messages WHERE ticket_id = {ticket}"
    ));
    case.damage();
    let damaged = case.now();
    let bundle = case.bundle();
    let key = bundle.key_text();
    let tables = |names: &[&str]| -> Vec<Value> {
        let names = names.iter();
        names
            .map(|name| json!({ "schema": "main", "name": name }))
            .collect()
    };
    // One table, over rows that are there.
    let only = json!({ "tables": tables(&["customers"]), "file_sets": [] });
    let upload = case.upload(&bundle);
    let rehearsal = case.rehearse(&upload, &key, "overwrite", &only);
    assert_eq!(rehearsal["state"], "done", "{rehearsal}");
    let view = case.confirm(&rehearsal, &upload, &key, "overwrite", &only);
    assert_eq!(view["state"], "done", "{view}");
    let mut expected = damaged;
    expected.insert("customers".into(), case.before["customers"].clone());
    assert_eq!(case.now(), expected);

    // One ticket, with what belongs to it: whole tables are in the bundle, single rows are picked here.
    let picked = json!({
        "tables": null, "file_sets": [],
        "records": [{ "table": { "schema": "main", "name": "tickets" }, "key": { "id": ticket.to_string() } }],
    });
    let of_ticket = format!("SELECT count(*) FROM messages WHERE ticket_id = {ticket}");
    assert!(case.one(&of_ticket) < whole);
    let lost = usize::try_from(whole - case.one(&of_ticket)).unwrap();
    let upload = case.upload(&bundle);
    let rehearsal = case.rehearse(&upload, &key, "overwrite", &picked);
    assert_eq!(rehearsal["state"], "done", "{rehearsal}");
    assert_eq!(
        count(&rehearsal, "messages", "insert"),
        lost as u64,
        "{rehearsal}"
    );
    let view = case.confirm(&rehearsal, &upload, &key, "overwrite", &picked);
    assert_eq!(view["state"], "done", "{view}");
    let now = case.now();
    assert_eq!(case.one(&of_ticket), whole);
    assert_eq!(now["messages"].len(), expected["messages"].len() + lost);

    // The files alone.
    let only = json!({ "tables": [], "file_sets": ["uploads"] });
    let upload = case.upload(&bundle);
    let rehearsal = case.rehearse(&upload, &key, "replace", &only);
    assert_eq!(rehearsal["result"]["plan"]["blocked"], false, "{rehearsal}");
    let view = case.confirm(&rehearsal, &upload, &key, "replace", &only);
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(demo::files(&demo::uploads(&case.site.data)), case.files);
    assert_eq!(case.now(), now);
}

#[test]
fn a_merge_is_done_only_as_it_was_rehearsed() {
    let case = Case::new();
    case.damage();
    let bundle = case.bundle();
    let key = bundle.key_text();
    let upload = case.upload(&bundle);
    let rehearsal = case.rehearse(&upload, &key, "skip", &everything());
    assert_eq!(rehearsal["state"], "done", "{rehearsal}");
    let damaged = case.now();
    let refused = |upload: &str, mode: &str, selection: &Value| {
        let view = case.confirm(&rehearsal, upload, &key, mode, selection);
        assert_eq!(view["state"], "failed", "{view}");
        assert_eq!(view["error"]["code"], "plan_changed", "{view}");
        assert_eq!(case.now(), damaged);
    };
    // Another mode, another selection, or another bundle of the same archive and the same manifest's digest.
    refused(&upload, "overwrite", &everything());
    let fewer = json!({ "tables": [{ "schema": "main", "name": "messages" }], "file_sets": [] });
    refused(&case.upload(&bundle), "skip", &fewer);
    // Another key opens nothing, and the upload waits for the right one.
    let upload = case.upload(&bundle);
    let other = case.rehearse(
        &upload,
        &Base64::encode_string(&[1; 32]),
        "skip",
        &everything(),
    );
    assert_eq!(other["error"]["code"], "header_damaged", "{other}");
    assert_eq!(case.uploads_left(), 1);
    // A target that changed since.
    demo::execute(
        &case.database(),
        "UPDATE customers SET name = 'changed' WHERE id = 1;",
    );
    let changed = case.now();
    let view = case.confirm(&rehearsal, &upload, &key, "skip", &everything());
    assert_eq!(view["error"]["code"], "plan_changed", "{view}");
    assert_eq!(case.now(), changed);
    // The manifest alone doesn't tell what a merge does.
    let body = json!({ "target": case.source, "manifest": bundle.manifest, "mode": "skip", "consent": {} });
    let answer = case.site.post("/api/plans", &body);
    assert_eq!(answer.problem(), (422, "needs_rows".into()));
    let missing = format!("/api/rehearsals/{}/samples", "0".repeat(32));
    assert_eq!(
        case.site.get(&missing).problem(),
        (404, "no_rehearsal".into())
    );
}
