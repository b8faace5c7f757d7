//! Restores through the server: plan, upload, one-time key, apply; and what stays secret on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::HashSet,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use base64ct::{Base64, Base64Unpadded, Encoding};
use coffer_core::{
    manifest::Selection,
    schema::TableName,
    seal::{FileKey, Password},
};
use coffer_server::read::{FileSource, Look, OpenArchive, ReadAt, Unlock, look};
use coffer_tests::{
    bundle::Bundle,
    demo,
    keys::profile,
    site::{Site, Start},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

#[path = "http_restores/merges.rs"]
mod merges;

const PASSWORD: &str = "Früh übt sich & 4% Rabatt";

/// Everything that was logged, by every server of this file, at the finest level that can be asked for.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_env_filter("trace")
            .with_writer(log.clone())
            .init();
        log
    })
}

struct Case {
    _folder: tempfile::TempDir,
    site: Site,
    source: String,
    archive: OpenArchive,
    file_key: FileKey,
    before: demo::Dump,
    files: std::collections::BTreeMap<std::path::PathBuf, coffer_core::Digest>,
}

impl Case {
    /// The demo, backed up with its credentials; the archive is downloaded and opened with the password.
    fn new() -> Self {
        let _started = log();
        let (folder, site) = Site::signed_in(Start::default());
        let source = site.demo();
        let before = demo::dump(&demo::database(&site.data));
        let files = demo::files(&demo::uploads(&site.data));
        let profile = site
            .post("/api/profiles", &profile("At home", PASSWORD))
            .expect(201)
            .json();
        let body = json!({ "profile": profile["id"], "sensitive": true });
        let run = site
            .post(&format!("/api/sources/{source}/backups"), &body)
            .expect(202)
            .json();
        let view = site.ended(run["run"].as_str().unwrap());
        assert_eq!(view["state"], "done", "{view}");
        let id = view["result"]["backup"].as_str().unwrap();
        let bytes = site.get(&format!("/api/backups/{id}/archive")).expect(200);
        let copy = folder.path().join("copy.coffer");
        fs::write(&copy, bytes.body).unwrap();
        let file: Arc<dyn ReadAt> = Arc::new(FileSource::open(&copy).unwrap());
        let Look::Sealed(sealed) = look(&*file).unwrap() else {
            panic!("not sealed");
        };
        let file_key = sealed.unlock(&Password::new(PASSWORD)).unwrap();
        let archive = OpenArchive::open(file, &Unlock::FileKey(file_key.clone())).unwrap();
        Self {
            _folder: folder,
            site,
            source,
            archive,
            file_key,
            before,
            files,
        }
    }

    fn bundle(&self) -> Bundle {
        Bundle::of(&self.archive, &Selection::ALL)
    }

    fn database(&self) -> std::path::PathBuf {
        demo::database(&self.site.data)
    }

    fn now(&self) -> demo::Dump {
        demo::dump(&self.database())
    }

    fn damage(&self) {
        demo::execute(
            &self.database(),
            "DELETE FROM messages WHERE id % 2 = 0; UPDATE customers SET name = 'lost';",
        );
        let uploads = demo::uploads(&self.site.data);
        fs::write(uploads.join("stray.txt"), "was not there").unwrap();
        fs::remove_file(uploads.join(self.files.keys().next().unwrap())).unwrap();
    }

    fn plan(&self, bundle: &Bundle, consent: &Value) -> Value {
        let body = json!({
            "target": self.source, "manifest": bundle.manifest, "mode": "replace", "consent": consent,
        });
        self.site.post("/api/plans", &body).expect(200).json()
    }

    fn upload(&self, bundle: &Bundle) -> String {
        let id = self.site.begin_upload("bundle").expect(201).json();
        let id = id["id"].as_str().unwrap().to_owned();
        let mut offset = 0;
        for piece in bundle.bytes.chunks(100_000) {
            let _taken = self.site.append(&id, offset, piece).expect(204);
            offset += piece.len() as u64;
        }
        id
    }

    fn request(&self, plan: &Value, upload: &str, key: &str) -> Value {
        json!({
            "target": self.source, "plan_digest": plan["digest"], "consent": consent(),
            "mode": "replace", "upload": upload, "key": key,
        })
    }

    fn restore(&self, plan: &Value, upload: &str, key: &str) -> Value {
        let body = self.request(plan, upload, key);
        let run = self.site.post("/api/restores", &body).expect(202).json();
        let run = run["run"].as_str().unwrap();
        let (last, view) = self.site.events(run).pop().unwrap();
        assert_eq!(last, "end");
        view
    }

    fn uploads_left(&self) -> usize {
        let found = fs::read_dir(self.site.data.join("uploads")).unwrap();
        // Beside the bytes of each lies its record.
        found
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
            .collect::<HashSet<_>>()
            .len()
    }
}

/// What a user who knows what a restore does allows.
fn consent() -> Value {
    json!({ "replace_existing": true })
}

/// The forms in which a secret could be found.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let listed = format!("{secret:?}");
    vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        Base64::encode_string(secret).into_bytes(),
        Base64Unpadded::encode_string(secret).into_bytes(),
        listed.trim_matches(['[', ']']).as_bytes().to_vec(),
    ]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fn all_files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    demo::files(folder)
        .into_keys()
        .map(|path| {
            let bytes = fs::read(folder.join(&path)).unwrap();
            (path, bytes)
        })
        .collect()
}

#[test]
fn a_damaged_application_is_restored_and_nothing_secret_is_left_anywhere() {
    let case = Case::new();
    case.damage();
    let bundle = case.bundle();

    let refused = case.plan(&bundle, &json!({}));
    assert_eq!(refused["plan"]["blocked"], true);
    assert_eq!(refused["plan"]["findings"][0]["code"], "not_empty");
    let plan = case.plan(&bundle, &consent());
    assert_eq!(plan["plan"]["blocked"], false, "{plan}");
    assert_eq!(case.plan(&bundle, &consent()), plan, "the same again");

    let upload = case.upload(&bundle);
    let on_the_way = all_files(&case.site.data);
    let view = case.restore(&plan, &upload, &bundle.key_text());
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(view["result"]["rows"], case.archive.manifest.total_rows());
    assert_eq!(case.now(), case.before);
    assert_eq!(demo::files(&demo::uploads(&case.site.data)), case.files);
    assert_eq!(case.uploads_left(), 0);
    let again = case.request(&plan, &upload, &bundle.key_text());
    assert_eq!(
        case.site.post("/api/restores", &again).problem(),
        (404, "no_upload".into())
    );

    // Neither the password nor a key that opens anything: on disk, in the catalog, in what was logged.
    let secrets = [
        PASSWORD.as_bytes(),
        &bundle.key,
        case.file_key.expose(),
        case.site.token.as_bytes(),
        case.site.cookie().rsplit('=').next().unwrap().as_bytes(),
    ];
    let logged = log().0.lock().unwrap().clone();
    assert!(
        contains(&logged, b"answered"),
        "the log is really looked at"
    );
    let after = all_files(&case.site.data);
    assert!(
        after
            .iter()
            .any(|(path, _)| path.ends_with("catalog.sqlite"))
    );
    for secret in secrets {
        for form in forms(secret) {
            for (path, bytes) in on_the_way.iter().chain(&after) {
                assert!(!contains(bytes, &form), "{}", path.display());
            }
            assert!(!contains(&logged, &form), "in the log");
        }
    }
    // The check finds what is there: the profile's recipient is in the catalog.
    let recipient = case.site.get("/api/profiles").json()[0]["keys"][0]["recipient"].clone();
    let recipient = recipient.as_str().unwrap().as_bytes().to_vec();
    assert!(after.iter().any(|(_, bytes)| contains(bytes, &recipient)));
}

#[test]
fn some_tables_are_restored_alone() {
    let case = Case::new();
    let selection = Selection {
        tables: Some(vec![TableName::new("main", "customers")]),
        file_sets: Some(vec![]),
        ..Selection::ALL
    };
    let bundle = Bundle::of(&case.archive, &selection);
    case.damage();
    let damaged = case.now();
    let plan = case.plan(&bundle, &consent());
    let view = case.restore(&plan, &case.upload(&bundle), &bundle.key_text());
    assert_eq!(view["state"], "done", "{view}");
    let mut expected = damaged;
    expected.insert("customers".into(), case.before["customers"].clone());
    assert_eq!(case.now(), expected);
    assert!(demo::uploads(&case.site.data).join("stray.txt").exists());
}

#[test]
fn whatever_is_wrong_changes_nothing_and_removes_the_upload() {
    let case = Case::new();
    case.damage();
    let damaged = case.now();
    let files = demo::files(&demo::uploads(&case.site.data));
    let bundle = case.bundle();
    let plan = case.plan(&bundle, &consent());
    let key = bundle.key_text();
    let failed = |plan: &Value, bundle: &Bundle, key: &str| {
        let view = case.restore(plan, &case.upload(bundle), key);
        assert_eq!(view["state"], "failed", "{view}");
        assert_eq!(case.uploads_left(), 0);
        view["error"]["code"].as_str().unwrap().to_owned()
    };

    let other_key = Base64::encode_string(&[1; 32]);
    assert_eq!(failed(&plan, &bundle, &other_key), "header_damaged");
    let cut = Bundle {
        bytes: bundle.bytes[..bundle.bytes.len() - 1].to_vec(),
        manifest: bundle.manifest.clone(),
        ..bundle
    };
    assert_eq!(failed(&plan, &cut, &key), "cut_short");
    let mut flipped = case.bundle();
    let middle = flipped.bytes.len() / 2;
    flipped.bytes[middle] ^= 1;
    let its_plan = case.plan(&flipped, &consent());
    assert_eq!(
        failed(&its_plan, &flipped, &flipped.key_text()),
        "chunk_damaged"
    );
    let refused = case.plan(&flipped, &json!({}));
    // Consent that the plan did not have makes it another plan.
    assert_eq!(
        failed(&refused, &mended(&flipped), &flipped.key_text()),
        "plan_changed"
    );

    assert_eq!(case.now(), damaged);
    // The target changed after the plan was made.
    let whole = case.bundle();
    let plan = case.plan(&whole, &consent());
    demo::execute(&case.database(), "DELETE FROM messages WHERE id = 1;");
    let damaged = case.now();
    assert_eq!(failed(&plan, &whole, &whole.key_text()), "plan_changed");
    assert_eq!(case.now(), damaged);
    assert_eq!(demo::files(&demo::uploads(&case.site.data)), files);
}

/// The page asks for the plan before the server has a row.
#[test]
fn rows_that_do_not_fit_are_counted_before_anything_is_changed() {
    let case = Case::new();
    let newer = |ip: &str| {
        format!(
            "DROP TABLE audit_log;
             CREATE TABLE audit_log (id INTEGER PRIMARY KEY AUTOINCREMENT, agent_id INTEGER REFERENCES agents (id) ON DELETE SET NULL,
                 action TEXT NOT NULL, detail TEXT, ip TEXT{ip}, at TEXT NOT NULL, country TEXT DEFAULT 'unknown');"
        )
    };
    demo::execute(&case.database(), &newer(" NOT NULL"));
    demo::execute(&case.database(), "ALTER TABLE tags DROP COLUMN colour;");
    let bundle = case.bundle();
    let table = |plan: &Value, name: &str| -> Value {
        let findings = plan["plan"]["findings"].as_array().unwrap();
        let mut found = findings.iter().filter(|finding| finding["code"] == "drift");
        found
            .find(|finding| finding["table"]["name"] == name)
            .unwrap()
            .clone()
    };
    let refused = case.plan(&bundle, &consent());
    assert_eq!(refused["plan"]["blocked"], true);
    assert_eq!(table(&refused, "tags")["outcome"], "needs_decision");
    let mut consent = consent();
    consent["decisions"] = json!({
        "drop_columns": [{ "table": { "schema": "main", "name": "tags" }, "column": "colour" }]
    });
    let plan = case.plan(&bundle, &consent);
    assert_eq!(plan["plan"]["blocked"], false, "{plan}");
    assert_eq!(table(&plan, "tags")["outcome"], "decided");
    assert_eq!(table(&plan, "audit_log")["outcome"], "not_read_yet");

    let restore = |plan: &Value| {
        let mut body = case.request(plan, &case.upload(&bundle), &bundle.key_text());
        body["consent"] = consent.clone();
        let run = case.site.post("/api/restores", &body).expect(202).json();
        case.site.ended(run["run"].as_str().unwrap())
    };
    let before = case.now();
    let view = restore(&plan);
    assert_eq!(view["error"]["code"], "plan_blocked", "{view}");
    let without = case.before["audit_log"]
        .iter()
        .filter(|row| row.split('\t').nth(4) == Some("NULL"))
        .count();
    assert!(without > 1);
    let detail = view["error"]["detail"].as_str().unwrap();
    let expected = format!(
        "the column ip is TEXT in the archive, TEXT not null in the target, and {without} rows do not fit"
    );
    assert!(detail.contains(&expected), "{detail}");
    assert_eq!(case.now(), before);

    // Where all of them fit, it goes through.
    demo::execute(&case.database(), &newer(""));
    let plan = case.plan(&bundle, &consent);
    let view = restore(&plan);
    assert_eq!(view["state"], "done", "{view}");
    let now = case.now();
    assert_eq!(now["messages"], case.before["messages"]);
    assert_eq!(now["audit_log"].len(), case.before["audit_log"].len());
    assert!(now["audit_log"].iter().all(|row| row.contains("unknown")));
}

/// The bundle with its flipped bit turned back.
fn mended(flipped: &Bundle) -> Bundle {
    let mut bytes = flipped.bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Bundle {
        manifest: flipped.manifest.clone(),
        key: flipped.key,
        bytes,
    }
}

#[test]
fn requests_that_cannot_be_right_start_nothing() {
    let case = Case::new();
    let bundle = case.bundle();
    let plan = case.plan(&bundle, &consent());
    let upload = case.upload(&bundle);
    let good = case.request(&plan, &upload, &bundle.key_text());
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        case.site.post("/api/restores", &body).problem()
    };
    let nobody = json!("0123456789abcdef0123456789abcdef");
    assert_eq!(with("target", nobody.clone()), (404, "no_source".into()));
    assert_eq!(with("upload", nobody), (404, "no_upload".into()));
    for key in [
        "",
        "AAAA",
        "not base64",
        &"A".repeat(10_000),
        &Base64::encode_string(&[0; 33]),
    ] {
        assert_eq!(with("key", json!(key)), (422, "bad_key".into()));
    }
    assert_eq!(with("mode", json!("merge")), (400, "bad_json".into()));
    assert_eq!(with("plan_digest", json!("00")), (400, "bad_json".into()));
    assert_eq!(
        with("upload", json!("../../catalog.sqlite")),
        (400, "bad_json".into())
    );
    let manifest =
        json!({ "target": case.source, "manifest": "{}", "mode": "replace", "consent": {} });
    let answer = case.site.post("/api/plans", &manifest);
    assert_eq!(answer.problem(), (422, "manifest_invalid".into()));
    assert_eq!(
        case.uploads_left(),
        1,
        "the upload waits for a request that is right"
    );
    assert_eq!(case.now(), case.before);
}

#[test]
fn a_target_takes_one_restore_at_a_time() {
    let case = Case::new();
    let bundle = case.bundle();
    let plan = case.plan(&bundle, &consent());
    let (first, second) = (case.upload(&bundle), case.upload(&bundle));
    let key = bundle.key_text();
    // Somebody writes, so the first restore has to wait.
    let application = Connection::open(case.database()).unwrap();
    application.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = case
        .site
        .post("/api/restores", &case.request(&plan, &first, &key));
    let run = started.expect(202).json();
    let busy = case
        .site
        .post("/api/restores", &case.request(&plan, &second, &key));
    assert_eq!(busy.problem(), (409, "busy".into()));
    application.execute_batch("ROLLBACK").unwrap();
    let view = case.site.ended(run["run"].as_str().unwrap());
    assert_eq!(view["state"], "done", "{view}");
    let view = case.restore(&plan, &second, &key);
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(case.now(), case.before);
}

/// What is kept of the demo, the latest first.
fn safety_backups(case: &Case) -> Vec<Value> {
    let answer = case.site.get("/api/safety-backups").expect(200).json();
    assert_eq!(answer["unreadable"], json!([]));
    answer["safety_backups"].as_array().unwrap().clone()
}

/// Asks for the plan of an undo, or has one carried out.
fn ask(case: &Case, kept: &Value, what: &str, more: &Value) -> coffer_tests::site::Answer {
    let mut body = json!({ "target": case.source });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let id = kept["id"].as_str().unwrap();
    case.site
        .post(&format!("/api/safety-backups/{id}/{what}"), &body)
}

fn undo(case: &Case, kept: &Value, consent: &Value) -> Value {
    let more = json!({ "consent": consent });
    let made = ask(case, kept, "plan", &more).expect(200).json();
    let more = json!({ "consent": consent, "plan_digest": made["digest"] });
    let run = ask(case, kept, "undo", &more).expect(202).json();
    case.site.ended(run["run"].as_str().unwrap())
}

/// Damages the demo and restores it. Returns what the plan was.
fn damaged_and_restored(case: &Case) -> Value {
    case.damage();
    let bundle = case.bundle();
    let plan = case.plan(&bundle, &consent());
    let view = case.restore(&plan, &case.upload(&bundle), &bundle.key_text());
    assert_eq!(view["state"], "done", "{view}");
    plan
}

#[test]
fn a_restore_is_undone_and_the_undo_too() {
    let case = Case::new();
    assert_eq!(safety_backups(&case), Vec::<Value>::new());
    case.damage();
    let (damaged, damaged_files) = (case.now(), demo::files(&demo::uploads(&case.site.data)));
    let bundle = case.bundle();
    let plan = case.plan(&bundle, &consent());
    let view = case.restore(&plan, &case.upload(&bundle), &bundle.key_text());
    assert_eq!(view["state"], "done", "{view}");

    let kept = safety_backups(&case);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["id"], view["result"]["safety_backup"]["id"]);
    assert_eq!(kept[0]["sources"], json!([case.source]));
    assert_eq!(
        (&kept[0]["before"], &kept[0]["restore"]),
        (&json!("restore"), &json!("committed"))
    );
    // Exactly what was replaced: not what the preset leaves out.
    let replaced = case.archive.manifest.tables.iter();
    let rows: usize = replaced.map(|data| damaged[&data.table.name].len()).sum();
    assert_eq!(kept[0]["rows"], rows);

    let made = ask(&case, &kept[0], "plan", &json!({})).expect(200).json();
    assert_eq!(made["plan"]["blocked"], false, "{made}");
    assert_eq!(
        made["changed_since"],
        json!({ "tables": [], "file_sets": [] })
    );
    let view = undo(&case, &kept[0], &json!({}));
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(case.now(), damaged);
    assert_eq!(demo::files(&demo::uploads(&case.site.data)), damaged_files);

    let kept = safety_backups(&case);
    assert_eq!((kept.len(), &kept[0]["before"]), (2, &json!("undo")));
    let view = undo(&case, &kept[0], &json!({ "no_safety_backup": true }));
    assert_eq!(view["state"], "done", "{view}");
    assert_eq!(view["result"]["safety_backup"], Value::Null);
    assert_eq!(case.now(), case.before);
    assert_eq!(demo::files(&demo::uploads(&case.site.data)), case.files);
    assert_eq!(safety_backups(&case).len(), 2);
}

#[test]
fn an_undo_loses_nothing_that_came_after_unless_told_to() {
    let case = Case::new();
    let _plan = damaged_and_restored(&case);
    let later = "UPDATE customers SET name = 'later' WHERE id = 1;";
    demo::execute(&case.database(), later);
    let after = case.now();
    let kept = &safety_backups(&case)[0];

    let made = ask(&case, kept, "plan", &json!({})).expect(200).json();
    assert_eq!(
        made["changed_since"]["tables"],
        json!([{ "schema": "main", "name": "customers" }])
    );
    let view = undo(&case, kept, &json!({}));
    assert_eq!(view["error"]["code"], "changed_since", "{view}");
    assert_eq!(case.now(), after);
    // A plan for another consent, or of another moment, is another plan.
    let other = json!({ "plan_digest": made["digest"], "consent": { "no_safety_backup": true } });
    let run = ask(&case, kept, "undo", &other).expect(202).json();
    let view = case.site.ended(run["run"].as_str().unwrap());
    assert_eq!(view["error"]["code"], "plan_changed", "{view}");
    assert_eq!(case.now(), after);

    let view = undo(&case, kept, &json!({ "discard_changes": true }));
    assert_eq!(view["state"], "done", "{view}");
    assert_ne!(case.now(), after);
}

#[test]
fn an_undo_that_cannot_be_meant_starts_nothing() {
    let case = Case::new();
    let plan = damaged_and_restored(&case);
    let kept = safety_backups(&case)[0].clone();
    let digest = plan["digest"].clone();
    for id in ["20200101-000000-000000", "..%2F..%2Fcatalog", "safety"] {
        let nobody = json!({ "id": id });
        for what in ["plan", "undo"] {
            let more = if what == "plan" {
                json!({})
            } else {
                json!({ "plan_digest": digest })
            };
            let answer = ask(&case, &nobody, what, &more);
            assert_eq!(answer.problem(), (404, "no_safety_backup".into()), "{id}");
        }
    }
    let target = json!({ "target": "0123456789abcdef0123456789abcdef" });
    let answer = ask(&case, &kept, "plan", &target);
    assert_eq!(answer.problem(), (404, "no_source".into()));
    let unknown = json!({ "consent": { "replace_existing": true } });
    let answer = ask(&case, &kept, "plan", &unknown);
    assert_eq!(answer.problem(), (400, "bad_json".into()));
    // Without its key the server can't open what it kept, and says what can.
    fs::remove_file(case.site.data.join("safety/safety.key")).unwrap();
    let answer = ask(&case, &kept, "plan", &json!({}));
    assert_eq!(answer.problem(), (422, "safety_backup_locked".into()));
    assert_eq!(case.now(), case.before);
}
