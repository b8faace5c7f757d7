//! Texts of databases in UTF-16, which SQLite converts as they are read.
//!
//! It puts U+FFFD in the place of what is no UTF-16, such as half of a surrogate pair, and says nothing. So the stored bytes
//! are read beside each text, and a text that isn't exactly these is refused.

use coffer_core::schema::TableName;
use rusqlite::types::ValueRef;

use super::link::Link;
use crate::engine::EngineError;

/// The order of the two bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// How the texts of a database are stored; `None` for UTF-8, which is given as it is.
pub(super) fn byte_order(link: &Link) -> Result<Option<ByteOrder>, EngineError> {
    let encoding: String = link
        .connection
        .query_row("PRAGMA main.encoding", [], |row| row.get(0))
        .map_err(|error| link.name(&"asking for the encoding", &error))?;
    Ok(match encoding.as_str() {
        "UTF-16le" => Some(ByteOrder::Little),
        "UTF-16be" => Some(ByteOrder::Big),
        _ => None,
    })
}

/// The stored bytes of an expression's text; NULL for everything else.
pub(super) fn stored_bytes(expression: &str) -> String {
    format!("CASE typeof({expression}) WHEN 'text' THEN CAST({expression} AS BLOB) END")
}

/// A text that can't be archived.
pub(super) fn refused(table: &TableName, column: &str) -> EngineError {
    EngineError::Unsupported {
        kind: "text in the column",
        name: format!("{table}.{column}"),
        why: "it is no UTF-16, though that is the database's encoding, and SQLite would give back another text; correct it, or leave the table out",
    }
}

impl ByteOrder {
    /// Whether a value as SQLite gives it is what is stored.
    pub(super) fn is_same(self, value: ValueRef<'_>, stored: ValueRef<'_>) -> bool {
        let (ValueRef::Text(text), ValueRef::Blob(stored)) = (value, stored) else {
            return true;
        };
        let (units, rest) = stored.as_chunks::<2>();
        let units = units.iter().map(|unit| match self {
            Self::Little => u16::from_le_bytes(*unit),
            Self::Big => u16::from_be_bytes(*unit),
        });
        let Ok(text) = core::str::from_utf8(text) else {
            return false;
        };
        let mut text = text.chars();
        rest.is_empty()
            && char::decode_utf16(units).all(|c| c.is_ok_and(|c| text.next() == Some(c)))
            && text.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stored_is_the_same() {
        let same = |text: &[u8], stored: &[u8]| {
            ByteOrder::Big.is_same(ValueRef::Text(text), ValueRef::Blob(stored))
        };
        assert!(same(b"", b""));
        assert!(same("aé🐙".as_bytes(), b"\0a\0\xe9\xd8\x3d\xdc\x19"));
        assert!(same(b"a\0b", b"\0a\0\0\0b"));
        assert!(!same("\u{fffd}".as_bytes(), b"\xd8\x3d"));
        assert!(same("\u{fffd}".as_bytes(), b"\xff\xfd"));
        assert!(!same(b"a", b"\0a\0"));
        assert!(!same(b"a", b"\0a\0b"));
        assert!(!same(b"ab", b"\0a"));
        assert!(!same(b"\xff", b""));
        let little = ByteOrder::Little;
        assert!(little.is_same(ValueRef::Text(b"a"), ValueRef::Blob(b"a\0")));
        assert!(little.is_same(ValueRef::Integer(7), ValueRef::Null));
    }
}
