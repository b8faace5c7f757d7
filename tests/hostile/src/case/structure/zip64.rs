//! End records of more entries than 16 bits count.

use coffer_core::archive::{DirectoryFault, EndFault};

use super::{Layout, directory, end, layout};
use crate::case::{Case, case, profile, spoiled};
use crate::{Member, Zip};

/// An archive of so many entries that its end needs ZIP64 records.
fn many(spoil: impl FnOnce(&mut Zip)) -> Vec<u8> {
    let mut members: Vec<Member> = (0..65_534)
        .map(|number| Member::stored(format!("{number}"), b""))
        .collect();
    members.push(Member::stored("manifest.json", b"{}"));
    let mut zip = Zip::of(members);
    zip.widen();
    spoil(&mut zip);
    zip.bytes()
}

pub(crate) fn cases() -> Vec<Case> {
    let Layout {
        end: end_at,
        directory: directory_at,
        ..
    } = layout();
    let directory_len = end_at - directory_at;
    let many_zip = || {
        let mut found = None;
        let _ = many(|zip| found = Some((u64::from(zip.end.offset), u64::from(zip.end.len))));
        found.unwrap_or_default()
    };
    let (many_at, many_len) = many_zip();
    let many_end = many_at + many_len;
    vec![
        case(
            "ZIP64 records without need",
            profile(&[end(EndFault::Zip64Unneeded)]),
            || spoiled(Zip::widen),
        ),
        case(
            "an offset that refers to missing ZIP64 records",
            profile(&[
                end(EndFault::Zip64Missing),
                end(EndFault::Position {
                    expected: end_at,
                    found: u64::from(u32::MAX) + directory_len,
                }),
            ]),
            || spoiled(|zip| zip.end.offset = u32::MAX),
        ),
        case(
            "a length that refers to missing ZIP64 records",
            profile(&[
                end(EndFault::Zip64Missing),
                end(EndFault::Position {
                    expected: end_at,
                    found: directory_at + u64::from(u32::MAX),
                }),
            ]),
            || spoiled(|zip| zip.end.len = u32::MAX),
        ),
        case(
            "a ZIP64 end record without a locator",
            profile(&[
                end(EndFault::Zip64Missing),
                end(EndFault::Position {
                    expected: many_end + 56,
                    found: many_end,
                }),
            ]),
            || many(|zip| zip.locator = None),
        ),
        case(
            "a ZIP64 locator without a record",
            profile(&[
                end(EndFault::Zip64Missing),
                end(EndFault::Position {
                    expected: many_end + 20,
                    found: many_end,
                }),
            ]),
            || many(|zip| zip.zip64_end = None),
        ),
        case(
            "65,535 entries without ZIP64 records",
            profile(&[end(EndFault::Zip64Missing)]),
            || {
                many(|zip| {
                    zip.zip64_end = None;
                    zip.locator = None;
                })
            },
        ),
        case(
            "a ZIP64 locator that points elsewhere",
            profile(&[end(EndFault::Zip64Locator)]),
            || many(|zip| zip.locator.as_mut().unwrap().offset = 0),
        ),
        case(
            "a ZIP64 locator of another disk",
            profile(&[end(EndFault::Zip64Locator)]),
            || many(|zip| zip.locator.as_mut().unwrap().disk = 1),
        ),
        case(
            "a ZIP64 locator of several disks",
            profile(&[end(EndFault::Zip64Locator)]),
            || many(|zip| zip.locator.as_mut().unwrap().disks = 2),
        ),
        case(
            "a ZIP64 end record of another length",
            profile(&[end(EndFault::Zip64Record)]),
            || many(|zip| zip.zip64_end.as_mut().unwrap().size = 45),
        ),
        case(
            "a ZIP64 end record of a newer version",
            profile(&[end(EndFault::Zip64Record)]),
            || many(|zip| zip.zip64_end.as_mut().unwrap().needed = 62),
        ),
        case(
            "a ZIP64 end record of another disk",
            profile(&[end(EndFault::Zip64Record)]),
            || many(|zip| zip.zip64_end.as_mut().unwrap().disk = 1),
        ),
        case(
            "a ZIP64 end record of a directory on another disk",
            profile(&[end(EndFault::Zip64Record)]),
            || many(|zip| zip.zip64_end.as_mut().unwrap().directory_disk = 1),
        ),
        case(
            "a ZIP64 end record with two counts",
            profile(&[end(EndFault::Zip64Record)]),
            || many(|zip| zip.zip64_end.as_mut().unwrap().entries_here -= 1),
        ),
        case(
            "a ZIP64 end record with data behind its values",
            profile(&[
                end(EndFault::Zip64Missing),
                end(EndFault::Position {
                    expected: many_end + 56 + 4 + 20,
                    found: many_end,
                }),
            ]),
            || {
                many(|zip| {
                    let record = zip.zip64_end.as_mut().unwrap();
                    record.more = b"more".to_vec();
                    record.size += 4;
                })
            },
        ),
        case(
            "a ZIP64 end record with another count",
            profile(&[directory(DirectoryFault::Count {
                declared: 65_536,
                found: 65_535,
            })]),
            || {
                many(|zip| {
                    let record = zip.zip64_end.as_mut().unwrap();
                    (record.entries, record.entries_here) = (65_536, 65_536);
                })
            },
        ),
        case(
            "a ZIP64 end record with another offset than the end record",
            profile(&[end(EndFault::Zip64Differs)]),
            || many(|zip| zip.end.offset += 1),
        ),
        case(
            "a ZIP64 end record with another length than the end record",
            profile(&[end(EndFault::Zip64Differs)]),
            || many(|zip| zip.end.len -= 1),
        ),
        case(
            "a ZIP64 end record with a position of 64 bits",
            profile(&[
                end(EndFault::Zip64Differs),
                end(EndFault::Position {
                    expected: many_end,
                    found: u64::MAX,
                }),
            ]),
            || {
                many(|zip| {
                    let record = zip.zip64_end.as_mut().unwrap();
                    (record.offset, record.len) = (u64::MAX, u64::MAX);
                })
            },
        ),
        case(
            "a count modulo 65,536",
            profile(&[directory(DirectoryFault::Count {
                declared: 1,
                found: 65_537,
            })]),
            || {
                let mut members: Vec<Member> = (0..65_536)
                    .map(|number| Member::stored(format!("{number}"), b""))
                    .collect();
                members.push(Member::stored("manifest.json", b"{}"));
                let mut zip = Zip::of(members);
                (zip.end.entries, zip.end.entries_here) = (1, 1);
                zip.bytes()
            },
        ),
    ]
}
