//! Taking credentials out of archives: nothing of them is left in any form, and the result is what a standard backup
//! of the same database would have been.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use coffer_core::{
    archive::{EntryReader, Limits},
    manifest::{LeftOut, Manifest},
};
use coffer_server::read::{FileSource, OpenArchive, ReadError, Unlock};
use coffer_tests::{
    coffer::{Run, coffer},
    postgres::{self, Server, texts},
};
use rusqlite::Connection;

const PASSWORDS: [(&str, &str); 2] = [("OLD", "correct horse"), ("NEW", "battery staple")];

/// What must not be left, in text that has to be escaped in every form that rows and JSON have.
const SECRETS: [&str; 6] = [
    "kW7-plain-Zq81xLm0",
    "tab\tvQ2rT9\\back\\\\N-8sUe4\nline-5Gp",
    "größe-漢字-пароль-7Yx",
    "quote\"4tRw'9{}$-bVn2",
    "\u{b}\u{c}\u{8}\r-feed-0dKj3",
    "Jh6-token-Wc93nBq5",
];

fn run(folder: &Path, arguments: &[&str]) -> Run {
    // File names are given as `@name`, for a file in the folder.
    let arguments = arguments
        .iter()
        .map(|argument| match argument.strip_prefix('@') {
            Some(name) => folder.join(name).display().to_string(),
            None => (*argument).to_owned(),
        });
    coffer(arguments, &PASSWORDS)
}

fn open(folder: &Path, name: &str) -> OpenArchive {
    let source = FileSource::open(&folder.join(name)).unwrap();
    OpenArchive::open(Arc::new(source), &Unlock::None).unwrap()
}

/// The stored bytes of a plain archive, and every entry's content.
fn everything(folder: &Path, name: &str) -> Vec<Vec<u8>> {
    let archive = open(folder, name);
    let entries = archive.directory.entries().iter().map(|entry| {
        EntryReader::new(entry, Limits::default())
            .read_all::<ReadError>("", u64::MAX, |range| archive.plain().read(range))
            .unwrap()
    });
    let mut all: Vec<Vec<u8>> = entries.collect();
    all.push(fs::read(folder.join(name)).unwrap());
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every six bytes in a row of the secrets, as they are and in hexadecimal.
fn traces() -> BTreeSet<Vec<u8>> {
    let windows = SECRETS
        .iter()
        .flat_map(|secret| secret.as_bytes().windows(6));
    windows
        .flat_map(|window| {
            let digits = hex(window);
            [window.to_vec(), digits.to_uppercase().into(), digits.into()]
        })
        .collect()
}

/// How many of the traces the archive shows.
fn found(folder: &Path, name: &str) -> usize {
    let contents = everything(folder, name);
    let is_in = |trace: &Vec<u8>| {
        contents
            .iter()
            .any(|content| memchr::memmem::find(content, trace).is_some())
    };
    traces().iter().filter(|trace| is_in(trace)).count()
}

/// The two manifests agree in all but where their parts are cut, and how a placeholder is written in what is told.
fn assert_same(redacted: &Manifest, standard: &Manifest) {
    assert_eq!(redacted.contents, standard.contents);
    assert_eq!(redacted.credentials, standard.credentials);
    let rows = |manifest: &Manifest| -> Vec<_> {
        let tables = manifest.tables.iter();
        tables
            .map(|table| (table.table.clone(), table.rows, table.row_set))
            .collect()
    };
    assert_eq!(rows(redacted), rows(standard));
    assert_eq!(redacted.sequences, standard.sequences);
    assert_eq!(redacted.file_sets, standard.file_sets);
    assert_eq!(redacted.notices, standard.notices);
    let left_out = |manifest: &Manifest| -> BTreeSet<String> {
        let left_out = manifest.left_out.iter().map(|left_out| match left_out {
            LeftOut::Column {
                table,
                column,
                reason,
                ..
            } => format!("{table}.{column} {reason}"),
            other => format!("{other:?}"),
        });
        left_out.collect()
    };
    assert_eq!(left_out(redacted), left_out(standard));
    assert_eq!(redacted.left_out.len(), standard.left_out.len());
}

const POSTGRES_SCHEMA: &str = "
    CREATE TABLE users (
        id integer PRIMARY KEY, name text NOT NULL, password text NOT NULL, token text UNIQUE, key bytea NOT NULL,
        extra jsonb, code character(6), enabled boolean, pin smallint, uid uuid, rate numeric(6,2), note text,
        initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
    CREATE TABLE sessions (id serial PRIMARY KEY, cookie text NOT NULL);
    CREATE TABLE plain (id serial PRIMARY KEY, body text);";

/// Placeholders in forms that PostgreSQL prints in another way than they are written here.
const POSTGRES_PRESET: &str = r#"
    app = "users"
    leave_out = [{ table = "sessions", reason = "transient" }]
    credential = [
        { table = "users", column = "password", placeholder = "!\t\\N" },
        { table = "users", column = "token" },
        { table = "users", column = "key", placeholder = "abc" },
        { table = "users", column = "extra", placeholder = '{"b":1, "aa":2.50}' },
        { table = "users", column = "code", placeholder = "x" },
        { table = "users", column = "enabled", placeholder = "yes" },
        { table = "users", column = "pin", placeholder = "007" },
        { table = "users", column = "uid", placeholder = "{00000000-0000-0000-0000-00000000000F}" },
        { table = "users", column = "rate", placeholder = "1" },
    ]"#;

async fn postgres_source(server: &Server) -> String {
    let database = server.create_database().await;
    let mut connection = server.connect(&database).await;
    postgres::run(&mut connection, POSTGRES_SCHEMA).await;
    for (index, secret) in SECRETS.iter().enumerate() {
        sqlx::query(
            "INSERT INTO users VALUES ($1, 'user ' || $1, $2, $2 || 't', convert_to($2, 'UTF8'),
                jsonb_build_object('secret', $2, $2, ARRAY[$2]), 'aB3$e', false, 4711, md5($2)::uuid, 12.34, 'note ' || $1)",
        )
        .bind(i32::try_from(index).unwrap())
        .bind(*secret)
        .execute(&mut connection)
        .await
        .unwrap();
        sqlx::query("INSERT INTO sessions (cookie) VALUES ($1)")
            .bind(*secret)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    postgres::run(
        &mut connection,
        "INSERT INTO users (id, name, password, key) VALUES (100, 'nobody', '', '');
         INSERT INTO plain (body) SELECT 'body ' || n FROM generate_series(1, 1000) AS n;",
    )
    .await;
    server.url(&database)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_archives_are_redacted_as_the_database_would() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::shared();
    let source = postgres_source(&server).await;
    fs::write(folder.join("preset.toml"), POSTGRES_PRESET).unwrap();
    fs::create_dir(folder.join("up")).unwrap();
    fs::write(folder.join("up/file.txt"), "content").unwrap();
    let files = format!("up={}", folder.join("up").display());
    let backup = |more: &[&str]| {
        let base = [
            "backup",
            "--source",
            &source,
            "--files",
            &files,
            "--preset",
            "@preset.toml",
        ];
        run(folder, &[&base, more].concat()).ok()
    };
    let _standard = backup(&["--out", "@standard.zip"]);
    let _sensitive = backup(&[
        "--out",
        "@sensitive.coffer",
        "--sensitive",
        "--sealed",
        "--password-env",
        "OLD",
    ]);
    let redacted = run(
        folder,
        &[
            "redact",
            "@sensitive.coffer",
            "--out",
            "@redacted.zip",
            "--password-env",
            "OLD",
            "--json",
        ],
    )
    .ok();
    let told = redacted.json();
    assert_eq!((&told["columns"], &told["files"]), (&9.into(), &1.into()));
    assert_eq!(told["archive"]["contents"], "standard");

    let _unsealed = run(
        folder,
        &[
            "unseal",
            "@sensitive.coffer",
            "--out",
            "@sensitive.zip",
            "--password-env",
            "OLD",
            "--allow-credentials",
        ],
    )
    .ok();
    assert!(found(folder, "sensitive.zip") > 100);
    assert_eq!(found(folder, "redacted.zip"), 0);
    assert_same(
        &open(folder, "redacted.zip").manifest,
        &open(folder, "standard.zip").manifest,
    );

    let target = server.create_database().await;
    let mut connection = server.connect(&target).await;
    postgres::run(&mut connection, POSTGRES_SCHEMA).await;
    let url = server.url(&target);
    let restored_files = format!("up={}", folder.join("restored").display());
    let _restored = run(
        folder,
        &[
            "restore",
            "@redacted.zip",
            "--target",
            &url,
            "--files",
            &restored_files,
            "--mode",
            "replace",
            "--yes",
        ],
    )
    .ok();
    assert_eq!(
        texts(
            &mut connection,
            "SELECT DISTINCT concat_ws('|', password, key, extra, code, enabled, pin, uid, rate, (token IS NULL)) FROM users WHERE id < 100"
        )
        .await,
        ["!\t\\N|\\x616263|{\"b\": 1, \"aa\": 2.50}|x     |t|7|00000000-0000-0000-0000-00000000000f|1.00|t"]
    );
    assert_eq!(
        texts(
            &mut connection,
            "SELECT concat_ws('|', key, extra IS NULL, code IS NULL, pin IS NULL) FROM users WHERE id = 100"
        )
        .await,
        [r"\x616263|t|t|t"]
    );
    assert_eq!(
        texts(
            &mut connection,
            "SELECT (SELECT count(*) FROM plain) || '|' || (SELECT count(*) FROM sessions)"
        )
        .await,
        ["1000|0"]
    );
    assert_eq!(
        fs::read_to_string(folder.join("restored/file.txt")).unwrap(),
        "content"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_classifies_an_archive_that_was_taken_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::shared();
    let source = postgres_source(&server).await;
    let printed = POSTGRES_PRESET
        .replace("\"abc\"", r#""\\x616263""#)
        .replace(r#"'{"b":1, "aa":2.50}'"#, "'{}'")
        .replace("\"x\"", "\"x     \"")
        .replace("\"yes\"", "\"t\"")
        .replace("\"007\"", "\"7\"")
        .replace(
            "{00000000-0000-0000-0000-00000000000F}",
            "00000000-0000-0000-0000-00000000000f",
        )
        .replace(
            "column = \"rate\", placeholder = \"1\"",
            "column = \"rate\"",
        );
    fs::write(folder.join("written.toml"), POSTGRES_PRESET).unwrap();
    fs::write(folder.join("printed.toml"), printed).unwrap();
    let backup =
        |more: &[&str]| run(folder, &[&["backup", "--source", &source], more].concat()).ok();
    let _standard = backup(&["--out", "@standard.zip", "--preset", "@printed.toml"]);
    let _unclassified = backup(&["--out", "@unclassified.zip"]);

    let redact = |more: &[&str]| {
        let base = [
            "redact",
            "@unclassified.zip",
            "--out",
            "@redacted.zip",
            "--json",
        ];
        run(folder, &[&base, more].concat())
    };
    for (arguments, code) in [
        (&[][..], "no_rules"),
        // No database is there to say how it prints these placeholders.
        (&["--preset", "@written.toml"], "placeholder"),
    ] {
        let refused = redact(arguments);
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (5, &code.into())
        );
    }
    assert!(!folder.join("redacted.zip").exists());
    let _redacted = redact(&["--preset", "@printed.toml"]).ok();
    assert_eq!(found(folder, "redacted.zip"), 0);
    assert_same(
        &open(folder, "redacted.zip").manifest,
        &open(folder, "standard.zip").manifest,
    );
    let refused = run(
        folder,
        &[
            "redact",
            "@redacted.zip",
            "--out",
            "@again.zip",
            "--preset",
            "@printed.toml",
            "--json",
        ],
    );
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (5, &"standard_already".into())
    );
}

const SQLITE_SCHEMA: &str = "
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY, name TEXT, password TEXT NOT NULL, token, key BLOB, pin INTEGER, api_token TEXT, rate REAL);
    CREATE TABLE large (id INTEGER PRIMARY KEY, body TEXT, secret TEXT);";

const SQLITE_PRESET: &str = r#"
    app = "accounts"
    credential = [
        { table = "accounts", column = "password", placeholder = "\t!\\" },
        { table = "accounts", column = "token" },
        { table = "accounts", column = "key", placeholder = "none" },
        { table = "accounts", column = "pin", placeholder = "1e3" },
        { table = "accounts", column = "rate", placeholder = "0.5" },
        { table = "large", column = "secret", placeholder = "gone" },
    ]"#;

fn sqlite_source(folder: &Path) -> String {
    let path = folder.join("app.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(SQLITE_SCHEMA).unwrap();
    for (index, secret) in (0_i64..).zip(SECRETS) {
        connection
            .execute(
                "INSERT INTO accounts VALUES (?1, 'name ' || ?1, ?2, ?2, CAST(?2 AS BLOB), ?2, 'x', ?2)",
                (index, secret),
            )
            .unwrap();
        // Each value of another storage class than its column's, and text that is not UTF-8.
        connection
            .execute(
                "INSERT INTO accounts VALUES (?1 + 50, NULL, CAST(x'ff' || ?2 AS TEXT), CAST(?2 AS BLOB), ?2, CAST(?2 AS BLOB), NULL, NULL)",
                (index, secret),
            )
            .unwrap();
        connection
            .execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 INSERT INTO large (body, secret) SELECT hex(randomblob(40)), ?1 || i FROM n",
                [secret],
            )
            .unwrap();
    }
    connection
        .execute("INSERT INTO accounts (id, password) VALUES (100, '')", [])
        .unwrap();
    format!("sqlite:{}", path.display())
}

#[test]
fn sqlite_archives_are_redacted_as_the_database_would() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = sqlite_source(folder);
    fs::write(folder.join("preset.toml"), SQLITE_PRESET).unwrap();
    fs::create_dir(folder.join("up")).unwrap();
    fs::write(folder.join("up/file.txt"), "content").unwrap();
    let files = format!("up={}", folder.join("up").display());
    let backup = |more: &[&str]| {
        let base = ["backup", "--source", &source, "--files", &files];
        run(folder, &[&base, more].concat()).ok()
    };
    let preset = ["--preset", "@preset.toml"];
    let _standard = backup(&[&preset[..], &["--out", "@standard.zip"]].concat());
    let sensitive = [
        "--out",
        "@sensitive.coffer",
        "--sensitive",
        "--sealed",
        "--password-env",
        "OLD",
    ];
    let _sensitive = backup(&[&preset[..], &sensitive].concat());
    let _unclassified = backup(&["--out", "@unclassified.zip"]);
    assert!(found(folder, "unclassified.zip") > 100);

    let old = [
        "redact",
        "@sensitive.coffer",
        "--json",
        "--password-env",
        "OLD",
    ];
    let told = run(folder, &[&old[..], &["--out", "@redacted.zip"]].concat())
        .ok()
        .json();
    assert_eq!(
        told["suspicious"],
        serde_json::json!(["main.accounts.api_token"])
    );
    let _classified = run(
        folder,
        &[
            "redact",
            "@unclassified.zip",
            "--out",
            "@classified.zip",
            "--preset",
            "@preset.toml",
        ],
    )
    .ok();
    for name in ["redacted.zip", "classified.zip"] {
        assert_eq!(found(folder, name), 0, "{name}");
        assert_same(
            &open(folder, name).manifest,
            &open(folder, "standard.zip").manifest,
        );
    }

    let target = folder.join("target.sqlite");
    let connection = Connection::open(&target).unwrap();
    connection.execute_batch(SQLITE_SCHEMA).unwrap();
    let url = format!("sqlite:{}", target.display());
    let _restored = run(
        folder,
        &[
            "restore",
            "@redacted.zip",
            "--target",
            &url,
            "--mode",
            "replace",
            "--without-files",
            "--yes",
        ],
    )
    .ok();
    let one = |query: &str| {
        connection
            .query_row(query, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(
        one(
            "SELECT group_concat(DISTINCT password || '|' || typeof(token) || '|' || key || '|' || pin || '|' || typeof(pin)) FROM accounts WHERE id < 100"
        ),
        "\t!\\|null|none|1000|integer"
    );
    assert_eq!(
        one("SELECT group_concat(DISTINCT rate) FROM accounts"),
        "0.5"
    );
    assert_eq!(
        one("SELECT typeof(key) || typeof(pin) FROM accounts WHERE id = 100"),
        "nullnull"
    );
    assert_eq!(
        one("SELECT group_concat(DISTINCT secret) || count(*) FROM large"),
        "gone180000"
    );

    // Sealed anew, without files: only the new password opens it.
    let _sealed = run(
        folder,
        &[
            &old[..],
            &[
                "--out",
                "@redacted.coffer",
                "--sealed",
                "--new-password-env",
                "NEW",
                "--without-files",
            ],
        ]
        .concat(),
    )
    .ok();
    let verified = run(
        folder,
        &[
            "verify",
            "@redacted.coffer",
            "--password-env",
            "NEW",
            "--json",
        ],
    )
    .ok();
    assert_eq!(verified.json()["files"], 0);
    assert_eq!(
        run(
            folder,
            &["verify", "@redacted.coffer", "--password-env", "OLD"]
        )
        .code,
        3
    );
}

#[test]
fn what_goes_wrong_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    Connection::open(folder.join("app.sqlite"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, secret TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;",
        )
        .unwrap();
    let preset = r#"app = "t"
        credential = [{ table = "t", column = "secret" }]"#;
    fs::write(folder.join("preset.toml"), preset).unwrap();
    fs::write(
        folder.join("other.toml"),
        preset.replace("app = \"t\"", "app = \"u\""),
    )
    .unwrap();
    fs::write(
        folder.join("wrong.toml"),
        preset.replace("\"secret\"", "\"secreet\""),
    )
    .unwrap();
    let source = format!("sqlite:{}", folder.join("app.sqlite").display());
    let _sensitive = run(
        folder,
        &[
            "backup",
            "--source",
            &source,
            "--preset",
            "@preset.toml",
            "--out",
            "@t.coffer",
            "--sensitive",
            "--sealed",
            "--password-env",
            "OLD",
        ],
    )
    .ok();
    let mut damaged = fs::read(folder.join("t.coffer")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(folder.join("damaged.coffer"), damaged).unwrap();
    let names = || {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<BTreeSet<_>>()
    };
    let before = names();
    for (arguments, exit, code) in [
        (
            &["@t.coffer", "--password-env", "NEW"][..],
            3,
            "wrong_password",
        ),
        (
            &["@damaged.coffer", "--password-env", "OLD"],
            4,
            "chunk_damaged",
        ),
        (
            &[
                "@t.coffer",
                "--password-env",
                "OLD",
                "--preset",
                "@other.toml",
            ],
            5,
            "other_app",
        ),
        (
            &[
                "@t.coffer",
                "--password-env",
                "OLD",
                "--preset",
                "@wrong.toml",
            ],
            5,
            "preset",
        ),
        (
            &[
                "@t.coffer",
                "--password-env",
                "OLD",
                "--new-password-env",
                "NEW",
            ],
            2,
            "usage",
        ),
    ] {
        let refused = run(
            folder,
            &[&["redact", "--out", "@out.zip", "--json"], arguments].concat(),
        );
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (exit, &code.into()),
            "{arguments:?}"
        );
        assert_eq!(names(), before);
    }
    fs::write(folder.join("out.zip"), "mine").unwrap();
    let redact = [
        "redact",
        "@t.coffer",
        "--out",
        "@out.zip",
        "--password-env",
        "OLD",
    ];
    assert_eq!(run(folder, &redact).code, 5);
    assert_eq!(fs::read_to_string(folder.join("out.zip")).unwrap(), "mine");
    let _replaced = run(folder, &[&redact[..], &["--overwrite"]].concat()).ok();
    assert_eq!(open(folder, "out.zip").manifest.total_rows(), 20_000);
}
