//! Sealing and unsealing archives of several slabs: byte for byte, proven, or nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;

const SLAB: usize = 4 << 20;

fn run(folder: &Path, arguments: &[&str]) -> Run {
    let arguments = arguments
        .iter()
        .map(|argument| match argument.strip_prefix('@') {
            Some(name) => folder.join(name).display().to_string(),
            None => (*argument).to_owned(),
        });
    coffer(arguments, &[("PASSWORD", "correct horse")])
}

fn seal(folder: &Path, from: &str, to: &str, more: &[&str]) -> Run {
    let base = [
        "seal",
        from,
        "--out",
        to,
        "--json",
        "--password-env",
        "PASSWORD",
    ];
    run(folder, &[&base, more].concat())
}

fn unseal(folder: &Path, from: &str, to: &str) -> Run {
    let base = [
        "unseal",
        from,
        "--out",
        to,
        "--json",
        "--password-env",
        "PASSWORD",
    ];
    run(folder, &base)
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// Makes a plain archive whose one file has `size` bytes that do not pack. Returns the archive's size.
fn archive(folder: &Path, name: &str, size: usize) -> usize {
    let database = folder.join("app.sqlite");
    let rows = "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT);
        INSERT OR IGNORE INTO t VALUES (1, 'x'), (2, NULL);";
    Connection::open(&database)
        .unwrap()
        .execute_batch(rows)
        .unwrap();
    let mut noise = vec![0; size];
    getrandom::fill(&mut noise).unwrap();
    fs::create_dir_all(folder.join("up")).unwrap();
    fs::write(folder.join("up/noise.bin"), noise).unwrap();
    let source = format!("sqlite:{}", database.display());
    let files = format!("up={}", folder.join("up").display());
    let out = format!("@{name}");
    let arguments = [
        "backup",
        "--source",
        &source,
        "--files",
        &files,
        "--out",
        &out,
        "--overwrite",
        "--json",
    ];
    let taken = run(folder, &arguments).ok();
    usize::try_from(taken.json()["bytes"].as_u64().unwrap()).unwrap()
}

#[test]
fn archives_of_any_size_come_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = archive(folder, "plain.zip", 1);
    // Below one slab, a few bytes around two of them, and exactly two.
    for (number, wanted) in [
        20_000,
        2 * SLAB - 1,
        2 * SLAB,
        2 * SLAB + 1,
        3 * SLAB - 16_384,
    ]
    .into_iter()
    .enumerate()
    {
        // The rest of the archive has the same size but for how many digits sizes have.
        let mut size = wanted - small;
        let mut found = archive(folder, "plain.zip", size);
        for _ in 0..5 {
            if found == wanted {
                break;
            }
            size = size + wanted - found;
            found = archive(folder, "plain.zip", size);
        }
        if number > 0 {
            assert!(
                found.abs_diff(wanted) < 64,
                "{found} bytes instead of {wanted}"
            );
        }
        for more in [&[][..], &["--unchecked"]] {
            let sealed = format!("@{number}-{}.coffer", more.len());
            let plain = format!("@{number}-{}.zip", more.len());
            let done = seal(folder, "@plain.zip", &sealed, more).ok().json();
            assert_eq!(done["verified"], more.is_empty());
            let verify = ["verify", &sealed, "--password-env", "PASSWORD"];
            let _verified = run(folder, &verify).ok();
            let _scrubbed = run(folder, &["scrub", &sealed]).ok();
            let _unsealed = unseal(folder, &sealed, &plain).ok();
            assert!(
                fs::read(folder.join(&plain[1..])).unwrap()
                    == fs::read(folder.join("plain.zip")).unwrap()
            );
        }
    }
}

#[test]
fn what_a_sender_signed_is_sealed_and_unsealed_alike() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _size = archive(folder, "plain.zip", 3 * SLAB);
    let _sender = run(folder, &["sender", "new", "--out", "@sender.key"]).ok();
    let _sealed = seal(
        folder,
        "@plain.zip",
        "@signed.coffer",
        &["--sign-with", "@sender.key"],
    )
    .ok();
    let _unsealed = unseal(folder, "@signed.coffer", "@back.zip").ok();
    assert!(
        fs::read(folder.join("back.zip")).unwrap() == fs::read(folder.join("plain.zip")).unwrap()
    );
}

#[test]
fn damage_anywhere_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let size = archive(folder, "plain.zip", 3 * SLAB);
    let _sealed = seal(folder, "@plain.zip", "@sealed.coffer", &[]).ok();
    let damage = |from: &str, to: &str, at: usize| {
        let mut bytes = fs::read(folder.join(from)).unwrap();
        bytes[at] ^= 1;
        fs::write(folder.join(to), bytes).unwrap();
    };
    for at in [200_000, 2 * SLAB + 5, size / 2] {
        damage("plain.zip", "damaged.zip", at);
        damage("sealed.coffer", "damaged.coffer", at);
        let before = names(folder);
        let refused = seal(folder, "@damaged.zip", "@out", &[]);
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (4, &"entry_damaged".into())
        );
        let refused = unseal(folder, "@damaged.coffer", "@out");
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (4, &"chunk_damaged".into())
        );
        assert_eq!(names(folder), before);
        // Whoever asks for no check gets what the archive has, damage included, and a check finds it.
        let _unchecked = seal(folder, "@damaged.zip", "@out", &["--unchecked"]).ok();
        let refused = unseal(folder, "@out", "@none.zip");
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (4, &"entry_damaged".into())
        );
        fs::remove_file(folder.join("out")).unwrap();
        assert_eq!(names(folder), before);
    }
}
