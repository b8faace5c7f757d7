use alloc::{string::String, vec, vec::Vec};

use super::{name::NameError, *};
use crate::range::ByteRange;

mod edges;
mod ends;
mod packed;

fn range(file: &[u8], range: ByteRange) -> &[u8] {
    &file[usize::try_from(range.offset).unwrap()..usize::try_from(range.end()).unwrap()]
}

fn open(file: &[u8], step: usize) -> Result<Directory, ArchiveError> {
    let mut opening = Opening::new(file.len() as u64, Limits::default())?;
    while let Some(wanted) = opening.wants() {
        let bytes = range(file, wanted);
        opening.feed(&bytes[..bytes.len().min(step)])?;
    }
    opening.finish()
}

fn read(file: &[u8], entry: &Entry, limits: Limits, step: usize) -> Result<Vec<u8>, ArchiveError> {
    let mut reader = EntryReader::new(entry, limits);
    let mut out = Vec::new();
    loop {
        match reader.step(&mut out)? {
            Step::Want(wanted) => {
                let bytes = range(file, wanted);
                reader.feed(&bytes[..bytes.len().min(step)])?;
            }
            Step::Output => {}
            Step::Done => return Ok(out),
        }
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

fn contents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("tables/public.a/000001.tsv", b"id\tname\n".repeat(1000)),
        ("files/up/empty", vec![]),
        ("files/up/noise.bin", noise(100_000)),
        ("files/up/one", vec![7]),
        ("files/up/streamed.txt", b"streamed content ".repeat(20_000)),
        ("files/up/streamed noise", noise(3_000_000)),
        ("files/up/streamed nothing", vec![]),
        ("manifest.json", b"{}".to_vec()),
    ]
}

fn write() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    for (name, content) in contents() {
        if name.contains("streamed") {
            writer.begin(name, &mut out).unwrap();
            for piece in content.chunks(70_001) {
                writer.push(piece, &mut out).unwrap();
            }
            writer.end(&mut out).unwrap();
        } else {
            writer.add(name, &pack(content), &mut out).unwrap();
        }
        assert_eq!(writer.offset(), out.len() as u64);
    }
    writer.finish(&mut out).unwrap();
    out
}

#[test]
fn what_is_written_is_read_in_any_pieces() {
    let file = write();
    for step in [1, 13, 4096, usize::MAX] {
        let directory = open(&file, step).unwrap();
        assert_eq!(directory.entries().len(), contents().len());
        for (name, content) in contents() {
            if step == 1 && content.len() > 200_000 {
                continue;
            }
            let entry = directory.entry(name).unwrap();
            assert_eq!(
                read(&file, entry, Limits::default(), step).unwrap(),
                content,
                "{name}"
            );
        }
    }
    assert_eq!(
        open(&file, 1).unwrap().entry("nope"),
        Err(ArchiveError::NoEntry("nope".into()))
    );
}

#[test]
fn an_entry_can_be_copied_without_compressing_it_again() {
    let file = write();
    let directory = open(&file, usize::MAX).unwrap();
    let mut copy = Vec::new();
    let mut writer = ArchiveWriter::new();
    for entry in directory.entries() {
        let mut reader = EntryReader::new(entry, Limits::default()).keep_raw();
        writer.begin_copy(entry, &mut copy).unwrap();
        let mut content = Vec::new();
        loop {
            let step = reader.step(&mut content).unwrap();
            writer.push(&reader.take_raw(), &mut copy).unwrap();
            content.clear();
            match step {
                Step::Want(wanted) => reader.feed(range(&file, wanted)).unwrap(),
                Step::Output => {}
                Step::Done => break,
            }
        }
        writer.end(&mut copy).unwrap();
    }
    writer.finish(&mut copy).unwrap();
    let copied = open(&copy, usize::MAX).unwrap();
    for (name, content) in contents() {
        let entry = copied.entry(name).unwrap();
        assert!(!entry.streamed);
        assert_eq!(
            read(&copy, entry, Limits::default(), usize::MAX).unwrap(),
            content
        );
    }
}

#[test]
fn noise_is_stored_and_text_is_not() {
    let file = write();
    let directory = open(&file, usize::MAX).unwrap();
    assert_eq!(
        directory.entry("files/up/noise.bin").unwrap().method,
        Method::Store
    );
    assert_eq!(
        directory
            .entry("tables/public.a/000001.tsv")
            .unwrap()
            .method,
        Method::Deflate
    );
    let streamed = directory.entry("files/up/streamed noise").unwrap();
    assert!(streamed.streamed && streamed.compressed < streamed.size + 4096);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    writer
        .add(
            "a.txt",
            &pack(b"some text, some text, some text".to_vec()),
            &mut out,
        )
        .unwrap();
    writer.begin("b.txt", &mut out).unwrap();
    writer
        .push(b"streamed, streamed, streamed", &mut out)
        .unwrap();
    writer.end(&mut out).unwrap();
    writer
        .add("manifest.json", &pack(b"{}".to_vec()), &mut out)
        .unwrap();
    writer.finish(&mut out).unwrap();
    let whole = |file: &[u8]| -> Result<Vec<Vec<u8>>, ArchiveError> {
        let directory = open(file, usize::MAX)?;
        directory
            .entries()
            .iter()
            .map(|entry| read(file, entry, Limits::default(), 7))
            .collect()
    };
    let good = whole(&out).unwrap();
    for at in 0..out.len() * 8 {
        let mut changed = out.clone();
        changed[at / 8] ^= 1 << (at % 8);
        match whole(&changed) {
            Err(_) => {}
            Ok(read) => {
                // A deflate stream has bits that mean nothing, behind its end in the last byte.
                assert_eq!(read, good, "bit {at} changed the content unnoticed");
            }
        }
    }
    for len in 0..out.len() {
        assert!(whole(&out[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn limits_stop_a_bomb_before_it_goes_off() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    writer
        .add("bomb", &pack(vec![0; 8 << 20]), &mut out)
        .unwrap();
    writer
        .add("manifest.json", &pack(b"{}".to_vec()), &mut out)
        .unwrap();
    writer.finish(&mut out).unwrap();
    let directory = open(&out, usize::MAX).unwrap();
    let bomb = directory.entry("bomb").unwrap();
    let limit = |limits| match read(&out, bomb, limits, usize::MAX) {
        Err(ArchiveError::Limit { limit, .. }) => limit,
        other => panic!("{:?}", other.map(|content| content.len())),
    };
    assert_eq!(
        limit(Limits {
            ratio: 100,
            ..Limits::default()
        }),
        "the compression ratio of one entry"
    );
    assert_eq!(
        limit(Limits {
            entry_bytes: 1 << 20,
            ..Limits::default()
        }),
        "bytes of one entry"
    );
    // Declared smaller than it is.
    let mut lying = bomb.clone();
    lying.size = 1000;
    let mut file = lying.local_header();
    file.extend_from_slice(range(
        &out,
        ByteRange::new(bomb.local_header().len() as u64, bomb.compressed),
    ));
    assert!(matches!(
        read(&file, &lying, Limits::default(), usize::MAX),
        Err(ArchiveError::Entry(Finding {
            fault: Fault::Size { declared: 1000, .. },
            ..
        }))
    ));
    let few = Limits {
        entries: 1,
        ..Limits::default()
    };
    let mut opening = Opening::new(out.len() as u64, few).unwrap();
    opening.feed(&out[..4]).unwrap();
    let wanted = opening.wants().unwrap();
    assert_eq!(
        opening.feed(range(&out, wanted)),
        Err(ArchiveError::Limit {
            limit: "the number of entries",
            found: 2,
            allowed: 1
        })
    );
}

/// An archive of entries that the writer would refuse.
fn forge(entries: &[Entry], patch: impl Fn(usize, &mut Vec<u8>)) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        let entry = Entry {
            offset: file.len() as u64,
            ..entry.clone()
        };
        file.extend_from_slice(&entry.local_header());
        file.extend_from_slice(b"{}");
        let mut central = entry.central_header();
        patch(index, &mut central);
        directory.extend_from_slice(&central);
    }
    let at = file.len() as u64;
    file.extend_from_slice(&directory);
    file.extend_from_slice(&record::end_records(
        entries.len() as u64,
        at,
        directory.len() as u64,
    ));
    file
}

fn stored(name: &str) -> Entry {
    Entry {
        name: name.into(),
        method: Method::Store,
        crc32: crc32fast::hash(b"{}"),
        compressed: 2,
        size: 2,
        offset: 0,
        streamed: false,
    }
}

#[test]
fn what_is_not_the_profile_is_found_and_all_of_it() {
    let faults = |names: &[&str], patch: &dyn Fn(usize, &mut Vec<u8>)| -> Vec<(String, Fault)> {
        let entries: Vec<Entry> = names.iter().map(|name| stored(name)).collect();
        match open(&forge(&entries, patch), usize::MAX) {
            Err(ArchiveError::Profile(findings)) => findings
                .into_iter()
                .map(|finding| (finding.entry, finding.fault))
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    let no_patch = |_: usize, _: &mut Vec<u8>| {};
    assert!(open(&forge(&[stored("a"), stored("manifest.json")], no_patch), 1).is_ok());
    assert_eq!(
        faults(
            &["../evil", "/abs", "A", "a", "d", "d/e", "manifest.json"],
            &no_patch
        ),
        vec![
            ("../evil".into(), Fault::Name(NameError::DotSegment)),
            ("/abs".into(), Fault::Name(NameError::Absolute)),
            ("a".into(), Fault::DuplicateName),
            ("d/e".into(), Fault::FileAndFolder),
        ]
    );
    assert_eq!(
        faults(&["manifest.json", "later"], &no_patch),
        vec![(
            String::new(),
            Fault::Directory(DirectoryFault::ManifestNotLast)
        )]
    );
    let at_byte = |byte: usize, value: u8| {
        move |index: usize, central: &mut Vec<u8>| {
            if index == 0 {
                central[byte] = value;
            }
        }
    };
    let cases: Vec<(usize, u8, Fault)> = vec![
        (8, 1, Fault::Encrypted),
        (8, 4, Fault::Flags(0x0804)),
        (10, 12, Fault::Method(12)),
        (12, 1, Fault::Header(Field::Time)),
        (4, 63, Fault::Header(Field::MadeBy)),
        (36, 1, Fault::Header(Field::Internal)),
        (40, 0xff, Fault::Header(Field::External)),
        (
            42,
            5,
            Fault::Offset {
                expected: 0,
                found: 5,
            },
        ),
        (20, 3, Fault::StoredSizes { stored: 3, size: 2 }),
    ];
    for (byte, value, fault) in cases {
        let found = faults(&["a", "manifest.json"], &at_byte(byte, value));
        assert!(
            found.contains(&("a".into(), fault)),
            "byte {byte}: {found:?}"
        );
    }
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(open(b"", 1), Err(ArchiveError::Empty));
    assert_eq!(open(b"hello, this is text", 1), Err(ArchiveError::NotZip));
    assert_eq!(
        open(&forge(&[stored("a.txt")], |_, _| {}), 9),
        Err(ArchiveError::NoManifest)
    );
    let file = write();
    assert_eq!(
        open(&file[..file.len() - 10], 999),
        Err(ArchiveError::NoEnd)
    );
    let mut prefixed = b"PK\x03\x04 something before".to_vec();
    prefixed.extend_from_slice(&file);
    assert!(matches!(
        open(&prefixed, usize::MAX),
        Err(ArchiveError::Profile(_))
    ));
}

#[test]
fn a_writer_refuses_what_a_reader_would() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    let packed = pack(b"x".to_vec());
    assert!(matches!(
        writer.add("../x", &packed, &mut out),
        Err(ArchiveError::Entry(_))
    ));
    writer.add("x", &packed, &mut out).unwrap();
    assert!(matches!(
        writer.add("X", &packed, &mut out),
        Err(ArchiveError::Entry(_))
    ));
    writer.begin("y", &mut out).unwrap();
    assert!(matches!(
        writer.add("z", &packed, &mut out),
        Err(ArchiveError::Misuse(_))
    ));
    assert!(matches!(
        writer.finish(&mut out),
        Err(ArchiveError::Misuse(_))
    ));
}

#[test]
fn more_entries_than_16_bits_count() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    let packed = pack(b"x".to_vec());
    for number in 0..70_000 {
        writer
            .add(&std::format!("f/{number}"), &packed, &mut out)
            .unwrap();
    }
    writer.add("manifest.json", &packed, &mut out).unwrap();
    writer.finish(&mut out).unwrap();
    assert_eq!(open(&out, usize::MAX).unwrap().entries().len(), 70_001);
}
