//! Values as people read them, cut to what fits on a screen.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    NULL, RowError,
    sqlite::{self, Class, Value},
    unescape,
};
use crate::{
    digest::push_hex,
    schema::{Column, Engine},
};

/// Characters of a value that are shown at most.
pub const SHOWN_CHARS: usize = 2000;
/// Bytes of a blob that are shown at most.
pub const SHOWN_BLOB_BYTES: usize = 64;
/// Bytes of a raw field that are kept at most. An escaped character takes at most 4 bytes, so this always holds more
/// than [`SHOWN_CHARS`] characters, whatever they are.
const KEPT_BYTES: usize = 4 * (SHOWN_CHARS + 2);

/// A value to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Readable text; `None` is NULL.
    pub text: Option<String>,
    /// Whether the value is longer than the text.
    pub cut: bool,
}

/// How the values of one column are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL: the text that the database prints.
    Text,
    /// PostgreSQL's `bytea`: hexadecimal digits.
    Bytes,
    /// SQLite: by storage class.
    Sqlite(Class),
}

impl Kind {
    /// The kind of a column.
    #[must_use]
    pub fn of(engine: Engine, column: &Column) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(Class::of_declared_type(&column.type_name)),
            Engine::Postgres if column.type_name == "bytea" => Self::Bytes,
            Engine::Postgres => Self::Text,
        }
    }

    /// The value of a raw field as text for people: blobs as `\x` and hexadecimal digits, cut to
    /// [`SHOWN_BLOB_BYTES`] with their length behind; everything else cut to [`SHOWN_CHARS`] characters; bytes that
    /// are not UTF-8 replaced.
    ///
    /// # Errors
    /// [`RowError::Escape`] or [`RowError::Value`].
    pub fn show(self, field: &Field) -> Result<Shown, RowError> {
        if field.kept == NULL {
            return Ok(Shown {
                text: None,
                cut: false,
            });
        }
        match (self, field.kept.as_slice()) {
            (Self::Bytes | Self::Sqlite(Class::Blob), [b'\\', b'\\', b'x', digits @ ..]) => {
                show_blob(digits, field.length - 3)
            }
            (Self::Sqlite(_), [b'\\', b'B', digits @ ..]) => show_blob(digits, field.length - 2),
            (Self::Sqlite(class), kept) => {
                // Only text can be that long, and the tag of text that is not UTF-8 is followed by pairs of digits.
                let even = match kept {
                    [b'\\', b'X', ..] => kept.len() & !1,
                    _ => kept.len(),
                };
                let whole = kept.get(..even).unwrap_or_default();
                let text = match sqlite::parse_value(class, without_half_escape(whole, field))? {
                    Value::Null => None,
                    Value::Integer(number) => Some(number.to_string()),
                    Value::Real(number) => Some(format!("{number:?}")),
                    Value::Text(bytes) | Value::Blob(bytes) => {
                        Some(String::from_utf8_lossy(&bytes).into_owned())
                    }
                };
                Ok(cut(text, field.is_cut()))
            }
            (Self::Text | Self::Bytes, kept) => {
                let text = unescape(without_half_escape(kept, field))?
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                Ok(cut(text, field.is_cut()))
            }
        }
    }
}

/// A raw field, of which only the start is kept however long it is.
#[derive(Clone, Debug, Default)]
pub struct Field {
    kept: Vec<u8>,
    length: u64,
}

impl Field {
    /// Adds the next bytes of the field.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = KEPT_BYTES - self.kept.len();
        self.kept
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    const fn is_cut(&self) -> bool {
        self.length > self.kept.len() as u64
    }
}

/// What is kept, without an escape sequence that was cut in two.
fn without_half_escape<'a>(kept: &'a [u8], field: &Field) -> &'a [u8] {
    let backslashes = kept.iter().rev().take_while(|byte| **byte == b'\\').count();
    if field.is_cut() && backslashes % 2 == 1 {
        kept.get(..kept.len() - 1).unwrap_or_default()
    } else {
        kept
    }
}

fn show_blob(digits: &[u8], all_digits: u64) -> Result<Shown, RowError> {
    let wrong = RowError::Value { class: "blob" };
    if all_digits % 2 == 1 {
        return Err(wrong);
    }
    let start = digits.get(..SHOWN_BLOB_BYTES * 2).unwrap_or(digits);
    let bytes = crate::digest::parse_hex(start).ok_or(wrong)?;
    let mut hex = Vec::with_capacity(start.len());
    push_hex(&bytes, &mut hex);
    let hex = String::from_utf8_lossy(&hex);
    let (size, cut) = (all_digits / 2, all_digits > start.len() as u64);
    let text = if cut {
        format!("\\x{hex}… ({size} bytes)")
    } else {
        format!("\\x{hex}")
    };
    Ok(Shown {
        text: Some(text),
        cut,
    })
}

/// The first characters of a text, which may be cut already.
fn cut(text: Option<String>, already: bool) -> Shown {
    let Some(mut text) = text else {
        return Shown {
            text: None,
            cut: false,
        };
    };
    let end = text.char_indices().nth(SHOWN_CHARS).map(|(end, _)| end);
    let cut = already || end.is_some();
    if cut {
        text.truncate(end.unwrap_or(text.len()));
        text.push('…');
    }
    Shown {
        text: Some(text),
        cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::push_escaped;
    use alloc::borrow::Cow;

    fn show(kind: Kind, raw: &[u8]) -> Result<Shown, RowError> {
        let mut field = Field::default();
        raw.chunks(1000).for_each(|piece| field.extend(piece));
        kind.show(&field)
    }

    fn text(kind: Kind, raw: &[u8]) -> String {
        let shown = show(kind, raw).unwrap();
        assert!(!shown.cut);
        shown.text.unwrap()
    }

    #[test]
    fn values_are_readable() {
        assert_eq!(text(Kind::Text, b"a\\tb\\\\x"), "a\tb\\x");
        assert_eq!(text(Kind::Bytes, b"\\\\x00FF"), "\\x00ff");
        assert_eq!(show(Kind::Text, NULL).unwrap().text, None);
        assert_eq!(text(Kind::Text, b"\xff"), "\u{fffd}");
        let blob = Kind::Sqlite(Class::Blob);
        assert_eq!(text(blob, b"\\\\x0aff"), "\\x0aff");
        assert_eq!(text(blob, b"\\I-5"), "-5");
        assert_eq!(text(blob, b"\\R0.5"), "0.5");
        assert_eq!(text(blob, b"\\Tx\\ny"), "x\ny");
        let integer = Kind::Sqlite(Class::Integer);
        assert_eq!(text(integer, b"42"), "42");
        assert_eq!(text(integer, b"\\B0aff"), "\\x0aff");
        assert_eq!(text(integer, b"\\X41ff"), "A\u{fffd}");
        assert_eq!(
            show(integer, b"nonsense"),
            Err(RowError::Value { class: "integer" })
        );
        assert_eq!(
            show(Kind::Bytes, b"\\\\x0"),
            Err(RowError::Value { class: "blob" })
        );
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        for char in ['a', '\\', '\n', 'ü', '漢', '🦀'] {
            let whole: String = core::iter::repeat_n(char, 30_000).collect();
            let expected: String = core::iter::repeat_n(char, SHOWN_CHARS)
                .chain(['…'])
                .collect();
            for shift in 0..4 {
                let mut raw = Vec::new();
                let value = format!("{}{whole}", "-".repeat(shift));
                push_escaped(value.as_bytes(), &mut raw);
                for kind in [Kind::Text, Kind::Sqlite(Class::Text)] {
                    let shown = show(kind, &raw).unwrap();
                    assert!(shown.cut);
                    let text = shown.text.unwrap();
                    assert_eq!(text.chars().count(), SHOWN_CHARS + 1);
                    assert!(text.ends_with('…') && expected.contains(&text[shift..text.len() - 3]));
                }
            }
        }
        let mut raw = Vec::new();
        let value = Value::Blob(Cow::Owned(alloc::vec![0xab; 100_000]));
        for class in [Class::Blob, Class::Text] {
            raw.clear();
            sqlite::push_value(class, &value, &mut raw);
            let shown = show(Kind::Sqlite(class), &raw).unwrap();
            assert!(shown.cut);
            assert_eq!(
                shown.text.unwrap(),
                format!("\\x{}… (100000 bytes)", "ab".repeat(64))
            );
        }
        raw.clear();
        sqlite::push_value(
            Class::Text,
            &Value::Text(Cow::Owned([b"\xff", "🦀".repeat(3000).as_bytes()].concat())),
            &mut raw,
        );
        assert!(show(Kind::Sqlite(Class::Text), &raw).unwrap().cut);
    }
}
