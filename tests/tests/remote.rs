//! Archives on web servers: read in place, in few and small ranges, and never as a mixture of two files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, path::Path, time::Duration};

use coffer_server::read_at::{HttpSource, Patience, ReadAt, SourceError};
use coffer_tests::{
    coffer::{Run, coffer},
    range_server::{Answer, RangeServer},
};
use rusqlite::Connection;
use url::Url;

const PASSWORD: (&str, &str) = ("ARCHIVE_PASSWORD", "correct horse");
const HURRIED: Patience = Patience {
    attempts: 3,
    pause: Duration::from_millis(1),
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(10),
};

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

fn open(server: &RangeServer) -> Result<HttpSource, SourceError> {
    HttpSource::open(&Url::parse(&server.url("/a.coffer")).unwrap(), HURRIED)
}

fn read(source: &HttpSource, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
    let mut buffer = vec![0; len];
    match source.read_exact_at(offset, &mut buffer) {
        Ok(()) => Ok(buffer),
        Err(error) => Err(error
            .into_inner()
            .and_then(|inner| inner.downcast().ok())
            .map(|error| *error)
            .unwrap()),
    }
}

#[test]
fn ranges_are_those_of_the_file() {
    let bytes = content(100_000);
    let server = RangeServer::of(bytes.clone());
    let source = open(&server).unwrap();
    assert_eq!(source.size(), 100_000);
    for (from, to) in [
        (0, 0),
        (0, 10),
        (4090, 4100),
        (0, 100_000),
        (99_999, 100_000),
        (50_000, 60_000),
    ] {
        assert_eq!(
            read(&source, from as u64, to - from).unwrap(),
            bytes[from..to]
        );
    }
    let beyond = source.read_exact_at(99_999, &mut [0; 2]).unwrap_err();
    assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
    // The tag of the first answer goes with each later request.
    let asked = server.asked();
    assert!(asked.len() > 3);
    assert!(
        asked
            .iter()
            .skip(1)
            .all(|asked| asked.header("if-range") == Some("\"v1\""))
    );
}

#[test]
fn small_and_empty_files_have_a_size() {
    for len in [0, 1, 4095, 4096, 4097] {
        let source = open(&RangeServer::of(content(len))).unwrap();
        assert_eq!(source.size(), len as u64);
        assert_eq!(read(&source, 0, len).unwrap(), content(len));
    }
}

#[test]
fn what_drops_is_asked_for_again_from_where_it_dropped() {
    let bytes = content(300_000);
    let served = bytes.clone();
    let server = RangeServer::start(move |asked| match asked.number {
        2 => Answer::new(503, b"busy".to_vec()),
        number if number < 20 && number % 2 == 1 => {
            asked.answer(&served, "\"v1\"").cut_after(10_000)
        }
        _ => asked.answer(&served, "\"v1\""),
    });
    let source = open(&server).unwrap();
    assert!(read(&source, 0, 300_000).unwrap() == bytes);
    // No byte was fetched twice.
    assert!(server.sent() < 300_000 + 100, "{}", server.sent());
}

#[test]
fn patience_ends() {
    let server = RangeServer::start(|_| Answer::new(503, Vec::new()));
    let error = open(&server).unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable { what, .. } if what == "HTTP status 503"));
    assert_eq!(server.asked().len(), 3);
    // Nobody listens there.
    let closed = Url::parse("http://127.0.0.1:9/a").unwrap();
    let error = HttpSource::open(&closed, HURRIED).unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_may_give_less_than_was_asked_for() {
    let bytes = content(50_000);
    let served = bytes.clone();
    let server = RangeServer::start(move |asked| {
        let mut asked = asked.clone();
        asked.range = asked
            .range
            .map(|(first, last)| (first, last.min(first + 6_000)));
        asked.answer(&served, "\"v1\"")
    });
    assert!(read(&open(&server).unwrap(), 0, 50_000).unwrap() == bytes);
}

#[test]
fn a_file_that_changes_is_an_error() {
    type Change = fn(&[u8], &coffer_tests::range_server::Asked) -> Answer;
    let changes: [(&str, Change); 6] = [
        ("another tag", |bytes, asked| asked.answer(bytes, "\"v2\"")),
        ("another tag, and If-Range is ignored", |bytes, asked| {
            let (first, last) = asked.range.unwrap();
            Answer::new(206, bytes[first..=last].to_vec())
                .with(
                    "Content-Range",
                    &format!("bytes {first}-{last}/{}", bytes.len()),
                )
                .with("ETag", "\"v2\"")
        }),
        ("no tag any more", |bytes, asked| {
            asked.answer(bytes, "\"v1\"").without("ETag")
        }),
        ("another size", |bytes, asked| {
            asked.answer(&[bytes, b"more"].concat(), "\"v1\"")
        }),
        ("shorter", |bytes, asked| {
            asked.answer(&bytes[..5000], "\"v1\"")
        }),
        ("precondition", |_, _| Answer::new(412, Vec::new())),
    ];
    for (what, change) in changes {
        let bytes = content(20_000);
        let server = RangeServer::start(move |asked| match asked.number {
            0 => asked.answer(&bytes, "\"v1\""),
            _ => change(&bytes, asked),
        });
        let error = read(&open(&server).unwrap(), 10_000, 10).unwrap_err();
        assert!(
            matches!(error, SourceError::Changed { .. }),
            "{what}: {error}"
        );
    }
    // Without a strong tag, the time of the last change tells.
    let bytes = content(20_000);
    let server = RangeServer::start(move |asked| {
        asked.answer(&bytes, "W/\"weak\"").with(
            "Last-Modified",
            if asked.number == 0 {
                "Sat, 21 Nov 2026 09:00:00 GMT"
            } else {
                "Sat, 21 Nov 2026 09:00:01 GMT"
            },
        )
    });
    let error = read(&open(&server).unwrap(), 10_000, 10).unwrap_err();
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    assert_eq!(server.asked()[1].header("if-range"), None);
}

#[test]
fn wrong_answers_are_refused() {
    type Wrong = fn(&[u8], (usize, usize)) -> Answer;
    let wrong: [(&str, Wrong); 5] = [
        ("other bytes", |bytes, (first, last)| {
            Answer::new(206, bytes[first..=last].to_vec()).with(
                "Content-Range",
                &format!("bytes {}-{}/20000", first + 1, last + 1),
            )
        }),
        ("more bytes", |bytes, (first, last)| {
            Answer::new(206, bytes[first..=last + 1].to_vec()).with(
                "Content-Range",
                &format!("bytes {}-{}/20000", first, last + 1),
            )
        }),
        ("a body that is longer", |bytes, (first, last)| {
            Answer::new(206, bytes[first..=last + 1].to_vec())
                .with("Content-Range", &format!("bytes {first}-{last}/20000"))
        }),
        ("no range", |bytes, (first, last)| {
            Answer::new(206, bytes[first..=last].to_vec())
        }),
        ("compressed", |bytes, (first, last)| {
            Answer::new(206, bytes[first..=last].to_vec())
                .with("Content-Range", &format!("bytes {first}-{last}/20000"))
                .with("Content-Encoding", "gzip")
        }),
    ];
    for (what, wrong) in wrong {
        for good in [0, 1] {
            let bytes = content(20_000);
            let server = RangeServer::start(move |asked| {
                if asked.number < good {
                    asked.answer(&bytes, "\"v1\"")
                } else {
                    wrong(&bytes, asked.range.unwrap()).with("ETag", "\"v1\"")
                }
            });
            let result = open(&server).and_then(|source| read(&source, 10_000, 10));
            assert!(
                matches!(result, Err(SourceError::Answer { .. })),
                "{what} after {good}: {result:?}"
            );
        }
    }
}

#[test]
fn a_server_without_ranges_is_refused_and_not_downloaded() {
    let server = RangeServer::start(|_| Answer::new(200, content(8 << 20)));
    let error = open(&server).unwrap_err();
    assert!(matches!(error, SourceError::NoRanges { .. }), "{error}");
    assert_eq!(server.asked().len(), 1);
    let server = RangeServer::start(|_| Answer::new(404, Vec::new()));
    let error = open(&server).unwrap_err();
    assert!(matches!(error, SourceError::Status { status: 404, .. }));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let bytes = content(10_000);
    let server = RangeServer::start(move |asked| match asked.path.as_str() {
        "/a.coffer" => Answer::new(302, Vec::new()).with("Location", "/b"),
        "/b" => asked.answer(&bytes, "\"v1\""),
        _ => Answer::new(302, Vec::new()).with("Location", "/loop"),
    });
    assert_eq!(
        read(&open(&server).unwrap(), 9_000, 3).unwrap(),
        content(9_003)[9_000..]
    );
    let endless = Url::parse(&server.url("/loop")).unwrap();
    let error = HttpSource::open(&endless, HURRIED).unwrap_err();
    assert!(matches!(error, SourceError::Answer { .. }), "{error}");
    assert!(server.asked().len() < 15);
}

/// An archive with one small table and many bytes of noise, sealed with a password.
fn make(folder: &Path) -> Vec<u8> {
    Connection::open(folder.join("app.sqlite"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO things VALUES (1, 'one'), (2, 'two');",
        )
        .unwrap();
    fs::create_dir(folder.join("uploads")).unwrap();
    let mut noise = vec![0; 24 << 20];
    getrandom::fill(&mut noise).unwrap();
    fs::write(folder.join("uploads/noise.bin"), noise).unwrap();
    let source = format!("sqlite:{}", folder.join("app.sqlite").display());
    let files = format!("up={}", folder.join("uploads").display());
    let archive = folder.join("app.coffer").display().to_string();
    let arguments = [
        "backup", "--source", &source, "--files", &files, "--out", &archive,
    ];
    let seal = ["--sealed", "--password-env", PASSWORD.0];
    let _taken = coffer(arguments.into_iter().chain(seal), &[PASSWORD]).ok();
    fs::read(archive).unwrap()
}

fn run(arguments: &[&str]) -> Run {
    let password = ["--password-env", PASSWORD.0];
    coffer(arguments.iter().copied().chain(password), &[PASSWORD])
}

#[test]
fn commands_take_addresses_and_read_little() {
    let folder = tempfile::tempdir().unwrap();
    let archive = make(folder.path());
    let size = archive.len() as u64;
    let server = RangeServer::of(archive);
    let url = server.url("/backups/app.coffer");

    let inspected = run(&["inspect", &url]).ok();
    assert!(inspected.stdout.contains("things"), "{inspected:?}");
    let after_inspect = server.sent();
    assert!(after_inspect < size / 200, "{after_inspect} of {size}");

    let rows = run(&["extract", &url, "--table", "things"]).ok().stdout;
    assert_eq!(rows, "id\tname\n1\tone\n2\ttwo\n");
    let for_extract = server.sent() - after_inspect;
    assert!(for_extract < size / 200, "{for_extract} of {size}");

    assert_eq!(run(&["verify", &url, "--json"]).ok().json()["rows"], 2);
    let scrubbed = coffer(["verify", &url, "--scrub"], &[]).ok();
    assert!(scrubbed.stdout.contains("no accidental damage"));
    let plain = folder.path().join("plain.zip").display().to_string();
    let _written = run(&["unseal", &url, "--out", &plain]).ok();
    assert_eq!(
        coffer(["verify", &plain, "--json"], &[]).ok().json()["rows"],
        2
    );
    Connection::open(folder.path().join("target.sqlite"))
        .unwrap()
        .execute_batch("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
        .unwrap();
    let target = format!("sqlite:{}", folder.path().join("target.sqlite").display());
    let _restored = run(&[
        "restore",
        &url,
        "--target",
        &target,
        "--mode",
        "replace",
        "--without-files",
        "--yes",
    ])
    .ok();
    let names: String = Connection::open(folder.path().join("target.sqlite"))
        .unwrap()
        .query_row("SELECT group_concat(name, '|') FROM things", (), |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(names, "one|two");
}

#[test]
fn credentials_in_an_address_reach_the_server_and_nobody_else() {
    let server = RangeServer::start(|asked| {
        let known = asked.header("authorization") == Some("Basic bWU6aHVudGVyMg==");
        Answer::new(if known { 410 } else { 401 }, Vec::new())
    });
    let url = server
        .url("/a.coffer?signature=hunter3")
        .replace("http://", "http://me:hunter2@");
    for arguments in [vec!["inspect", &url], vec!["inspect", &url, "--json"]] {
        let run = coffer(arguments, &[]);
        assert_eq!(run.code, 1);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("HTTP status 410"), "{said}");
        assert!(
            said.contains("/a.coffer") && !said.contains("hunter"),
            "{said}"
        );
    }
    assert_eq!(server.asked()[0].path, "/a.coffer?signature=hunter3");
}

#[test]
fn a_file_that_changes_under_a_command_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let archive = make(folder.path());
    let server = RangeServer::start(move |asked| {
        asked.answer(&archive, if asked.number < 8 { "\"v1\"" } else { "\"v2\"" })
    });
    let out = folder.path().join("plain.zip");
    let run = run(&[
        "unseal",
        &server.url("/a"),
        "--json",
        "--out",
        &out.display().to_string(),
    ]);
    assert_eq!(
        (run.code, run.json()["error"]["code"].as_str()),
        (1, Some("source_changed"))
    );
    assert!(!out.exists());
}
