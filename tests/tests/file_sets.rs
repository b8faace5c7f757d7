//! Folders of uploaded files in a backup and after a restore: what is left out, what is reported, what is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use coffer_tests::coffer::{Run, coffer};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A small application: a database, and a folder of uploads.
struct App {
    folder: TempDir,
}

impl App {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = Self { folder };
        Connection::open(app.at("app.sqlite"))
            .unwrap()
            .execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'a');")
            .unwrap();
        fs::create_dir(app.at("uploads")).unwrap();
        app
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn upload(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.at("uploads").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn backup(&self, options: &[&str]) -> Run {
        let source = format!("sqlite:{}", self.at("app.sqlite").display());
        let files = format!("uploads={}", self.at("uploads").display());
        let out = self.at("app.zip");
        let out = out.to_str().unwrap();
        let mut arguments = vec!["backup", "--json", "--source", &source, "--files", &files];
        arguments.extend(["--out", out, "--overwrite"]);
        arguments.extend(options);
        coffer(arguments, &[])
    }

    fn restore(&self, folder: &Path) -> Run {
        let target = format!("sqlite:{}", self.at("app.sqlite").display());
        let files = format!("uploads={}", folder.display());
        let archive = self.at("app.zip");
        let arguments = [
            "restore",
            archive.to_str().unwrap(),
            "--json",
            "--target",
            &target,
            "--files",
            &files,
            "--mode",
            "replace",
            "--yes",
            "--force",
        ];
        coffer(arguments, &[])
    }

    fn manifest(&self) -> Value {
        let file = File::open(self.at("app.zip")).unwrap();
        let mut zip = zip::ZipArchive::new(file).unwrap();
        serde_json::from_reader(zip.by_name("manifest.json").unwrap()).unwrap()
    }

    /// Names of the archived files, with whether each is stored as it is.
    fn entries(&self) -> Vec<(String, bool)> {
        let file = File::open(self.at("app.zip")).unwrap();
        let mut zip = zip::ZipArchive::new(file).unwrap();
        let mut entries: Vec<_> = (0..zip.len())
            .map(|index| {
                let entry = zip.by_index_raw(index).unwrap();
                (
                    entry.name().unwrap().into_owned(),
                    entry.compressed_size() == entry.size(),
                )
            })
            .filter_map(|(name, stored)| {
                let name = name.strip_prefix("files/uploads/")?.to_owned();
                Some((name, stored))
            })
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    fn names(&self) -> Vec<String> {
        self.entries().into_iter().map(|(name, _)| name).collect()
    }
}

/// A manifest without notices has no such member.
fn notices(manifest: &Value) -> &[Value] {
    manifest["notices"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn patterns_leave_out_files_and_the_archive_says_so() {
    let app = App::new();
    for path in [
        "a.txt",
        "a.tmp",
        "deep/b.tmp",
        "deep/b.txt",
        "cache/1",
        "cache/2/3",
        "deep/cache/4",
    ] {
        app.upload(path, b"content");
    }
    // What is left out is not reported besides.
    symlink("a.txt", app.at("uploads/link.tmp")).unwrap();
    let _run = app
        .backup(&[
            "--exclude-files",
            "uploads=*.tmp",
            "--exclude-files",
            "uploads=/cache/**",
            "--exclude-files",
            "uploads=nothing/",
        ])
        .ok();
    assert_eq!(app.names(), ["a.txt", "deep/b.txt", "deep/cache/4"]);
    let manifest = app.manifest();
    let left_out = |pattern: &str, found: u64| json!({ "what": "files", "set": "uploads", "pattern": pattern, "found": found, "reason": "excluded" });
    assert_eq!(
        manifest["left_out"],
        json!([
            left_out("*.tmp", 3),
            left_out("/cache/**", 1),
            left_out("nothing/", 0)
        ])
    );
    assert_eq!(notices(&manifest), [] as [Value; 0]);
    let inspected = coffer(["inspect", app.at("app.zip").to_str().unwrap()], &[]).ok();
    assert!(
        inspected
            .stdout
            .contains("files *.tmp of uploads (3 found): left out by hand"),
        "{}",
        inspected.stdout
    );

    // Who restores is told that such files go; a safety backup keeps them all the same.
    let restored = app.restore(&app.at("uploads")).ok().json();
    assert_eq!(restored["safety_backup"]["files"], 7, "{restored}");
    assert!(!app.at("uploads/a.tmp").exists());
    app.upload("new.txt", b"x");
    let target = format!("sqlite:{}", app.at("app.sqlite").display());
    let files = format!("uploads={}", app.at("uploads").display());
    let plan = coffer(
        [
            "restore",
            app.at("app.zip").to_str().unwrap(),
            "--json",
            "--dry-run",
            "--target",
            &target,
            "--files",
            &files,
            "--mode",
            "replace",
        ],
        &[],
    )
    .ok()
    .json();
    let finding =
        json!({ "code": "files_left_out", "set": "uploads", "patterns": ["*.tmp", "/cache/**"] });
    let findings = plan["plan"]["findings"].as_array().unwrap();
    assert!(findings.contains(&finding), "{plan}");
}

#[test]
fn patterns_that_mean_nothing_are_refused_before_anything_is_written() {
    let app = App::new();
    for (pattern, says) in [
        ("uploads=[a", "[a"),
        ("other=*.tmp", "other"),
        ("*.tmp", "NAME=GLOB"),
    ] {
        let run = app.backup(&["--exclude-files", pattern]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(
            run.stdout.contains(says) || run.stderr.contains(says),
            "{run:?}"
        );
        assert!(!app.at("app.zip").exists());
    }
}

#[test]
fn whatever_is_no_plain_file_is_named() {
    let app = App::new();
    app.upload("kept.txt", b"kept");
    app.upload("outside/secret.txt", b"secret");
    fs::rename(app.at("uploads/outside"), app.at("outside")).unwrap();
    symlink(app.at("outside/secret.txt"), app.at("uploads/file-link")).unwrap();
    symlink(app.at("outside"), app.at("uploads/folder-link")).unwrap();
    symlink("nowhere", app.at("uploads/broken-link")).unwrap();
    let odd = OsStr::from_bytes(b"caf\xe9.txt");
    fs::write(app.at("uploads").join(odd), "latin").unwrap();
    let odd_folder = app.at("uploads").join(OsStr::from_bytes(b"d\xff"));
    fs::create_dir(&odd_folder).unwrap();
    fs::write(odd_folder.join("below.txt"), "below").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(app.at("uploads/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let _run = app.backup(&[]).ok();
    assert_eq!(app.names(), ["kept.txt"]);
    let manifest = app.manifest();
    let mut found: Vec<(&str, &str)> = notices(&manifest)
        .iter()
        .map(|notice| {
            assert_eq!(notice["code"], "file_skipped", "{notice}");
            (
                notice["path"].as_str().unwrap(),
                notice["why"].as_str().unwrap(),
            )
        })
        .collect();
    found.sort_unstable();
    let not_text = "named in something that is not UTF-8";
    assert_eq!(
        found,
        [
            ("broken-link", "a symbolic link"),
            ("caf\u{fffd}.txt", not_text),
            ("d\u{fffd}", not_text),
            ("file-link", "a symbolic link"),
            ("folder-link", "a symbolic link"),
            ("pipe", "neither a file nor a folder"),
        ]
    );
}

#[test]
fn names_modes_times_and_content_come_back_and_what_is_compressed_is_stored() {
    let app = App::new();
    let mut noise = vec![0; 3 << 20];
    getrandom::fill(&mut noise).unwrap();
    let files: [(&str, &[u8], u32, u64); 6] = [
        ("empty", b"", 0o600, 1),
        (
            "text.jpg",
            &b"all the same ".repeat(20_000),
            0o644,
            1_000_000_000,
        ),
        // Neither the name nor the first bytes say that this doesn't pack.
        ("picture.txt", &noise, 0o640, 1_700_000_000),
        ("Case", b"1", 0o755, 4_000_000_000),
        ("case", b"2", 0o444, 5),
        ("nul: e\u{301}", b"3", 0o604, 6),
    ];
    for (name, content, mode, mtime) in &files {
        let path = app.upload(name, content);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(*mtime))
            .unwrap();
        file.set_permissions(fs::Permissions::from_mode(*mode))
            .unwrap();
    }
    let _run = app.backup(&[]).ok();
    for (name, stored) in app.entries() {
        match name.as_str() {
            "picture.txt" => assert!(stored),
            "text.jpg" => assert!(!stored),
            _ => {}
        }
    }
    let restored = app.at("elsewhere");
    let _run = app.restore(&restored).ok();
    assert_eq!(fs::read_dir(&restored).unwrap().count(), files.len());
    for (name, content, mode, mtime) in files {
        let path = restored.join(name);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
        assert_eq!(metadata.mtime(), i64::try_from(mtime).unwrap(), "{name}");
        assert!(fs::read(&path).unwrap() == content, "{name}");
    }
}

#[test]
fn a_huge_sparse_file_needs_no_memory() {
    const SIZE: u64 = 700 << 20;
    let app = App::new();
    let mut file = File::create(app.at("uploads/huge")).unwrap();
    file.write_all(b"begin").unwrap();
    file.set_len(SIZE).unwrap();
    drop(file);
    let run = app.backup(&[]).ok();
    assert!(run.peak_memory < 200 << 20, "{} bytes", run.peak_memory);
    assert!(fs::metadata(app.at("app.zip")).unwrap().len() < SIZE / 50);
    let index = &app.manifest()["file_sets"][0];
    assert_eq!(index["bytes"], SIZE);
    assert_eq!(notices(&app.manifest()).len(), 0);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_named() {
    let app = App::new();
    let path = app.upload("log", &b"line of a log\n".repeat(4 << 20));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut file = File::options().append(true).open(path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more\n").unwrap();
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    let run = app.backup(&[]);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let _run = run.ok();
    assert_eq!(
        app.manifest()["notices"],
        json!([{ "code": "file_changed", "set": "uploads", "path": "log" }])
    );
    // What was read is one thing all the same: size and digest of the index are those of what is stored.
    let _verified = coffer(["verify", app.at("app.zip").to_str().unwrap()], &[]).ok();
}

#[test]
fn a_file_that_may_not_be_read_fails_the_backup() {
    let app = App::new();
    let missing = format!("more={}", app.at("missing").display());
    let run = app.backup(&["--files", &missing]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!app.at("app.zip").exists());
}
