//! Presets against live databases: those that come with the program classify their products' whole schemas; what is wrong
//! is told with its line; and what they call a credential is in no standard archive, in whatever form it was stored.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::{fs, path::Path, sync::Arc};

use base64ct::{Base64Unpadded, Encoding};
use coffer_core::{
    archive::{EntryReader, Limits},
    manifest::{LeftOut, LeftOutReason},
    rows::Rows,
};
use coffer_server::read::{FileSource, OpenArchive, ReadError, Unlock};
use coffer_tests::{
    coffer::{Run, coffer},
    postgres::{self, Server, texts},
};
use rusqlite::Connection;
use serde_json::Value;

#[path = "presets/app_secrets.rs"]
mod app_secrets;

const NOSDESK: &str = include_str!("../products/nosdesk.sql");
const NOJOIN: &str = include_str!("../products/nojoin.sql");
const DBACKUP: &str = include_str!("../products/dbackup.sql");
const PASSWORDS: [(&str, &str); 1] = [("KEY", "correct horse battery")];

fn run(arguments: &[&str]) -> Run {
    coffer(arguments, &PASSWORDS)
}

/// Runs it as an installation whose application has this secret.
fn run_as(variable: &str, secret: &str, arguments: &[&str]) -> Run {
    coffer(arguments, &[PASSWORDS[0], (variable, secret)])
}

async fn postgres_with(server: &Server, schema: &str) -> String {
    let database = server.create_database().await;
    let mut connection = server.connect(&database).await;
    postgres::run(&mut connection, schema).await;
    database
}

fn sqlite_with(folder: &Path, name: &str, schema: &str) -> String {
    let path = folder.join(name);
    Connection::open(&path)
        .unwrap()
        .execute_batch(schema)
        .unwrap();
    format!("sqlite:{}", path.display())
}

/// Checks strictly, and gives the tables and foreign keys that were classified.
fn classified(preset: &str, source: &str) -> (u64, u64) {
    let run = run(&[
        "preset", "check", preset, "--source", source, "--strict", "--json",
    ])
    .ok();
    let report = run.json();
    assert_eq!(report["errors"], Value::Array(vec![]));
    let number = |name: &str| report[name].as_u64().unwrap();
    (number("tables"), number("foreign_keys"))
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_classify_everything_that_their_products_have() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::shared();
    // The ledgers of migrations are no tables of the application.
    let nosdesk = server.url(&postgres_with(&server, NOSDESK).await);
    assert_eq!(classified("nosdesk", &nosdesk).0, 101);
    let database = postgres_with(&server, NOJOIN).await;
    let nojoin = server.url(&database);
    assert_eq!(classified("nojoin", &nojoin).0, 42);
    let dbackup = sqlite_with(folder.path(), "dbackup.sqlite", DBACKUP);
    assert_eq!(classified("dbackup", &dbackup), (32, 31));

    // None of them is satisfied by another product, and each rule that names what isn't there is told with its line.
    let wrong = run(&["preset", "check", "nosdesk", "--source", &nojoin, "--json"]);
    assert_eq!(wrong.code, 5);
    let wrong = wrong.json();
    assert_eq!(wrong["error"]["code"], "preset_unfit");
    let errors = wrong["error"]["report"]["errors"].as_array().unwrap();
    assert!(errors.len() > 100);
    let text = include_str!("../../presets/nosdesk.toml");
    for error in errors {
        let line = usize::try_from(error["line"].as_u64().unwrap()).unwrap();
        let line = text.lines().nth(line - 1).unwrap();
        let keys = [
            "table = ",
            "column",
            "references = ",
            "identity",
            "where",
            "also_set",
            "{ table",
        ];
        let is_there = keys.iter().any(|key| line.contains(key)) || line.starts_with("[[");
        assert!(is_there || line.contains('.'), "{line}: {error}");
    }

    // A database that grew: a new table, a new foreign key and a new secret are named, and only strictly a failure.
    let mut connection = server.connect(&database).await;
    postgres::run(
        &mut connection,
        "CREATE TABLE extra (id bigserial PRIMARY KEY, webhook_secret text, user_id bigint REFERENCES users)",
    )
    .await;
    let told = run(&["preset", "check", "nojoin", "--source", &nojoin, "--json"])
        .ok()
        .json();
    assert_eq!(
        told["unclassified_tables"],
        serde_json::json!(["public.extra"])
    );
    assert_eq!(
        told["suspicious_columns"],
        serde_json::json!(["public.extra.webhook_secret"])
    );
    assert_eq!(
        told["unclassified_foreign_keys"][0]["columns"],
        serde_json::json!(["user_id"])
    );
    let strict = run(&["preset", "check", "nojoin", "--source", &nojoin, "--strict"]);
    assert_eq!(strict.code, 5);
    assert!(
        strict
            .stderr
            .contains("public.extra.webhook_secret looks like a credential")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_pass_the_check_that_they_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::shared();
    let sources = [
        server.url(&postgres_with(&server, NOSDESK).await),
        server.url(&postgres_with(&server, NOJOIN).await),
        sqlite_with(folder, "dbackup.sqlite", DBACKUP),
    ];
    for (index, source) in sources.iter().enumerate() {
        let draft = folder.join(format!("{index}.toml")).display().to_string();
        let _made = run(&["preset", "init", "--source", source, "--out", &draft]).ok();
        let _passes = classified(&draft, source);
        assert!(fs::read_to_string(&draft).unwrap().contains("# guess"));
        // A draft never takes the place of somebody's work.
        assert_eq!(
            run(&["preset", "init", "--source", source, "--out", &draft]).code,
            1
        );
        // And what it says can be used.
        let out = folder.join(format!("{index}.zip")).display().to_string();
        let _backup = run(&[
            "backup", "--source", source, "--preset", &draft, "--out", &out,
        ])
        .ok();
    }
    let wrong = folder.join("wrong.toml");
    fs::write(
        &wrong,
        "app = \"x\"\n\n[[credential]]\ntable = \"t\"\ncolum = \"c\"\n",
    )
    .unwrap();
    let wrong = wrong.display().to_string();
    let refused = run(&["preset", "check", &wrong]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("wrong.toml, line 5, column 1"),
        "{}",
        refused.stderr
    );
    // Everything that reads presets says the same.
    let out = folder.join("no.zip").display().to_string();
    let backup = run(&[
        "backup",
        "--source",
        &sources[2],
        "--preset",
        &wrong,
        "--out",
        &out,
    ]);
    assert_eq!((backup.code, backup.stderr), (2, refused.stderr));
    let config = folder.join("source.toml");
    fs::write(&config, "preset = \"wrong.toml\"\n").unwrap();
    let config = config.display().to_string();
    let described = run(&[
        "backup",
        "--config",
        &config,
        "--source",
        &sources[2],
        "--out",
        &out,
    ]);
    assert_eq!(described.code, 2);
    assert!(
        described.stderr.contains("wrong.toml, line 5, column 1"),
        "{}",
        described.stderr
    );
}

/// Credentials with everything in them that rows, JSON, arrays and SQL have to escape, or write in another way.
const SECRETS: [&str; 5] = [
    "kW7-plain-Zq81xLm0",
    "tab\tvQ2rT9\\back\\\\N-8sUe4\nline-5Gp",
    "größe-漢字-пароль-7Yx",
    "quote\"4tRw'9{},$-bVn2",
    "\u{1}\u{b}\u{c}\u{8}\r-feed-0dKj3",
];

/// Every six bytes in a row of the secrets: as they are, in UTF-16, in hexadecimal, in base64 at each of its three
/// offsets, as escapes of JSON, and of JSON within a row.
fn traces() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for secret in SECRETS {
        let json = serde_json::to_string(secret).unwrap();
        let json = json.trim_matches('"').to_owned();
        let mut row = Vec::new();
        coffer_core::rows::push_escaped(json.as_bytes(), &mut row);
        let ascii: String = secret
            .encode_utf16()
            .map(|unit| match u8::try_from(unit) {
                Ok(byte @ b' '..=b'~') => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            })
            .collect();
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = secret.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let base = |skip: usize| {
            let padded = [&b"\0\0"[..skip], secret.as_bytes()].concat();
            let digits = Base64Unpadded::encode_string(&padded);
            // The first and the last group hold other bytes too.
            digits
                .get(4..digits.len() - 4)
                .unwrap_or_default()
                .to_owned()
        };
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms: [(Vec<u8>, usize); 10] = [
            (secret.into(), 6),
            (json.into_bytes(), 8),
            (row, 8),
            (ascii.into_bytes(), 12),
            (wide, 12),
            (big, 12),
            (hex.to_uppercase().into_bytes(), 12),
            (hex.into_bytes(), 12),
            (base(0).into_bytes(), 8),
            (base(1).into_bytes(), 8),
        ];
        for (form, size) in forms {
            all.extend(form.windows(size).map(<[u8]>::to_vec));
        }
    }
    all.sort();
    all.dedup();
    all
}

fn open(path: &str) -> OpenArchive {
    let source = FileSource::open(Path::new(path)).unwrap();
    OpenArchive::open(Arc::new(source), &Unlock::None).unwrap()
}

/// How many traces the archive shows in its stored bytes and its entries' content.
fn found(path: &str) -> usize {
    let archive = open(path);
    let mut all: Vec<Vec<u8>> = archive
        .directory
        .entries()
        .iter()
        .map(|entry| {
            EntryReader::new(entry, Limits::default())
                .read_all::<ReadError>("", u64::MAX, |range| archive.plain().read(range))
                .unwrap()
        })
        .collect();
    all.push(fs::read(path).unwrap());
    let traces = traces();
    let is_in = |trace: &&Vec<u8>| {
        all.iter()
            .any(|content| memchr::memmem::find(content, trace).is_some())
    };
    let shown: Vec<&Vec<u8>> = traces.iter().filter(is_in).collect();
    if shown.len() < 20 {
        for trace in &shown {
            println!("{path} shows {:?}", String::from_utf8_lossy(trace));
        }
    }
    shown.len()
}

/// The rows of a table, each field as text.
fn rows(path: &str, table: &str) -> Vec<Vec<Option<String>>> {
    let archive = open(path);
    let manifest = &archive.manifest;
    let shape = manifest
        .schema
        .tables
        .iter()
        .find(|other| other.name.name == table)
        .unwrap();
    let data = manifest.table(&shape.name).unwrap();
    let mut all = Vec::new();
    for part in 0..data.parts.len() {
        let entry = archive.directory.entry(&data.part_path(part)).unwrap();
        let text = EntryReader::new(entry, Limits::default())
            .read_all::<ReadError>("", u64::MAX, |range| archive.plain().read(range))
            .unwrap();
        let names = shape.stored_columns().map(|column| column.name.as_str());
        let mut rows = Rows::new(&text, names).unwrap();
        while let Some(fields) = rows.next_fields().unwrap() {
            // SQLite's tags are no escapes, and stay as they are.
            let text = |field: &[u8]| match coffer_core::rows::display(field) {
                Ok(text) => text,
                Err(_) => Some(String::from_utf8_lossy(field).into_owned()),
            };
            let fields = fields.into_iter().map(text);
            all.push(fields.collect());
        }
    }
    all
}

/// A standard backup, and a standard archive made of a sensitive one: both without a trace. Gives their paths.
fn two_standard_archives(folder: &Path, source: &str, preset: &str) -> [String; 2] {
    let path = |name: &str| folder.join(name).display().to_string();
    let (standard, sensitive, redacted, plain) = (
        path("standard.zip"),
        path("sensitive.coffer"),
        path("redacted.zip"),
        path("plain.zip"),
    );
    let backup = ["backup", "--source", source, "--preset", preset];
    let _standard = run(&[&backup[..], &["--out", &standard]].concat()).ok();
    // Credentials leave only sealed.
    let bare = run(&[&backup[..], &["--out", &plain, "--sensitive"]].concat());
    assert_eq!(bare.code, 5, "{}", bare.stderr);
    let sealed = [
        "--out",
        &sensitive,
        "--sensitive",
        "--sealed",
        "--password-env",
        "KEY",
    ];
    let _sensitive = run(&[&backup[..], &sealed].concat()).ok();
    let _redacted = run(&[
        "redact",
        &sensitive,
        "--out",
        &redacted,
        "--password-env",
        "KEY",
    ])
    .ok();
    let _unsealed = run(&[
        "unseal",
        &sensitive,
        "--out",
        &plain,
        "--password-env",
        "KEY",
        "--allow-credentials",
    ])
    .ok();
    // The search would find them.
    assert!(found(&plain) > 150);
    assert_eq!(found(&standard), 0);
    assert_eq!(found(&redacted), 0);
    for archive in [&standard, &redacted] {
        let _verified = run(&["verify", archive]).ok();
    }
    [standard, redacted]
}

const POSTGRES_SCHEMA: &str = "
    CREATE TYPE kind AS ENUM ('hook', 'mail');
    CREATE TABLE sessions (id integer PRIMARY KEY, cookie text);
    CREATE TABLE hooks (id integer PRIMARY KEY, kind kind NOT NULL, secret text NOT NULL, enabled boolean NOT NULL,
        headers jsonb, raw bytea, tokens text[], why varchar, session_id integer REFERENCES sessions);
    CREATE TABLE settings (id integer PRIMARY KEY, name text, is_secret boolean, value text, data json NOT NULL);
    CREATE TABLE tokens (id integer PRIMARY KEY, hash text NOT NULL UNIQUE);
    CREATE TABLE images (id integer PRIMARY KEY, table_name text NOT NULL, image jsonb);";

const PRESET: &str = r#"
    app = "hooks"
    leave_out = [{ table = "sessions", reason = "transient" }]
    credential = [
        { table = "hooks", column = "secret", random = { prefix = "whsec_" }, where = { kind = "hook" }, also_set = { enabled = false, why = "new\tsecret" } },
        { table = "hooks", column = "secret", placeholder = "set it again", where = { kind = ["mail", "none"] } },
        { table = "hooks", column = "headers", path = ["Authorization", "**.*-Key", "l[*].t"], placeholder = "" },
        { table = "hooks", column = "raw" },
        { table = "hooks", column = "tokens", placeholder = "{}" },
        { table = "settings", column = "value", where = { is_secret = true } },
        { table = "settings", column = "data", path = "**.password", random = { bytes = 16 } },
        { table = "tokens", column = "hash", omit_rows = true },
        { table = "images", column = "image", path = ["secret", "headers"], where = { table_name = "hooks" } },
    ]"#;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_archives_hold_no_planted_credential() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::shared();
    let database = server.create_database().await;
    let mut connection = server.connect(&database).await;
    postgres::run(&mut connection, POSTGRES_SCHEMA).await;
    postgres::run(&mut connection, "INSERT INTO sessions VALUES (1, 'x')").await;
    for (index, secret) in (0_i32..).zip(SECRETS) {
        // U+0001 is in no jsonb key, but in its values.
        for statement in [
            "INSERT INTO hooks VALUES ($1, 'hook', $2, true, jsonb_build_object('Authorization', $2, 'n', 1.50,
                'l', jsonb_build_array(jsonb_build_object('t', $2, 'u', 'kept'), 7), 'deep', jsonb_build_array(
                jsonb_build_object('X-Key', ARRAY[$2, $2]))), convert_to($2, 'UTF8'), ARRAY[$2, NULL, $2 || 'x'], 'why', 1)",
            "INSERT INTO hooks VALUES ($1 + 100, 'mail', $2, true, NULL, NULL, NULL, NULL, NULL)",
            "INSERT INTO settings VALUES ($1, 'password', true, $2, json_build_object('a', 'kept \\n', 'l', json_build_array(
                json_build_object('password', $2, 'user', 'kept')), 'password', json_build_object('nested', $2)))",
            "INSERT INTO tokens VALUES ($1, $2)",
            "INSERT INTO images VALUES ($1, 'hooks', jsonb_build_object('id', $1, 'secret', $2, 'headers', jsonb_build_object('h', $2)))",
        ] {
            sqlx::query(statement)
                .bind(index)
                .bind(secret)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
    postgres::run(
        &mut connection,
        "INSERT INTO settings VALUES (50, 'title', false, 'kept value', '[]'), (51, 'none', true, NULL, '{\"password\": null}');
         INSERT INTO images VALUES (50, 'notes', '{\"secret\": \"kept: of no hook\"}'), (51, 'hooks', NULL);",
    )
    .await;
    let preset = folder.join("preset.toml").display().to_string();
    fs::write(&preset, PRESET).unwrap();
    let source = server.url(&database);
    let archives = two_standard_archives(folder, &source, &preset);
    for archive in &archives {
        let manifest = open(archive).manifest.clone();
        let told = manifest.left_out.iter().any(|left_out| {
            matches!(left_out, LeftOut::Column { column, reason: LeftOutReason::Transient, .. } if column == "session_id")
        });
        assert!(told, "a reference to what is left out is gone, and told");
        let (id, secrets) = (0, rows(archive, "hooks"));
        let mut fresh: Vec<&str> = secrets
            .iter()
            .filter(|row| row[id].as_deref().unwrap().len() < 3)
            .map(|row| row[2].as_deref().unwrap())
            .collect();
        fresh.sort_unstable();
        fresh.dedup();
        assert_eq!(
            fresh.len(),
            SECRETS.len(),
            "each hook has a secret of its own"
        );
        assert!(
            fresh
                .iter()
                .all(|secret| secret.starts_with("whsec_") && secret.len() == 70)
        );
        assert!(rows(archive, "tokens").is_empty());

        let target = server.create_database().await;
        let mut connection = server.connect(&target).await;
        postgres::run(&mut connection, POSTGRES_SCHEMA).await;
        let url = server.url(&target);
        let _restored = run(&[
            "restore", archive, "--target", &url, "--mode", "replace", "--yes",
        ])
        .ok();
        assert_eq!(
            texts(
                &mut connection,
                "SELECT concat_ws('|', kind, enabled, headers, raw IS NULL, tokens, why, session_id IS NULL) FROM hooks WHERE id IN (1, 101) ORDER BY id"
            )
            .await,
            [
                "hook|f|{\"l\": [{\"t\": \"\", \"u\": \"kept\"}, 7], \"n\": 1.50, \"deep\": [{\"X-Key\": \"\"}], \"Authorization\": \"\"}|t|{}|new\tsecret|t",
                "mail|t|t|t",
            ]
        );
        assert_eq!(
            texts(
                &mut connection,
                "SELECT DISTINCT secret FROM hooks WHERE id > 100"
            )
            .await,
            ["set it again"]
        );
        assert_eq!(
            texts(&mut connection, "SELECT concat_ws('|', id, value, data->>'a', data->'l'->0->>'user', length(data->'l'->0->>'password'), length(data->>'password')) FROM settings WHERE id IN (1, 50, 51) ORDER BY id").await,
            ["1|kept \\n|kept|32|32", "50|kept value", "51"]
        );
        assert_eq!(
            texts(
                &mut connection,
                "SELECT concat_ws('|', id, image) FROM images WHERE id IN (1, 50, 51) ORDER BY id"
            )
            .await,
            [
                "1|{\"id\": 1, \"secret\": null, \"headers\": null}",
                "50|{\"secret\": \"kept: of no hook\"}",
                "51",
            ]
        );
    }
}

#[test]
fn sqlite_archives_hold_no_planted_credential_in_any_encoding() {
    for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("app.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA encoding = '{encoding}';
                 CREATE TABLE sessions (id INTEGER PRIMARY KEY, cookie TEXT);
                 CREATE TABLE hooks (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, secret TEXT NOT NULL, enabled BOOLEAN NOT NULL,
                     headers, raw BLOB, tokens TEXT, why TEXT, session_id INTEGER REFERENCES sessions);
                 CREATE TABLE settings (id INTEGER PRIMARY KEY, name TEXT, is_secret BOOLEAN, value, data JSON NOT NULL);
                 CREATE TABLE tokens (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE);
                 CREATE TABLE images (id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, image TEXT);
                 INSERT INTO sessions VALUES (1, 'x');
                 INSERT INTO settings VALUES (50, 'title', 0, 'kept', '[]'), (51, 'empty', 1, NULL, '');"
            ))
            .unwrap();
        for (index, secret) in (0_i64..).zip(SECRETS) {
            for statement in [
                "INSERT INTO hooks VALUES (?1, 'hook', ?2, 1, json_object('Authorization', ?2, 'l', json_array(json_object('t', ?2))),
                    CAST(?2 AS BLOB), json_array(?2), 'why', 1)",
                // Values of another class than their columns'.
                "INSERT INTO hooks VALUES (?1 + 100, 'mail', CAST(?2 AS BLOB), 'yes', NULL, ?2, CAST(?2 AS BLOB), NULL, NULL)",
                "INSERT INTO settings VALUES (?1, 'p', 1, ?2, json_object('password', ?2, 'n', 1.0))",
                "INSERT INTO settings VALUES (?1 + 10, 'p', '1', CAST(?2 AS BLOB), '{\"a\" : [ {\"password\":\"x\"} ]}')",
                "INSERT INTO tokens VALUES (?1, ?2)",
                "INSERT INTO images VALUES (?1, 'hooks', json_object('secret', ?2, 'headers', json_object('a', ?2)))",
            ] {
                connection.execute(statement, (index, secret)).unwrap();
            }
        }
        let preset = folder.join("preset.toml").display().to_string();
        fs::write(&preset, PRESET).unwrap();
        let source = format!("sqlite:{}", path.display());
        for archive in two_standard_archives(folder, &source, &preset) {
            assert!(rows(&archive, "tokens").is_empty());
            let hooks = rows(&archive, "hooks");
            assert_eq!(hooks.len(), 2 * SECRETS.len());
            for row in &hooks {
                let is_hook = row[1].as_deref() == Some("hook");
                let secret = row[2].as_deref().unwrap();
                assert_eq!(secret.starts_with("whsec_"), is_hook);
                assert_eq!(secret == "set it again", !is_hook);
                assert_eq!(row[3].as_deref() == Some("0"), is_hook);
            }
            let settings = rows(&archive, "settings");
            assert_eq!(settings.len(), 2 * SECRETS.len() + 2);
            assert!(
                settings
                    .iter()
                    .any(|row| row[3].is_some() && row[1].as_deref() == Some("title"))
            );
        }
        // What is no JSON can't be looked into, so nothing is written.
        connection
            .execute(
                "INSERT INTO settings VALUES (99, 'bad', 0, NULL, 'password: hunter2')",
                [],
            )
            .unwrap();
        let out = folder.join("no.zip").display().to_string();
        let refused = run(&[
            "backup", "--source", &source, "--preset", &preset, "--out", &out, "--json",
        ]);
        assert_eq!(refused.code, 1);
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "credential_not_found");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("main.settings.data is not JSON in row"),
            "{message}"
        );
        assert!(!message.contains("hunter2"));
        assert!(!Path::new(&out).exists());
    }
}

#[test]
fn patterns_of_a_preset_apply_to_the_set_of_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = sqlite_with(
        folder,
        "a.sqlite",
        "CREATE TABLE t (id INTEGER PRIMARY KEY)",
    );
    for (set, file) in [("up", "temp/a"), ("up", "kept"), ("other", "temp/b")] {
        let path = folder.join(set).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let preset = folder.join("preset.toml").display().to_string();
    fs::write(
        &preset,
        "app = \"x\"\n[[file_set]]\nname = \"up\"\nexclude = [\"/temp/**\"]\noptional = true\n",
    )
    .unwrap();
    let files = ["up", "other"].map(|set| format!("{set}={}", folder.join(set).display()));
    let backup = |out: &str, more: &[&str]| {
        let out = folder.join(out).display().to_string();
        let base = [
            "backup", "--source", &source, "--preset", &preset, "--out", &out,
        ];
        let sets = ["--files", &files[0], "--files", &files[1], "--json"];
        run(&[&base[..], &sets, more].concat())
    };
    let _all = backup("all.zip", &[]).ok();
    let all = open(&folder.join("all.zip").display().to_string());
    let mut paths: Vec<String> = all
        .files()
        .unwrap()
        .into_iter()
        .map(|file| file.entry)
        .collect();
    paths.sort();
    assert_eq!(paths, ["files/other/temp/b", "files/up/kept"]);
    let _without = backup("without.zip", &["--without-file-set", "up"]).ok();
    let refused = backup("refused.zip", &["--without-file-set", "other"]);
    assert_eq!(refused.json()["error"]["code"], "not_optional");
}

const KEYS: [&str; 2] = [
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100",
];
/// "päss:wörd" under the first key, with an IV of 16 bytes, by PyPI's cryptography.
const WRAPPED: &str =
    "101112131415161718191a1b1c1d1e1f:f19e107de4eeee47942980dba004bf7c:fa999e13944b4c6cdd79fa";
const PROFILES: &str =
    "CREATE TABLE profiles (id INTEGER PRIMARY KEY, data TEXT, config TEXT, hash TEXT)";
const PROFILES_PRESET: &str = r#"
    app = "profiles"
    credential = [
        { table = "profiles", column = "data" },
        { table = "profiles", column = "hash" },
    ]
    [[app_secret]]
    name = "encryption key"
    variable = "COFFER_TEST_KEY"
    form = "iv_tag_ciphertext"
    [[app_secret.column]]
    table = "profiles"
    column = "data"
    [[app_secret.column]]
    table = "profiles"
    column = "config"
    keys = ["password"]
"#;

/// The columns `data` and `config`, row by row.
fn profiles(source: &str) -> Vec<(Option<String>, Option<String>)> {
    let connection = Connection::open(source.strip_prefix("sqlite:").unwrap()).unwrap();
    let mut statement = connection
        .prepare("SELECT data, config FROM profiles ORDER BY id")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn values_move_to_an_installation_with_another_secret() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name).display().to_string();
    let key = |index: usize, arguments: &[&str]| run_as("COFFER_TEST_KEY", KEYS[index], arguments);
    let source = sqlite_with(folder, "source.sqlite", PROFILES);
    let connection = Connection::open(folder.join("source.sqlite")).unwrap();
    let config =
        format!(r#"{{"host": "h", "l": [{{"password":"{WRAPPED}"}}, {{"password": ""}}]}}"#);
    connection
        .execute("INSERT INTO profiles VALUES (1, ?1, ?2, 'x'), (2, NULL, '{}', 'y'), (3, '', NULL, NULL)", [WRAPPED, &config])
        .unwrap();
    let preset = path("preset.toml");
    fs::write(&preset, PROFILES_PRESET).unwrap();
    let backup = |index: usize, source: &str, out: &str, more: &[&str]| {
        let base = [
            "backup", "--source", source, "--preset", &preset, "--out", out, "--json",
        ];
        key(index, &[&base, more].concat())
    };
    let sealed = ["--sensitive", "--sealed", "--password-env", "KEY"];
    let unwrap = [&sealed[..], &["--unwrap-app-secrets"]].concat();
    let plan = |index: usize, archive: &str, target: &str| {
        let plan = [
            "plan", archive, "--target", target, "--mode", "replace", "--force", "--json",
        ];
        let more = ["--password-env", "KEY"];
        key(
            index,
            &[
                &plan[..],
                if archive.ends_with(".zip") {
                    &[]
                } else {
                    &more
                },
            ]
            .concat(),
        )
    };
    let codes = |run: &Run| -> Vec<String> {
        let findings = run.json()["plan"]["findings"].as_array().cloned().unwrap();
        let codes = findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.contains("secret")).collect()
    };

    // A standard archive: the column that holds only credentials depends on nothing any more, the other one does.
    let standard = path("standard.zip");
    let _standard = backup(0, &source, &standard, &[]).ok();
    let marks = open(&standard).manifest.app_secrets.clone();
    assert_eq!((marks.len(), marks[0].columns.len()), (1, 1));
    assert!(marks[0].fingerprint.is_some() && !marks[0].unwrapped);

    // Left wrapped, the plan says which columns another installation can't read.
    let wrapped = path("wrapped.coffer");
    let _wrapped = backup(0, &source, &wrapped, &sealed).ok();
    let target = sqlite_with(folder, "target.sqlite", PROFILES);
    assert_eq!(codes(&plan(0, &wrapped, &target).ok()), [""; 0]);
    assert_eq!(codes(&plan(1, &wrapped, &target).ok()), ["other_secret"]);
    let nobody = run(&[
        "plan",
        &wrapped,
        "--target",
        &target,
        "--mode",
        "replace",
        "--password-env",
        "KEY",
        "--json",
    ]);
    assert_eq!(codes(&nobody), ["secret_not_compared"]);

    // Unwrapped, they are wrapped again with the target's, all or none.
    let moved = path("moved.coffer");
    for (index, more, code, name) in [
        (
            0,
            &["--unwrap-app-secrets"][..],
            5,
            "unwrap_needs_sensitive",
        ),
        (1, &unwrap, 3, "app_secret_does_not_fit"),
    ] {
        let refused = backup(index, &source, &moved, more);
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (code, &name.into())
        );
        assert!(!Path::new(&moved).exists());
    }
    let _moved = backup(0, &source, &moved, &unwrap).ok();
    let plain = path("moved.zip");
    let _plain = run(&[
        "unseal",
        &moved,
        "--out",
        &plain,
        "--password-env",
        "KEY",
        "--allow-credentials",
    ])
    .ok();
    let found = rows(&plain, "profiles");
    assert_eq!(found[0][1].as_deref(), Some("päss:wörd"));
    assert_eq!(
        found[0][2].as_deref(),
        Some(r#"{"host": "h", "l": [{"password":"päss:wörd"}, {"password": ""}]}"#)
    );
    let restore = [
        "restore",
        &moved,
        "--target",
        &target,
        "--mode",
        "replace",
        "--yes",
        "--password-env",
        "KEY",
        "--json",
    ];
    let refused = run(&restore);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (5, &"plan_blocked".into())
    );
    assert_eq!(profiles(&target), []);
    let secret = path("key");
    fs::write(&secret, format!("{}\n", KEYS[1])).unwrap();
    let by_file = format!("COFFER_TEST_KEY={secret}");
    let with_file = [&restore[..], &["--app-secret", &by_file, "--force"]].concat();
    let _restored = run(&with_file).ok();
    let first = profiles(&target);
    assert_eq!(
        first[1..],
        [(None, Some("{}".into())), (Some(String::new()), None)]
    );
    for text in [
        first[0].0.as_deref().unwrap(),
        first[0].1.as_deref().unwrap(),
    ] {
        assert!(
            !text.contains("päss") && !text.contains("101112131415"),
            "{text}"
        );
    }
    // The second time gives the very same.
    let _again = run(&with_file).ok();
    assert_eq!(profiles(&target), first);
    // What the target's own secret opens is what the source had.
    let back = path("back.coffer");
    let _back = backup(1, &target, &back, &unwrap).ok();
    let plain = path("back.zip");
    let _plain = run(&[
        "unseal",
        &back,
        "--out",
        &plain,
        "--password-env",
        "KEY",
        "--allow-credentials",
    ])
    .ok();
    assert_eq!(rows(&plain, "profiles"), found);
}
