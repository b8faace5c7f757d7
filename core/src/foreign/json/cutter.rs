//! Cuts a stream of JSON into the pieces that are looked at one by one.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::text;
use crate::foreign::ForeignError;

/// What a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::foreign) enum Shape {
    /// An array; its elements are the pieces.
    Rows,
    /// An object. The elements of its arrays are pieces, and of arrays in its member `statistics`; what else there is
    /// is a piece of its own.
    Backup,
}

/// A part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::foreign) enum Piece<'a> {
    /// An array begins, under this name.
    Array(&'a str),
    /// An element of the array of this name. JSON, but not checked to be well-formed.
    Element(&'a str, &'a [u8]),
    /// The value of this name.
    Member(&'a str, &'a [u8]),
}

#[derive(Debug)]
enum Expect {
    ValueOrEnd,
    Value,
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
}

#[derive(Debug)]
struct Open {
    array: bool,
    /// Of an array its name, of an object that of its next member.
    name: String,
    expect: Expect,
}

/// A value or key that is being collected.
#[derive(Clone, Copy, Debug)]
enum Scan {
    Key {
        escaped: bool,
    },
    /// A number or a word, which ends where something else begins.
    Bare,
    Text {
        escaped: bool,
    },
    Nested {
        depth: u32,
        text: bool,
        escaped: bool,
    },
}

/// Cuts a stream of JSON into pieces. Whether a piece is well-formed shows when it is parsed.
#[derive(Debug)]
pub(in crate::foreign) struct Cutter {
    shape: Shape,
    /// For errors.
    entry: String,
    piece_bytes: usize,
    open: Vec<Open>,
    scan: Option<Scan>,
    raw: Vec<u8>,
    position: u64,
    begun: bool,
}

impl Cutter {
    /// Bytes of one piece at most.
    pub(in crate::foreign) const PIECE_BYTES: usize = 64 << 20;

    pub(in crate::foreign) fn new(shape: Shape, entry: &str) -> Self {
        Self {
            shape,
            entry: entry.to_string(),
            piece_bytes: Self::PIECE_BYTES,
            open: Vec::new(),
            scan: None,
            raw: Vec::new(),
            position: 0,
            begun: false,
        }
    }

    #[cfg(test)]
    fn with_piece_bytes(mut self, bytes: usize) -> Self {
        self.piece_bytes = bytes;
        self
    }

    fn error(&self, why: &'static str) -> ForeignError {
        ForeignError::NotJson {
            entry: self.entry.clone(),
            why,
            position: self.position,
        }
    }

    /// Takes the next bytes and gives the pieces that they complete.
    ///
    /// # Errors
    /// [`ForeignError::NotJson`], [`ForeignError::Limit`], and those of `sink`.
    pub(in crate::foreign) fn push(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        for byte in bytes {
            // What ends a bare value belongs to what is around it.
            if let Some(Scan::Bare) = self.scan {
                if !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') {
                    self.keep(*byte)?;
                    self.position += 1;
                    continue;
                }
                self.scan = None;
                self.value(sink)?;
            }
            match self.scan {
                Some(scan) => self.scanned(scan, *byte, sink)?,
                None => self.between(*byte, sink)?,
            }
            self.position += 1;
        }
        Ok(())
    }

    /// The end of the stream.
    ///
    /// # Errors
    /// [`ForeignError::NotJson`] if something is missing.
    pub(in crate::foreign) fn finish(&self) -> Result<(), ForeignError> {
        if self.begun && self.open.is_empty() {
            Ok(())
        } else {
            Err(self.error("it ends too early"))
        }
    }

    fn keep(&mut self, byte: u8) -> Result<(), ForeignError> {
        if self.raw.len() == self.piece_bytes {
            return Err(ForeignError::Limit {
                entry: self.entry.clone(),
                limit: "bytes of one row",
                allowed: self.piece_bytes as u64,
            });
        }
        self.raw.push(byte);
        Ok(())
    }

    fn scanned(
        &mut self,
        scan: Scan,
        byte: u8,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        self.keep(byte)?;
        let in_text = |escaped: bool| match byte {
            _ if escaped => (true, false),
            b'\\' => (true, true),
            b'"' => (false, false),
            _ => (true, false),
        };
        self.scan = match scan {
            Scan::Bare => Some(Scan::Bare),
            Scan::Key { escaped } => match in_text(escaped) {
                (true, escaped) => Some(Scan::Key { escaped }),
                (false, _) => {
                    let raw = core::mem::take(&mut self.raw);
                    let name = text(&raw).ok_or_else(|| self.error("a key is malformed"))?;
                    if let Some(open) = self.open.last_mut() {
                        open.name = name;
                        open.expect = Expect::Colon;
                    }
                    None
                }
            },
            Scan::Text { escaped } => match in_text(escaped) {
                (true, escaped) => Some(Scan::Text { escaped }),
                (false, _) => None,
            },
            Scan::Nested {
                depth,
                text,
                escaped,
            } if text => {
                let (text, escaped) = in_text(escaped);
                Some(Scan::Nested {
                    depth,
                    text,
                    escaped,
                })
            }
            Scan::Nested { depth, .. } => {
                let depth = match byte {
                    b'{' | b'[' => depth.saturating_add(1),
                    b'}' | b']' => depth - 1,
                    _ => depth,
                };
                (depth > 0).then_some(Scan::Nested {
                    depth,
                    text: byte == b'"',
                    escaped: false,
                })
            }
        };
        if self.scan.is_none() && !matches!(scan, Scan::Key { .. }) {
            self.value(sink)?;
        }
        Ok(())
    }

    /// A value is complete.
    fn value(
        &mut self,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        let name = self.name();
        if let Some(open) = self.open.last_mut() {
            open.expect = Expect::CommaOrEnd;
            let piece = if open.array {
                Piece::Element(&name, &self.raw)
            } else {
                Piece::Member(&name, &self.raw)
            };
            sink(piece)?;
        }
        // A large row should not hold its room for all the small ones that follow.
        if self.raw.capacity() > 1 << 20 {
            self.raw = Vec::new();
        }
        self.raw.clear();
        Ok(())
    }

    /// Names from the root to here, joined by dots.
    fn name(&self) -> String {
        let mut name = String::new();
        for open in self.open.iter().filter(|open| !open.array) {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&open.name);
        }
        name
    }

    fn between(
        &mut self,
        byte: u8,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        let Some(open) = self.open.last_mut() else {
            let array = self.shape == Shape::Rows;
            if self.begun {
                return Err(self.error("something follows its end"));
            }
            if byte != if array { b'[' } else { b'{' } {
                return Err(self.error(if array {
                    "it is no array"
                } else {
                    "it is no object"
                }));
            }
            self.begun = true;
            return self.descend(array, sink);
        };
        match (&open.expect, byte) {
            (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(),
            (Expect::CommaOrEnd, b']' | b'}') if (byte == b']') == open.array => self.close(),
            (Expect::CommaOrEnd, b',') => {
                open.expect = if open.array {
                    Expect::Value
                } else {
                    Expect::Key
                };
            }
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                self.scan = Some(Scan::Key { escaped: false });
                self.keep(byte)?;
            }
            (Expect::Colon, b':') => open.expect = Expect::Value,
            (Expect::Value | Expect::ValueOrEnd, _) => {
                if self.descends(byte) {
                    return self.descend(byte == b'[', sink);
                }
                self.scan = Some(match byte {
                    b'{' | b'[' => Scan::Nested {
                        depth: 1,
                        text: false,
                        escaped: false,
                    },
                    b'"' => Scan::Text { escaped: false },
                    b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Scan::Bare,
                    _ => return Err(self.error("a value is malformed")),
                });
                self.keep(byte)?;
            }
            _ => return Err(self.error("something else was expected")),
        }
        Ok(())
    }

    /// Whether the members of a container are looked at one by one.
    fn descends(&self, byte: u8) -> bool {
        if self.shape == Shape::Rows {
            return false;
        }
        match (self.open.len(), byte) {
            (1, b'[') | (2, b'[') => self.open.last().is_some_and(|open| !open.array),
            (1, b'{') => self
                .open
                .last()
                .is_some_and(|open| open.name == "statistics"),
            _ => false,
        }
    }

    fn descend(
        &mut self,
        array: bool,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        if array {
            let name = self.name();
            sink(Piece::Array(&name))?;
        }
        self.open.push(Open {
            array,
            name: String::new(),
            expect: if array {
                Expect::ValueOrEnd
            } else {
                Expect::KeyOrEnd
            },
        });
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
        if let Some(open) = self.open.last_mut() {
            open.expect = Expect::CommaOrEnd;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    fn cut(shape: Shape, json: &str, step: usize) -> Result<Vec<String>, ForeignError> {
        let mut cutter = Cutter::new(shape, "x").with_piece_bytes(64);
        let mut pieces = vec![];
        for bytes in json.as_bytes().chunks(step) {
            cutter.push(bytes, &mut |piece| {
                pieces.push(match piece {
                    Piece::Array(name) => format!("[{name}"),
                    Piece::Element(name, raw) => {
                        format!("{name}: {}", core::str::from_utf8(raw).unwrap())
                    }
                    Piece::Member(name, raw) => {
                        format!("{name} = {}", core::str::from_utf8(raw).unwrap())
                    }
                });
                Ok(())
            })?;
        }
        cutter.finish()?;
        Ok(pieces)
    }

    #[test]
    fn rows_are_cut_wherever_the_stream_is() {
        let json = " [ {\"a]\\\"}\": [1, {\"b\": \"}\\\\\"}]} ,\n2.50,\"x,]\" , null,[ ] ]\n";
        for step in 1..json.len() {
            assert_eq!(
                cut(Shape::Rows, json, step).unwrap(),
                [
                    "[",
                    ": {\"a]\\\"}\": [1, {\"b\": \"}\\\\\"}]}",
                    ": 2.50",
                    ": \"x,]\"",
                    ": null",
                    ": [ ]"
                ]
            );
        }
        assert_eq!(cut(Shape::Rows, "[]", 1).unwrap(), ["["]);
    }

    #[test]
    fn a_backup_is_cut_into_members_and_rows() {
        let json = r#"{"metadata": {"v": [1]}, "set\u0074ings": [{"k": 1}, {"k": 2}], "statistics": {"executions": [{"i": 1}], "x": 5}, "n": {"a": ["b"]}, "e": []}"#;
        for step in [1, 7, 1000] {
            assert_eq!(
                cut(Shape::Backup, json, step).unwrap(),
                [
                    "metadata = {\"v\": [1]}",
                    "[settings",
                    "settings: {\"k\": 1}",
                    "settings: {\"k\": 2}",
                    "[statistics.executions",
                    "statistics.executions: {\"i\": 1}",
                    "statistics.x = 5",
                    "n = {\"a\": [\"b\"]}",
                    "[e",
                ]
            );
        }
    }

    #[test]
    fn what_is_no_such_json_is_refused_where_it_stops_to_be() {
        for (json, position) in [
            ("", 0),
            ("{}", 0),
            ("[", 1),
            ("[1", 2),
            ("[1 2]", 3),
            ("[1}", 2),
            ("[,1]", 1),
            ("[1,]", 3),
            ("[]]", 2),
            ("[] x", 3),
            ("[x]", 1),
            ("[\"a]", 4),
        ] {
            let error = cut(Shape::Rows, json, 1).unwrap_err();
            assert!(
                matches!(&error, ForeignError::NotJson { position: at, .. } if *at == position),
                "{json} {error:?}"
            );
        }
        for json in [
            "[]",
            "{\"a\"}",
            "{\"a\":}",
            "{1:2}",
            "{\"a\":1]",
            "{\"\\x\":1}",
        ] {
            assert!(
                matches!(
                    cut(Shape::Backup, json, 1),
                    Err(ForeignError::NotJson { .. })
                ),
                "{json}"
            );
        }
    }

    #[test]
    fn no_piece_is_longer_than_allowed() {
        let row = |len| format!("[\"{}\"]", "x".repeat(len));
        assert!(cut(Shape::Rows, &row(62), 9).is_ok());
        assert!(matches!(
            cut(Shape::Rows, &row(63), 9),
            Err(ForeignError::Limit { allowed: 64, .. })
        ));
    }
}
