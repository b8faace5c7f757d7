//! Which of several end records is the archive's.

use super::*;
use alloc::format;

/// An end record as in an archive without entries.
fn fake_end() -> Vec<u8> {
    let mut record = b"PK\x05\x06".to_vec();
    record.resize(22, 0);
    record
}

/// What is found wrong with the records of a file.
fn findings(file: &[u8]) -> Vec<Fault> {
    match open(file, usize::MAX) {
        Err(ArchiveError::Profile(findings)) => {
            findings.into_iter().map(|finding| finding.fault).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_record_in_the_comment_is_not_the_end() {
    let mut file = write();
    let comment = [fake_end(), b"more".to_vec()].concat();
    let len = file.len();
    file[len - 2..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    file.extend_from_slice(&comment);
    let bytes = comment.len() as u64;
    assert_eq!(findings(&file), [Fault::End(EndFault::Comment { bytes })]);
}

/// An end record that says its directory ends at byte 1000, with so many bytes of comment and so many behind it.
fn astray(comment: u16, behind: usize) -> Vec<u8> {
    let mut record = fake_end();
    record[12..16].copy_from_slice(&400_u32.to_le_bytes());
    record[16..20].copy_from_slice(&600_u32.to_le_bytes());
    record[20..22].copy_from_slice(&comment.to_le_bytes());
    record.resize(22 + behind, b'c');
    record
}

#[test]
fn an_end_record_out_of_place_counts_if_only_its_comment_is_behind_it() {
    let read = |file: &[u8], file_len| {
        let mut findings = Vec::new();
        end::read(file, file_len, &mut findings).map_err(|error| match error {
            ArchiveError::Profile(findings) => {
                findings.into_iter().map(|finding| finding.fault).collect()
            }
            ArchiveError::NoEnd => Vec::new(),
            other => panic!("{other:?}"),
        })
    };
    let misplaced = |expected| {
        Fault::End(EndFault::Position {
            expected,
            found: 1000,
        })
    };
    let comment = Fault::End(EndFault::Comment { bytes: 3 });
    assert_eq!(read(&astray(0, 0), 22), Err(vec![misplaced(0)]));
    assert_eq!(read(&astray(3, 3), 25), Err(vec![comment, misplaced(0)]));
    // Neither more than the comment nor less.
    for (comment, behind) in [(3, 2), (3, 4), (0, 1)] {
        let file = astray(comment, behind);
        assert_eq!(
            read(&file, file.len() as u64),
            Err(vec![]),
            "{comment} {behind}"
        );
    }
    // In its place it counts whatever is behind it.
    let trailing = Fault::End(EndFault::Trailing { bytes: 9 });
    let mut findings = Vec::new();
    let end = end::read(&astray(0, 9), 1000 + 22 + 9, &mut findings).unwrap();
    assert_eq!((end.offset, end.len), (600, 400));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].fault, trailing);
}

#[test]
fn an_archive_of_many_entries_has_the_length_that_was_foretold_and_an_end_with_something_behind_it()
{
    for count in [65_534, 65_535, 65_536_u64] {
        let mut writer = ArchiveWriter::new();
        let mut file = Vec::new();
        let empty = Packed::stored(Vec::new());
        let mut entries = Vec::new();
        for number in (0..count).rev() {
            let name = match number {
                0 => "manifest.json".into(),
                _ => format!("{number}"),
            };
            entries.push(Entry {
                offset: writer.offset(),
                ..empty.entry(&name)
            });
            writer.add(&name, &empty, &mut file).unwrap();
        }
        writer.finish(&mut file).unwrap();
        assert_eq!(archive_len(entries), Some(file.len() as u64), "{count}");
        file.extend_from_slice(b"behind");
        let found = findings(&file);
        assert_eq!(
            found,
            [Fault::End(EndFault::Trailing { bytes: 6 })],
            "{count}"
        );
    }
}

#[test]
fn more_entries_than_the_directory_has_room_for_are_found_before_it_is_read() {
    let mut writer = ArchiveWriter::new();
    let mut file = Vec::new();
    let manifest = Packed::stored(b"{}".to_vec());
    writer.add("manifest.json", &manifest, &mut file).unwrap();
    writer.finish(&mut file).unwrap();
    // One header of 46 bytes and 13 of its name: room for one of the shortest, and not for two.
    let end = file.len() - 22;
    let crowded = |file: &[u8]| {
        let found = findings(file).into_iter();
        found
            .filter(|fault| matches!(fault, Fault::End(EndFault::Crowded { .. })))
            .collect::<Vec<_>>()
    };
    for (entries, expected) in [(2, true), (0, false)] {
        file[end + 8] = entries;
        file[end + 10] = entries;
        let entries = u64::from(entries);
        let fault = Fault::End(EndFault::Crowded { entries, bytes: 59 });
        let expected = if expected { vec![fault] } else { vec![] };
        assert_eq!(crowded(&file), expected, "{entries}");
    }
}
