//! Names that leave the folder they are unpacked in, hide what they are, or mean two things.

use coffer_core::archive::{Fault, name::NameError};

use super::{Case, NOISE, NOTE, arranged, case, first, profile};
use crate::{Member, record};

/// The case that the first entry has this name.
macro_rules! named {
    ($what:literal, $name:expr, $($error:expr),+) => {
        case(
            $what,
            profile(&[$(($name, Fault::Name($error))),+]),
            || first(|member| *member = member.clone().named($name)),
        )
    };
}

/// The case that the second entry has a name that does not go with the first one's.
macro_rules! both_named {
    ($what:literal, $one:expr, $other:expr, $($finding:expr),+) => {
        case($what, profile(&[$($finding),+]), || {
            arranged(|zip| {
                zip.members[0] = zip.members[0].clone().named($one);
                zip.members[1] = zip.members[1].clone().named($other);
            })
        })
    };
}

const LONG: &str = include_str!("long-name.txt");
const DEEP: &str = "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a";

/// A name in code page 437 without the flag for UTF-8: `über.txt`.
const CP437: &[u8] = b"\x81ber.txt";

pub(super) fn cases() -> Vec<Case> {
    vec![
        named!(
            "a name that climbs out of its folder",
            "../evil",
            NameError::DotSegment
        ),
        named!(
            "a name that climbs out on its way",
            "files/up/../../../evil",
            NameError::DotSegment
        ),
        named!(
            "a name with a segment that means here",
            "files/./evil",
            NameError::DotSegment
        ),
        named!("an absolute name", "/etc/passwd", NameError::Absolute),
        named!(
            "a name with two slashes at its start",
            "//server/share",
            NameError::Absolute,
            NameError::EmptySegment
        ),
        named!("a name on a drive", "C:/evil", NameError::Absolute),
        named!(
            "a name in the current folder of a drive",
            "c:evil",
            NameError::Absolute
        ),
        named!(
            "a name on a drive with a backslash",
            "C:\\evil",
            NameError::Absolute,
            NameError::Backslash
        ),
        named!(
            "a name that climbs with backslashes",
            "..\\..\\evil",
            NameError::Backslash
        ),
        named!(
            "a name on a network share",
            "\\\\server\\share",
            NameError::Backslash
        ),
        named!(
            "a name with NUL",
            "files/up/a.txt\0.exe",
            NameError::Invisible('\0')
        ),
        named!(
            "a name with a line feed",
            "files/up/a\nb",
            NameError::Invisible('\n')
        ),
        named!(
            "a name with an escape sequence",
            "files/up/\u{1b}[2J",
            NameError::Invisible('\u{1b}')
        ),
        named!(
            "a name with a control character of the second block",
            "files/up/a\u{9b}b",
            NameError::Invisible('\u{9b}')
        ),
        named!(
            "a name with an empty segment",
            "files//evil",
            NameError::EmptySegment
        ),
        named!(
            "a name of a folder",
            "files/up/folder/",
            NameError::EmptySegment
        ),
        named!("an empty name", "", NameError::Empty),
        named!(
            "a name that ends with a dot",
            "files/up/evil.",
            NameError::TrailingDotOrBlank
        ),
        named!(
            "a folder that ends with a blank",
            "files/up /evil",
            NameError::TrailingDotOrBlank
        ),
        named!(
            "a name of only dots",
            "files/.../evil",
            NameError::TrailingDotOrBlank
        ),
        named!("a device", "files/up/NUL", NameError::Device),
        named!(
            "a device with an extension",
            "files/up/con.txt",
            NameError::Device
        ),
        named!(
            "a device with a raised digit",
            "files/up/COM\u{b9}",
            NameError::Device
        ),
        named!("a device as a folder", "aux/evil", NameError::Device),
        named!(
            "a device with a blank before its extension",
            "files/up/lpt1 .txt",
            NameError::Device
        ),
        named!(
            "a stream of a file",
            "files/up/a.txt:evil",
            NameError::Forbidden(':')
        ),
        named!(
            "a name with a wildcard",
            "files/up/*",
            NameError::Forbidden('*')
        ),
        named!(
            "a name that is shown backwards",
            "files/up/\u{202e}gpj.exe",
            NameError::Invisible('\u{202e}')
        ),
        named!(
            "a name with an isolate",
            "files/up/a\u{2066}b",
            NameError::Invisible('\u{2066}')
        ),
        named!(
            "a name with a zero-width blank",
            "files/up/a\u{200b}b",
            NameError::Invisible('\u{200b}')
        ),
        named!(
            "a name with a byte order mark",
            "\u{feff}files/up/a",
            NameError::Invisible('\u{feff}')
        ),
        named!(
            "a name with a tag character",
            "files/up/a\u{e0041}",
            NameError::Invisible('\u{e0041}')
        ),
        named!(
            "a name that is not normalised",
            "files/up/e\u{301}",
            NameError::NotNormal
        ),
        named!(
            "a name that is too long",
            LONG,
            NameError::TooLong { length: 1025 }
        ),
        named!(
            "a name that is too deep",
            DEEP,
            NameError::TooDeep { depth: 65 }
        ),
        named!(
            "a name with everything wrong",
            "/../a\\b\0/nul/x.",
            NameError::Absolute,
            NameError::DotSegment,
            NameError::Backslash,
            NameError::Invisible('\0'),
            NameError::Device,
            NameError::TrailingDotOrBlank
        ),
        case(
            "a name that is not UTF-8",
            profile(&[("files/up/\u{fffd}", Fault::Name(NameError::NotUtf8))]),
            || first(|member| *member = member.clone().named(b"files/up/\xff")),
        ),
        case(
            "a name of surrogates in UTF-8",
            profile(&[("\u{fffd}\u{fffd}\u{fffd}", Fault::Name(NameError::NotUtf8))]),
            || first(|member| *member = member.clone().named(b"\xed\xa0\x80")),
        ),
        case(
            "an overlong slash in UTF-8",
            profile(&[("..\u{fffd}\u{fffd}evil", Fault::Name(NameError::NotUtf8))]),
            || first(|member| *member = member.clone().named(b"..\xc0\xafevil")),
        ),
        case(
            "a name in code page 437",
            profile(&[
                ("\u{fffd}ber.txt", Fault::Name(NameError::NotUtf8)),
                ("\u{fffd}ber.txt", Fault::Flags(0)),
            ]),
            || {
                first(|member| {
                    *member = member
                        .clone()
                        .named(CP437)
                        .with(|local| local.flags = 0, |central| central.flags = 0)
                })
            },
        ),
        case(
            "a name without the flag for UTF-8",
            profile(&[(NOTE, Fault::Flags(0))]),
            || {
                first(|member| {
                    *member = member
                        .clone()
                        .with(|local| local.flags = 0, |central| central.flags = 0)
                })
            },
        ),
        case(
            "another name in an extra field",
            profile(&[(NOTE, Fault::ExtraField(0x7075))]),
            || {
                first(|member| {
                    member.central.extra = record::unicode_path(NOTE.as_bytes(), "../evil")
                })
            },
        ),
        both_named!(
            "the same name twice",
            NOTE,
            NOTE,
            (NOTE, Fault::DuplicateName)
        ),
        both_named!(
            "names that differ in case",
            NOTE,
            "FILES/up/Note.TXT",
            ("FILES/up/Note.TXT", Fault::DuplicateName)
        ),
        both_named!(
            "names that differ in the case of a sharp s",
            "stra\u{df}e",
            "STRASSE",
            ("STRASSE", Fault::DuplicateName)
        ),
        both_named!(
            "names that differ in their normal form",
            "files/\u{e9}",
            "files/e\u{301}",
            ("files/e\u{301}", Fault::Name(NameError::NotNormal)),
            ("files/e\u{301}", Fault::DuplicateName)
        ),
        both_named!(
            "a file that is another's folder",
            NOTE,
            "files/up/note.txt/evil",
            ("files/up/note.txt/evil", Fault::FileAndFolder)
        ),
        both_named!(
            "a file that is another's folder but for its case",
            "files/up/NOTE/evil",
            "files/up/note",
            ("files/up/NOTE/evil", Fault::FileAndFolder)
        ),
        case(
            "a manifest twice",
            profile(&[("manifest.json", Fault::DuplicateName)]),
            || arranged(|zip| zip.members[1] = zip.members[1].clone().named("manifest.json")),
        ),
        case(
            "one name with two contents",
            profile(&[(NOISE, Fault::DuplicateName)]),
            || arranged(|zip| zip.members.insert(2, Member::stored(NOISE, b"other"))),
        ),
    ]
}
