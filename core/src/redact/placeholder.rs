//! Placeholders as row text, where there is no database to ask.

use alloc::vec::Vec;

use serde::de::IgnoredAny;

use crate::{
    rows::{
        NULL, push_escaped,
        sqlite::{Class, placeholder, push_value},
    },
    schema::{Column, Engine},
};

/// The field, escaped, for a placeholder that is in the engine's own output form.
pub(super) fn field(engine: Engine, column: &Column, text: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    match (engine, text) {
        (_, None) => out.extend_from_slice(NULL),
        (Engine::Postgres, Some(text)) => push_escaped(text.as_bytes(), &mut out),
        (Engine::Sqlite, Some(text)) => {
            let class = Class::of_declared_type(&column.type_name);
            push_value(class, &placeholder(class, text), &mut out);
        }
    }
    out
}

/// Whether PostgreSQL, given this text for a column, would print the same text again. Only forms that are known for
/// sure are: a restored value that is printed in another way would not be equal to the archive's.
pub(super) fn is_printed(type_name: &str, text: &str) -> bool {
    if text.contains('\0') {
        return false;
    }
    let (name, length) = match type_name
        .strip_suffix(')')
        .and_then(|type_name| type_name.split_once('('))
    {
        Some((name, length)) => (name, length.parse::<usize>().ok()),
        None => (type_name, None),
    };
    let chars = text.chars().count();
    match (name, length) {
        ("text" | "character varying", None) => true,
        ("character varying", Some(length)) => chars <= length,
        // Shorter text is printed with blanks up to the length.
        ("character", Some(length)) => chars == length,
        ("json", None) => serde_json::from_str::<IgnoredAny>(text).is_ok(),
        ("jsonb", None) => is_plain_json(text),
        ("bytea", None) => text.strip_prefix("\\x").is_some_and(|digits| {
            digits.len().is_multiple_of(2) && digits.bytes().all(is_lower_hex)
        }),
        ("boolean", None) => matches!(text, "t" | "f"),
        ("smallint", None) => is_number::<i16>(text),
        ("integer", None) => is_number::<i32>(text),
        ("bigint", None) => is_number::<i64>(text),
        ("uuid", None) => is_uuid(text),
        (array, None) if array.ends_with("[]") => text == "{}",
        (other, None) => other.rsplit('.').next() == Some("citext"),
        _ => false,
    }
}

const fn is_lower_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

fn is_number<N: core::str::FromStr + alloc::string::ToString>(text: &str) -> bool {
    text.parse::<N>()
        .is_ok_and(|number| number.to_string() == text)
}

fn is_uuid(text: &str) -> bool {
    const SHAPE: &[u8] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'-' => byte == b'-',
            _ => is_lower_hex(byte),
        })
}

/// JSON that `jsonb` can't print in another way: no blanks, no order of keys, no escapes.
fn is_plain_json(text: &str) -> bool {
    let plain_string = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .is_some_and(|text| {
            text.bytes()
                .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
        });
    plain_string
        || matches!(text, "{}" | "[]" | "null" | "true" | "false")
        || is_number::<i64>(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_postgres_prints_alike_is_taken() {
        for (type_name, alike, other) in [
            ("text", &["", "!", "a\tb", "Größe"][..], &["nul\0"][..]),
            ("character varying(3)", &["", "äöü"], &["äöüs"]),
            ("character(2)", &["ab"], &["a", "abc"]),
            ("public.citext", &["None"], &[]),
            ("json", &["{ \"a\" : 1 }", "null"], &["", "{a}"]),
            (
                "jsonb",
                &["{}", "[]", "\"none\"", "null", "0"],
                &["{ }", "{\"b\":1}", "\"\\u0041\"", "1.50", ""],
            ),
            ("bytea", &["\\x", "\\x00ff"], &["\\x0", "\\x0A", "abc", ""]),
            ("boolean", &["t", "f"], &["true", "1"]),
            ("smallint", &["-1"], &["40000", "+1", "01"]),
            ("integer", &["40000"], &["", "3000000000"]),
            ("bigint", &["3000000000"], &["1.0", "-0"]),
            (
                "uuid",
                &["00000000-0000-0000-0000-00000000000f"],
                &["00000000-0000-0000-0000-00000000000F", "0"],
            ),
            ("text[]", &["{}"], &["{a}", ""]),
            ("numeric(10,2)", &[], &["1.00", "0"]),
            ("timestamp with time zone", &[], &["2000-01-01"]),
            ("public.mood", &[], &["ok"]),
        ] {
            for text in alike {
                assert!(is_printed(type_name, text), "{type_name} {text:?}");
            }
            for text in other {
                assert!(!is_printed(type_name, text), "{type_name} {text:?}");
            }
        }
    }

    #[test]
    fn fields_are_escaped_and_tagged_as_rows_are() {
        let column = |type_name: &str| Column {
            name: "c".into(),
            type_name: type_name.into(),
            nullable: true,
            default: None,
            generated: false,
            identity: false,
        };
        for (engine, type_name, text, expected) in [
            (Engine::Postgres, "text", None, &b"\\N"[..]),
            (Engine::Postgres, "text", Some("\\N"), b"\\\\N"),
            (Engine::Postgres, "bytea", Some("\\x00"), b"\\\\x00"),
            (Engine::Sqlite, "TEXT", Some("a\tb"), b"a\\tb"),
            (Engine::Sqlite, "INTEGER", Some("7"), b"7"),
            (Engine::Sqlite, "INTEGER", Some("none"), b"\\Tnone"),
            (Engine::Sqlite, "BLOB", Some("none"), b"\\Tnone"),
            (Engine::Sqlite, "BLOB", None, b"\\N"),
        ] {
            assert_eq!(field(engine, &column(type_name), text), expected);
        }
    }
}
