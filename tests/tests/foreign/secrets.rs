//! What products write in the clear and keep wrapped with a key of their own: only into sealed archives, and wrapped again
//! where it is restored.

use coffer_core::{
    app_secret::SecretMark,
    foreign::{
        Found, Secret,
        dbackup::{KeyRing, Sidecar},
    },
    seal::Password,
};
use coffer_server::{
    foreign,
    read::{OpenArchive, ReadAt, Unlock},
};

use super::*;

const PASSWORD: [&str; 2] = ["--password-env", "RIGHT"];
const NEW: [&str; 2] = ["--new-password-env", "RIGHT"];
const KEYS: [&str; 2] = [
    "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
];

/// An archive of Coffer's with everything that its tables hold, as text.
struct Opened {
    marks: Vec<SecretMark>,
    text: String,
}

fn opened(path: &str, unlock: &Unlock) -> Opened {
    let source: Arc<dyn ReadAt> =
        Arc::new(coffer_server::read::FileSource::open(Path::new(path)).unwrap());
    let archive = OpenArchive::open(source, unlock).unwrap();
    let mut text = String::new();
    for table in &archive.manifest.tables {
        for part in 0..table.parts.len() {
            text.push_str(std::str::from_utf8(&archive.part(table, part).unwrap()).unwrap());
        }
    }
    Opened {
        marks: archive.manifest.app_secrets.clone(),
        text,
    }
}

fn sealed() -> Unlock {
    Unlock::Password(Password::new(PASSWORDS[0].1))
}

/// Values of a column of a foreign archive that are texts and not empty.
fn values(open: &foreign::Open, table: &str, columns: &[&str]) -> Vec<String> {
    let mut values = Vec::new();
    let progress = coffer_server::progress::Progress::default();
    open.rows(table, &progress, |found| {
        if let Found::Row { row, .. } = found {
            let texts = columns
                .iter()
                .filter_map(|column| row.get(column)?.as_text());
            values.extend(texts.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        Ok::<_, foreign::Error>(())
    })
    .unwrap();
    values
}

struct Moved {
    folder: tempfile::TempDir,
}

impl Moved {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, key) in ["a", "b"].into_iter().zip(KEYS) {
            fs::write(folder.path().join(name), key).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn convert(&self, name: &str, like: &str, out: &str, more: &[&str]) -> Run {
        let (file, out) = (sample(name), self.path(out));
        let convert = [
            "convert",
            file.to_str().unwrap(),
            "--like",
            like,
            "--out",
            &out,
            "--json",
        ];
        coffer([&convert[..], more].concat(), &PASSWORDS)
    }

    fn restore(&self, archive: &str, preset: &str, url: &str, more: &[&str]) -> Run {
        let restore = [
            "restore",
            archive,
            "--target",
            url,
            "--preset",
            preset,
            "--mode",
            "replace",
            "--force",
            "--yes",
            "--json",
            "--without-files",
        ];
        coffer([&restore[..], more].concat(), &PASSWORDS)
    }
}

fn code(run: &Run) -> (i32, String) {
    (
        run.code,
        run.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

#[test]
fn dbackups_secrets_are_sealed_and_wrapped_with_the_key_of_the_target() {
    let moved = Moved::new();
    let key = key();
    let open_with = ["--key-file", key.as_str()];
    let installation = sqlite("dbackup");
    let convert = |out: &str, more: &[&str]| {
        moved.convert(
            "dbackup.json.gz.enc",
            &installation.url,
            out,
            &[&open_with[..], more].concat(),
        )
    };
    // Only sealed, and only with rules that say where.
    let refused = convert("refused.zip", &["--sensitive"]);
    assert_eq!(code(&refused).1, "sensitive_needs_seal", "{refused:?}");
    let refused = convert("refused.zip", &["--without-preset"]);
    assert_eq!(code(&refused).1, "unwrapped", "{refused:?}");
    assert!(!Path::new(&moved.path("refused.zip")).exists());
    let _made = convert("standard.zip", &[]).ok();
    let _made = convert(
        "moved.coffer",
        &[&["--sensitive", "--sealed"], &NEW[..]].concat(),
    )
    .ok();

    let (standard, sensitive) = (
        opened(&moved.path("standard.zip"), &Unlock::None),
        opened(&moved.path("moved.coffer"), &sealed()),
    );
    let source: Arc<dyn ReadAt> =
        Arc::new(coffer_server::read::FileSource::open(&sample("dbackup.json.gz.enc")).unwrap());
    let sidecar = fs::read(sample("dbackup.json.gz.enc.meta.json")).unwrap();
    let sidecar = Sidecar::parse(&sidecar).unwrap();
    let look = foreign::look(&*source, Some(&sidecar)).unwrap().unwrap();
    let ring = KeyRing::parse(&fs::read(&key).unwrap()).unwrap();
    let progress = coffer_server::progress::Progress::default();
    let open = foreign::open(
        source,
        &look,
        &Secret::Keys(ring),
        Some(&sidecar),
        &progress,
    )
    .unwrap();
    let secrets: Vec<String> = [
        ("EncryptionProfile", &["secretKey"][..]),
        ("ApiKey", &["hashedKey"]),
        ("Account", &["password"]),
        ("SsoProvider", &["clientSecret"]),
    ]
    .iter()
    .flat_map(|(table, columns)| values(&open, table, columns))
    .collect();
    assert!(secrets.len() >= 4, "{}", secrets.len());
    for secret in &secrets {
        assert!(sensitive.text.contains(secret.as_str()));
        assert!(!standard.text.contains(secret.as_str()));
    }
    assert_eq!(standard.marks, []);
    assert!(
        sensitive
            .marks
            .iter()
            .all(|mark| mark.unwrapped && mark.fingerprint.is_none())
    );
    assert!(!sensitive.marks.is_empty());

    // Wrapped under the target's key, every column; without it nothing at all.
    let archive = moved.path("moved.coffer");
    let refused = moved.restore(&archive, "dbackup", &installation.url, &PASSWORD);
    assert_eq!(code(&refused).1, "plan_blocked", "{refused:?}");
    let with = format!("ENCRYPTION_KEY={}", moved.path("b"));
    let secret = ["--app-secret", with.as_str()];
    let restored = moved.restore(
        &archive,
        "dbackup",
        &installation.url,
        &[&secret[..], &PASSWORD].concat(),
    );
    assert_eq!(restored.code, 0, "{restored:?}");
    let database =
        rusqlite::Connection::open(installation.url.strip_prefix("sqlite:").unwrap()).unwrap();
    let one = |query: &str| -> i64 { database.query_row(query, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        one("SELECT count(*) FROM EncryptionProfile WHERE length(secretKey) = 194"),
        2
    );
    let three =
        "SELECT count(*) FROM CredentialProfile WHERE data LIKE '%:%:%' AND data NOT LIKE '{%'";
    assert_eq!(one(three), 4);
    for secret in values(&open, "EncryptionProfile", &["secretKey"]) {
        let clear = format!("SELECT count(*) FROM EncryptionProfile WHERE secretKey = '{secret}'");
        assert_eq!(one(&clear), 0);
    }
    // Nobody is asked for a second factor that the archive does not hold.
    assert_eq!(
        one("SELECT count(*) FROM User WHERE twoFactorEnabled = 1 OR passkeyTwoFactor = 1"),
        0
    );

    // What its own key takes off again is what was there.
    let (again, converted) = (moved.path("again.coffer"), moved.path("moved.coffer"));
    let backup = [
        "backup",
        "--source",
        &installation.url,
        "--preset",
        "dbackup",
        "--out",
        &again,
        "--sensitive",
        "--unwrap-app-secrets",
        "--sealed",
    ];
    let _taken = coffer([&backup[..], &secret, &PASSWORD].concat(), &PASSWORDS).ok();
    let (converted, taken) = (
        row_sets(Path::new(&converted), &sealed()),
        row_sets(Path::new(&again), &sealed()),
    );
    for (table, rows) in &converted {
        assert_eq!(taken.get(table), Some(rows), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nojoins_tokens_come_back_under_the_key_of_the_target() {
    let server = Server::shared();
    let moved = Moved::new();
    let installation = postgres(&server, "nojoin").await;
    let with = format!("DATA_ENCRYPTION_KEY={}", moved.path("a"));
    let secret = ["--app-secret", with.as_str()];
    let sensitive = [&["--sensitive", "--sealed"], &NEW[..]].concat();
    let _made = moved
        .convert("nojoin.zip", &installation.url, "moved.coffer", &sensitive)
        .ok();
    let _made = moved
        .convert("nojoin.zip", &installation.url, "standard.zip", &[])
        .ok();
    let (standard, whole) = (
        opened(&moved.path("standard.zip"), &Unlock::None),
        opened(&moved.path("moved.coffer"), &sealed()),
    );
    assert!(
        !whole.text.contains("\"REDACTED\""),
        "no placeholder is a value"
    );
    let count = "SELECT (SELECT count(*) FROM calendar_provider_configs WHERE client_secret_encrypted LIKE 'gAAAA%') || ' ' ||
                        (SELECT count(*) FROM calendar_connections WHERE access_token_encrypted LIKE 'gAAAA%' AND refresh_token_encrypted LIKE 'gAAAA%') || ' ' ||
                        (SELECT count(*) FROM users WHERE hashed_password <> '')";
    let database = installation.url.rsplit('/').next().unwrap();
    // From the sealed archive, and at once from the product's own file.
    let file = sample("nojoin.zip");
    for (archive, more) in [
        (
            moved.path("moved.coffer"),
            [&secret[..], &PASSWORD].concat(),
        ),
        (file.to_str().unwrap().to_owned(), secret.to_vec()),
    ] {
        let restored = moved.restore(&archive, "nojoin", &installation.url, &more);
        assert_eq!(restored.code, 0, "{archive} {restored:?}");
        let mut connection = server.connect(database).await;
        let found = coffer_tests::postgres::texts(&mut connection, count).await;
        assert_eq!(found, ["2 2 3"], "{archive}");
        let again = moved.path("again.coffer");
        let backup = [
            "backup",
            "--source",
            &installation.url,
            "--preset",
            "nojoin",
            "--out",
            &again,
            "--sensitive",
            "--unwrap-app-secrets",
            "--sealed",
            "--overwrite",
        ];
        let _taken = coffer([&backup[..], &secret, &PASSWORD].concat(), &PASSWORDS).ok();
        let (converted, taken) = (
            row_sets(Path::new(&moved.path("moved.coffer")), &sealed()),
            row_sets(Path::new(&again), &sealed()),
        );
        for (table, rows) in &converted {
            assert_eq!(taken.get(table), Some(rows), "{archive} {table}");
        }
    }
    let hashes = coffer_tests::postgres::texts(
        &mut server.connect(database).await,
        "SELECT hashed_password FROM users",
    )
    .await;
    for hash in hashes {
        assert!(whole.text.contains(&hash) && !standard.text.contains(&hash));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nosdesk_keeps_wrapped_stays_so_and_says_under_which_key() {
    let server = Server::shared();
    let moved = Moved::new();
    let installation = postgres(&server, "nosdesk").await;
    let with = format!("MFA_KEK_V1={}", moved.path("a"));
    let sensitive = [
        &["--sensitive", "--sealed", "--app-secret", &with],
        &NEW[..],
        &PASSWORD,
    ]
    .concat();
    let _made = moved
        .convert(
            "nosdesk-sensitive.zip",
            &installation.url,
            "moved.coffer",
            &sensitive,
        )
        .ok();
    let whole = opened(&moved.path("moved.coffer"), &sealed());
    let [mark] = whole.marks.as_slice() else {
        panic!("{:?}", whole.marks);
    };
    assert!(!mark.unwrapped && mark.fingerprint.is_some());
    let archive = moved.path("moved.coffer");
    for (file, same) in [("a", true), ("b", false)] {
        let with = format!("MFA_KEK_V1={}", moved.path(file));
        let plan = [
            "plan",
            &archive,
            "--target",
            &installation.url,
            "--mode",
            "replace",
            "--force",
            "--json",
            "--without-files",
            "--app-secret",
            &with,
        ];
        let planned = coffer([&plan[..], &PASSWORD].concat(), &PASSWORDS)
            .ok()
            .json();
        let findings = planned["plan"]["findings"].to_string();
        assert_eq!(!findings.contains("mfa_secret"), same, "{findings}");
    }
}
