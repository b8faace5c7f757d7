//! Names of entries: what the strict profile allows, and how any name is turned into an allowed one.

use alloc::{format, string::String, vec::Vec};

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Longest name of an entry, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;
/// Most segments of a name.
pub const MAX_DEPTH: usize = 64;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Longer than [`MAX_NAME_BYTES`].
    #[error("has {length} bytes, more than {MAX_NAME_BYTES}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// More segments than [`MAX_DEPTH`].
    #[error("has {depth} segments, more than {MAX_DEPTH}")]
    TooDeep {
        /// Its segments.
        depth: usize,
    },
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Not in normalisation form C.
    #[error("is not in Unicode normalisation form C")]
    NotNormal,
    /// Starts with a slash or a drive letter.
    #[error("is absolute")]
    Absolute,
    /// Has an empty segment.
    #[error("has an empty segment")]
    EmptySegment,
    /// Has a segment `.` or `..`.
    #[error("has a segment of dots")]
    DotSegment,
    /// Has a segment that ends with a dot or blank, which some systems drop.
    #[error("has a segment that ends with a dot or blank")]
    TrailingDotOrBlank,
    /// Has a backslash, which some systems take for a separator.
    #[error("has a backslash")]
    Backslash,
    /// Has a character that some system forbids in names.
    #[error("has the forbidden character {0:?}")]
    Forbidden(char),
    /// Has a control, invisible or direction-changing character.
    #[error("has the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
    /// Has a segment that names a device on some system.
    #[error("has a segment that is a device name")]
    Device,
}

/// Checks a name against the strict profile.
///
/// # Errors
/// [`NameError`], the first found.
pub fn check(name: &str) -> Result<(), NameError> {
    problems(name).first().map_or(Ok(()), |error| Err(*error))
}

/// Everything in which a name breaks the rules of the strict profile, each once.
#[must_use]
pub fn problems(name: &str) -> Vec<NameError> {
    let mut found = Vec::new();
    if name.is_empty() {
        found.push(NameError::Empty);
        return found;
    }
    let mut find = |error| {
        if !found.contains(&error) {
            found.push(error);
        }
    };
    if name.len() > MAX_NAME_BYTES {
        find(NameError::TooLong { length: name.len() });
    }
    let depth = name.split('/').count();
    if depth > MAX_DEPTH {
        find(NameError::TooDeep { depth });
    }
    let relative = without_root(name);
    if relative != name {
        find(NameError::Absolute);
    }
    relative
        .split('/')
        .for_each(|segment| check_segment(segment, &mut find));
    if !is_nfc(name) {
        find(NameError::NotNormal);
    }
    found
}

/// A name without a drive letter and a slash at its start.
fn without_root(name: &str) -> &str {
    let name = match name.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => name.get(2..).unwrap_or_default(),
        _ => name,
    };
    name.strip_prefix('/').unwrap_or(name)
}

fn check_segment(segment: &str, find: &mut impl FnMut(NameError)) {
    match segment {
        "" => return find(NameError::EmptySegment),
        "." | ".." => return find(NameError::DotSegment),
        _ => {}
    }
    segment
        .chars()
        .filter_map(|char| check_char(char).err())
        .for_each(&mut *find);
    if segment.ends_with(['.', ' ']) {
        find(NameError::TrailingDotOrBlank);
    }
    if is_device(segment) {
        find(NameError::Device);
    }
}

fn check_char(char: char) -> Result<(), NameError> {
    match char {
        '\\' => Err(NameError::Backslash),
        ':' | '*' | '?' | '"' | '<' | '>' | '|' => Err(NameError::Forbidden(char)),
        char if char.is_control() || is_invisible(char) => Err(NameError::Invisible(char)),
        _ => Ok(()),
    }
}

/// Characters that show nothing or change the direction of what follows (Unicode: Bidi_Control,
/// line and paragraph separators, zero-width characters, byte order mark, tag characters, noncharacters).
const fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}' | '\u{E0000}'..='\u{E007F}'
    )
}

/// Names that Windows keeps for devices, with or without an extension.
fn is_device(segment: &str) -> bool {
    let stem = segment
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches(' ');
    let numbered = |prefix: &str| {
        stem.get(..3)
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            && matches!(
                stem.get(3..),
                Some("0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
            )
    };
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .iter()
        .any(|name| stem.eq_ignore_ascii_case(name))
        || numbered("com")
        || numbered("lpt")
}

fn is_nfc(text: &str) -> bool {
    ComposingNormalizerBorrowed::new_nfc().is_normalized(text)
}

/// Text in Unicode normalisation form C.
#[must_use]
pub fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(text.chars())
        .collect()
}

/// The form under which two names would be the same file on a system that ignores case.
#[must_use]
pub fn fold(name: &str) -> String {
    // The iota that Greek writes below a vowel becomes a letter of its own as a capital. Marks that follow belong to that
    // letter, so it is made while the two are still one character: decomposed, the marks would come between them.
    let composed = ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(name.chars())
        .flat_map(char::to_uppercase);
    let cased = DecomposingNormalizerBorrowed::new_nfd()
        .normalize_iter(composed)
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase);
    ComposingNormalizerBorrowed::new_nfc()
        .normalize_iter(cased)
        .collect()
}

/// One allowed segment for any text, for use in a name: what isn't allowed is written as `%` and hexadecimal
/// digits of its UTF-8 bytes. Different texts give different segments.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    // Normalisation would change the text, so a text that isn't normal has all its non-ASCII encoded.
    let normal = is_nfc(text);
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (index, char) in text.chars().enumerate() {
        let plain = char != '%'
            && char != '/'
            && check_char(char).is_ok()
            && (normal || char.is_ascii())
            && !(index == last && matches!(char, '.' | ' '));
        if plain {
            out.push(char);
        } else {
            encode_char(char, &mut out);
        }
    }
    if is_device(&out) || out.is_empty() {
        // A device name stops being one with its first letter encoded; nothing at all becomes a lone `%`.
        let mut chars = out.chars();
        let mut safe = String::new();
        match chars.next() {
            Some(first) => encode_char(first, &mut safe),
            None => safe.push('%'),
        }
        safe.extend(chars);
        return safe;
    }
    out
}

fn encode_char(char: char, out: &mut String) {
    let mut buffer = [0; 4];
    for byte in char.encode_utf8(&mut buffer).bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
}

/// An allowed name `prefix/segment…` for any path, its segments encoded.
#[must_use]
pub fn encode_path(prefix: &str, path: &str) -> String {
    let mut out = String::from(prefix);
    for segment in path.split('/') {
        out.push('/');
        out.push_str(&encode_segment(segment));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_profile_pass() {
        for name in [
            "a",
            "tables/public.users/000001.tsv",
            "files/up loads/Größe 漢字.txt",
            "a/.hidden",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for (name, error) in [
            ("", NameError::Empty),
            ("/etc/passwd", NameError::Absolute),
            ("C:/x", NameError::Absolute),
            ("a//b", NameError::EmptySegment),
            ("a/", NameError::EmptySegment),
            ("a/../b", NameError::DotSegment),
            ("./a", NameError::DotSegment),
            ("a\\b", NameError::Backslash),
            ("ab:c", NameError::Forbidden(':')),
            ("1:c", NameError::Forbidden(':')),
            ("a\0b", NameError::Invisible('\0')),
            ("a\u{202e}b", NameError::Invisible('\u{202e}')),
            ("a\u{7f}", NameError::Invisible('\u{7f}')),
            ("a./b", NameError::TrailingDotOrBlank),
            ("a ", NameError::TrailingDotOrBlank),
            ("x/NUL.txt", NameError::Device),
            ("com1", NameError::Device),
            ("e\u{301}", NameError::NotNormal),
        ] {
            assert_eq!(check(name), Err(error), "{name:?}");
        }
        assert_eq!(
            check(&"x".repeat(1025)),
            Err(NameError::TooLong { length: 1025 })
        );
        assert_eq!(
            check(&"x/".repeat(65)),
            Err(NameError::TooDeep { depth: 66 })
        );
    }

    #[test]
    fn all_problems_of_a_name_are_found() {
        assert_eq!(
            problems("C:/a/../nul/b\\c\0d\0/e?. /e\u{301}"),
            [
                NameError::Absolute,
                NameError::DotSegment,
                NameError::Device,
                NameError::Backslash,
                NameError::Invisible('\0'),
                NameError::Forbidden('?'),
                NameError::TrailingDotOrBlank,
                NameError::NotNormal,
            ]
        );
        assert_eq!(
            problems("/"),
            [NameError::Absolute, NameError::EmptySegment]
        );
    }

    #[test]
    fn any_text_becomes_an_allowed_segment() {
        let texts = [
            "plain",
            "a/b",
            "..",
            ".",
            "",
            "NUL",
            "con.txt",
            "a%2F",
            "tab\t",
            "e\u{301}",
            "é",
            "dot.",
            "a b ",
            "\u{202e}x",
            "100%",
            "x\\y",
        ];
        let mut seen = alloc::collections::BTreeSet::new();
        for text in texts {
            let segment = encode_segment(text);
            assert_eq!(check(&segment), Ok(()), "{text:?} gives {segment:?}");
            assert!(seen.insert(segment), "{text:?}");
        }
        assert_eq!(encode_path("files/up", "a b/ü.txt"), "files/up/a b/ü.txt");
    }

    #[test]
    fn folding_finds_what_a_careless_system_would_mix_up() {
        assert_eq!(fold("Straße"), fold("STRASSE"));
        assert_eq!(fold("É"), fold("e\u{301}"));
        // U+1E01B is a mark of the same class as the breathing of U+1F80, whose capital form is two letters.
        assert_eq!(fold("\u{1f80}\u{1e01b}"), fold("\u{1f08}\u{399}\u{1e01b}"));
        assert_eq!(
            fold("\u{1f80}\u{1e01b}"),
            fold("\u{3b1}\u{313}\u{1e01b}\u{345}")
        );
        assert_ne!(fold("a"), fold("b"));
    }
}
