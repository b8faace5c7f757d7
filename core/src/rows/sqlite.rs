//! SQLite values in row text.
//!
//! SQLite lets any column hold any storage class. A value of the class that its column declares is written
//! plainly; every other value carries a tag, a backslash and a capital letter that COPY's escapes don't use:
//!
//! | tag  | value                                |
//! |------|--------------------------------------|
//! | `\I` | integer, decimal                     |
//! | `\R` | real, shortest form that reads back  |
//! | `\T` | text, escaped                        |
//! | `\B` | blob, hexadecimal                    |
//! | `\X` | text that is not UTF-8, hexadecimal  |
//!
//! A blob in a blob column is written as PostgreSQL writes `bytea`: `\\x` and hexadecimal digits.

use alloc::{borrow::Cow, format, vec::Vec};

use super::{NULL, RowError, push_escaped, unescape};
use crate::digest::{parse_hex, push_hex};

/// A storage class (SQLite manual, "Datatypes In SQLite", section 2), NULL left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Signed 64-bit integer.
    Integer,
    /// IEEE 754 double.
    Real,
    /// Text in the database's encoding.
    Text,
    /// Bytes.
    Blob,
}

impl Class {
    /// The class that values of a column most likely have, from its declared type
    /// (SQLite manual, "Determination Of Column Affinity"). NUMERIC affinity counts as integer.
    #[must_use]
    pub fn of_declared_type(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || upper.is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Integer
        }
    }
}

/// One value of any storage class.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A real. SQLite stores no NaN.
    Real(f64),
    /// Text, UTF-8 or not.
    Text(Cow<'a, [u8]>),
    /// A blob.
    Blob(Cow<'a, [u8]>),
}

/// Whole numbers up to here are exact as reals, so SQLite makes integers of them where a column prefers those.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a column holds after this text was stored in it: where SQLite would make a number of it, that number.
#[must_use]
pub fn placeholder(class: Class, text: &str) -> Value<'static> {
    let own_text = || Value::Text(Cow::Owned(text.as_bytes().to_vec()));
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
    match (class, text.parse::<i64>(), real) {
        (Class::Integer, Ok(number), _) => Value::Integer(number),
        (Class::Integer, _, Some(real)) if is_whole(real) => Value::Integer(real as i64),
        (Class::Integer | Class::Real, _, Some(real)) => Value::Real(real),
        _ => own_text(),
    }
}

fn is_whole(real: f64) -> bool {
    (-EXACT..=EXACT).contains(&real) && (real as i64) as f64 == real
}

/// Below this, SQLite makes an integer of a whole real in a column that prefers integers, whatever its version.
const SURELY_WHOLE: f64 = 2_251_799_813_685_248.0;

/// What a column that prefers `class` holds after `value` was stored in it (SQLite manual, "Type Affinity"); `None`
/// where the value can't be told from what it holds: `007` becomes 7, and a real becomes text of fewer digits.
#[must_use]
pub fn stored(class: Class, value: Value<'_>) -> Option<Value<'_>> {
    match (class, &value) {
        (_, Value::Null | Value::Blob(_))
        | (Class::Blob, _)
        | (Class::Integer, Value::Integer(_))
        | (Class::Real, Value::Real(_))
        | (Class::Text, Value::Text(_)) => Some(value),
        (Class::Text, Value::Real(_)) => None,
        (Class::Text, Value::Integer(number)) => {
            Some(Value::Text(Cow::Owned(format!("{number}").into_bytes())))
        }
        (Class::Integer, Value::Real(real)) => match *real {
            number if has_fraction(number) => Some(value),
            number if number.abs() < SURELY_WHOLE => Some(Value::Integer(number as i64)),
            // Too large to be an integer in any version.
            number if number.abs() >= BEYOND_INTEGERS => Some(value),
            _ => None,
        },
        (Class::Real, Value::Integer(number)) => {
            (number.unsigned_abs() <= EXACT as u64).then_some(Value::Real(*number as f64))
        }
        (Class::Integer | Class::Real, Value::Text(text)) => match number_in(text) {
            None => Some(value),
            Some(None) => None,
            Some(Some(number)) => stored(class, number),
        },
    }
}

/// From here on, no whole real is an integer of 64 bits.
const BEYOND_INTEGERS: f64 = 9_223_372_036_854_775_808.0;

/// Core without `std` has no `fract`. From [`BEYOND_INTEGERS`] on, every real is whole.
fn has_fraction(real: f64) -> bool {
    real.abs() < BEYOND_INTEGERS && (real as i64) as f64 != real
}

/// The number that SQLite sees in a text, and within it nothing if the text isn't just how that number is written.
fn number_in(text: &[u8]) -> Option<Option<Value<'static>>> {
    let text = core::str::from_utf8(text).ok()?;
    let bare = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let is_number = bare.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))
        && bare.parse::<f64>().is_ok();
    if !is_number {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some((format!("{number}") == text).then_some(Value::Integer(number)));
    }
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
    Some(
        real.filter(|real| has_fraction(*real) && format!("{real}") == text)
            .map(Value::Real),
    )
}

/// Appends a value of a column of class `class` as one field. Returns whether it needed a tag.
pub fn push_value(class: Class, value: &Value<'_>, out: &mut Vec<u8>) -> bool {
    let tagged = match value {
        Value::Null => {
            out.extend_from_slice(NULL);
            return false;
        }
        Value::Integer(_) => class != Class::Integer,
        Value::Real(_) => class != Class::Real,
        Value::Text(text) => class != Class::Text || core::str::from_utf8(text).is_err(),
        Value::Blob(_) => class != Class::Blob,
    };
    match value {
        Value::Null => {}
        Value::Integer(number) => {
            tag(tagged, b'I', out);
            out.extend_from_slice(format!("{number}").as_bytes());
        }
        Value::Real(number) => {
            tag(tagged, b'R', out);
            out.extend_from_slice(format!("{number:?}").as_bytes());
        }
        Value::Text(text) if core::str::from_utf8(text).is_err() => {
            tag(true, b'X', out);
            push_hex(text, out);
        }
        Value::Text(text) => {
            tag(tagged, b'T', out);
            push_escaped(text, out);
        }
        Value::Blob(bytes) => {
            tag(tagged, b'B', out);
            if !tagged {
                out.extend_from_slice(b"\\\\x");
            }
            push_hex(bytes, out);
        }
    }
    tagged
}

fn tag(tagged: bool, letter: u8, out: &mut Vec<u8>) {
    if tagged {
        out.extend_from_slice(&[b'\\', letter]);
    }
}

/// The value of one raw field in a column of class `class`.
///
/// # Errors
/// [`RowError::Value`] or [`RowError::Escape`].
pub fn parse_value(class: Class, field: &[u8]) -> Result<Value<'_>, RowError> {
    match field {
        NULL => Ok(Value::Null),
        [b'\\', b'I', rest @ ..] => integer(rest),
        [b'\\', b'R', rest @ ..] => real(rest),
        [b'\\', b'T', rest @ ..] => text(rest),
        [b'\\', b'B', rest @ ..] => Ok(Value::Blob(Cow::Owned(hex(rest, "blob")?))),
        [b'\\', b'X', rest @ ..] => Ok(Value::Text(Cow::Owned(hex(rest, "text")?))),
        plain => match class {
            Class::Integer => integer(plain),
            Class::Real => real(plain),
            Class::Text => text(plain),
            Class::Blob => {
                let digits = plain
                    .strip_prefix(b"\\\\x")
                    .ok_or(RowError::Value { class: "blob" })?;
                Ok(Value::Blob(Cow::Owned(hex(digits, "blob")?)))
            }
        },
    }
}

fn integer(field: &[u8]) -> Result<Value<'static>, RowError> {
    core::str::from_utf8(field)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Value::Integer)
        .ok_or(RowError::Value { class: "integer" })
}

fn real(field: &[u8]) -> Result<Value<'static>, RowError> {
    core::str::from_utf8(field)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|number: &f64| !number.is_nan())
        .map(Value::Real)
        .ok_or(RowError::Value { class: "real" })
}

fn text(field: &[u8]) -> Result<Value<'_>, RowError> {
    unescape(field)?
        .map(Value::Text)
        .ok_or(RowError::Value { class: "text" })
}

fn hex(field: &[u8], class: &'static str) -> Result<Vec<u8>, RowError> {
    parse_hex(field).ok_or(RowError::Value { class })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_storage_class_survives_in_every_column() {
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(-1),
            Value::Integer(i64::MAX),
            Value::Real(0.1),
            Value::Real(-0.0),
            Value::Real(5e-324),
            Value::Real(f64::MAX),
            Value::Real(f64::INFINITY),
            Value::Real(f64::NEG_INFINITY),
            Value::Real(1.0),
            Value::Text(Cow::Borrowed(b"")),
            Value::Text(Cow::Borrowed(b"\\N")),
            Value::Text(Cow::Borrowed(b"\\I1\ta\nb\0c")),
            Value::Text(Cow::Borrowed("Größe 漢字 \u{202e}".as_bytes())),
            Value::Text(Cow::Borrowed(b"\xff\xfe")),
            Value::Blob(Cow::Borrowed(b"")),
            Value::Blob(Cow::Borrowed(b"\0\xff\n")),
        ];
        for class in [Class::Integer, Class::Real, Class::Text, Class::Blob] {
            for value in &values {
                let mut field = Vec::new();
                push_value(class, value, &mut field);
                assert!(!field.contains(&b'\t') && !field.contains(&b'\n'));
                let back = parse_value(class, &field).unwrap();
                assert_eq!(
                    &back,
                    value,
                    "{class:?} {}",
                    std::string::String::from_utf8_lossy(&field)
                );
                if let (Value::Real(a), Value::Real(b)) = (&back, value) {
                    assert_eq!(a.to_bits(), b.to_bits());
                }
            }
        }
    }

    #[test]
    fn declared_types_follow_the_affinity_rules() {
        for (declared, class) in [
            ("INTEGER", Class::Integer),
            ("bigint unsigned", Class::Integer),
            ("CHARINT", Class::Integer),
            ("varchar(30)", Class::Text),
            ("", Class::Blob),
            ("DOUBLE PRECISION", Class::Real),
            ("DECIMAL(10,5)", Class::Integer),
        ] {
            assert_eq!(Class::of_declared_type(declared), class, "{declared}");
        }
    }

    #[test]
    fn a_placeholder_is_what_the_column_would_hold() {
        let text = |text: &'static [u8]| Value::Text(Cow::Borrowed(text));
        for (class, given, held) in [
            (Class::Integer, "0", Value::Integer(0)),
            (Class::Integer, "0.5", Value::Real(0.5)),
            (Class::Integer, "1e3", Value::Integer(1000)),
            (Class::Integer, "1e300", Value::Real(1e300)),
            (Class::Real, "1", Value::Real(1.0)),
            (Class::Text, "0", text(b"0")),
            (Class::Integer, "none", text(b"none")),
        ] {
            assert_eq!(placeholder(class, given), held, "{given}");
        }
    }

    #[test]
    fn wrong_values_are_errors() {
        assert_eq!(
            parse_value(Class::Integer, b"1.5"),
            Err(RowError::Value { class: "integer" })
        );
        assert_eq!(
            parse_value(Class::Blob, b"00"),
            Err(RowError::Value { class: "blob" })
        );
        assert_eq!(
            parse_value(Class::Text, b"\\Bxy"),
            Err(RowError::Value { class: "blob" })
        );
        assert_eq!(
            parse_value(Class::Real, b"NaN"),
            Err(RowError::Value { class: "real" })
        );
    }
}
