//! ZIPs of other programs, harmless and hostile, in Coffer's readers, on its command line and in the crate `zip`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    process::Command,
};

use coffer_core::archive::{
    ArchiveError, DirectoryFault, EndFault, Fault, Field, Finding, Limits, Special, name::NameError,
};
use coffer_hostile::{Answer, cases, judge};
use coffer_tests::coffer::coffer;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

#[test]
fn the_command_line_names_what_is_wrong_with_every_hostile_zip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.zip");
    let mut tried = 0;
    for case in cases()
        .into_iter()
        .filter(|case| case.limits == Limits::default())
    {
        let bytes = (case.file)();
        fs::write(&path, &bytes).unwrap();
        let run = coffer(["verify", "--json", path.to_str().unwrap()], &[]);
        assert_eq!(run.code, 4, "{}: {run:?}", case.name);
        let error = &run.json()["error"];
        // What does not begin like a ZIP is tried as a sealed archive.
        if bytes.starts_with(b"PK") && bytes.len() >= 4 {
            tried += 1;
            assert_eq!(error["code"], case.strict.code(), "{}: {run:?}", case.name);
            assert_eq!(error["message"], case.strict.to_string(), "{}", case.name);
            let findings = match &case.strict {
                ArchiveError::Profile(findings) => findings.as_slice(),
                ArchiveError::Entry(finding) => std::slice::from_ref(finding),
                _ => continue,
            };
            let told: Vec<&str> = error["findings"]
                .as_array()
                .unwrap_or_else(|| panic!("{}: {run:?}", case.name))
                .iter()
                .map(|finding| finding["message"].as_str().unwrap())
                .collect();
            let expected: Vec<String> = findings.iter().map(Finding::to_string).collect();
            assert_eq!(told, expected, "{}", case.name);
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(
            left.len(),
            1,
            "{} left something behind: {left:?}",
            case.name
        );
    }
    assert!(tried > 190, "only {tried} were tried");
}

fn inspect(bytes: &[u8]) -> (coffer_tests::coffer::Run, coffer_tests::coffer::Run) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.zip");
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    (
        coffer(["inspect", path], &[]),
        coffer(["inspect", "--json", path], &[]),
    )
}

#[test]
fn inspect_says_what_an_ordinary_zip_is() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for number in 0..114 {
        zip.start_file(format!("photos/{number}.jpg"), options)
            .unwrap();
        zip.write_all(&[number; 700]).unwrap();
    }
    // Of whatever product this is the manifest.
    zip.start_file("manifest.json", options).unwrap();
    zip.write_all(b"{}").unwrap();
    let (told, json) = inspect(&zip.finish().unwrap().into_inner());
    assert_eq!((told.code, json.code), (4, 4), "{told:?}");
    assert!(
        told.stdout
            .starts_with("as an ordinary ZIP file: 115 files, 0 folders, "),
        "{told:?}"
    );
    assert!(
        told.stdout
            .ends_with("its directory shows nothing dangerous\n"),
        "{told:?}"
    );
    assert!(
        told.stderr
            .starts_with("coffer: this is not one of Coffer's archives"),
        "{told:?}"
    );
    let error = &json.json()["error"];
    assert_eq!(error["code"], "not_the_profile");
    assert_eq!(error["zip"]["files"], 115);
    assert_eq!(error["zip"]["unreadable"], serde_json::json!([]));

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.start_file("what?.txt", options).unwrap();
    zip.write_all(b"why").unwrap();
    zip.add_symlink("link", "/etc/passwd", options).unwrap();
    let (told, json) = inspect(&zip.finish().unwrap().into_inner());
    assert_eq!((told.code, json.code), (4, 4), "{told:?}");
    assert!(
        told.stdout
            .contains("cannot be read:\n  entry \"link\" is a link\n"),
        "{told:?}"
    );
    let error = &json.json()["error"];
    assert_eq!(error["code"], "not_an_archive");
    assert_eq!(error["zip"]["unreadable"][0]["code"], "special");
    assert_eq!(error["zip"]["notes"][0]["code"], "name");

    let twice = cases()
        .into_iter()
        .find(|case| case.name == "one name with two contents");
    let (told, json) = inspect(&(twice.unwrap().file)());
    assert_eq!((told.code, json.code), (4, 4), "{told:?}");
    assert_eq!(json.json()["error"]["code"], "unsafe_zip");
    assert_eq!(
        json.json()["error"]["findings"][0]["code"],
        "duplicate_name"
    );
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// What the crate `zip` reads: names, without the slash of folders, and content. `None` if it does not open the file.
fn oracle(file: &[u8]) -> Option<BTreeMap<String, Result<Vec<u8>, String>>> {
    let mut zip = ZipArchive::new(Cursor::new(file)).ok()?;
    let count = zip.len();
    let read = |index| {
        let mut entry = match zip.by_index(index) {
            Ok(entry) => entry,
            Err(error) => return (format!("entry {index}"), Err(error.to_string())),
        };
        let mut content = Vec::new();
        let result = entry.read_to_end(&mut content);
        let name = entry.name().unwrap();
        let name = name.strip_suffix('/').unwrap_or(&name).to_owned();
        (
            name,
            result.map(|_| content).map_err(|error| error.to_string()),
        )
    };
    Some((0..count).map(read).collect())
}

/// Whatever both readers accept, they must agree on.
fn agree(what: &str, file: &[u8]) -> usize {
    let (Ok(ours), Some(theirs)) = (judge::foreign(file, Limits::default()), oracle(file)) else {
        return 0;
    };
    let mut compared = 0;
    for (name, content) in &ours.content {
        let other = theirs.get(name);
        assert!(
            other.is_some(),
            "{what}: zip does not know {name:?}, only {:?}",
            theirs.keys()
        );
        if let Some(Ok(other)) = other {
            assert_eq!(content, other, "{what}: {name:?}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn what_the_crate_zip_accepts_too_has_the_same_names_and_content() {
    let mut compared = 0;
    for name in ["nosdesk-plain.zip", "nojoin.zip"] {
        let file = fs::read(sample(name)).unwrap();
        let ours = judge::foreign(&file, Limits::default()).unwrap();
        assert_eq!((ours.findings, ours.damaged), (vec![], vec![]), "{name}");
        assert_eq!(agree(name, &file), oracle(&file).unwrap().len(), "{name}");
        compared += 1;
    }
    for case in cases() {
        compared += usize::from(agree(case.name, &(case.file)()) > 0);
    }
    for path in astral() {
        compared += usize::from(agree(&path.to_string_lossy(), &fs::read(&path).unwrap()) > 0);
    }
    assert!(compared > 100, "only {compared} files were compared");
}

#[test]
fn what_the_crate_zip_writes_is_read() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut written: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let content = [
        vec![],
        b"short".to_vec(),
        b"long ".repeat(100_000),
        vec![0x5a; 3 << 20],
    ];
    let options = [
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
        SimpleFileOptions::default().large_file(true),
        SimpleFileOptions::default().unix_permissions(0o600),
        SimpleFileOptions::default().with_alignment(4096),
    ];
    for (kind, options) in options.into_iter().enumerate() {
        zip.add_directory(format!("{kind}"), options).unwrap();
        for (number, content) in content.iter().enumerate() {
            let name = format!("{kind}/größe {number}.bin");
            zip.start_file(name.as_str(), options).unwrap();
            zip.write_all(content).unwrap();
            written.insert(name, content.clone());
        }
    }
    zip.set_comment("a comment").unwrap();
    let file = zip.finish().unwrap().into_inner();
    let ours = judge::foreign(&file, Limits::default()).unwrap();
    assert_eq!(ours.damaged, vec![]);
    assert!(matches!(
        ours.findings.as_slice(),
        [Finding {
            fault: Fault::End(EndFault::Comment { bytes: 9 }),
            ..
        }]
    ));
    let read: BTreeMap<String, Vec<u8>> = ours
        .content
        .into_iter()
        .filter(|(name, _)| name.contains('/'))
        .collect();
    assert_eq!(read, written);
}

/// The ZIPs that come with the crate `astral_async_zip`, which collected what other readers got wrong.
fn astral() -> Vec<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == "astral_async_zip")
        .unwrap();
    let root = Path::new(package["manifest_path"].as_str().unwrap())
        .parent()
        .unwrap();
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "zip") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn refused(faults: &[Fault]) -> Answer {
    let finding = |fault: &Fault| Finding {
        entry: String::new(),
        fault: *fault,
    };
    Answer::Refused(ArchiveError::Unsafe(faults.iter().map(finding).collect()))
}

fn found(findings: &[(&str, Fault)]) -> Answer {
    let finding = |(entry, fault): &(&str, Fault)| Finding {
        entry: (*entry).into(),
        fault: *fault,
    };
    Answer::Found(findings.iter().map(finding).collect())
}

/// Each file, what must be said of it, and how many entries are read.
fn astral_answers() -> Vec<(&'static str, Answer, usize)> {
    let comment = |bytes| ("", Fault::End(EndFault::Comment { bytes }));
    let position = |expected, found| Fault::End(EndFault::Position { expected, found });
    let zstd = [
        "",
        "/numeric",
        "/numeric/forward.txt",
        "/numeric/reverse.txt",
        "/alpha",
        "/alpha/front_to_back.txt",
        "/alpha/back_to_front.txt",
    ]
    .map(|name| Finding {
        entry: format!("sample_data{name}"),
        fault: Fault::Method(93),
    });
    vec![
        (
            "cd/diff-004-sample.zip",
            Answer::Damaged(vec![ArchiveError::Entry(Finding {
                entry: "a.txt".into(),
                fault: Fault::LocalHeader(Field::Name),
            })]),
            0,
        ),
        (
            "cd/diff-085-sample.zip",
            found(&[("plaintext.txt", Fault::Encrypted)]),
            0,
        ),
        (
            "cd/diff-088-sample.zip",
            found(&[("flagged.txt", Fault::Flags(0x20))]),
            0,
        ),
        (
            "cd/diff-089-sample.zip",
            found(&[("flagged.txt", Fault::Encrypted)]),
            0,
        ),
        // A version that no reader has; the entry is stored, so that nothing else is needed to read it.
        ("cd/diff-092-sample.zip", found(&[]), 1),
        ("cd/diff-094-sample.zip", refused(&[position(119, 118)]), 0),
        (
            "cd/diff-096-sample.zip",
            found(&[(
                "safe.txt\0shadow.txt",
                Fault::Name(NameError::Invisible('\0')),
            )]),
            1,
        ),
        ("cd/nonempty_cd_comment.zip", found(&[]), 1),
        (
            "cd/zero-central-directory-size.zip",
            refused(&[
                position(119, 63),
                Fault::End(EndFault::Crowded {
                    entries: 1,
                    bytes: 0,
                }),
            ]),
            0,
        ),
        (
            "locator/empty-buffer-boundary.zip",
            found(&[comment(2046)]),
            0,
        ),
        (
            "locator/empty-with-max-comment.zip",
            found(&[comment(65_535)]),
            0,
        ),
        ("locator/empty.zip", found(&[]), 0),
        ("malo/accept/comment.zip", found(&[comment(5)]), 1),
        ("malo/accept/deflate.zip", found(&[]), 1),
        ("malo/accept/store.zip", found(&[]), 1),
        ("malo/accept/zip64_eocd.zip", found(&[]), 1),
        (
            "malo/iffy/8bitcomment.zip",
            refused(&[
                Fault::End(EndFault::Comment { bytes: 109 }),
                Fault::End(EndFault::Ambiguous),
            ]),
            0,
        ),
        (
            "malo/iffy/suffix_not_comment.zip",
            refused(&[Fault::End(EndFault::Trailing { bytes: 4 })]),
            0,
        ),
        (
            "malo/malicious/zipinzip.zip",
            refused(&[Fault::End(EndFault::Ambiguous), position(196, 87)]),
            0,
        ),
        (
            "malo/reject/dupe_eocd.zip",
            refused(&[Fault::Directory(DirectoryFault::Damaged { entries: 1 })]),
            0,
        ),
        (
            "truncated/diff-002-sample.zip",
            Answer::Refused(ArchiveError::NoEnd),
            0,
        ),
        (
            "truncated/diff-004-sample.zip",
            Answer::Refused(ArchiveError::NoEnd),
            0,
        ),
        (
            "truncated/diff-094-sample.zip",
            Answer::Refused(ArchiveError::NoEnd),
            0,
        ),
        (
            "truncated/empty-with-max-comment.zip",
            Answer::Refused(ArchiveError::NoEnd),
            0,
        ),
        (
            "zip64/diff-002-sample.zip",
            found(&[(
                "test.txt",
                Fault::StoredSizes {
                    stored: 8,
                    size: 0xffff_ffff,
                },
            )]),
            0,
        ),
        // Made by `zip` of its standard input, it says that it is a pipe.
        (
            "zip64/zip64.zip",
            found(&[("-", Fault::Special(Special::Device))]),
            0,
        ),
        ("test_inputs/sample_data.deflate.zip", found(&[]), 7),
        ("test_inputs/sample_data.store.zip", found(&[]), 7),
        (
            "test_inputs/sample_data.zstd.zip",
            Answer::Found(zstd.to_vec()),
            0,
        ),
        (
            "test_inputs/sample_data_utf8_extra.zip",
            found(&[comment(4)]),
            1,
        ),
    ]
}

#[test]
fn the_zips_of_astral_async_zip_have_their_answers() {
    let answers = astral_answers();
    let mut left: BTreeSet<&str> = answers.iter().map(|(name, ..)| *name).collect();
    for path in astral() {
        let file = fs::read(&path).unwrap();
        let Some((name, expected, read)) = answers
            .iter()
            .find(|(name, ..)| path.to_string_lossy().ends_with(name))
        else {
            panic!("no answer is known to {}", path.display());
        };
        left.remove(name);
        let (answer, count) = match judge::foreign(&file, Limits::default()) {
            Err(error) => (Answer::Refused(error), 0),
            Ok(done) if done.damaged.is_empty() => {
                (Answer::Found(done.findings), done.content.len())
            }
            Ok(done) => (Answer::Damaged(done.damaged), done.content.len()),
        };
        assert_eq!((&answer, count), (expected, *read), "{name}");
        // None of them is Coffer's.
        assert!(judge::verify(&file, Limits::default()).is_err(), "{name}");
    }
    assert!(left.is_empty(), "these files are gone: {left:?}");
}
