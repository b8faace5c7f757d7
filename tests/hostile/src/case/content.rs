//! Content that is not what the headers say, and entries that are not what the manifest says.

use coffer_core::archive::{ArchiveError, Fault, Limits};

use super::{Case, NOISE, NOTE, case, entry, profile};
use crate::{
    Member,
    build::{self, Zip, deflate, listed},
};

/// An archive whose only file is `files/up/note.txt` with this stored form, of which headers, index and manifest say
/// that it is deflated, has `size` bytes, and is the content.
fn holding(data: Vec<u8>, size: u64, content: &[u8]) -> Vec<u8> {
    let mut member = Member::deflated(NOTE, content);
    member.data = data;
    let compressed = u32::try_from(member.data.len()).unwrap();
    let declared = u32::try_from(size).unwrap();
    (member.local.compressed, member.local.size) = (compressed, declared);
    (member.central.compressed, member.central.size) = (compressed, declared);
    Zip::holding(&[listed("note.txt", size, content)], vec![member]).bytes()
}

const ZEROS: usize = 2 << 20;

fn bomb() -> Vec<u8> {
    let zeros = vec![0; ZEROS];
    holding(deflate(&zeros), ZEROS as u64, &zeros)
}

pub(super) fn cases() -> Vec<Case> {
    [streams(), sizes(), manifest()].concat()
}

fn streams() -> Vec<Case> {
    let broken = entry(NOTE, Fault::Deflate);
    vec![
        case("data that is no deflate stream", broken.clone(), || {
            holding(vec![0xff; 40], build::NOTE.len() as u64, build::NOTE)
        }),
        case("a stream that is cut off", broken.clone(), || {
            let mut data = deflate(build::NOTE);
            data.truncate(data.len() - 3);
            holding(data, build::NOTE.len() as u64, build::NOTE)
        }),
        case("bytes behind the end of a stream", broken.clone(), || {
            let data = [deflate(build::NOTE), b"hidden".to_vec()].concat();
            holding(data, build::NOTE.len() as u64, build::NOTE)
        }),
        case("a stream that never ends", broken.clone(), || {
            holding(vec![0, 0, 0, 0xff, 0xff], 0, b"")
        }),
        case("no bytes where a stream is due", broken, || {
            holding(Vec::new(), 0, b"")
        }),
    ]
}

fn sizes() -> Vec<Case> {
    let limit = |name, limit, found, allowed, limits| Case {
        limits,
        ..case(
            name,
            ArchiveError::Limit {
                limit,
                found,
                allowed,
            },
            bomb,
        )
    };
    vec![
        case(
            "more content than declared",
            entry(
                NOTE,
                Fault::Size {
                    declared: 5,
                    found: build::NOTE.len() as u64,
                },
            ),
            || holding(deflate(build::NOTE), 5, build::NOTE),
        ),
        case(
            "less content than declared",
            entry(
                NOTE,
                Fault::Size {
                    declared: 5_000,
                    found: build::NOTE.len() as u64,
                },
            ),
            || holding(deflate(build::NOTE), 5_000, build::NOTE),
        ),
        case(
            "a bomb that is declared to be small",
            entry(
                NOTE,
                Fault::Size {
                    declared: 100,
                    found: 16_392,
                },
            ),
            || holding(deflate(&vec![0; ZEROS]), 100, &vec![0; ZEROS]),
        ),
        limit(
            "a bomb of a high ratio",
            "the compression ratio of one entry",
            1_048_808,
            103_200,
            Limits {
                ratio: 100,
                ..Limits::default()
            },
        ),
        limit(
            "a bomb of many bytes",
            "bytes of one entry",
            1_048_808,
            1 << 20,
            Limits {
                entry_bytes: 1 << 20,
                ..Limits::default()
            },
        ),
        case(
            "content with another checksum",
            entry(NOTE, Fault::Crc),
            || {
                let mut zip = Zip::archive();
                let member = &mut zip.members[0];
                (member.local.crc32, member.central.crc32) = (1, 1);
                zip.bytes()
            },
        ),
        case(
            "stored content with another checksum",
            entry(NOISE, Fault::Crc),
            || {
                let mut zip = Zip::archive();
                zip.members[1].data[0] ^= 1;
                zip.bytes()
            },
        ),
    ]
}

fn manifest() -> Vec<Case> {
    let len = build::NOTE.len() as u64;
    vec![
        case(
            "content with another SHA-256 than the index says",
            entry(NOTE, Fault::Digest),
            || {
                let other = [b"T", &build::NOTE[1..]].concat();
                Zip::holding(
                    &[listed("note.txt", build::NOTE.len() as u64, &other)],
                    vec![Member::deflated(NOTE, build::NOTE)],
                )
                .bytes()
            },
        ),
        case(
            "an entry of another size than the index says",
            profile(&[(
                NOTE,
                Fault::ManifestSize {
                    expected: len + 1,
                    found: len,
                },
            )]),
            || {
                Zip::holding(
                    &[listed(
                        "note.txt",
                        build::NOTE.len() as u64 + 1,
                        build::NOTE,
                    )],
                    vec![Member::deflated(NOTE, build::NOTE)],
                )
                .bytes()
            },
        ),
        case(
            "an entry that was added",
            profile(&[(NOISE, Fault::Unexpected)]),
            || {
                Zip::holding(
                    &[listed("note.txt", build::NOTE.len() as u64, build::NOTE)],
                    vec![
                        Member::deflated(NOTE, build::NOTE),
                        Member::stored(NOISE, build::NOISE),
                    ],
                )
                .bytes()
            },
        ),
        case(
            "an entry that is missing",
            profile(&[(NOISE, Fault::Missing)]),
            || {
                let files = [
                    listed("note.txt", build::NOTE.len() as u64, build::NOTE),
                    listed("noise", build::NOISE.len() as u64, build::NOISE),
                ];
                Zip::holding(&files, vec![Member::deflated(NOTE, build::NOTE)]).bytes()
            },
        ),
        case(
            "entries that are added, missing and of another size",
            profile(&[
                (
                    NOTE,
                    Fault::ManifestSize {
                        expected: 3,
                        found: len,
                    },
                ),
                ("files/up/extra", Fault::Unexpected),
                (NOISE, Fault::Missing),
            ]),
            || {
                let files = [
                    listed("note.txt", 3, build::NOTE),
                    listed("noise", build::NOISE.len() as u64, build::NOISE),
                ];
                let extra = Member::stored("files/up/extra", b"");
                Zip::holding(&files, vec![Member::deflated(NOTE, build::NOTE), extra]).bytes()
            },
        ),
        case(
            "an index that lists an entry twice",
            profile(&[(NOTE, Fault::DuplicateName)]),
            || {
                let file = listed("note.txt", build::NOTE.len() as u64, build::NOTE);
                Zip::holding(
                    &[file.clone(), file],
                    vec![Member::deflated(NOTE, build::NOTE)],
                )
                .bytes()
            },
        ),
    ]
}
