//! Ctrl-C and a request to terminate, at any moment of a command: nothing half is left, and nothing temporary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use coffer_tests::coffer::{coffer, program};
use rusqlite::Connection;

const PASSWORD: (&str, &str) = ("ARCHIVE_PASSWORD", "correct horse");
/// Moments at which each command is interrupted.
const MOMENTS: u32 = 8;

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn start(arguments: &[String]) -> Child {
    Command::new(program())
        .args(arguments)
        .env(PASSWORD.0, PASSWORD.1)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_half_is_left_whenever_a_command_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    Connection::open(path("app.sqlite"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE things (id INTEGER PRIMARY KEY, noise TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
             INSERT INTO things SELECT i, hex(randomblob(150)) FROM n;",
        )
        .unwrap();
    fs::create_dir(path("up")).unwrap();
    let mut noise = vec![0; 24 << 20];
    getrandom::fill(&mut noise).unwrap();
    fs::write(folder.path().join("up/noise.bin"), noise).unwrap();
    let owned = |arguments: &[&str]| {
        arguments
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let source = format!("sqlite:{}", path("app.sqlite"));
    let files = format!("up={}", path("up"));
    let (plain, sealed, out) = (path("plain.zip"), path("sealed.coffer"), path("out"));
    let key = ["--password-env", PASSWORD.0];
    let backup = ["backup", "--source", &source, "--files", &files, "--out"];
    let _plain = coffer(backup.iter().chain(&[plain.as_str()]), &[PASSWORD]).ok();
    let seal = ["seal", &plain, "--out", &sealed];
    let _sealed = coffer(seal.iter().chain(&key), &[PASSWORD]).ok();
    let before = names(folder.path());

    let commands = [
        owned(&[&backup[..], &[&out, "--sealed"], &key].concat()),
        owned(&[&["seal", plain.as_str(), "--out", &out], &key[..]].concat()),
        owned(&[&["unseal", sealed.as_str(), "--out", &out], &key[..]].concat()),
        owned(&[&["salvage", sealed.as_str(), "--out", &out], &key[..]].concat()),
        owned(
            &[
                &[
                    "extract",
                    sealed.as_str(),
                    "--file",
                    "up/noise.bin",
                    "--out",
                    &out,
                ],
                &key[..],
            ]
            .concat(),
        ),
    ];
    let mut stopped = 0;
    for arguments in &commands {
        let began = Instant::now();
        assert!(start(arguments).wait().unwrap().success(), "{arguments:?}");
        let whole = began.elapsed();
        fs::remove_file(&out).unwrap();
        for moment in 0..MOMENTS {
            let mut child = start(arguments);
            // From before the program listens to signals until about its end.
            thread::sleep(whole * moment / MOMENTS + Duration::from_millis(u64::from(moment)));
            let signal = if moment % 2 == 0 {
                libc::SIGINT
            } else {
                libc::SIGTERM
            };
            let pid = libc::pid_t::try_from(child.id()).unwrap();
            // SAFETY: the child was not waited for, so that the number is still its own.
            let sent = unsafe { libc::kill(pid, signal) };
            assert_eq!(sent, 0);
            let status = child.wait().unwrap();
            let mut left = names(folder.path());
            if status.success() {
                assert!(
                    left.remove("out"),
                    "{arguments:?} at {moment}: done, but nothing is there"
                );
                fs::remove_file(&out).unwrap();
            } else {
                stopped += 1;
            }
            assert_eq!(
                left, before,
                "{arguments:?} at {moment} of {MOMENTS}: {status}"
            );
        }
    }
    // Timing differs, but most of them must have been in the middle of something.
    assert!(stopped > 10, "only {stopped} commands were stopped");
}
