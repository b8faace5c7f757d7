//! Scrub and salvage: what the commands say about damaged archives, and what they save of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use coffer_tests::coffer::{Run, coffer, program};
use rusqlite::Connection;
use serde_json::Value;

const PASSWORD: (&str, &str) = ("ARCHIVE_PASSWORD", "correct horse");
const MIB: usize = 1 << 20;

/// A folder with an archive of a table in several parts and of files that don't compress, sealed and plain.
struct Bench {
    folder: tempfile::TempDir,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        Connection::open(path("app.sqlite"))
            .unwrap()
            .execute_batch(
                "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
                 INSERT INTO people VALUES (1, 'one'), (2, 'two');
                 CREATE TABLE things (id INTEGER PRIMARY KEY, noise TEXT);
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
                 INSERT INTO things SELECT i, hex(randomblob(150)) FROM n;",
            )
            .unwrap();
        fs::create_dir(path("up")).unwrap();
        for number in 0..4 {
            let mut noise = vec![0; 700_000];
            getrandom::fill(&mut noise).unwrap();
            fs::write(path("up").join(format!("{number}.bin")), noise).unwrap();
        }
        let source = format!("sqlite:{}", path("app.sqlite").display());
        let files = format!("up={}", path("up").display());
        let sealed = path("whole.coffer").display().to_string();
        let plain = path("whole.zip").display().to_string();
        let take = ["backup", "--source", &source, "--files", &files, "--out"];
        let _taken = coffer(take.into_iter().chain([plain.as_str()]), &[]).ok();
        let seal = [
            "seal",
            &plain,
            "--out",
            &sealed,
            "--password-env",
            PASSWORD.0,
        ];
        let _sealed = coffer(seal, &[PASSWORD]).ok();
        Self {
            sealed: fs::read(&sealed).unwrap(),
            plain: fs::read(&plain).unwrap(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).display().to_string()
    }

    /// Salvages a file; what it gave out, and its report.
    fn salvage(&self, damaged: &[u8], more: &[&str]) -> (Run, Value, BTreeMap<String, Vec<u8>>) {
        let file = self.write("damaged", damaged);
        let out = self.path("saved.zip").display().to_string();
        let report = self.path("report.json").display().to_string();
        for path in [&out, &report] {
            drop(fs::remove_file(path));
        }
        let base = [
            "salvage", &file, "--out", &out, "--report", &report, "--json",
        ];
        let key = ["--password-env", PASSWORD.0];
        let run = coffer(base.iter().chain(&key).chain(more), &[PASSWORD]);
        if !Path::new(&out).exists() {
            return (run, Value::Null, BTreeMap::new());
        }
        let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        let mut zip = zip::ZipArchive::new(fs::File::open(&out).unwrap()).unwrap();
        let mut entries = BTreeMap::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            entries.insert(entry.name().unwrap().into_owned(), content);
        }
        (run, report, entries)
    }

    fn originals(&self) -> BTreeMap<String, Vec<u8>> {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&self.plain)).unwrap();
        (0..zip.len())
            .map(|index| {
                let mut entry = zip.by_index(index).unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.name().unwrap().into_owned(), content)
            })
            .collect()
    }
}

fn scrub(file: &str, more: &[&str]) -> Run {
    coffer(["scrub", file, "--json"].iter().chain(more), &[])
}

#[test]
fn scrub_names_damaged_ranges_without_a_key() {
    let bench = Bench::new();
    let file = bench.write("a.coffer", &bench.sealed);
    let whole = scrub(&file, &[]).ok().json();
    let blocks = whole["blocks"].as_u64().unwrap();
    assert!(blocks > 10 && whole["blocks_in_all"] == blocks, "{whole}");

    // Blocks 2 and 3, which are neighbours, and 7, of the payload, which begins after the header.
    let mut damaged = bench.sealed.clone();
    for block in [2, 3, 7] {
        damaged[4096 + block * MIB + 5] ^= 1;
    }
    let file = bench.write("b.coffer", &damaged);
    let run = scrub(&file, &[]);
    let found = &run.json()["error"];
    assert_eq!(
        (run.code, found["code"].as_str()),
        (4, Some("scrub_damaged"))
    );
    let ranges = serde_json::json!([
        {"offset": 4096 + 2 * MIB, "len": 2 * MIB},
        {"offset": 4096 + 7 * MIB, "len": MIB},
    ]);
    assert_eq!(found["damaged"], ranges);
    let alias = coffer(["verify", &file, "--scrub", "--json"], &[]);
    assert_eq!((alias.code, &alias.json()["error"]), (4, found));

    // Each slice finds its own, and together they find all.
    let (mut seen, mut bad) = (0, 0);
    for number in 1..=5 {
        let run = scrub(&file, &["--slice", &format!("{number}/5")]);
        if run.code == 4 {
            let damaged = &run.json()["error"]["damaged"];
            bad += damaged
                .as_array()
                .unwrap()
                .iter()
                .map(|range| range["len"].as_u64().unwrap())
                .sum::<u64>();
        } else {
            seen += run.ok().json()["blocks"].as_u64().unwrap();
        }
    }
    assert_eq!(bad, 3 * MIB as u64);
    assert!(seen < blocks);
    assert_eq!(scrub(&file, &["--slice", "6/5"]).code, 2);
}

#[test]
fn scrub_names_what_else_is_wrong() {
    let bench = Bench::new();
    let end = bench.sealed.len();
    let code = |name: &str, bytes: &[u8]| {
        let run = scrub(&bench.write(name, bytes), &["--slice", "1/9"]);
        assert_eq!(run.code, 4, "{name}: {run:?}");
        run.json()["error"]["code"].as_str().unwrap().to_owned()
    };
    let flipped = |at: usize| {
        let mut bytes = bench.sealed.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(
        code("table", &flipped(end - 72 - 20)),
        "scrub_table_damaged"
    );
    assert_eq!(code("footer", &flipped(end - 72 + 3)), "footer_malformed");
    assert_eq!(code("padding", &flipped(4000)), "header_malformed");
    assert_eq!(code("cut", &bench.sealed[..end - 1]), "cut_short");
    let plain = bench.write("plain.zip", &bench.plain);
    assert_eq!(scrub(&plain, &[]).code, 2);
}

#[test]
fn nothing_is_lost_where_only_the_frame_is_damaged() {
    let bench = Bench::new();
    let end = bench.sealed.len();
    let mut table = bench.sealed.clone();
    table[end - 72 - 20] ^= 1;
    for (what, damaged) in [
        ("whole", bench.sealed.clone()),
        ("a cut footer", bench.sealed[..end - 1].to_vec()),
        ("no footer", bench.sealed[..end - 72].to_vec()),
        ("a cut table", bench.sealed[..end - 72 - 40].to_vec()),
        ("a damaged table", table),
        ("junk behind it", [&bench.sealed[..], &[7; 5000]].concat()),
    ] {
        let (run, report, _) = bench.salvage(&damaged, &[]);
        assert_eq!(
            (run.code, &report["whole"]),
            (0, &Value::Bool(true)),
            "{what}: {run:?}"
        );
        let out = bench.path("saved.zip").display().to_string();
        assert_eq!(
            coffer(["verify", &out, "--json"], &[]).ok().json()["rows"],
            60_002,
            "{what}"
        );
    }
}

#[test]
fn what_a_hole_touches_is_named_and_the_rest_is_saved() {
    let bench = Bench::new();
    let originals = bench.originals();
    let mut damaged = bench.sealed.clone();
    // Somewhere in the second part of the large table, and in one of the files.
    let second = b"tables/main.things/000002.tsv";
    let part = bench
        .plain
        .windows(second.len())
        .position(|at| at == second);
    damaged[4096 + part.unwrap() + 100_000] ^= 1;
    let at = damaged.len() - 800_000;
    damaged[at] ^= 1;
    let (run, report, saved) = bench.salvage(&damaged, &[]);
    assert_eq!(run.code, 4, "{run:?}");
    assert_eq!(run.json()["error"]["code"], "saved_in_part");
    assert_eq!(run.json()["error"]["report"], report);
    assert_eq!(
        (
            &report["manifest"],
            report["holes"].as_array().unwrap().len()
        ),
        (&Value::Bool(true), 2)
    );
    let things = report["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["table"] == "main.things")
        .unwrap();
    let rows = things["rows_saved"].as_u64().unwrap();
    assert!(rows > 20_000 && rows < 60_000, "{things}");
    assert_eq!(report["file_sets"][0]["files_saved"], 3);
    assert_eq!(report["file_sets"][0]["lost"].as_array().unwrap().len(), 1);
    assert_eq!(saved.len(), originals.len() - 2);
    for (name, content) in &saved {
        assert!(originals[name] == *content, "{name}");
    }
    // What is saved can be taken out, and is not taken for the whole.
    let out = bench.path("saved.zip").display().to_string();
    let people = coffer(["extract", &out, "--table", "people"], &[]).ok();
    assert_eq!(people.stdout, "id\tname\n1\tone\n2\ttwo\n");
    assert_eq!(coffer(["verify", &out], &[]).code, 4);
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_before_the_cut() {
    let bench = Bench::new();
    let originals = bench.originals();
    for sealed in [true, false] {
        let whole = if sealed { &bench.sealed } else { &bench.plain };
        let cut = &whole[..whole.len() - 1_500_000];
        if sealed {
            // Without the manifest, nobody knows whether there are credentials.
            let (run, ..) = bench.salvage(cut, &[]);
            assert_eq!(
                (run.code, run.json()["error"]["code"].as_str()),
                (5, Some("sensitive"))
            );
            assert!(!bench.path("saved.zip").exists() && !bench.path("report.json").exists());
        }
        let (run, report, saved) = bench.salvage(cut, &["--allow-credentials"]);
        assert_eq!(run.code, 4, "{run:?}");
        assert_eq!(
            (&report["manifest"], &report["directory"]),
            (&Value::Bool(false), &"lost".into())
        );
        assert!(
            saved.contains_key("tables/main.people/000001.tsv"),
            "{:?}",
            saved.keys()
        );
        assert!(saved.len() >= 4, "{:?}", saved.keys());
        for (name, content) in &saved {
            assert!(originals[name] == *content, "{name}");
        }
        assert!(report["unconfirmed"].as_array().unwrap().is_empty());
    }
}

#[test]
fn bytes_missing_in_the_middle_cost_what_is_missing() {
    let bench = Bench::new();
    let originals = bench.originals();
    let gap = [&bench.sealed[..5 * MIB], &bench.sealed[5 * MIB + 12_345..]].concat();
    let (run, report, saved) = bench.salvage(&gap, &[]);
    assert_eq!(
        (run.code, &report["manifest"]),
        (4, &Value::Bool(true)),
        "{run:?}"
    );
    assert_eq!(report["lost"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(saved.len(), originals.len() - 1);
}

/// Pipes a file into `coffer unseal -`.
fn unseal_piped(bytes: &[u8], out: &Path) -> std::process::Output {
    let mut child = Command::new(program())
        .args([
            "unseal",
            "-",
            "--json",
            "--password-env",
            PASSWORD.0,
            "--out",
        ])
        .arg(out)
        .env(PASSWORD.0, PASSWORD.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may stop reading at what it refuses.
    drop(input.write_all(bytes));
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn a_pipe_is_unsealed_whole_or_not_at_all() {
    let bench = Bench::new();
    let out = bench.path("piped.zip");
    let done = unseal_piped(&bench.sealed, &out);
    assert!(done.status.success(), "{done:?}");
    assert!(fs::read(&out).unwrap() == bench.plain);
    fs::remove_file(&out).unwrap();

    let mut damaged = bench.sealed.clone();
    damaged[4096 + MIB] ^= 1;
    for (bytes, code) in [
        (&damaged[..], "chunk_damaged"),
        (&bench.sealed[..6 * MIB], "cut_short"),
        (&bench.sealed[..bench.sealed.len() - 1], "cut_short"),
        (&bench.plain, "not_sealed"),
        (b"", "empty"),
    ] {
        let before = fs::read_dir(bench.folder.path()).unwrap().count();
        let run = unseal_piped(bytes, &out);
        let said: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(
            (run.status.code(), &said["error"]["code"]),
            (Some(4), &code.into()),
            "{said}"
        );
        assert!(!out.exists());
        assert_eq!(
            fs::read_dir(bench.folder.path()).unwrap().count(),
            before,
            "{code}"
        );
    }
}

#[test]
fn what_is_no_archive_gives_nothing() {
    let bench = Bench::new();
    for bytes in [&b""[..], b"hello", &[0; 100_000]] {
        let (run, ..) = bench.salvage(bytes, &[]);
        assert_eq!(run.code, 4, "{run:?}");
        assert_eq!(run.json()["error"]["code"], "nothing_left");
        assert!(!bench.path("saved.zip").exists());
    }
    let file = bench.write("damaged", &bench.sealed);
    let out = bench.path("x.zip").display().to_string();
    let wrong = [("ARCHIVE_PASSWORD", "wrong")];
    let run = coffer(
        [
            "salvage",
            &file,
            "--out",
            &out,
            "--password-env",
            PASSWORD.0,
        ],
        &wrong,
    );
    assert_eq!(run.code, 3);
    assert!(!Path::new(&out).exists());
}
