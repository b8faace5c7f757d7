//! Archives of Nosdesk, Nojoin and DBackup on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffer_tests::coffer::{Run, coffer};
use serde_json::Value;

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
