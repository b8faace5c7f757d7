//! What happens exactly at a limit, one before and one behind it.

use super::*;
use crate::{
    Digest,
    fixture::{Fixture, fixture},
    manifest::{EntryDigest, FILES_INDEX_PATH, Manifest},
};
use alloc::{format, string::ToString};

fn entry_fault(result: Result<Vec<u8>, ArchiveError>) -> Fault {
    match result {
        Err(ArchiveError::Entry(finding)) => finding.fault,
        other => panic!("{other:?}"),
    }
}

/// An entry with these stored bytes, alone at the start of a file.
fn deflated(stored: &[u8], content: &[u8]) -> (Vec<u8>, Entry) {
    let entry = Entry {
        name: "a".into(),
        method: Method::Deflate,
        crc32: crc32fast::hash(content),
        compressed: stored.len() as u64,
        size: content.len() as u64,
        offset: 0,
        streamed: false,
    };
    let mut file = entry.local_header();
    file.extend_from_slice(stored);
    (file, entry)
}

fn whole(file: &[u8], entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
    read(file, entry, Limits::default(), usize::MAX)
}

#[test]
fn a_stream_ends_with_its_data_and_the_data_with_it() {
    let content = b"some text, some text, some text".to_vec();
    let packed = pack(content.clone()).data;
    let (file, entry) = deflated(&packed, &content);
    assert_eq!(whole(&file, &entry), Ok(content.clone()));
    // Something behind the stream that belongs to the entry.
    let longer = [packed.as_slice(), b"x"].concat();
    let (file, entry) = deflated(&longer, &content);
    assert_eq!(entry_fault(whole(&file, &entry)), Fault::Deflate);
    // A stream that needs more than the entry has, at every place.
    for len in 0..packed.len() {
        let (file, entry) = deflated(&packed[..len], &content);
        assert_eq!(entry_fault(whole(&file, &entry)), Fault::Deflate, "{len}");
    }
}

#[test]
fn much_content_from_the_last_bytes_is_given_in_full() {
    let content = vec![0; 300_000];
    let (file, entry) = deflated(&pack(content.clone()).data, &content);
    for step in [1, 2, 3, usize::MAX] {
        let read = read(&file, &entry, Limits::default(), step);
        assert_eq!(read.as_ref(), Ok(&content), "{step}");
    }
}

#[test]
fn what_is_allowed_exactly_is_allowed() {
    let content = vec![0; 2 << 20];
    let packed = pack(content.clone()).data;
    let (file, entry) = deflated(&packed, &content);
    let bytes = content.len() as u64;
    let limits = |entry_bytes, ratio| Limits {
        entry_bytes,
        ratio,
        ..Limits::default()
    };
    let read = |limits| read(&file, &entry, limits, usize::MAX);
    assert_eq!(read(limits(bytes, 1032)), Ok(content.clone()));
    assert_eq!(
        read(limits(bytes - 1, 1032)),
        Err(ArchiveError::Limit {
            limit: "bytes of one entry",
            found: bytes,
            allowed: bytes - 1
        })
    );
    // A ratio of exactly 1.
    let noise = noise(1 << 20);
    let stored = Entry {
        name: "a".into(),
        method: Method::Store,
        crc32: crc32fast::hash(&noise),
        compressed: 1 << 20,
        size: 1 << 20,
        offset: 0,
        streamed: false,
    };
    let file = [stored.local_header(), noise.clone()].concat();
    assert_eq!(
        super::read(&file, &stored, limits(1 << 20, 1), usize::MAX),
        Ok(noise)
    );
}

#[test]
fn the_ratio_counts_from_the_first_mebibyte_on() {
    let limits = Limits {
        ratio: 1,
        ..Limits::default()
    };
    for (len, allowed) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let content = vec![0; len];
        let (file, entry) = deflated(&pack(content.clone()).data, &content);
        let result = read(&file, &entry, limits, usize::MAX);
        if allowed {
            assert_eq!(result, Ok(content));
        } else {
            assert_eq!(
                result,
                Err(ArchiveError::Limit {
                    limit: "the compression ratio of one entry",
                    found: len as u64,
                    allowed: entry.compressed
                })
            );
        }
    }
}

#[test]
fn an_entry_that_is_held_is_no_larger_than_allowed() {
    let (file, entry) = deflated(&pack(vec![7; 100]).data, &[7; 100]);
    let held = |allowed| {
        EntryReader::new(&entry, Limits::default()).read_all("bytes of it", allowed, |wanted| {
            Ok(range(&file, wanted).to_vec())
        })
    };
    assert_eq!(held(101), Ok(vec![7; 100]));
    assert_eq!(held(100), Ok(vec![7; 100]));
    assert_eq!(
        held(99),
        Err(ArchiveError::Limit {
            limit: "bytes of it",
            found: 100,
            allowed: 99
        })
    );
}

#[test]
fn a_manifest_may_be_as_large_as_it_may() {
    let file = write();
    let size = open(&file, usize::MAX)
        .unwrap()
        .entries()
        .last()
        .unwrap()
        .size;
    let open = |manifest_bytes| {
        let limits = Limits {
            manifest_bytes,
            ..Limits::default()
        };
        let mut opening = Opening::new(file.len() as u64, limits).unwrap();
        while let Some(wanted) = opening.wants() {
            opening.feed(range(&file, wanted))?;
        }
        opening.finish().map(|_| ())
    };
    assert_eq!(open(size), Ok(()));
    assert_eq!(
        open(size - 1),
        Err(ArchiveError::Limit {
            limit: "bytes of the manifest",
            found: size,
            allowed: size - 1,
        })
    );
}

#[test]
fn readers_refuse_nothing_and_too_much() {
    let misfed = |wanted, given| Err(ArchiveError::Misfed { wanted, given });
    let file = write();
    let mut opening = Opening::new(file.len() as u64, Limits::default()).unwrap();
    assert_eq!(opening.feed(&[]), misfed(4, 0));
    assert_eq!(opening.feed(&file[..5]), misfed(4, 5));
    assert_eq!(opening.feed(&file[..1]), Ok(()));
    assert_eq!(opening.feed(&file[1..5]), misfed(3, 4));
    assert_eq!(opening.wants(), Some(ByteRange::new(1, 3)));
    assert_eq!(
        opening.finish(),
        Err(ArchiveError::Misfed {
            wanted: 3,
            given: 0
        })
    );

    let content = vec![1, 2, 3];
    let (file, entry) = deflated(&pack(content.clone()).data, &content);
    let len = file.len() as u64;
    let mut reader = EntryReader::new(&entry, Limits::default());
    assert_eq!(reader.feed(&[]), misfed(len, 0));
    assert_eq!(
        reader.feed(&[file.as_slice(), b"x"].concat()),
        misfed(len, len + 1)
    );
    assert_eq!(reader.feed(&file[..10]), Ok(()));
    assert_eq!(reader.feed(&file), misfed(len - 10, len));
    let mut out = Vec::new();
    assert_eq!(
        reader.step(&mut out),
        Ok(Step::Want(ByteRange::new(10, len - 10)))
    );
    assert_eq!(reader.feed(&file[10..]), Ok(()));
    assert_eq!(reader.feed(b"x"), misfed(0, 1));
}

#[test]
fn names_may_be_as_long_and_as_deep_as_they_may() {
    assert_eq!(name::check(&"x".repeat(1024)), Ok(()));
    assert_eq!(
        name::check(&"x".repeat(1025)),
        Err(NameError::TooLong { length: 1025 })
    );
    let deep = |segments: usize| vec!["x"; segments].join("/");
    assert_eq!(name::check(&deep(64)), Ok(()));
    assert_eq!(
        name::check(&deep(65)),
        Err(NameError::TooDeep { depth: 65 })
    );
}

fn entry(size: u64, compressed: u64, offset: u64, streamed: bool) -> Entry {
    Entry {
        name: "name".into(),
        method: Method::Deflate,
        crc32: 0x0403_0201,
        compressed,
        size,
        offset,
        streamed,
    }
}

#[test]
fn records_grow_where_32_bits_end() {
    const END: u64 = 0xffff_ffff;
    for (entry, local, central) in [
        (entry(END - 1, END - 1, END - 1, false), 34, 50),
        (entry(END, 0, 0, false), 54, 70),
        (entry(0, END, 0, false), 54, 70),
        (entry(0, 0, END, false), 34, 62),
        (entry(END, END, END, false), 54, 78),
        (entry(1, 1, 1, true), 54, 70),
        (entry(1, 1, END, true), 54, 78),
    ] {
        assert_eq!(entry.local_header().len(), local, "{entry:?}");
        assert_eq!(entry.central_header().len(), central, "{entry:?}");
        let descriptor = if entry.streamed { 24 } else { 0 };
        assert_eq!(entry.descriptor().len(), descriptor);
        assert_eq!(
            entry.record_len(),
            Some(local as u64 + entry.compressed + descriptor as u64)
        );
        assert_eq!(entry.zip64_len(), (central as u64 - 50).saturating_sub(4));
    }
    assert_eq!(entry(0, u64::MAX - 53, 0, false).record_len(), None);
    assert_eq!(
        entry(0, u64::MAX - 54, 0, false).record_len(),
        Some(u64::MAX)
    );
    assert_eq!(entry(0, u64::MAX - 77, 0, true).record_len(), None);

    for (entries, offset, len, bytes) in [
        (0xfffe, END - 1, END - 1, 22),
        (0xffff, 0, 0, 98),
        (0, END, 0, 98),
        (0, 0, END, 98),
    ] {
        assert_eq!(record::end_records(entries, offset, len).len(), bytes);
    }
}

#[test]
fn wide_records_have_every_byte_in_its_place() {
    let entry = entry(0x1_0000_0001, 0x1_0000_0002, 0x1_0000_0003, false);
    let wide = b"\x01\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0";
    let common = b"\0\x08\x08\0\0\0\x21\0\x01\x02\x03\x04\xff\xff\xff\xff\xff\xff\xff\xff\x04\0";
    let local = [
        b"PK\x03\x04\x2d\0".as_slice(),
        common,
        b"\x14\0name\x01\0\x10\0",
        wide,
    ]
    .concat();
    assert_eq!(entry.local_header(), local);
    let central = [
        b"PK\x01\x02\x2d\x03\x2d\0".as_slice(),
        common,
        b"\x1c\0\0\0\0\0\0\0\0\0\xa4\x81\xff\xff\xff\xffname\x01\0\x18\0",
        wide,
        b"\x03\0\0\0\x01\0\0\0",
    ]
    .concat();
    assert_eq!(entry.central_header(), central);
    let streamed = Entry {
        streamed: true,
        ..entry
    };
    assert_eq!(
        streamed.descriptor(),
        b"PK\x07\x08\x01\x02\x03\x04\x02\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0"
    );
    let end = [
        b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0".as_slice(),
        b"\xff\xff\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0",
        b"\x05\0\0\0\0\0\0\0\x09\0\0\0\x01\0\0\0",
        b"PK\x06\x07\0\0\0\0\x0e\0\0\0\x01\0\0\0\x01\0\0\0",
        b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\x05\0\0\0\xff\xff\xff\xff\0\0",
    ]
    .concat();
    assert_eq!(record::end_records(0xffff, 0x1_0000_0009, 5), end);
}

#[test]
fn the_length_of_an_archive_is_known_before_it_is_written() {
    let file = write();
    let directory = open(&file, usize::MAX).unwrap();
    let mut copy = Vec::new();
    let mut writer = ArchiveWriter::new();
    for entry in directory.entries() {
        let from = usize::try_from(entry.offset).unwrap() + entry.local_header().len();
        let data = &file[from..from + usize::try_from(entry.compressed).unwrap()];
        writer.begin_copy(entry, &mut copy).unwrap();
        writer.push(data, &mut copy).unwrap();
        assert!(matches!(
            writer.push(b"x", &mut copy),
            Err(ArchiveError::Misuse(_))
        ));
        writer.end(&mut copy).unwrap();
        assert_eq!(writer.offset(), copy.len() as u64);
    }
    writer.finish(&mut copy).unwrap();
    assert_eq!(
        archive_len(directory.entries().to_vec()),
        Some(copy.len() as u64)
    );
    let endless = entry(0, u64::MAX, 0, false);
    assert_eq!(archive_len([endless]), None);
    let half = entry(0, u64::MAX / 2, 0, false);
    assert_eq!(archive_len([half.clone(), half.clone(), half]), None);
}

#[test]
fn a_copy_is_as_long_as_what_it_copies() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    writer.begin_copy(&entry(3, 3, 0, false), &mut out).unwrap();
    writer.push(b"ab", &mut out).unwrap();
    assert!(matches!(writer.end(&mut out), Err(ArchiveError::Misuse(_))));
    let mut writer = ArchiveWriter::new();
    assert!(matches!(writer.end(&mut out), Err(ArchiveError::Misuse(_))));
    assert!(matches!(
        writer.push(b"", &mut out),
        Err(ArchiveError::Misuse(_))
    ));
}

fn accounted(change: impl FnOnce(&mut Fixture)) -> Vec<(String, Fault)> {
    let mut archive = fixture();
    change(&mut archive);
    account(&archive.directory, &archive.manifest, &archive.files)
        .into_iter()
        .map(|finding| (finding.entry, finding.fault))
        .collect()
}

#[test]
fn directory_manifest_and_files_index_name_the_same() {
    let sets = (FILES_INDEX_PATH.to_string(), Fault::FileSets);
    assert_eq!(accounted(|_| {}), vec![]);
    let entry = fixture().files[1].entry.clone();
    // Two lines for one entry; two entries for one file; a file of a set that there isn't.
    let found = accounted(|archive| {
        let mut twice = archive.files[1].clone();
        twice.path.push('x');
        archive.files.push(twice);
    });
    assert_eq!(
        found,
        vec![(entry.clone(), Fault::DuplicateName), sets.clone()]
    );
    let found = accounted(|archive| {
        let mut twice = archive.files[1].clone();
        twice.entry.push('x');
        archive.files.push(twice);
    });
    let other = format!("{entry}x");
    assert_eq!(
        found,
        vec![
            (other.clone(), Fault::DuplicateName),
            sets.clone(),
            (other, Fault::Missing)
        ]
    );
    assert_eq!(
        accounted(|archive| archive.files[1].set.push('x')),
        vec![sets.clone()]
    );
    // Figures of the manifest that its index does not give.
    type Change = fn(&mut Manifest);
    let changes: [Change; 2] = [
        |manifest| manifest.file_sets[0].files += 1,
        |manifest| manifest.file_sets[1].bytes += 1,
    ];
    for change in changes {
        assert_eq!(
            accounted(|archive| change(&mut archive.manifest)),
            vec![sets.clone()]
        );
    }
    let part = "tables/public.notes/000001.tsv".to_string();
    let found = accounted(|archive| archive.manifest.tables[1].parts[0].bytes += 1);
    let bytes = fixture().manifest.tables[1].parts[0].bytes;
    let size = Fault::ManifestSize {
        expected: bytes + 1,
        found: bytes,
    };
    assert_eq!(found, vec![(part.clone(), size)]);
    let found = accounted(|archive| archive.manifest.tables[1].parts.truncate(2));
    let third = "tables/public.notes/000003.tsv".to_string();
    assert_eq!(found, vec![(third, Fault::Unexpected)]);
}

#[test]
fn a_digest_is_compared_when_the_content_ends() {
    let archive = fixture();
    let data = &archive.manifest.tables[1];
    let entry = archive.directory.entry(&data.part_path(0)).unwrap();
    let mut expected = data.parts[0].digest();
    let read = |reader: &mut CheckedReader| loop {
        match reader.step(&mut Vec::new()) {
            Ok(Step::Want(wanted)) => reader.feed(archive.range(wanted)).unwrap(),
            Ok(Step::Output) => {}
            Ok(Step::Done) => return None,
            Err(ArchiveError::Entry(finding)) => return Some(finding.fault),
            Err(error) => panic!("{error}"),
        }
    };
    let reader = |expected: &EntryDigest| CheckedReader::new(entry, expected, Limits::default());
    assert_eq!(read(&mut reader(&expected).unwrap()), None);
    let shown = format!("{:?}", reader(&expected).unwrap());
    assert!(
        shown.contains("000001.tsv") && !shown.contains("line"),
        "{shown}"
    );
    let right = expected.sha256;
    expected.sha256 = Digest::of(b"other");
    assert_eq!(read(&mut reader(&expected).unwrap()), Some(Fault::Digest));
    let (mut elsewhere, digest) = reader(&expected).unwrap().hash_elsewhere();
    assert_eq!(read(&mut elsewhere), None);
    assert_eq!(digest.compare(expected.sha256), Ok(()));
    assert!(matches!(
        digest.compare(right),
        Err(ArchiveError::Entry(Finding {
            fault: Fault::Digest,
            ..
        }))
    ));
    expected.bytes += 1;
    assert!(matches!(
        reader(&expected),
        Err(ArchiveError::Entry(Finding {
            fault: Fault::ManifestSize { .. },
            ..
        }))
    ));
}

#[test]
fn a_few_findings_are_shown_and_the_rest_counted() {
    let archive = fixture();
    let few = |count: usize| {
        let findings = archive.directory.entries()[..count]
            .iter()
            .map(|entry| Finding {
                entry: entry.name.clone(),
                fault: Fault::Missing,
            });
        ArchiveError::Profile(findings.collect()).to_string()
    };
    let shown = |text: &str| text.matches("is missing").count();
    assert_eq!((shown(&few(1)), few(1).contains(';')), (1, false));
    assert_eq!((shown(&few(3)), few(3).contains("more")), (3, false));
    assert_eq!(few(3).matches("; ").count(), 2);
    assert!(few(5).ends_with("; and 2 more"), "{}", few(5));
    assert!(few(1).contains("tables/public.notes/000001.tsv"));
    let whole = Finding {
        entry: String::new(),
        fault: Fault::FileSets,
    };
    assert_ne!(whole.to_string(), "");
}

#[test]
fn every_failure_has_a_name() {
    for (failure, code) in [
        (ArchiveError::Empty, "empty"),
        (ArchiveError::NotZip, "not_a_zip"),
        (ArchiveError::NoEnd, "cut_short"),
        (ArchiveError::Profile(vec![]), "not_the_profile"),
        (ArchiveError::NoManifest, "not_an_archive"),
        (ArchiveError::NoEntry(String::new()), "no_entry"),
        (ArchiveError::Misuse(""), "misuse"),
    ] {
        assert_eq!(failure.code(), code);
    }
}
