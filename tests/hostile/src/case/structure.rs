//! Records where none belong, or that say of each other what is not so.

use coffer_core::archive::{ArchiveError, DirectoryFault, EndFault, Fault, Limits};

use super::{Case, NOISE, NOTE, arranged, case, first, profile, spoiled};
use crate::{Member, Zip, record};

fn end(fault: EndFault) -> (&'static str, Fault) {
    ("", Fault::End(fault))
}

fn directory(fault: DirectoryFault) -> (&'static str, Fault) {
    ("", Fault::Directory(fault))
}

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

/// Files in which each one's content is the next one's record, so that a small file holds a great deal of content
/// (David Fifield, "A better zip bomb", 2019).
fn nested() -> Zip {
    const FILES: usize = 3;
    let kernel = crate::build::deflate(&[0; 100_000]);
    let mut content = vec![0; 100_000];
    let mut data = kernel;
    let mut members: Vec<Member> = Vec::new();
    for number in (0..FILES).rev() {
        let mut member = Member::deflated(format!("files/up/{number}"), &content);
        let compressed = u32::try_from(data.len()).unwrap();
        (member.local.compressed, member.central.compressed) = (compressed, compressed);
        // What is written of it: all of its data for the innermost file, else only the quote that leads to the next.
        member.data = match members.first() {
            None => data.clone(),
            Some(inner) => quote_head(&inner.local.bytes()),
        };
        let header = member.local.bytes();
        // The content of the file around this one: this one's header, quoted, and then its content.
        content = [header.clone(), content].concat();
        data = [quote_head(&header), header, data].concat();
        members.insert(0, member);
    }
    let mut zip = Zip::of(members);
    // Each quoted header is written once: by the quote, and not by its own entry.
    let mut at = 0;
    for number in 0..FILES {
        zip.members[number].central.offset = at;
        at += u32::try_from(zip.members[number].local.bytes().len()).unwrap() + 5;
    }
    zip
}

/// The head of a stored, not final block of deflate for some bytes.
fn quote_head(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let mut out = vec![0];
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out
}

/// The bytes of [`nested`], with a manifest behind it.
fn nested_bytes() -> Vec<u8> {
    let mut zip = nested();
    let offsets: Vec<u32> = zip
        .members
        .iter()
        .map(|member| member.central.offset)
        .collect();
    zip.members.push(Member::stored("manifest.json", b"{}"));
    zip.lay_out();
    for (member, offset) in zip.members.iter_mut().zip(offsets) {
        member.central.offset = offset;
    }
    zip.bytes()
}

/// Positions in [`Zip::archive`], for expectations.
struct Layout {
    offsets: Vec<u64>,
    directory: u64,
    end: u64,
    len: u64,
}

fn layout() -> Layout {
    let zip = Zip::archive();
    Layout {
        offsets: zip
            .members
            .iter()
            .map(|member| u64::from(member.central.offset))
            .collect(),
        directory: u64::from(zip.end.offset),
        end: u64::from(zip.end.offset) + u64::from(zip.end.len),
        len: zip.bytes().len() as u64,
    }
}

pub(super) fn cases() -> Vec<Case> {
    [begin_and_end(), zip64_records(), places(), limits()].concat()
}

fn begin_and_end() -> Vec<Case> {
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
        case(
            "a manifest before other entries",
            profile(&[directory(DirectoryFault::ManifestNotLast)]),
            || arranged(|zip| zip.members.swap(2, 3)),
        ),
    ]
}

fn zip64_records() -> Vec<Case> {
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
    ]
}

fn places() -> Vec<Case> {
    let Layout {
        offsets,
        directory: directory_at,
        ..
    } = layout();
    let noise_len = offsets[2] - offsets[1];
    let index = "index/files.tsv";
    vec![
        case(
            "two entries with one record",
            profile(&[
                (
                    NOISE,
                    Fault::Offset {
                        expected: offsets[1],
                        found: 0,
                    },
                ),
                (
                    index,
                    Fault::Offset {
                        expected: offsets[1],
                        found: offsets[2],
                    },
                ),
            ]),
            || spoiled(|zip| zip.members[1].central.offset = 0),
        ),
        case(
            "an entry that begins inside of another's data",
            profile(&[
                (
                    NOISE,
                    Fault::Offset {
                        expected: offsets[1],
                        found: offsets[1] - 1,
                    },
                ),
                (
                    index,
                    Fault::Offset {
                        expected: offsets[2] - 1,
                        found: offsets[2],
                    },
                ),
            ]),
            || spoiled(|zip| zip.members[1].central.offset -= 1),
        ),
        case(
            "a small file that holds a great deal",
            profile(&nested_findings()),
            nested_bytes,
        ),
        case(
            "bytes between two entries",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: offsets[1],
                    found: offsets[1] + 6,
                },
            )]),
            || arranged(|zip| zip.members[1].gap = b"hidden".to_vec()),
        ),
        case(
            "a record that the directory leaves out",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: offsets[1],
                    found: offsets[1] + Member::stored("hidden", b"hidden").record().len() as u64,
                },
            )]),
            || arranged(|zip| zip.members[1].gap = Member::stored("hidden", b"hidden").record()),
        ),
        case(
            "bytes before the directory",
            profile(&[directory(DirectoryFault::Gap { bytes: 6 })]),
            || arranged(|zip| zip.gap = b"hidden".to_vec()),
        ),
        case(
            "a directory in another order",
            profile(&[
                (
                    NOISE,
                    Fault::Offset {
                        expected: 0,
                        found: offsets[1],
                    },
                ),
                (
                    NOTE,
                    Fault::Offset {
                        expected: offsets[1] + noise_len,
                        found: 0,
                    },
                ),
            ]),
            || {
                spoiled(|zip| {
                    let (one, other) = (
                        zip.members[0].central.clone(),
                        zip.members[1].central.clone(),
                    );
                    (zip.members[0].central, zip.members[1].central) = (other, one);
                })
            },
        ),
        case(
            "an entry behind the end of the file",
            profile(&[
                (
                    NOTE,
                    Fault::Offset {
                        expected: 0,
                        found: 4_000_000_000,
                    },
                ),
                (
                    NOTE,
                    Fault::Overlap {
                        end: 4_000_000_000 + offsets[1],
                        next: directory_at,
                    },
                ),
            ]),
            || spoiled(|zip| zip.members[0].central.offset = 4_000_000_000),
        ),
        case(
            "an entry that reaches into the directory",
            profile(&[(
                NOTE,
                Fault::Overlap {
                    end: offsets[1] - u64::from(Zip::archive().members[0].central.compressed)
                        + 1_000_000,
                    next: directory_at,
                },
            )]),
            || {
                spoiled(|zip| {
                    zip.members[0].central.compressed = 1_000_000;
                })
            },
        ),
        case(
            "a size of 64 bits",
            profile(&[(
                NOTE,
                Fault::Overlap {
                    end: u64::MAX,
                    next: directory_at + 20,
                },
            )]),
            || {
                first(|member| {
                    *member = member.clone().with(
                        |local| local.extra = record::zip64(&[u64::MAX, u64::MAX]),
                        |central| {
                            central.extra = record::zip64(&[u64::MAX, u64::MAX]);
                            (central.size, central.compressed) = (u32::MAX, u32::MAX);
                            (central.made_by, central.needed) = (0x0300 + 45, 45);
                        },
                    );
                })
            },
        ),
        case(
            "a descriptor that nothing announces",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: offsets[1],
                    found: offsets[1] + 24,
                },
            )]),
            || {
                first(|member| {
                    member.descriptor = Member::streamed(NOTE, crate::build::NOTE).descriptor
                })
            },
        ),
    ]
}

fn nested_findings() -> Vec<(&'static str, Fault)> {
    let zip = nested();
    let innermost = zip.members.last().unwrap();
    let kernel_end = u64::from(innermost.central.offset)
        + innermost.local.bytes().len() as u64
        + u64::from(innermost.central.compressed);
    ["files/up/1", "files/up/2"]
        .into_iter()
        .zip(&zip.members[1..])
        .map(|(name, member)| {
            let found = u64::from(member.central.offset);
            (
                name,
                Fault::Offset {
                    expected: kernel_end,
                    found,
                },
            )
        })
        .collect()
}

fn limits() -> Vec<Case> {
    let Layout {
        end: end_at,
        directory: directory_at,
        ..
    } = layout();
    let limited = |name, limit, found, allowed, limits| Case {
        limits,
        ..case(
            name,
            ArchiveError::Limit {
                limit,
                found,
                allowed,
            },
            || Zip::archive().bytes(),
        )
    };
    let manifest = u64::from(Zip::archive().members[3].central.size);
    let index = u64::from(Zip::archive().members[2].central.size);
    vec![
        limited(
            "more entries than allowed",
            "the number of entries",
            4,
            3,
            Limits {
                entries: 3,
                ..Limits::default()
            },
        ),
        Case {
            limits: Limits {
                entries: 3,
                ..Limits::default()
            },
            ..case(
                "more entries than allowed and than counted",
                ArchiveError::Limit {
                    limit: "the number of entries",
                    found: 4,
                    allowed: 3,
                },
                || spoiled(|zip| (zip.end.entries, zip.end.entries_here) = (1, 1)),
            )
        },
        limited(
            "a directory larger than allowed",
            "bytes of the directory",
            end_at - directory_at,
            200,
            Limits {
                directory_bytes: 200,
                ..Limits::default()
            },
        ),
        limited(
            "a manifest larger than allowed",
            "bytes of the manifest",
            manifest,
            100,
            Limits {
                manifest_bytes: 100,
                ..Limits::default()
            },
        ),
        limited(
            "a files index larger than allowed",
            "bytes of the files index",
            index,
            100,
            Limits {
                index_bytes: 100,
                ..Limits::default()
            },
        ),
        Case {
            limits: Limits {
                entry_bytes: 10,
                ..Limits::default()
            },
            ..case(
                "a manifest larger than any entry may be",
                ArchiveError::Limit {
                    limit: "bytes of one entry",
                    found: manifest,
                    allowed: 10,
                },
                || Zip::archive().bytes(),
            )
        },
    ]
}
