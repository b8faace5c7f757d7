//! Headers with values that the profile does not have, and records of one entry that say different things.

use coffer_core::archive::{Fault, Field, Special};

use super::{Case, NOISE, NOTE, arranged, case, entry, first, profile};
use crate::{
    Member,
    build::{self, Zip},
    record,
};

/// The case that both headers of the first entry are changed in one way.
macro_rules! both {
    ($what:literal, $change:expr, $($fault:expr),+) => {
        case($what, profile(&[$((NOTE, $fault)),+]), || {
            first(|member| *member = member.clone().with(|header| $change(header), |header| $change(header)))
        })
    };
}

/// The case that only the central header of the first entry is changed.
macro_rules! central {
    ($what:literal, $change:expr, $($fault:expr),+) => {
        case($what, profile(&[$((NOTE, $fault)),+]), || {
            first(|member| {
                let change: fn(&mut record::Central) = $change;
                change(&mut member.central);
            })
        })
    };
}

/// The case that only the local header of the first entry is changed.
macro_rules! local {
    ($what:literal, $change:expr, $field:expr) => {
        case($what, entry(NOTE, Fault::LocalHeader($field)), || {
            first(|member| {
                let change: fn(&mut record::Local) = $change;
                change(&mut member.local);
            })
        })
    };
}

/// The case that the data descriptor of the first entry, which is otherwise right, is changed.
macro_rules! descriptor {
    ($what:literal, $change:expr, $field:expr) => {
        case($what, entry(NOTE, Fault::Descriptor($field)), || {
            first(|member| {
                *member = Member::streamed(NOTE, build::NOTE);
                let change: fn(&mut record::Descriptor) = $change;
                change(member.descriptor.as_mut().unwrap());
            })
        })
    };
}

/// The case that the first entry has these external attributes.
macro_rules! attributes {
    ($what:literal, $external:expr, $fault:expr) => {
        central!($what, |header| header.external = $external, $fault)
    };
}

/// Both headers with other flags.
macro_rules! flags {
    ($what:literal, $flags:expr, $($fault:expr),+) => {
        case($what, profile(&[$((NOTE, $fault)),+]), || {
            first(|member| *member = member.clone().with(|header| header.flags = $flags, |header| header.flags = $flags))
        })
    };
}

/// Both headers with another method.
macro_rules! method {
    ($what:literal, $method:literal) => {
        case($what, profile(&[(NOTE, Fault::Method($method))]), || {
            first(|member| {
                *member = member.clone().with(
                    |header| header.method = $method,
                    |header| header.method = $method,
                )
            })
        })
    };
}

pub(super) fn cases() -> Vec<Case> {
    [
        flags_and_methods(),
        central_headers(),
        extra_fields(),
        local_headers(),
        descriptors(),
    ]
    .concat()
}

fn flags_and_methods() -> Vec<Case> {
    vec![
        flags!("encryption", 0x0801, Fault::Encrypted),
        flags!("strong encryption", 0x0841, Fault::Encrypted),
        flags!("an encrypted directory", 0x2841, Fault::Encrypted),
        flags!("a compression option", 0x0802, Fault::Flags(0x0802)),
        flags!("patch data", 0x0820, Fault::Flags(0x0820)),
        flags!("a flag without meaning", 0x8800, Fault::Flags(0x8800)),
        method!("method shrink", 1),
        method!("method implode", 6),
        method!("method deflate64", 9),
        method!("method bzip2", 12),
        method!("method LZMA", 14),
        method!("method zstd", 93),
        method!("method XZ", 95),
        method!("method PPMd", 98),
        method!("method AES", 99),
        case(
            "a stored entry with two sizes",
            profile(&[(NOISE, Fault::StoredSizes { stored: 8, size: 9 })]),
            || arranged(|zip| zip.members[1].central.size += 1),
        ),
    ]
}

fn central_headers() -> Vec<Case> {
    vec![
        both!(
            "a newer version needed",
            |header: &mut _| Versions::set(header, 63),
            Fault::Header(Field::MadeBy),
            Fault::Header(Field::Needed)
        ),
        central!(
            "made by another system",
            |header| header.made_by &= 0xff,
            Fault::Header(Field::MadeBy)
        ),
        central!(
            "another version needed",
            |header| header.needed = 10,
            Fault::Header(Field::Needed)
        ),
        central!(
            "a time",
            |header| header.time = 1,
            Fault::Header(Field::Time)
        ),
        central!(
            "a date",
            |header| header.date = 0,
            Fault::Header(Field::Time)
        ),
        central!(
            "a comment of an entry",
            |header| header.comment = b"hello".to_vec(),
            Fault::Header(Field::Comment)
        ),
        central!(
            "an entry on another disk",
            |header| header.disk = 1,
            Fault::Header(Field::Disk)
        ),
        central!(
            "an entry that is said to be text",
            |header| header.internal = 1,
            Fault::Header(Field::Internal)
        ),
        attributes!(
            "the mode of a file",
            0o100_600 << 16,
            Fault::Header(Field::External)
        ),
        attributes!(
            "a file to be run as its owner",
            0o104_755 << 16,
            Fault::Header(Field::External)
        ),
        attributes!(
            "a hidden file",
            (0o100_644 << 16) | 0x02,
            Fault::Header(Field::External)
        ),
        attributes!(
            "a symbolic link",
            0o120_777 << 16,
            Fault::Special(Special::Link)
        ),
        attributes!("no attributes", 0, Fault::Header(Field::External)),
        attributes!("a reparse point", 0x400, Fault::Special(Special::Link)),
        attributes!(
            "a block device",
            0o060_660 << 16,
            Fault::Special(Special::Device)
        ),
        attributes!(
            "a character device",
            0o020_660 << 16,
            Fault::Special(Special::Device)
        ),
        attributes!("a pipe", 0o010_644 << 16, Fault::Special(Special::Device)),
        attributes!("a socket", 0o140_755 << 16, Fault::Special(Special::Device)),
        attributes!(
            "a mode of no known kind",
            0o170_000 << 16,
            Fault::Special(Special::Device)
        ),
        attributes!(
            "the mode of a folder",
            0o040_755 << 16,
            Fault::Special(Special::Folder)
        ),
        attributes!(
            "the attribute of a folder",
            0x10,
            Fault::Special(Special::Folder)
        ),
        case(
            "several things at once",
            profile(&[
                (NOTE, Fault::Encrypted),
                (NOTE, Fault::Method(99)),
                (NOTE, Fault::Special(Special::Link)),
                (NOTE, Fault::ExtraField(0x9901)),
                (NOTE, Fault::Header(Field::Time)),
                (NOTE, Fault::Header(Field::Comment)),
                (NOISE, Fault::Header(Field::Internal)),
            ]),
            || {
                arranged(|zip| {
                    let header = &mut zip.members[0].central;
                    (header.flags, header.method, header.time) = (0x0801, 99, 7);
                    header.external = 0o120_777 << 16;
                    header.extra = record::extra(0x9901, &[2, 0, 65, 69, 3, 8, 0]);
                    header.comment = b"hello".to_vec();
                    zip.members[1].central.internal = 1;
                })
            },
        ),
    ]
}

/// The versions that both kinds of header have.
trait Versions {
    fn set(&mut self, version: u16);
}

impl Versions for record::Local {
    fn set(&mut self, version: u16) {
        self.needed = version;
    }
}

impl Versions for record::Central {
    fn set(&mut self, version: u16) {
        (self.made_by, self.needed) = (0x0300 + version, version);
    }
}

fn extra_fields() -> Vec<Case> {
    let compressed = u64::from(Zip::archive().members[0].central.compressed);
    let offset = u64::from(Zip::archive().members[1].central.offset);
    vec![
        central!(
            "a timestamp field",
            |header| header.extra = record::extra(0x5455, &[1, 0, 0, 0, 0]),
            Fault::ExtraField(0x5455)
        ),
        central!(
            "two unknown fields",
            |header| {
                header.extra = [record::extra(0xcafe, &[]), record::extra(0x7875, &[1])].concat();
            },
            Fault::ExtraField(0xcafe),
            Fault::ExtraField(0x7875)
        ),
        central!(
            "a field twice",
            |header| {
                header.extra = record::extra(0xcafe, b"a").repeat(2);
            },
            Fault::ExtraField(0xcafe),
            Fault::DuplicateExtraField(0xcafe)
        ),
        central!(
            "a field longer than its room",
            |header| header.extra = vec![0xfe, 0xca, 9, 0, 1],
            Fault::MalformedExtraField
        ),
        central!(
            "half a field",
            |header| header.extra = vec![1, 0, 8],
            Fault::MalformedExtraField
        ),
        central!(
            "a ZIP64 field without need",
            |header| {
                header.extra =
                    record::zip64(&[u64::from(header.size), u64::from(header.compressed)]);
            },
            Fault::Zip64Field {
                expected: 0,
                found: 16
            }
        ),
        central!(
            "sizes in a ZIP64 field without need",
            |header| {
                header.extra =
                    record::zip64(&[u64::from(header.size), u64::from(header.compressed)]);
                (header.size, header.compressed) = (u32::MAX, u32::MAX);
                (header.made_by, header.needed) = (0x0300 + 45, 45);
            },
            Fault::Zip64Field {
                expected: 0,
                found: 16
            }
        ),
        case(
            "an offset in a ZIP64 field without need",
            profile(&[(
                NOISE,
                Fault::Zip64Field {
                    expected: 0,
                    found: 8,
                },
            )]),
            || {
                let mut zip = Zip::archive();
                let offset = u64::from(zip.members[1].central.offset);
                zip.members[1].central.extra = record::zip64(&[offset]);
                zip.lay_out();
                zip.members[1].central.offset = u32::MAX;
                zip.bytes()
            },
        ),
        case(
            "an offset in a ZIP64 field that is somewhere else",
            profile(&[
                (
                    NOISE,
                    Fault::Offset {
                        expected: offset,
                        found: 0,
                    },
                ),
                (
                    NOISE,
                    Fault::Zip64Field {
                        expected: 0,
                        found: 8,
                    },
                ),
                (
                    "index/files.tsv",
                    Fault::Offset {
                        expected: offset,
                        found: u64::from(Zip::archive().members[2].central.offset),
                    },
                ),
            ]),
            || {
                let mut zip = Zip::archive();
                zip.members[1].central.extra = record::zip64(&[0]);
                zip.lay_out();
                zip.members[1].central.offset = u32::MAX;
                zip.bytes()
            },
        ),
        central!(
            "a size that refers to a missing ZIP64 field",
            |header| header.size = u32::MAX,
            Fault::Zip64Field {
                expected: 16,
                found: 0
            }
        ),
        central!(
            "a ZIP64 field with too few values",
            |header| {
                (header.size, header.compressed) = (u32::MAX, u32::MAX);
                header.extra = record::zip64(&[u64::MAX]);
            },
            Fault::Zip64Field {
                expected: 16,
                found: 8
            },
            Fault::Overlap {
                end: 30 + NOTE.len() as u64 + 20 + u64::from(u32::MAX),
                next: Zip::archive().end.offset.into(),
            }
        ),
        case(
            "a ZIP64 field twice",
            profile(&[(NOTE, Fault::DuplicateExtraField(1))]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.central.extra = [
                        member.central.extra.clone(),
                        record::zip64(&[1, compressed_of(member)]),
                    ]
                    .concat();
                })
            },
        ),
        case(
            "a ZIP64 field with a value too many",
            profile(&[(
                NOTE,
                Fault::Zip64Field {
                    expected: 16,
                    found: 24,
                },
            )]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.central.extra =
                        record::zip64(&[build::NOTE.len() as u64, compressed_of(member), 0]);
                })
            },
        ),
        case(
            "a ZIP64 field with its values the wrong way round",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: 30 + NOTE.len() as u64 + 20 + build::NOTE.len() as u64 + 24,
                    found: 30 + NOTE.len() as u64 + 20 + compressed + 24,
                },
            )]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.central.extra =
                        record::zip64(&[compressed_of(member), build::NOTE.len() as u64]);
                })
            },
        ),
    ]
}

fn compressed_of(member: &Member) -> u64 {
    member.data.len() as u64
}

fn local_headers() -> Vec<Case> {
    vec![
        case(
            "another signature before the data",
            entry(NOISE, Fault::LocalHeader(Field::Signature)),
            || arranged(|zip| zip.members[1].local.signature += 1),
        ),
        local!(
            "a local header with another version",
            |header| header.needed = 10,
            Field::Needed
        ),
        local!(
            "a local header with other flags",
            |header| header.flags = 0,
            Field::Flags
        ),
        local!(
            "encryption that the directory does not mention",
            |header| header.flags |= 1,
            Field::Flags
        ),
        local!(
            "a descriptor that only the local header announces",
            |header| header.flags |= 8,
            Field::Flags
        ),
        local!(
            "a local header with another method",
            |header| header.method = 0,
            Field::Method
        ),
        local!(
            "a local header with another time",
            |header| header.time = 1,
            Field::Time
        ),
        local!(
            "a local header with another date",
            |header| header.date += 1,
            Field::Time
        ),
        local!(
            "a local header with another checksum",
            |header| header.crc32 ^= 1,
            Field::Crc
        ),
        local!(
            "a local header with another stored size",
            |header| header.compressed -= 1,
            Field::Compressed
        ),
        local!(
            "a local header with another size",
            |header| header.size += 1,
            Field::Size
        ),
        local!(
            "a local header with a shorter name",
            |header| header.name_len = Some(5),
            Field::Name
        ),
        local!(
            "a local header with another name",
            |header| header.name = b"files/up/evil.txt".to_vec(),
            Field::Name
        ),
        case(
            "a local header with an extra field",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: u64::from(Zip::archive().members[1].central.offset),
                    found: u64::from(Zip::archive().members[1].central.offset) + 4,
                },
            )]),
            || first(|member| member.local.extra = record::extra(0xcafe, b"")),
        ),
        local!(
            "a local header with an extra field in the place of data",
            |header| {
                header.extra = record::extra(0xcafe, b"");
                header.name.truncate(NOTE.len() - 4);
            },
            Field::Name
        ),
        case(
            "a local header with another ZIP64 field",
            entry(NOTE, Fault::LocalHeader(Field::Extra)),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.local.extra = record::zip64(&[1, 0]);
                })
            },
        ),
        case(
            "a local header with a field in the place of ZIP64's",
            entry(NOTE, Fault::LocalHeader(Field::Extra)),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.local.extra = record::extra(2, &[0; 16]);
                })
            },
        ),
        case(
            "a local header with sizes before a descriptor",
            entry(NOTE, Fault::LocalHeader(Field::Compressed)),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.local.compressed = 1;
                })
            },
        ),
    ]
}

fn descriptors() -> Vec<Case> {
    let streamed_end =
        30 + NOTE.len() as u64 + 20 + u64::from(Zip::archive().members[0].central.compressed);
    vec![
        descriptor!(
            "a descriptor with another signature",
            |descriptor| descriptor.signature = Some(7),
            Field::Signature
        ),
        descriptor!(
            "a descriptor with another checksum",
            |descriptor| descriptor.crc32 ^= 1,
            Field::Crc
        ),
        descriptor!(
            "a descriptor with another stored size",
            |descriptor| descriptor.compressed += 1,
            Field::Compressed
        ),
        descriptor!(
            "a descriptor with another size",
            |descriptor| descriptor.size = 0,
            Field::Size
        ),
        case(
            "a descriptor without a signature",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: streamed_end + 24,
                    found: streamed_end + 20,
                },
            )]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.descriptor.as_mut().unwrap().signature = None;
                })
            },
        ),
        case(
            "a descriptor of 32 bits",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: streamed_end + 24,
                    found: streamed_end + 16,
                },
            )]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.descriptor.as_mut().unwrap().wide = false;
                })
            },
        ),
        case(
            "a descriptor that is missing",
            profile(&[(
                NOISE,
                Fault::Offset {
                    expected: streamed_end + 24,
                    found: streamed_end,
                },
            )]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.descriptor = None;
                })
            },
        ),
        case(
            "a descriptor without a ZIP64 field",
            profile(&[(
                NOTE,
                Fault::Zip64Field {
                    expected: 16,
                    found: 0,
                },
            )]),
            || {
                first(|member| {
                    let plain = member.central.clone();
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.central = record::Central {
                        flags: member.central.flags,
                        ..plain
                    };
                })
            },
        ),
        case(
            "a descriptor behind stored data",
            profile(&[(NOTE, Fault::StoredDescriptor)]),
            || {
                first(|member| {
                    *member = Member::streamed(NOTE, build::NOTE);
                    member.data = build::NOTE.to_vec();
                    let len = build::NOTE.len() as u64;
                    member.central.extra = record::zip64(&[len, len]);
                    (member.local.method, member.central.method) = (0, 0);
                    member.descriptor.as_mut().unwrap().compressed = len;
                })
            },
        ),
    ]
}
