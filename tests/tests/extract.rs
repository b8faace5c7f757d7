//! Taking single tables and files out of sealed archives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use coffer_core::{schema::TableName, seal::Password};
use coffer_server::{
    extract::{self, Format},
    progress::Progress,
    read::{FileSource, OpenArchive, ReadAt, Unlock},
};
use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;

const PASSWORD: (&str, &str) = ("ARCHIVE_PASSWORD", "correct horse");

fn make(folder: &Path) -> String {
    Connection::open(folder.join("app.sqlite"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, weight REAL, photo BLOB, anything);
             INSERT INTO things VALUES
                (1, 'plain', 1.5, x'00ff', 'text'),
                (2, 'comma, \"quotes\" and' || char(10) || 'a line', NULL, NULL, 9007199254740993),
                (3, NULL, 9e999, x'', 42);
             CREATE TABLE large (id INTEGER PRIMARY KEY, noise TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
             INSERT INTO large SELECT i, hex(randomblob(200)) FROM n;",
        )
        .unwrap();
    fs::create_dir_all(folder.join("uploads/deep")).unwrap();
    fs::write(folder.join("uploads/deep/größe.txt"), "the content").unwrap();
    let source = format!("sqlite:{}", folder.join("app.sqlite").display());
    let files = format!("up={}", folder.join("uploads").display());
    let archive = folder.join("app.coffer").display().to_string();
    let arguments = [
        "backup",
        "--source",
        &source,
        "--files",
        &files,
        "--out",
        &archive,
        "--sealed",
        "--password-env",
        PASSWORD.0,
    ];
    let _taken = coffer(arguments, &[PASSWORD]).ok();
    archive
}

fn take(archive: &str, arguments: &[&str]) -> Run {
    let base = ["extract", archive, "--password-env", PASSWORD.0];
    coffer(base.iter().chain(arguments), &[PASSWORD])
}

#[test]
fn a_table_comes_out_in_each_form() {
    let folder = tempfile::tempdir().unwrap();
    let archive = make(folder.path());
    let stored = take(&archive, &["--table", "things"]).ok().stdout;
    assert_eq!(
        stored,
        "id\tname\tweight\tphoto\tanything\n\
         1\tplain\t1.5\t\\\\x00ff\t\\Ttext\n\
         2\tcomma, \"quotes\" and\\na line\t\\N\t\\N\t\\I9007199254740993\n\
         3\t\\N\tinf\t\\\\x\t\\I42\n"
    );
    let csv = take(&archive, &["--table", "main.things", "--csv"])
        .ok()
        .stdout;
    assert_eq!(
        csv,
        "id,name,weight,photo,anything\r\n\
         1,plain,1.5,\\x00ff,text\r\n\
         2,\"comma, \"\"quotes\"\" and\na line\",,,9007199254740993\r\n\
         3,,inf,\\x,42\r\n"
    );
    let json = take(&archive, &["--table", "things", "--json"]).ok().json();
    assert_eq!(
        json,
        serde_json::json!([
            {"id": 1, "name": "plain", "weight": 1.5, "photo": "\\x00ff", "anything": "text"},
            {"id": 2, "name": "comma, \"quotes\" and\na line", "weight": null, "photo": null, "anything": "9007199254740993"},
            {"id": 3, "name": null, "weight": "inf", "photo": "\\x", "anything": 42},
        ])
    );
    assert_eq!(
        take(&archive, &["--table", "large"])
            .ok()
            .stdout
            .lines()
            .count(),
        40_001
    );
}

#[test]
fn a_file_comes_out_and_what_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let archive = make(folder.path());
    assert_eq!(
        take(&archive, &["--file", "up/deep/größe.txt"]).ok().stdout,
        "the content"
    );
    let out = folder.path().join("out.txt").display().to_string();
    let _written = take(&archive, &["--file", "up/deep/größe.txt", "--out", &out]).ok();
    assert_eq!(fs::read_to_string(&out).unwrap(), "the content");
    for (arguments, code) in [
        (&["--file", "up/nothing"][..], 2),
        (&["--file", "nothing"], 2),
        (&["--table", "nothing"], 2),
        (&["--table", "things", "--file", "up/x"], 2),
        (&[], 2),
        (&["--file", "up/deep/größe.txt", "--out", &out], 5),
    ] {
        let run = take(&archive, arguments);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
    }
    assert_eq!(fs::read_to_string(&out).unwrap(), "the content");
}

/// Counts what is read.
struct Counting(FileSource, AtomicU64);

impl ReadAt for Counting {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.0.read_exact_at(offset, buffer)
    }
}

/// Opens an archive, takes something out of it, and gives what came out and what share of the file was read.
fn counted<T>(archive: &Path, take: impl FnOnce(&OpenArchive) -> T) -> (T, f64) {
    let source = Arc::new(Counting(
        FileSource::open(archive).unwrap(),
        AtomicU64::new(0),
    ));
    let unlock = Unlock::Password(Password::new(PASSWORD.1));
    let taken = take(&OpenArchive::open(source.clone(), &unlock).unwrap());
    let read = source.1.load(Ordering::Relaxed) as f64;
    (taken, read / source.size() as f64)
}

#[test]
fn well_below_one_percent_is_read_for_something_small() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("uploads")).unwrap();
    let mut noise = vec![0; 64 << 20];
    getrandom::fill(&mut noise).unwrap();
    fs::write(folder.join("uploads/before.bin"), &noise[..40 << 20]).unwrap();
    fs::write(folder.join("uploads/last.bin"), &noise[40 << 20..]).unwrap();
    let archive = make(folder);
    let archive = Path::new(&archive);
    assert!(archive.metadata().unwrap().len() > 70_000_000);
    for format in [Format::Stored, Format::Csv, Format::Json] {
        let (rows, share) = counted(archive, |open| {
            let name = TableName::new("main", "things");
            let mut out = Vec::new();
            let rows = extract::table(open, &name, format, &mut out, &Progress::default()).unwrap();
            assert!(!out.is_empty());
            rows
        });
        assert_eq!(rows, 3);
        assert!(share < 0.005, "{format:?}: {share} of the archive was read");
    }
    let (content, share) = counted(archive, |open| {
        let mut out = Vec::new();
        extract::file(open, "up", "deep/größe.txt", &mut out).unwrap();
        out
    });
    assert_eq!(content, b"the content");
    assert!(share < 0.005, "{share} of the archive was read");
    // What is large is read once, and nothing beside it.
    let (length, share) = counted(archive, |open| {
        extract::file(open, "up", "last.bin", io::sink()).unwrap()
    });
    assert_eq!(length, 24 << 20);
    let expected = (24 << 20) as f64 / archive.metadata().unwrap().len() as f64;
    assert!((expected..expected + 0.01).contains(&share), "{share}");
}
