//! Records where none belong: over each other, beyond the end, with something between them.

use coffer_core::archive::{DirectoryFault, Fault};

use super::{Layout, directory, layout};
use crate::case::{Case, NOISE, NOTE, arranged, case, first, profile, spoiled};
use crate::{Member, Zip, record};

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

pub(super) fn cases() -> Vec<Case> {
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
