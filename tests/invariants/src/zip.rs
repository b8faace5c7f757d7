//! The ZIP profile.

use std::{
    collections::BTreeSet,
    io::{Cursor, Read},
    path::{Component, Path},
};

use coffer_core::{
    archive::{ArchiveError, Entry, Fault, Finding, Limits, Method, name},
    foreign::zip::{Reader, Weight},
};

use crate::{
    choices::Choices,
    drive::{
        NotWhole, Pieces, open_archive, open_foreign, read_entry, read_foreign, slice,
        verify_archive,
    },
    edit::edit,
    oracle, samples,
};

/// Limits that small files reach.
pub(crate) const LIMITS: Limits = Limits {
    entries: 40,
    directory_bytes: 20_000,
    entry_bytes: 300_000,
    ratio: 200,
    manifest_bytes: 5000,
    index_bytes: 5000,
    part_bytes: 5000,
};
/// Bytes of content that the checks of this file hold at most.
const MOST: usize = 1 << 20;

/// An archive that is accepted has no other form: its records, made again from what was read, are its bytes. Its content
/// is what other programs read. No limit is exceeded, and pieces make no difference.
pub fn zip(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = choices.byte();
    let pieces = Pieces::of([
        usize::from(choices.byte()),
        choices.below(3000),
        choices.below(70_000),
    ]);
    let mut file = match kind % 4 {
        0 => choices.take(usize::MAX).to_vec(),
        1 => samples::archive().to_vec(),
        _ => built(&mut choices),
    };
    while choices.any() {
        edit(&mut file, &mut choices);
    }
    file.truncate(200_000);
    if kind % 4 == 1 {
        let whole = verify_archive(&file, &Pieces::whole());
        match (verify_archive(&file, &pieces), whole) {
            (Err(NotWhole::Archive(pieces)), Err(NotWhole::Archive(whole))) => {
                alike(&pieces, &whole);
            }
            // Rows are looked at as they come, so a large piece may show another fault of its entry first.
            (Err(NotWhole::Rows(_)), Err(NotWhole::Archive(_)))
            | (Err(NotWhole::Archive(_)), Err(NotWhole::Rows(_))) => {}
            (pieces, whole) => assert_eq!(pieces, whole),
        }
    }
    check(&file, &pieces);
    as_another_program(&file, &pieces);
}

/// As somebody else's ZIP: nothing that is read can leave its folder or stand for two things, and the crate `zip` reads
/// the same. Coffer's own archives are other people's ZIPs too.
pub(crate) fn as_another_program(file: &[u8], pieces: &Pieces) {
    let opened = open_foreign(file, LIMITS, &Pieces::whole());
    assert_eq!(open_foreign(file, LIMITS, pieces), opened);
    let own = open_archive(file, LIMITS, &Pieces::whole());
    let found = match opened {
        Ok(found) => found,
        Err(error) => {
            assert!(own.is_err(), "{error:?}");
            return;
        }
    };
    if let Ok(own) = &own {
        let entries = found.items().iter().map(|item| &item.entry);
        assert!(entries.eq(own.entries()));
        assert_eq!(found.findings(), []);
    }
    assert!(
        found
            .findings()
            .iter()
            .all(|finding| Weight::of(&finding.fault) < Weight::Refused)
    );
    let mut other = zip::ZipArchive::new(Cursor::new(file)).ok();
    let mut names = BTreeSet::new();
    for (index, item) in found.items().iter().enumerate() {
        let name = &item.entry.name;
        if item.unreadable.is_some() {
            assert!(Reader::new(item, LIMITS).is_err());
            continue;
        }
        assert!(names.insert(name), "{name:?} is there twice");
        assert!(
            Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_))),
            "{name:?} leaves its folder"
        );
        let content = read_foreign(file, item, LIMITS, &Pieces::whole());
        match (read_foreign(file, item, LIMITS, pieces), &content) {
            (Err(pieces), Err(whole)) => alike(&pieces, whole),
            (pieces, whole) => assert_eq!(&pieces, whole),
        }
        let Ok(content) = content else { continue };
        assert_eq!(content.len() as u64, item.entry.size);
        assert_eq!(crc32fast::hash(&content), item.entry.crc32);
        assert!(content.len() as u64 <= LIMITS.entry_bytes);
        if let Some(other) = other
            .as_mut()
            .filter(|other| other.len() == found.items().len())
            && let Ok(mut entry) = other.by_index(index)
        {
            let mut read = Vec::new();
            if entry.read_to_end(&mut read).is_ok() {
                assert_eq!(read, content, "{name:?}");
            }
        }
    }
}

pub(crate) fn check(file: &[u8], pieces: &Pieces) {
    let opened = open_archive(file, LIMITS, &Pieces::whole());
    assert_eq!(open_archive(file, LIMITS, pieces), opened);
    let directory = match opened {
        Ok(directory) => directory,
        Err(ArchiveError::Profile(findings)) => {
            assert!(!findings.is_empty());
            return;
        }
        Err(_) => return,
    };
    let entries = directory.entries();
    assert!(entries.len() as u64 <= LIMITS.entries);
    let names: BTreeSet<String> = entries
        .iter()
        .map(|entry| name::fold(&entry.name))
        .collect();
    assert_eq!(names.len(), entries.len());
    let mut records = Vec::new();
    let mut contents = Vec::new();
    for entry in entries {
        assert_eq!(name::check(&entry.name), Ok(()));
        assert_eq!(directory.entry(&entry.name), Ok(entry));
        let content = read_entry(file, entry, LIMITS, &Pieces::whole());
        match (read_entry(file, entry, LIMITS, pieces), &content) {
            (Err(pieces), Err(whole)) => alike(&pieces, whole),
            (pieces, whole) => assert_eq!(&pieces, whole),
        }
        if let Some(content) = read(file, entry, content) {
            let at = usize::try_from(entry.offset).unwrap();
            records.extend_from_slice(&oracle::local_header(entry));
            let from = at + oracle::local_header(entry).len();
            let len = usize::try_from(entry.compressed).unwrap();
            records.extend_from_slice(&file[from..from + len]);
            records.extend_from_slice(&oracle::descriptor(entry));
            contents.push((entry.name.as_str(), content));
        }
    }
    let mut end: Vec<u8> = entries.iter().flat_map(oracle::central_header).collect();
    let (len, at) = (end.len(), file.len() - end.len() - 22);
    end.extend(oracle::end_record(
        entries.len() as u64,
        at as u64,
        len as u64,
    ));
    assert!(file.ends_with(&end), "its directory has another form");
    if contents.len() == entries.len() {
        records.extend_from_slice(&end);
        assert_eq!(records, file, "a record has another form");
        by_another_program(file, &contents);
    }
}

/// Whether a reader says the same of small pieces and of large ones. How much was inflated when a stream was given up
/// depends on how much of it there was, and so does which of its faults shows first.
fn alike(pieces: &ArchiveError, whole: &ArchiveError) {
    let inflating = |error: &ArchiveError| {
        matches!(
            error,
            ArchiveError::Limit { .. }
                | ArchiveError::Entry(Finding {
                    fault: Fault::Size { .. } | Fault::Deflate,
                    ..
                })
        )
    };
    if !(inflating(pieces) && inflating(whole)) {
        assert_eq!(pieces, whole);
    }
}

/// What was read of an entry, compared with what it should be; `None` if it was refused.
fn read(file: &[u8], entry: &Entry, content: Result<Vec<u8>, ArchiveError>) -> Option<Vec<u8>> {
    let from = entry.offset + oracle::local_header(entry).len() as u64;
    let stored = if entry.compressed == 0 {
        &[][..]
    } else {
        slice(file, coffer_core::ByteRange::new(from, entry.compressed))
    };
    let expected = match entry.method {
        Method::Store => Some(stored.to_vec()),
        Method::Deflate => oracle::inflate(stored, MOST),
    };
    match content {
        Ok(content) => {
            assert_eq!(Some(&content), expected.as_ref());
            assert_eq!(content.len() as u64, entry.size);
            assert_eq!(crc32fast::hash(&content), entry.crc32);
            assert!(content.len() as u64 <= LIMITS.entry_bytes);
            assert!(
                content.len() as u64 <= (entry.compressed * LIMITS.ratio).max(1 << 20),
                "a bomb"
            );
            Some(content)
        }
        Err(ArchiveError::Limit { found, allowed, .. }) => {
            assert!(found > allowed);
            None
        }
        Err(ArchiveError::Entry(finding)) => {
            assert_eq!(finding.entry, entry.name);
            // It was refused for a reason: something is not what the directory says.
            let local = oracle::local_header(entry);
            let at = usize::try_from(entry.offset).unwrap();
            let behind = at + local.len() + stored.len();
            let whole = file[at..].starts_with(&local)
                && file[behind..].starts_with(&oracle::descriptor(entry))
                && expected.is_some_and(|content| {
                    content.len() as u64 == entry.size && crc32fast::hash(&content) == entry.crc32
                });
            assert!(!whole, "{finding} though it is whole");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// The crate `zip` finds the same names and contents.
fn by_another_program(file: &[u8], contents: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    assert_eq!(archive.len(), contents.len());
    for (index, (name, content)) in contents.iter().enumerate() {
        let mut entry = archive.by_index(index).unwrap();
        assert_eq!(entry.name().unwrap(), *name);
        let mut read = Vec::new();
        entry.read_to_end(&mut read).unwrap();
        assert_eq!(&read, content, "{name}");
    }
}

const NAMES: [&str; 12] = [
    "manifest.json",
    "a",
    "A",
    "a/b",
    "files/ü",
    "files/u\u{308}",
    "../x",
    "a//b",
    "con",
    "x.",
    "tables/public.notes/000001.tsv",
    "\u{202e}",
];

/// An archive of entries from choices, of which some tell lies.
pub(crate) fn built(choices: &mut Choices<'_>) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let count = 1 + choices.byte() % 6;
    for index in 0..count {
        let last = index + 1 == count;
        let name = match choices.byte() {
            0..200 if last => "manifest.json".to_owned(),
            240.. => String::from_utf8_lossy(choices.run()).into_owned(),
            other if other % 2 == 0 => format!("f/{index}"),
            other => NAMES[usize::from(other) % NAMES.len()].to_owned(),
        };
        let how = choices.byte();
        let mut content = choices.run().to_vec();
        if how & 0x10 != 0 {
            content = content.repeat(1 + choices.below(400));
        }
        let (method, stored, content) = match how % 4 {
            0 => (Method::Store, content.clone(), content),
            1 => (Method::Deflate, deflate(&content), content),
            // Bytes that claim to be a stream, and what they give if they are one.
            _ => {
                let inflated = oracle::inflate(&content, MOST).unwrap_or_default();
                (Method::Deflate, content, inflated)
            }
        };
        let mut entry = Entry {
            name,
            method,
            crc32: crc32fast::hash(&content),
            compressed: stored.len() as u64,
            size: content.len() as u64,
            offset: file.len() as u64,
            streamed: how & 0x20 != 0 && method == Method::Deflate,
        };
        let truth = entry.clone();
        match choices.byte() {
            250 => entry.size = choices.number(),
            251 => entry.compressed = choices.number(),
            252 => entry.crc32 ^= 1,
            253 => entry.offset = choices.number(),
            254 => entry.streamed = !entry.streamed,
            255 => entry.method = Method::Store,
            _ => {}
        }
        let local = if how & 0x40 == 0 { &entry } else { &truth };
        file.extend_from_slice(&oracle::local_header(local));
        file.extend_from_slice(&stored);
        file.extend_from_slice(&oracle::descriptor(local));
        directory.extend_from_slice(&oracle::central_header(&entry));
    }
    let (at, len) = (file.len() as u64, directory.len() as u64);
    file.extend_from_slice(&directory);
    file.extend_from_slice(&oracle::end_record(count.into(), at, len));
    file
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::DeflateEncoder::new(content, flate2::Compression::default());
    let mut out = Vec::new();
    encoder.read_to_end(&mut out).unwrap();
    out
}
