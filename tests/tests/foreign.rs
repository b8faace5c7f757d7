//! Archives of Nosdesk, Nojoin and DBackup on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use coffer_core::rows::RowSet;
use coffer_tests::{
    coffer::{Run, coffer},
    postgres::Server,
};
use serde_json::Value;

#[path = "foreign/secrets.rs"]
mod secrets;

const PASSWORDS: [(&str, &str); 2] = [
    ("RIGHT", "correct horse battery staple"),
    ("WRONG", "battery staple"),
];

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// Runs a command on a file, with options behind it.
fn run(command: &str, file: &Path, options: &[&str]) -> Run {
    let mut arguments = vec![command, file.to_str().unwrap()];
    arguments.extend(options);
    coffer(arguments, &PASSWORDS)
}

fn json(command: &str, file: &Path, options: &[&str]) -> (i32, Value) {
    let run = run(command, file, &[options, &["--json"]].concat());
    (run.code, run.json())
}

fn key() -> String {
    sample("dbackup.key.hex").to_str().unwrap().to_owned()
}

/// A file, what opens it, its product, and its tables, rows and files.
type Sample<'a> = (&'a str, &'a [&'a str], &'a str, u64, u64, u64);

#[test]
fn every_sample_is_inspected_and_verified() {
    let key = key();
    let samples: [Sample<'_>; 5] = [
        ("nosdesk-plain.zip", &[], "nosdesk", 101, 429, 13),
        (
            "nosdesk-sensitive.zip",
            &["--password-env", "RIGHT"],
            "nosdesk",
            101,
            429,
            13,
        ),
        ("nojoin.zip", &[], "nojoin", 20, 187, 15),
        (
            "dbackup.json.gz.enc",
            &["--key-file", &key],
            "dbackup",
            12,
            40,
            0,
        ),
        ("dbackup-no-secrets.json.gz", &[], "dbackup", 12, 40, 0),
    ];
    for (name, options, product, tables, rows, files) in samples {
        for command in ["inspect", "verify"] {
            let (code, overview) = json(command, &sample(name), options);
            assert_eq!(code, 0, "{name} {overview}");
            assert_eq!(overview["product"], product, "{name}");
            assert_eq!(
                overview["tables"].as_array().unwrap().len() as u64,
                tables,
                "{name}"
            );
            assert_eq!(overview["rows"], rows, "{name}");
            assert_eq!(
                overview["files"].as_array().unwrap().len() as u64,
                files,
                "{name}"
            );
            assert_eq!(overview["errors"], 0, "{name}");
            assert_eq!(overview["files_read"], command == "verify", "{name}");
            let text = run(command, &sample(name), options).ok().stdout;
            for finding in overview["findings"].as_array().unwrap() {
                let message = finding["message"].as_str().unwrap();
                assert!(text.contains(message), "{name}: {message} is not in {text}");
            }
        }
    }
}

/// A sample with one byte changed.
fn changed(folder: &Path, name: &str, at: usize) -> PathBuf {
    let mut file = fs::read(sample(name)).unwrap();
    file[at] ^= 1;
    let path = folder.join(name);
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn what_does_not_open_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = key();
    let sidecar = sample("dbackup.json.gz.enc.meta.json");
    let sidecar = sidecar.to_str().unwrap();
    let alone = folder.join("backup.enc");
    fs::copy(sample("dbackup.json.gz.enc"), &alone).unwrap();
    let nameless = folder.join("backup");
    fs::copy(sample("dbackup.json.gz.enc"), &nameless).unwrap();
    let other = folder.join("other.hex");
    fs::write(&other, "ab".repeat(32)).unwrap();
    let other = other.to_str().unwrap();
    let newer = folder.join("newer.zip");
    let mut file = fs::read(sample("nosdesk-sensitive.zip")).unwrap();
    file[4] = 9;
    fs::write(&newer, &file).unwrap();
    let short = folder.join("short.zip");
    fs::write(&short, b"NODB\x02\0\0\0").unwrap();
    let sealed = changed(folder, "nosdesk-sensitive.zip", 40_000);
    let encrypted = changed(folder, "dbackup.json.gz.enc", 2_000);
    let packed = changed(folder, "dbackup-no-secrets.json.gz", 2_000);
    let text = folder.join("text.json");
    fs::write(&text, "{\"name\": \"coffer\"}").unwrap();
    let cases: [(&Path, &[&str], i32, &str); 12] = [
        (
            &sample("nosdesk-sensitive.zip"),
            &["--password-env", "WRONG"],
            3,
            "wrong_password_or_damaged",
        ),
        (
            &sealed,
            &["--password-env", "RIGHT"],
            3,
            "wrong_password_or_damaged",
        ),
        (
            &newer,
            &["--password-env", "RIGHT"],
            4,
            "unsupported_version",
        ),
        (&short, &["--password-env", "RIGHT"], 4, "cut_short"),
        (&alone, &[], 3, "sidecar_missing"),
        (&nameless, &["--key-file", &key], 3, "sidecar_missing"),
        (&nameless, &["--sidecar", sidecar], 3, "key_needed"),
        (
            &nameless,
            &["--sidecar", sidecar, "--key-file", other],
            3,
            "no_key_fits",
        ),
        (
            &encrypted,
            &["--sidecar", sidecar, "--key-file", &key],
            4,
            "damaged",
        ),
        (
            &nameless,
            &["--sidecar", sidecar, "--key-file", sidecar],
            2,
            "key_malformed",
        ),
        (&packed, &[], 4, "not_gzip"),
        (&text, &[], 4, "not_a_system_backup"),
    ];
    for (file, options, code, name) in cases {
        let before = fs::read(file).unwrap();
        for command in ["inspect", "verify"] {
            let (found, answer) = json(command, file, options);
            assert_eq!(answer["error"]["code"], name, "{} {answer}", file.display());
            assert_eq!(found, code, "{} {answer}", file.display());
        }
        assert_eq!(fs::read(file).unwrap(), before);
    }
}

#[test]
fn a_recovery_kit_opens_what_its_keys_fit() {
    use std::io::Write;
    use zip::{ZipWriter, write::SimpleFileOptions};
    let folder = tempfile::tempdir().unwrap();
    let kit = |name: &str, files: &[(&str, &str)]| {
        let path = folder.path().join(name);
        let mut zip = ZipWriter::new(fs::File::create(&path).unwrap());
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        path.to_str().unwrap().to_owned()
    };
    let right = fs::read_to_string(sample("dbackup.key.hex")).unwrap();
    let wrong = "cd".repeat(32);
    let list = r#"{"version": 1, "keys": [{"profileId": "cxnao9o4mbw387gl7c2jup5a1", "name": "Production",
                   "file": "Production.key"}, {"profileId": "other", "name": "Other", "file": "Other.key"}]}"#;
    let keys = |production, other| {
        [
            ("keys/keys.json", list),
            ("keys/Production.key", production),
            ("keys/Other.key", other),
            ("README.txt", "Keep this safe."),
        ]
    };
    let cases = [
        (kit("master.zip", &[("master.key", right.trim())]), 0, ""),
        (kit("all.zip", &keys(&right, &wrong)), 0, ""),
        // The profile's own key is the one that counts.
        (kit("swapped.zip", &keys(&wrong, &right)), 4, "damaged"),
        (
            kit("none.zip", &[("README.txt", "empty")]),
            2,
            "key_malformed",
        ),
        (
            kit("master-wrong.zip", &[("master.key", &wrong)]),
            3,
            "no_key_fits",
        ),
    ];
    for (kit, code, name) in cases {
        let (found, answer) = json(
            "verify",
            &sample("dbackup.json.gz.enc"),
            &["--key-file", &kit],
        );
        assert_eq!(found, code, "{kit} {answer}");
        if code == 0 {
            assert_eq!(answer["rows"], 40);
        } else {
            assert_eq!(answer["error"]["code"], name, "{kit} {answer}");
        }
    }
}

/// What Nosdesk itself would restore in silence.
#[test]
fn an_archive_that_breaks_its_promises_fails_to_verify() {
    use std::io::{Read, Write};
    use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.zip");
    let mut from = ZipArchive::new(fs::File::open(sample("nosdesk-plain.zip")).unwrap()).unwrap();
    let mut to = ZipWriter::new(fs::File::create(&path).unwrap());
    let mut files = 0;
    for index in 0..from.len() {
        let mut entry = from.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        match name.as_str() {
            "data/tickets.json" => continue,
            "data/tags.json" => content = b"[]".to_vec(),
            _ if name.ends_with("_log.txt") => content[0] ^= 1,
            _ => {}
        }
        files += u64::from(name.starts_with("files/"));
        to.start_file(name, SimpleFileOptions::default()).unwrap();
        to.write_all(&content).unwrap();
    }
    assert_eq!(files, 13);
    to.finish().unwrap();
    let (code, answer) = json("verify", &path, &[]);
    assert_eq!(
        (code, &answer["error"]["code"]),
        (4, &"errors_found".into()),
        "{answer}"
    );
    let mut found: Vec<&str> = answer["error"]["overview"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["level"] == "error")
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        ["file_digest", "missing_table", "row_count", "table_digest"]
    );
    // Looking shows the same but the content of files, and does not fail.
    let (code, overview) = json("inspect", &path, &[]);
    assert_eq!((code, &overview["errors"]), (0, &3.into()), "{overview}");
}

/// A database of a product, empty but for what every installation has, and what `coffer` is told to use it.
struct Installation {
    url: String,
    environment: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

impl Installation {
    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(PASSWORDS)
            .collect()
    }
}

fn ddl(product: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("products/{product}.sql"));
    fs::read_to_string(path).unwrap()
}

async fn postgres(server: &Server, product: &str) -> Installation {
    let database = server.create_database().await;
    let mut connection = server.connect(&database).await;
    coffer_tests::postgres::run(&mut connection, &ddl(product)).await;
    Installation {
        url: server.url(&database),
        environment: Vec::new(),
        _folder: tempfile::tempdir().unwrap(),
    }
}

fn sqlite(product: &str) -> Installation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("product.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(&ddl(product)).unwrap();
    // What every installation is seeded with, and jobs of the sample use; its dates are text.
    connection
        .execute_batch(
            "INSERT INTO NamingTemplate SELECT 'naming-standard', 'Standard', NULL, '{job}_{date}', 1, 1, now, now
               FROM (SELECT '2023-06-01 10:00:00' AS now);
             INSERT INTO RetentionPolicy SELECT id, id, NULL, '{}', 0, 1, now, now
               FROM (SELECT '2023-06-01 10:00:00' AS now, value AS id
                       FROM json_each('[\"retention-keep-all\", \"retention-simple-14\", \"retention-gvs-default\"]'));
             INSERT INTO SchedulePreset SELECT id, id, NULL, '0 0 * * *', now, now
               FROM (SELECT '2023-06-01 10:00:00' AS now, value AS id
                       FROM json_each('[\"schedule-daily-midnight\", \"schedule-hourly\"]'));",
        )
        .unwrap();
    Installation {
        url: format!("sqlite:{}", path.display()),
        environment: Vec::new(),
        _folder: folder,
    }
}

/// Rows of an archive of Coffer's by table, without regard to their order.
fn row_sets(
    archive: &Path,
    unlock: &coffer_server::read::Unlock,
) -> BTreeMap<String, (u64, RowSet)> {
    let source: Arc<dyn coffer_server::read::ReadAt> =
        Arc::new(coffer_server::read::FileSource::open(archive).unwrap());
    let archive = coffer_server::read::OpenArchive::open(source, unlock).unwrap();
    let tables = archive.manifest.tables.iter();
    tables
        .map(|table| (table.table.name.clone(), (table.rows, table.row_set)))
        .collect()
}

/// Converts a sample, restores it into an empty installation, takes an archive of that, and compares both row by row. Gives
/// the rows by table.
fn round_trip(
    name: &str,
    options: &[&str],
    installation: &Installation,
    preset: Option<&str>,
    sets: &[&str],
) -> BTreeMap<String, (u64, RowSet)> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let environment = installation.environment();
    let (converted, taken) = (path("converted.zip"), path("taken.zip"));
    let file = sample(name);
    let mut arguments = vec![
        "convert",
        file.to_str().unwrap(),
        "--like",
        &installation.url,
    ];
    arguments.extend(["--out", &converted]);
    arguments.extend(options);
    arguments.extend(match preset {
        Some(_) => vec![],
        None => vec!["--without-preset"],
    });
    let done = coffer(&arguments, &environment).ok();
    assert!(done.stdout.contains("written and verified"), "{done:?}");
    let folders: Vec<String> = sets
        .iter()
        .map(|set| {
            fs::create_dir_all(path(set)).unwrap();
            format!("{set}={}", path(set))
        })
        .collect();
    let files: Vec<&str> = folders.iter().flat_map(|set| ["--files", set]).collect();
    let mut arguments = vec!["restore", &converted, "--target", &installation.url];
    arguments.extend(["--mode", "replace", "--force", "--yes"]);
    arguments.extend(&files);
    let restored = coffer(&arguments, &environment);
    assert_eq!(restored.code, 0, "{name} {restored:?}");
    // Without a preset: with one, fresh secrets would be made again.
    let mut arguments = vec!["backup", "--source", &installation.url, "--out", &taken];
    arguments.extend(&files);
    let backed_up = coffer(&arguments, &environment);
    assert_eq!(backed_up.code, 0, "{name} {backed_up:?}");
    let unlock = coffer_server::read::Unlock::None;
    let (converted, taken) = (
        row_sets(Path::new(&converted), &unlock),
        row_sets(Path::new(&taken), &unlock),
    );
    for (table, rows) in &converted {
        assert_eq!(taken.get(table), Some(rows), "{name} {table}");
    }
    converted
}

fn total(tables: &BTreeMap<String, (u64, RowSet)>) -> u64 {
    tables.values().map(|(rows, _)| rows).sum()
}

/// Compares each row of the sealed sample with what the product's own export statement makes of the restored one, and
/// counts them.
async fn as_nosdesk_writes(server: &Server, installation: &Installation) -> usize {
    use coffer_core::foreign::{Depth, Found, Secret};
    use coffer_server::{foreign, progress::Progress, read::FileSource};
    let source: Arc<dyn coffer_server::read::ReadAt> =
        Arc::new(FileSource::open(&sample("nosdesk-sensitive.zip")).unwrap());
    let look = foreign::look(&*source, None).unwrap().unwrap();
    let secret = Secret::Password(coffer_core::seal::Password::new(PASSWORDS[0].1));
    let progress = Progress::default();
    let open = foreign::open(source, &look, &secret, None, &progress).unwrap();
    let database = installation.url.rsplit('/').next().unwrap();
    let mut connection = server.connect(database).await;
    coffer_tests::postgres::run(&mut connection, "SET TimeZone = 'UTC'").await;
    let mut compared = 0;
    for table in open.survey(Depth::Rows, &progress).unwrap().tables {
        let mut expected = Vec::new();
        open.rows(&table.name, &progress, |found| {
            if let Found::Row { row, .. } = found {
                let values = row.values.iter().map(|(name, value)| {
                    let text = value.shown().unwrap_or("null");
                    let value = match value.as_text() {
                        Some(text) => Value::from(text).to_string(),
                        None => text.to_owned(),
                    };
                    format!("{}:{value}", Value::from(name.as_str()))
                });
                expected.push(format!("{{{}}}", values.collect::<Vec<_>>().join(",")));
            }
            Ok::<_, foreign::Error>(())
        })
        .unwrap();
        let query = format!("SELECT row_to_json(t)::text FROM \"{}\" AS t", table.name);
        let mut found = coffer_tests::postgres::texts(&mut connection, &query).await;
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{}", table.name);
        compared += found.len();
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn nosdesk_comes_into_a_database_of_its_own_row_by_row() {
    let server = Server::shared();
    // Everything, credentials included: PostgreSQL's own row_to_json of each row is the text in the sample.
    let whole = postgres(&server, "nosdesk").await;
    let options = ["--password-env", "RIGHT"];
    let tables = round_trip(
        "nosdesk-sensitive.zip",
        &options,
        &whole,
        None,
        &["uploads"],
    );
    assert_eq!((tables.len(), total(&tables)), (101, 429));
    assert_eq!(as_nosdesk_writes(&server, &whole).await, 429);
    let standard = postgres(&server, "nosdesk").await;
    let tables = round_trip(
        "nosdesk-plain.zip",
        &[],
        &standard,
        Some("nosdesk"),
        &["uploads"],
    );
    assert_eq!(tables["users"].0, 12);
    assert_eq!(tables["tickets"].0, 40);
    for gone in ["refresh_tokens", "api_tokens", "user_recovery_codes"] {
        assert_eq!(tables.get(gone).map_or(0, |(rows, _)| *rows), 0, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nojoin_comes_into_a_database_of_its_own_row_by_row() {
    let server = Server::shared();
    let installation = postgres(&server, "nojoin").await;
    let sets = ["recordings", "documents"];
    let tables = round_trip("nojoin.zip", &[], &installation, Some("nojoin"), &sets);
    assert_eq!(tables["recordings"].0, 12);
    assert_eq!(tables["people_tags"].0, 6);
    assert_eq!(tables["recording_speakers"].0, 36);
    assert_eq!(tables["transcripts"].0, 12);
}

#[test]
fn dbackup_comes_into_a_database_of_its_own_row_by_row() {
    let key = key();
    for (name, options, preset) in [
        ("dbackup-no-secrets.json.gz", vec![], None),
        ("dbackup-no-secrets.json.gz", vec![], Some("dbackup")),
        (
            "dbackup.json.gz.enc",
            vec!["--key-file", &key],
            Some("dbackup"),
        ),
    ] {
        let installation = sqlite("dbackup");
        let tables = round_trip(name, &options, &installation, preset, &[]);
        assert_eq!(tables["SystemSetting"].0, 14, "{name}");
        assert_eq!(tables["AdapterConfig"].0, 6, "{name}");
        assert_eq!(tables["User"].0, 2, "{name}");
    }
}

/// Brings a product's archive together with an installation that holds all of it, by the product's own rules: a plan says so, and
/// nothing comes twice.
fn brought_together(name: &str, arguments: &[&str], installation: &Installation) {
    for mode in ["skip", "overwrite"] {
        let restore: Vec<String> = arguments
            .iter()
            .map(|argument| {
                if *argument == "replace" {
                    mode
                } else {
                    argument
                }
            })
            .map(str::to_owned)
            .collect();
        let mut plan = restore.clone();
        plan[0] = "plan".into();
        plan.retain(|argument| argument != "--yes");
        let planned = coffer(&plan, &installation.environment());
        assert_eq!(planned.code, 0, "{name} {mode} {planned:?}");
        let planned = planned.json();
        assert_eq!(comes(&planned["plan"]["tables"]), [""; 0], "{name} {mode}");
        assert_eq!(
            comes(&planned["plan"]["file_sets"]),
            [""; 0],
            "{name} {mode}"
        );
        let done = coffer(&restore, &installation.environment());
        assert_eq!(done.code, 0, "{name} {mode} {done:?}");
        let done = done.json();
        assert_eq!(comes(&done["merged"]), [""; 0], "{name} {mode}");
        assert_eq!(comes(&done["file_sets"]), [""; 0], "{name} {mode}");
        let again = coffer(&restore, &installation.environment());
        assert_eq!(again.json()["restored"], false, "{name} {mode} {again:?}");
    }
}

/// The tables to which rows come, or the file sets to which files come.
fn comes(counted: &Value) -> Vec<String> {
    let new = |one: &&Value| {
        let counts = one.get("merge").unwrap_or(one);
        let of = |what: &str| counts[what].as_u64().unwrap_or_default();
        of("insert") + of("add") > 0
    };
    let counted = counted.as_array().unwrap().iter();
    counted.filter(new).map(ToString::to_string).collect()
}

/// The same without a file in between, and with the product's rules: logins keep working where they can.
#[tokio::test(flavor = "multi_thread")]
async fn archives_of_other_products_are_restored_as_they_are() {
    let server = Server::shared();
    let key = key();
    let nosdesk = postgres(&server, "nosdesk").await;
    let nojoin = postgres(&server, "nojoin").await;
    let dbackup = sqlite("dbackup");
    type Case<'a> = (&'a str, &'a [&'a str], &'a Installation, &'a [&'a str], u64);
    let samples: [Case<'_>; 3] = [
        (
            "nosdesk-sensitive.zip",
            &["--password-env", "RIGHT"],
            &nosdesk,
            &["uploads"],
            13,
        ),
        ("nojoin.zip", &[], &nojoin, &["recordings", "documents"], 15),
        (
            "dbackup.json.gz.enc",
            &["--key-file", &key],
            &dbackup,
            &[],
            0,
        ),
    ];
    for (name, options, installation, sets, files) in samples {
        let folder = tempfile::tempdir().unwrap();
        let file = sample(name);
        let mut arguments = vec![
            "restore",
            file.to_str().unwrap(),
            "--target",
            &installation.url,
        ];
        arguments.extend(["--mode", "replace", "--force", "--yes", "--json"]);
        arguments.extend(options);
        let folders: Vec<String> = sets
            .iter()
            .map(|set| {
                let path = folder.path().join(set);
                fs::create_dir(&path).unwrap();
                format!("{set}={}", path.display())
            })
            .collect();
        arguments.extend(folders.iter().flat_map(|set| ["--files", set]));
        let run = coffer(&arguments, &installation.environment());
        assert_eq!(run.code, 0, "{name} {run:?}");
        let restored = run.json();
        let sets = restored["file_sets"].as_array().unwrap();
        let counted: u64 = sets.iter().map(|set| set["files"].as_u64().unwrap()).sum();
        assert_eq!(counted, files, "{name} {restored}");
        brought_together(name, &arguments, installation);
    }
    let mut connection = server
        .connect(nosdesk.url.rsplit('/').next().unwrap())
        .await;
    let counts = "SELECT (SELECT count(*) FROM users WHERE mfa_secret IS NOT NULL) || ' ' ||
                         (SELECT count(*) FROM user_auth_identities WHERE password_hash IS NOT NULL)";
    let found = coffer_tests::postgres::texts(&mut connection, counts).await;
    assert_eq!(found, ["3 10"]);
}

/// A user who signed up in the other installation too has another uuid there, and the same first address. A standard archive
/// takes nobody's second factor and password away.
#[tokio::test(flavor = "multi_thread")]
async fn nosdesks_users_are_known_by_their_addresses() {
    let server = Server::shared();
    for (sample_name, mode, name) in [
        ("nosdesk-plain.zip", "skip", "Nora B."),
        ("nosdesk-plain.zip", "overwrite", "Nora Baumann"),
        // What is wrapped is bound to the uuid, and would open no more.
        ("nosdesk-sensitive.zip", "overwrite", "Nora Baumann"),
    ] {
        let file = sample(sample_name);
        let installation = postgres(&server, "nosdesk").await;
        let database = installation.url.rsplit('/').next().unwrap().to_owned();
        let mut connection = server.connect(&database).await;
        // Two of the sample's users: an agent, and one who asked for five tickets.
        coffer_tests::postgres::run(
            &mut connection,
            "INSERT INTO workspaces (id, slug, name, plan, settings) VALUES (1, 'default', 'Mine', 'self_hosted', '{}');
             INSERT INTO workflow_states (id, name, category, color, position, is_default, workspace_id, pauses_sla) VALUES
               (9, 'Triage', 'triage', '#000000', 0, true, 1, false);
             INSERT INTO users (uuid, name, mfa_enabled, feature_flag_overrides, mfa_secret, mfa_secret_kek_id, platform_role) VALUES
               ('00000000-0000-4000-8000-00000000000a', 'Nora B.', true, '{}', '\\x01', 7, 'user'),
               ('00000000-0000-4000-8000-00000000000b', 'Somebody', false, '{}', NULL, NULL, 'user');
             INSERT INTO user_emails (id, user_uuid, email, email_type, is_primary, is_verified) VALUES
               (501, '00000000-0000-4000-8000-00000000000a', 'Nora.Baumann@example.org', 'work', true, true),
               (502, '00000000-0000-4000-8000-00000000000b', 'tomas.dvorak@example.org', 'work', false, true),
               (503, '00000000-0000-4000-8000-00000000000b', 'somebody@example.org', 'work', true, true);
             INSERT INTO user_auth_identities (id, user_uuid, provider_type, external_id, password_hash) VALUES
               (501, '00000000-0000-4000-8000-00000000000a', 'local', 'nora.baumann@example.org', 'hash');
             INSERT INTO api_tokens (id, uuid, token_hash, token_prefix, user_uuid, name, created_by, is_platform_scoped, workspace_id)
               SELECT 501, '00000000-0000-4000-8000-00000000000c', 'hash', 'nsk_', uuid, 'mine', uuid, false, 1 FROM users WHERE name = 'Nora B.';
             INSERT INTO tickets (id, title, priority, requester_uuid, workflow_state_id, workspace_id, uuid) VALUES
               (1, 'Mine', 'low', '00000000-0000-4000-8000-00000000000a', 9, 1, '00000000-0000-4000-8000-00000000000d');
             INSERT INTO comments (id, content, ticket_id, user_uuid, is_edited, edit_count, is_internal, content_format, workspace_id) VALUES
               (1, 'Mine', 1, '00000000-0000-4000-8000-00000000000a', false, 0, false, 'html', 1)",
        )
        .await;
        let restore = [
            "restore",
            file.to_str().unwrap(),
            "--target",
            &installation.url,
            "--mode",
            mode,
            "--force",
            "--yes",
            "--json",
            "--without-files",
            "--password-env",
            "RIGHT",
        ];
        let restore = &restore[..restore.len() - if sample_name.contains("plain") { 2 } else { 0 }];
        let run = coffer(restore, &installation.environment());
        assert_eq!(run.code, 0, "{mode} {run:?}");
        let users = "SELECT concat_ws('|', u.name, u.mfa_enabled, encode(u.mfa_secret, 'hex'), u.mfa_secret_kek_id, i.password_hash, t.name)
                       FROM users u LEFT JOIN user_auth_identities i ON i.user_uuid = u.uuid LEFT JOIN api_tokens t ON t.user_uuid = u.uuid
                      WHERE u.uuid = '00000000-0000-4000-8000-00000000000a'";
        let found = coffer_tests::postgres::texts(&mut connection, users).await;
        if sample_name.contains("plain") {
            assert_eq!(found, [format!("{name}|t|01|7|hash|mine")], "{mode}");
        } else {
            let kept = format!("{name}|t|01|7|");
            assert!(found.iter().all(|row| row.starts_with(&kept)), "{found:?}");
        }
        let counts = "SELECT concat_ws(' ', (SELECT count(*) FROM users), (SELECT count(*) FROM users WHERE name LIKE 'Nora%'),
                        (SELECT count(*) FROM tickets WHERE assignee_uuid = '00000000-0000-4000-8000-00000000000a') > 0,
                        (SELECT count(*) FROM audit_log WHERE actor_uuid = '019ec412-6380-7f3d-9d00-7c1297f80b0b'))";
        let found = coffer_tests::postgres::texts(&mut connection, counts).await;
        assert_eq!(found, ["13 1 t 0"], "{mode}");
        // What is there stays, though it is of the same workspace and by the same people, and all that is new comes.
        let counts = "SELECT concat_ws(' ', (SELECT count(*) FROM tickets), (SELECT count(*) FROM comments), (SELECT count(*) FROM workspaces),
                        (SELECT count(*) FROM workflow_states), (SELECT count(*) FROM documentation_pages), (SELECT count(*) FROM documentation_page_visibility),
                        (SELECT count(*) FROM security_events), (SELECT count(*) FROM ticket_tags),
                        (SELECT title FROM tickets WHERE id = 1), (SELECT count(*) FROM tickets WHERE workflow_state_id = 9) > 1)";
        let found = coffer_tests::postgres::texts(&mut connection, counts).await;
        assert_eq!(found, ["41 81 1 7 5 1 2 20 Mine t"], "{mode}");
        let again = coffer(restore, &installation.environment());
        assert_eq!(again.json()["restored"], false, "{mode} {again:?}");
    }
}

/// Settings that only say when something ran last are no configuration: they come from no file, and stay where they are.
#[test]
fn dbackups_bookkeeping_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let packed = fs::read(sample("dbackup-no-secrets.json.gz")).unwrap();
    let mut json = String::new();
    flate2::read::GzDecoder::new(&*packed)
        .read_to_string(&mut json)
        .unwrap();
    let keys = [
        "task.backup.config.lastRunAt",
        "cache.storageVolume",
        "healthcheck.offline.state",
    ];
    let setting = |key: &str| {
        format!(
            "{{\"key\": \"{key}\", \"value\": \"theirs\", \"description\": null, \"updatedAt\": \"2024-01-15T12:00:00.000Z\"}},"
        )
    };
    let ours: String = keys.iter().map(|key| setting(key)).collect();
    let json = json.replacen("\"settings\": [", &format!("\"settings\": [{ours}"), 1);
    let file = folder.path().join("config_backup.json");
    fs::write(&file, &json).unwrap();
    let installation = sqlite("dbackup");
    let path = installation.url.strip_prefix("sqlite:").unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute(
            "INSERT INTO SystemSetting (key, value, updatedAt) VALUES ('cache.storageVolume', 'mine', 0)",
            [],
        )
        .unwrap();
    let held = |key: &str| -> Option<String> {
        let query = "SELECT value FROM SystemSetting WHERE key = ?1";
        connection.query_row(query, [key], |row| row.get(0)).ok()
    };

    let converted = folder.path().join("converted.zip");
    let converted = converted.to_str().unwrap();
    let file = file.to_str().unwrap();
    let convert = [
        "convert",
        file,
        "--like",
        &installation.url,
        "--out",
        converted,
    ];
    let _made = coffer(convert, &installation.environment()).ok();
    let inspected = coffer(["inspect", converted, "--json"], &[]).ok().json();
    let left_out = inspected["left_out"].as_array().unwrap().iter();
    let rows = left_out.filter_map(|one| one.as_str()?.split_once(" rows of main.SystemSetting"));
    assert_eq!(
        rows.map(|(rows, _)| rows).collect::<Vec<_>>(),
        ["3"],
        "{inspected}"
    );

    for mode in ["skip", "overwrite"] {
        let restore = [
            "restore",
            file,
            "--target",
            &installation.url,
            "--mode",
            mode,
        ];
        let run = coffer(
            [&restore[..], &["--force", "--yes", "--json"]].concat(),
            &installation.environment(),
        );
        assert_eq!(run.code, 0, "{mode} {run:?}");
        assert_eq!(held(keys[0]), None, "{mode}");
        assert_eq!(held(keys[1]).as_deref(), Some("mine"), "{mode}");
        assert!(held("general.instanceName").is_some(), "{mode}");
    }
}
