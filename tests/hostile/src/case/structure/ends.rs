//! What stands where an archive begins and ends.

use coffer_core::archive::{ArchiveError, DirectoryFault, EndFault, Fault};

use super::{Layout, directory, end, layout};
use crate::case::{Case, NOTE, arranged, case, first, profile, spoiled};
use crate::{Member, Zip};

pub(super) fn cases() -> Vec<Case> {
    let Layout {
        end: end_at,
        directory: directory_at,
        len,
        ..
    } = layout();
    let directory_len = end_at - directory_at;
    let position = |expected, found| profile(&[end(EndFault::Position { expected, found })]);
    vec![
        case("nothing", ArchiveError::Empty, Vec::new),
        case("a text", ArchiveError::NotZip, || {
            b"Dear diary, this is no archive.\n".to_vec()
        }),
        case("less than a signature", ArchiveError::NotZip, || {
            b"PK".to_vec()
        }),
        case("an empty ZIP", ArchiveError::NoManifest, || {
            Zip::of(Vec::new()).bytes()
        }),
        case("a ZIP without a manifest", ArchiveError::NoManifest, || {
            Zip::of(vec![Member::stored("holiday.txt", b"sun")]).bytes()
        }),
        case("a program before the ZIP", ArchiveError::NotZip, || {
            first(|member| member.gap = b"MZ this program cannot be run in DOS mode".to_vec())
        }),
        case(
            "a local header's signature before the ZIP",
            profile(&[(
                NOTE,
                Fault::Offset {
                    expected: 0,
                    found: 40,
                },
            )]),
            || first(|member| member.gap = [b"PK\x03\x04".as_slice(), &[0; 36]].concat()),
        ),
        case(
            "bytes before the ZIP that its offsets leave out",
            position(end_at + 4, end_at),
            || [b"PK\x03\x04".to_vec(), Zip::archive().bytes()].concat(),
        ),
        case("an end that is cut off", ArchiveError::NoEnd, || {
            let mut file = Zip::archive().bytes();
            file.truncate(file.len() - 1);
            file
        }),
        case("a second half that is missing", ArchiveError::NoEnd, || {
            let mut file = Zip::archive().bytes();
            file.truncate(file.len() / 2);
            file
        }),
        case(
            "a byte behind the end",
            profile(&[end(EndFault::Trailing { bytes: 1 })]),
            || spoiled(|zip| zip.trailing = b"\n".to_vec()),
        ),
        case(
            "a comment",
            profile(&[end(EndFault::Comment { bytes: 5 })]),
            || spoiled(|zip| zip.end.comment = b"hello".to_vec()),
        ),
        case(
            "a comment that is not there",
            profile(&[end(EndFault::Comment { bytes: 5 })]),
            || spoiled(|zip| zip.end.comment_len = Some(5)),
        ),
        case(
            "a comment that goes on",
            profile(&[
                end(EndFault::Comment { bytes: 2 }),
                end(EndFault::Trailing { bytes: 3 }),
            ]),
            || {
                spoiled(|zip| {
                    zip.end.comment = b"hello".to_vec();
                    zip.end.comment_len = Some(2);
                })
            },
        ),
        case("a second end record", position(len, end_at), || {
            spoiled(|zip| zip.trailing = zip.end.bytes())
        }),
        case(
            "an end record in the comment",
            position(len, end_at),
            || {
                spoiled(|zip| {
                    let hidden = zip.end.bytes();
                    zip.end.comment = hidden;
                })
            },
        ),
        case(
            "a second ZIP behind the first",
            position(len + end_at, end_at),
            || [Zip::archive().bytes(), Zip::archive().bytes()].concat(),
        ),
        case(
            "bytes between the directory and its end",
            position(end_at + 7, end_at),
            || spoiled(|zip| zip.behind_directory = b"nothing".to_vec()),
        ),
        case(
            "a directory of one byte more",
            position(end_at, end_at + 1),
            || spoiled(|zip| zip.end.len += 1),
        ),
        case(
            "a directory elsewhere",
            position(end_at, directory_len),
            || spoiled(|zip| zip.end.offset = 0),
        ),
        case(
            "a directory that begins too late",
            profile(&[directory(DirectoryFault::Damaged { entries: 0 })]),
            || {
                spoiled(|zip| {
                    zip.end.offset += 1;
                    zip.end.len -= 1;
                })
            },
        ),
        case(
            "a directory that begins too early",
            profile(&[directory(DirectoryFault::Damaged { entries: 0 })]),
            || {
                spoiled(|zip| {
                    zip.end.offset -= 1;
                    zip.end.len += 1;
                })
            },
        ),
        case(
            "a header in the directory with another signature",
            profile(&[directory(DirectoryFault::Damaged { entries: 1 })]),
            || arranged(|zip| zip.members[1].central.signature = 0x0201_4b51),
        ),
        case(
            "a digital signature behind the directory",
            profile(&[directory(DirectoryFault::Damaged { entries: 4 })]),
            || {
                spoiled(|zip| {
                    zip.behind_directory = b"PK\x05\x05\x02\x00ok".to_vec();
                    zip.end.len += 8;
                })
            },
        ),
        case(
            "parts on other disks",
            profile(&[end(EndFault::SeveralDisks)]),
            || spoiled(|zip| zip.end.disk = 1),
        ),
        case(
            "a directory on another disk",
            profile(&[end(EndFault::SeveralDisks)]),
            || spoiled(|zip| zip.end.directory_disk = 1),
        ),
        case(
            "two counts of entries",
            profile(&[end(EndFault::Counts { here: 3, all: 4 })]),
            || spoiled(|zip| zip.end.entries_here = 3),
        ),
        case(
            "a count that leaves entries out",
            profile(&[directory(DirectoryFault::Count {
                declared: 3,
                found: 4,
            })]),
            || spoiled(|zip| (zip.end.entries, zip.end.entries_here) = (3, 3)),
        ),
        case(
            "a count of entries that are not there",
            profile(&[directory(DirectoryFault::Count {
                declared: 5,
                found: 4,
            })]),
            || spoiled(|zip| (zip.end.entries, zip.end.entries_here) = (5, 5)),
        ),
        case(
            "a count that has no room",
            profile(&[
                end(EndFault::Crowded {
                    entries: 60_000,
                    bytes: directory_len,
                }),
                directory(DirectoryFault::Count {
                    declared: 60_000,
                    found: 4,
                }),
            ]),
            || spoiled(|zip| (zip.end.entries, zip.end.entries_here) = (60_000, 60_000)),
        ),
        case(
            "a manifest before other entries",
            profile(&[directory(DirectoryFault::ManifestNotLast)]),
            || arranged(|zip| zip.members.swap(2, 3)),
        ),
    ]
}
