//! Content that is packed apart from the writer, and what readers and writers show of themselves.

use super::*;
use alloc::{collections::BTreeSet, format};

/// The archive of [`contents`], each streamed entry packed on its own.
fn packed_elsewhere() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    for (name, content) in contents() {
        if !name.contains("streamed") {
            writer.add(name, &pack(content), &mut out).unwrap();
            continue;
        }
        writer.begin_packed(name, &mut out).unwrap();
        let mut packer = StreamPacker::new();
        let mut stored = Vec::new();
        for piece in content.chunks(70_001) {
            packer.push(piece, &mut stored).unwrap();
            writer.push(&stored, &mut out).unwrap();
            stored.clear();
        }
        let streamed = packer.finish(&mut stored).unwrap();
        writer.push(&stored, &mut out).unwrap();
        writer.end_packed(streamed, &mut out).unwrap();
        assert_eq!(writer.offset(), out.len() as u64);
    }
    writer.finish(&mut out).unwrap();
    out
}

#[test]
fn it_makes_no_difference_where_content_is_packed() {
    assert!(packed_elsewhere() == write());
}

#[test]
fn an_entry_is_ended_as_it_was_begun() {
    let mut out = Vec::new();
    let streamed = StreamPacker::new().finish(&mut out).unwrap();
    let misused = |result| matches!(result, Err(ArchiveError::Misuse(_)));
    let mut writer = ArchiveWriter::new();
    assert!(misused(writer.end_packed(streamed, &mut out)));
    writer.begin("a", &mut out).unwrap();
    assert!(misused(writer.end_packed(streamed, &mut out)));
    let mut writer = ArchiveWriter::new();
    writer.begin_packed("a", &mut out).unwrap();
    assert!(misused(writer.end(&mut out)));
    let mut writer = ArchiveWriter::new();
    writer.begin_packed("a", &mut out).unwrap();
    assert!(misused(writer.begin_packed("b", &mut out)));
    assert!(misused(writer.finish(&mut out)));
}

#[test]
fn packed_content_knows_its_size() {
    for content in [vec![], vec![7], vec![7; 100_000], noise(100_000)] {
        let len = content.len() as u64;
        assert_eq!(pack(content.clone()).size(), len);
        assert_eq!(Packed::stored(content).size(), len);
    }
}

#[test]
fn what_is_shown_of_readers_and_writers_has_no_content() {
    let mut out = Vec::new();
    let mut writer = ArchiveWriter::new();
    writer
        .add("secret", &Packed::stored(b"content".to_vec()), &mut out)
        .unwrap();
    assert_eq!(
        format!("{writer:?}"),
        "ArchiveWriter { entries: 1, offset: 43 }"
    );
    let mut packer = StreamPacker::new();
    packer.push(b"content", &mut out).unwrap();
    assert_eq!(format!("{packer:?}"), "StreamPacker { size: 7, .. }");
    assert_eq!(
        format!("{:?}", Search::new(10, Limits::default())),
        "Search { wanted: Some(ByteRange { offset: 0, len: 10 }), entries: 0, .. }"
    );
}

#[test]
fn each_fault_has_a_code_of_its_own() {
    let faults = [
        Fault::End(EndFault::SeveralDisks),
        Fault::Directory(DirectoryFault::ManifestNotLast),
        Fault::Name(NameError::NotUtf8),
        Fault::DuplicateName,
        Fault::FileAndFolder,
        Fault::Encrypted,
        Fault::Flags(1),
        Fault::Method(1),
        Fault::StoredDescriptor,
        Fault::Special(Special::Link),
        Fault::ExtraField(1),
        Fault::DuplicateExtraField(1),
        Fault::MalformedExtraField,
        Fault::Header(Field::Name),
        Fault::LocalHeader(Field::Name),
        Fault::Descriptor(Field::Size),
        Fault::Deflate,
        Fault::Crc,
        Fault::Digest,
        Fault::Missing,
        Fault::Unexpected,
        Fault::FileSets,
    ];
    let codes: BTreeSet<&str> = faults.iter().map(Fault::code).collect();
    assert_eq!(codes.len(), faults.len());
    assert!(codes.contains("duplicate_name") && !codes.contains(""));
}
