//! Key files on the command line: sealing to public keys and opening with secret ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;

const PASSWORDS: [(&str, &str); 2] = [("RIGHT", "correct horse"), ("WRONG", "battery staple")];

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

fn make_source(folder: &Path) -> String {
    let path = folder.join("app.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x');",
        )
        .unwrap();
    format!("sqlite:{}", path.display())
}

#[test]
fn an_archive_opens_with_each_of_its_recipients_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = make_source(folder);
    let plain = run(folder, &["key", "new", "--json", "--out", "@plain.key"])
        .ok()
        .json();
    let locked = run(
        folder,
        &[
            "key",
            "new",
            "--json",
            "--out",
            "@locked.key",
            "--locked",
            "--password-env",
            "RIGHT",
        ],
    )
    .ok()
    .json();
    let _stranger = run(folder, &["key", "new", "--out", "@stranger.key"]).ok();
    let (first, second) = (
        plain["recipient"].as_str().unwrap(),
        locked["recipient"].as_str().unwrap(),
    );
    assert!(first.starts_with("coffer1") && second.starts_with("coffer1") && first != second);
    fs::write(folder.join("recipients"), format!("# the team\n{second}\n")).unwrap();

    let _taken = run(
        folder,
        &[
            "backup",
            "--source",
            &source,
            "--out",
            "@both.coffer",
            "--sealed",
            "--recipient",
            first,
            "--recipients-file",
            "@recipients",
            "--password-env",
            "RIGHT",
        ],
    )
    .ok();
    let locks = run(folder, &["inspect", "@both.coffer", "--locked", "--json"])
        .ok()
        .json();
    assert_eq!(locks["locks"].as_array().unwrap().len(), 3, "{locks}");
    for arguments in [
        &["--identity", "@plain.key"][..],
        &["--identity", "@locked.key", "--password-env", "RIGHT"],
        &["--password-env", "RIGHT"],
    ] {
        let verified = run(
            folder,
            &[&["verify", "@both.coffer", "--json"], arguments].concat(),
        )
        .ok();
        assert_eq!(verified.json()["rows"], 1);
    }
    for (arguments, code) in [
        (&["--identity", "@stranger.key"][..], "not_a_recipient"),
        (
            &["--identity", "@locked.key", "--password-env", "WRONG"],
            "wrong_password",
        ),
        (&["--password-env", "WRONG"], "wrong_password"),
    ] {
        let refused = run(
            folder,
            &[&["verify", "@both.coffer", "--json"], arguments].concat(),
        );
        assert_eq!(refused.code, 3, "{refused:?}");
        assert_eq!(refused.json()["error"]["code"], code);
    }

    // To keys alone: no password opens it, and none is asked for.
    let _taken = run(
        folder,
        &[
            "backup",
            "--source",
            &source,
            "--out",
            "@key.coffer",
            "--sealed",
            "--recipient",
            first,
        ],
    )
    .ok();
    let refused = run(
        folder,
        &["verify", "@key.coffer", "--json", "--password-env", "RIGHT"],
    );
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (3, &"not_a_recipient".into())
    );
    let _plain = run(
        folder,
        &[
            "unseal",
            "@key.coffer",
            "--out",
            "@key.zip",
            "--identity",
            "@plain.key",
        ],
    )
    .ok();
    let _again = run(
        folder,
        &[
            "seal",
            "@key.zip",
            "--out",
            "@again.coffer",
            "--recipient",
            second,
        ],
    )
    .ok();
    let _verified = run(
        folder,
        &[
            "verify",
            "@again.coffer",
            "--identity",
            "@locked.key",
            "--password-env",
            "RIGHT",
        ],
    )
    .ok();
}

#[test]
fn key_files_are_private_and_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = run(folder, &["key", "new", "--out", "@a.key"]).ok();
    let mode = fs::metadata(folder.join("a.key"))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o600);
    let text = fs::read_to_string(folder.join("a.key")).unwrap();
    let secret = text
        .lines()
        .find(|line| line.starts_with("COFFER-SECRET-KEY-1"))
        .unwrap();
    assert!(!made.stdout.contains(secret) && !made.stderr.contains(secret));
    assert_eq!(
        run(folder, &["key", "show", "@a.key"]).ok().stdout,
        made.stdout
    );

    let locked = run(
        folder,
        &[
            "key",
            "new",
            "--json",
            "--out",
            "@b.key",
            "--locked",
            "--password-env",
            "RIGHT",
        ],
    )
    .ok();
    let text = fs::read_to_string(folder.join("b.key")).unwrap();
    assert!(!text.contains("COFFER-SECRET-KEY"));
    let name = run(folder, &["key", "fingerprint", "@b.key", "--json"])
        .ok()
        .json();
    assert_eq!(name["fingerprint"], locked.json()["fingerprint"]);
    let refused = run(
        folder,
        &["key", "show", "@b.key", "--password-env", "WRONG"],
    );
    assert_eq!(refused.code, 3, "{refused:?}");

    // Nothing is overwritten, and a file that is no key file is told so without repeating it.
    let before = fs::read(folder.join("a.key")).unwrap();
    assert_eq!(run(folder, &["key", "new", "--out", "@a.key"]).code, 5);
    assert_eq!(fs::read(folder.join("a.key")).unwrap(), before);
    let mut typo = secret.to_owned();
    typo.replace_range(30..31, if &typo[30..31] == "Q" { "P" } else { "Q" });
    fs::write(folder.join("typo.key"), &typo).unwrap();
    let wrong = run(folder, &["key", "show", "@typo.key"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(!wrong.stderr.contains(&typo[20..60]), "{wrong:?}");
}
