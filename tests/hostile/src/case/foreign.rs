//! What the reader of other people's ZIPs says of the same files: where it is more lenient, and where it is not.

use coffer_core::archive::{
    ArchiveError, DirectoryFault, EndFault, Fault, Field, Finding, Special, name::NameError,
};

use super::{Case, entry, finding};

/// The reader's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing of it is read.
    Refused(ArchiveError),
    /// It is read, but for entries whose findings forbid it.
    Found(Vec<Finding>),
    /// It is read, but for entries that turn out to be damaged.
    Damaged(Vec<ArchiveError>),
}

/// Refused for the same reason.
const SAME: &[&str] = &[
    "nothing",
    "a text",
    "less than a signature",
    "an end that is cut off",
    "a second half that is missing",
    "more entries than allowed",
    "more entries than allowed and than counted",
    "a directory larger than allowed",
];

/// Refused as a whole, with the same findings.
const REFUSED: &[&str] = &[
    "the same name twice",
    "a file that is another's folder",
    "a manifest twice",
    "one name with two contents",
    "bytes before the ZIP that its offsets leave out",
    "a byte behind the end",
    "a second end record",
    "a second ZIP behind the first",
    "bytes between the directory and its end",
    "a directory of one byte more",
    "a directory elsewhere",
    "a directory that begins too late",
    "a directory that begins too early",
    "a header in the directory with another signature",
    "a digital signature behind the directory",
    "parts on other disks",
    "a directory on another disk",
    "two counts of entries",
    "a count that leaves entries out",
    "a count of entries that are not there",
    "a count modulo 65,536",
    "an offset that refers to missing ZIP64 records",
    "a length that refers to missing ZIP64 records",
    "a ZIP64 end record of another disk",
    "a ZIP64 end record of a directory on another disk",
    "a ZIP64 end record with two counts",
    "a ZIP64 end record with another count",
    "a ZIP64 end record with another offset than the end record",
    "a ZIP64 end record with another length than the end record",
    "a ZIP64 end record with a position of 64 bits",
];

/// Nothing that another program's ZIP may not have.
const FINE: &[&str] = &[
    "a name without the flag for UTF-8",
    "an empty ZIP",
    "a ZIP without a manifest",
    "a manifest before other entries",
    "ZIP64 records without need",
    "65,535 entries without ZIP64 records",
    "a ZIP64 end record of a newer version",
    "a ZIP64 end record with data behind its values",
    "bytes between two entries",
    "a record that the directory leaves out",
    "bytes before the directory",
    "a directory in another order",
    "a descriptor that nothing announces",
    "a manifest larger than allowed",
    "a files index larger than allowed",
    "a compression option",
    "a flag without meaning",
    "a newer version needed",
    "made by another system",
    "another version needed",
    "a time",
    "a date",
    "a comment of an entry",
    "an entry that is said to be text",
    "the mode of a file",
    "a file to be run as its owner",
    "a hidden file",
    "no attributes",
    "a timestamp field",
    "two unknown fields",
    "a ZIP64 field without need",
    "sizes in a ZIP64 field without need",
    "an offset in a ZIP64 field without need",
    "a local header with another version",
    "a local header with another time",
    "a local header with another date",
    "a local header with an extra field",
    "a descriptor without a signature",
    "a descriptor of 32 bits",
    "a descriptor without a ZIP64 field",
    "a descriptor behind stored data",
    "content with another SHA-256 than the index says",
    "an entry of another size than the index says",
    "an entry that was added",
    "an entry that is missing",
    "entries that are added, missing and of another size",
    "an index that lists an entry twice",
];

/// One entry can't be read, for the same reason.
const DAMAGED: &[&str] = &[
    "another signature before the data",
    "a local header with other flags",
    "encryption that the directory does not mention",
    "a descriptor that only the local header announces",
    "a local header with another method",
    "a local header with another checksum",
    "a local header with another stored size",
    "a local header with another size",
    "a local header with a shorter name",
    "a local header with another name",
    "a local header with an extra field in the place of data",
    "a local header with sizes before a descriptor",
    "a descriptor with another checksum",
    "a descriptor with another size",
    "data that is no deflate stream",
    "a stream that is cut off",
    "bytes behind the end of a stream",
    "a stream that never ends",
    "no bytes where a stream is due",
    "more content than declared",
    "less content than declared",
    "a bomb that is declared to be small",
    "a bomb of a high ratio",
    "a bomb of many bytes",
    "content with another checksum",
    "stored content with another checksum",
];

/// The same findings, as notes or because of which one entry is not read.
const FOUND: &[&str] = &[
    "a name that climbs out of its folder",
    "a name that climbs out on its way",
    "a name with a segment that means here",
    "an absolute name",
    "a name with two slashes at its start",
    "a name on a drive",
    "a name in the current folder of a drive",
    "a name on a drive with a backslash",
    "a name that climbs with backslashes",
    "a name on a network share",
    "a name with NUL",
    "a name with a line feed",
    "a name with an escape sequence",
    "a name with a control character of the second block",
    "a name with an empty segment",
    "an empty name",
    "a name that ends with a dot",
    "a folder that ends with a blank",
    "a name of only dots",
    "a device",
    "a device with an extension",
    "a device with a raised digit",
    "a device as a folder",
    "a device with a blank before its extension",
    "a stream of a file",
    "a name with a wildcard",
    "a name that is shown backwards",
    "a name with an isolate",
    "a name with a zero-width blank",
    "a name with a byte order mark",
    "a name with a tag character",
    "a name that is not normalised",
    "a name that is too long",
    "a name that is too deep",
    "a name with everything wrong",
    "a name that is not UTF-8",
    "a name of surrogates in UTF-8",
    "an overlong slash in UTF-8",
    "a comment",
    "encryption",
    "strong encryption",
    "an encrypted directory",
    "patch data",
    "method shrink",
    "method implode",
    "method deflate64",
    "method bzip2",
    "method LZMA",
    "method zstd",
    "method XZ",
    "method PPMd",
    "method AES",
    "a stored entry with two sizes",
    "an entry on another disk",
    "a symbolic link",
    "a reparse point",
    "a block device",
    "a character device",
    "a pipe",
    "a socket",
    "a mode of no known kind",
    "a field longer than its room",
    "half a field",
    "a ZIP64 field twice",
    "a ZIP64 field with a value too many",
];

fn refused(findings: &[(&str, Fault)]) -> Answer {
    Answer::Refused(ArchiveError::Unsafe(list(findings)))
}

fn found(findings: &[(&str, Fault)]) -> Answer {
    Answer::Found(list(findings))
}

fn list(findings: &[(&str, Fault)]) -> Vec<Finding> {
    findings
        .iter()
        .map(|(entry, fault)| finding(entry, *fault))
        .collect()
}

fn damaged(name: &str, fault: Fault) -> Answer {
    Answer::Damaged(vec![entry(name, fault)])
}

/// What the reader of other people's ZIPs must answer to a case.
///
/// # Panics
/// For a case that the table doesn't know.
pub(super) fn answer(case: &Case) -> Answer {
    let is_in = |list: &[&str]| list.contains(&case.name);
    let findings = match &case.strict {
        ArchiveError::Profile(findings) => findings.clone(),
        _ => Vec::new(),
    };
    if is_in(SAME) {
        return Answer::Refused(case.strict.clone());
    }
    if is_in(REFUSED) {
        return Answer::Refused(ArchiveError::Unsafe(findings));
    }
    if is_in(FINE) {
        return Answer::Found(Vec::new());
    }
    if is_in(DAMAGED) {
        return Answer::Damaged(vec![case.strict.clone()]);
    }
    if is_in(FOUND) {
        return Answer::Found(findings);
    }
    match case.name {
        "a name of a folder" => found(&[("files/up/folder", Fault::FolderContent)]),
        "a name in code page 437" => found(&[("über.txt", Fault::GuessedName)]),
        "another name in an extra field" => found(&[("files/up/note.txt", Fault::OtherName)]),
        "names that differ in case" => found(&[("FILES/up/Note.TXT", Fault::SimilarName)]),
        "names that differ in the case of a sharp s" => found(&[("STRASSE", Fault::SimilarName)]),
        "names that differ in their normal form" => found(&[
            ("files/e\u{301}", Fault::Name(NameError::NotNormal)),
            ("files/e\u{301}", Fault::SimilarName),
        ]),
        "a file that is another's folder but for its case" => {
            found(&[("files/up/NOTE/evil", Fault::SimilarName)])
        }
        "a program before the ZIP" => {
            refused(&[("", Fault::Directory(DirectoryFault::Prefix { bytes: 41 }))])
        }
        "a local header's signature before the ZIP" => {
            refused(&[("", Fault::Directory(DirectoryFault::Prefix { bytes: 40 }))])
        }
        "a comment that is not there" => Answer::Refused(ArchiveError::NoEnd),
        "a comment that goes on" => refused(&[("", Fault::End(EndFault::Trailing { bytes: 3 }))]),
        "an end record in the comment" => refused(&[
            ("", Fault::End(EndFault::Ambiguous)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 968,
                    found: 946,
                }),
            ),
        ]),
        "a count that has no room" => refused(&[(
            "",
            Fault::End(EndFault::Crowded {
                entries: 60_000,
                bytes: 243,
            }),
        )]),
        "a ZIP64 end record without a locator" => refused(&[(
            "",
            Fault::End(EndFault::Position {
                expected: 5_613_864,
                found: 5_613_808,
            }),
        )]),
        "a ZIP64 locator without a record" => refused(&[
            ("", Fault::End(EndFault::Zip64Locator)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 5_613_828,
                    found: 5_613_808,
                }),
            ),
        ]),
        "a ZIP64 locator that points elsewhere" => refused(&[
            ("", Fault::End(EndFault::Zip64Locator)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 5_613_884,
                    found: 5_613_808,
                }),
            ),
        ]),
        "a ZIP64 locator of another disk" => refused(&[
            ("", Fault::End(EndFault::Zip64Locator)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 5_613_884,
                    found: 5_613_808,
                }),
            ),
        ]),
        "a ZIP64 locator of several disks" => refused(&[
            ("", Fault::End(EndFault::Zip64Locator)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 5_613_884,
                    found: 5_613_808,
                }),
            ),
        ]),
        "a ZIP64 end record of another length" => refused(&[
            ("", Fault::End(EndFault::Zip64Locator)),
            (
                "",
                Fault::End(EndFault::Position {
                    expected: 5_613_884,
                    found: 5_613_808,
                }),
            ),
        ]),
        "two entries with one record" => {
            refused(&[("files/up/note.txt", Fault::Overlap { end: 94, next: 0 })])
        }
        "an entry that begins inside of another's data" => {
            refused(&[("files/up/note.txt", Fault::Overlap { end: 94, next: 93 })])
        }
        "a small file that holds a great deal" => refused(&[
            ("files/up/1", Fault::Overlap { end: 244, next: 90 }),
            ("files/up/0", Fault::Overlap { end: 244, next: 45 }),
        ]),
        "an entry behind the end of the file" => refused(&[
            ("", Fault::Directory(DirectoryFault::Prefix { bytes: 94 })),
            (
                "files/up/note.txt",
                Fault::Overlap {
                    end: 4_000_000_094,
                    next: 703,
                },
            ),
        ]),
        "an entry that reaches into the directory" => refused(&[(
            "files/up/note.txt",
            Fault::Overlap {
                end: 1_000_047,
                next: 94,
            },
        )]),
        "a size of 64 bits" => refused(&[(
            "files/up/note.txt",
            Fault::Overlap {
                end: u64::MAX,
                next: 114,
            },
        )]),
        "a manifest larger than any entry may be" => Answer::Damaged(vec![
            ArchiveError::Limit {
                limit: "bytes of one entry",
                found: 61,
                allowed: 10,
            },
            ArchiveError::Limit {
                limit: "bytes of one entry",
                found: 239,
                allowed: 10,
            },
            ArchiveError::Limit {
                limit: "bytes of one entry",
                found: 571,
                allowed: 10,
            },
        ]),
        "the mode of a folder" => found(&[("files/up/note.txt", Fault::FolderContent)]),
        "the attribute of a folder" => found(&[("files/up/note.txt", Fault::FolderContent)]),
        "several things at once" => found(&[
            ("files/up/note.txt", Fault::Encrypted),
            ("files/up/note.txt", Fault::Method(99)),
            ("files/up/note.txt", Fault::Special(Special::Link)),
        ]),
        "a field twice" => found(&[("files/up/note.txt", Fault::DuplicateExtraField(0xcafe))]),
        "an offset in a ZIP64 field that is somewhere else" => {
            refused(&[("files/up/note.txt", Fault::Overlap { end: 94, next: 0 })])
        }
        "a size that refers to a missing ZIP64 field" => {
            damaged("files/up/note.txt", Fault::LocalHeader(Field::Size))
        }
        "a ZIP64 field with too few values" => refused(&[
            (
                "files/up/note.txt",
                Fault::Zip64Field {
                    expected: 16,
                    found: 8,
                },
            ),
            (
                "files/up/note.txt",
                Fault::Overlap {
                    end: 4_294_967_342,
                    next: 94,
                },
            ),
        ]),
        "a ZIP64 field with its values the wrong way round" => damaged(
            "files/up/note.txt",
            Fault::Size {
                declared: 47,
                found: 61,
            },
        ),
        "a local header with another ZIP64 field" => {
            damaged("files/up/note.txt", Fault::LocalHeader(Field::Size))
        }
        "a local header with a field in the place of ZIP64's" => {
            damaged("files/up/note.txt", Fault::LocalHeader(Field::Compressed))
        }
        "a descriptor with another signature" => {
            damaged("files/up/note.txt", Fault::Descriptor(Field::Crc))
        }
        "a descriptor with another stored size" => {
            damaged("files/up/note.txt", Fault::Descriptor(Field::Size))
        }
        "a descriptor that is missing" => {
            damaged("files/up/note.txt", Fault::Descriptor(Field::Crc))
        }
        other => panic!("no answer is known to {other:?}"),
    }
}
