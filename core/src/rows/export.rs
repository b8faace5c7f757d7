//! The rows of a table as other programs read them: CSV or JSON, or as they are stored.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};

use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};
use serde_json::{Map, Number, Value as Json};

use super::{
    RowError, Rows, push_header,
    sqlite::{Class, Value, parse_value},
    unescape,
};
use crate::{
    digest::push_hex,
    schema::{Engine, Table},
};

/// The form that rows are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As they are stored: PostgreSQL's COPY text with one header line.
    Stored,
    /// CSV (RFC 4180) with a header line. NULL is an empty field, and so is empty text.
    Csv,
    /// A JSON array of objects. NULL is `null`; numbers of SQLite are numbers where a double holds them exactly.
    Json,
}

/// Writes the rows of one table, part by part.
#[derive(Debug)]
pub struct RowExport {
    form: Form,
    columns: Vec<ColumnReader>,
}

#[derive(Debug)]
enum Form {
    Stored,
    Csv(Box<CsvWriter>),
    Json { first: bool },
}

impl RowExport {
    /// Begins with what stands before the rows.
    #[must_use]
    pub fn begin(engine: Engine, shape: &Table, format: Format, out: &mut Vec<u8>) -> Self {
        let columns: Vec<ColumnReader> = shape
            .stored_columns()
            .map(|column| ColumnReader {
                name: column.name.clone(),
                class: (engine == Engine::Sqlite)
                    .then(|| Class::of_declared_type(&column.type_name)),
            })
            .collect();
        let names = || columns.iter().map(|column| column.name.as_str());
        let form = match format {
            Format::Stored => {
                push_header(names(), out);
                Form::Stored
            }
            Format::Csv => {
                let mut writer = CsvWriter::new();
                writer.record(names(), out);
                Form::Csv(Box::new(writer))
            }
            Format::Json => {
                out.push(b'[');
                Form::Json { first: true }
            }
        };
        Self { form, columns }
    }

    /// Adds the rows of a part, whose whole text this is.
    ///
    /// # Errors
    /// [`RowError`]; what was added before is then not to be used.
    pub fn part(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
        let Self { form, columns } = self;
        let mut rows = Rows::new(text, columns.iter().map(|column| column.name.as_str()))?;
        match form {
            Form::Stored => out.extend_from_slice(rows.remaining()),
            Form::Csv(writer) => {
                while let Some(fields) = rows.next_fields()? {
                    let texts = columns
                        .iter()
                        .zip(fields)
                        .map(|(column, field)| Ok(csv_text(column.value(field)?)))
                        .collect::<Result<Vec<_>, RowError>>()?;
                    writer.record(texts.iter().map(String::as_str), out);
                }
            }
            Form::Json { first } => {
                while let Some(fields) = rows.next_fields()? {
                    out.extend_from_slice(if *first { b"\n" } else { b",\n" });
                    *first = false;
                    let mut object = Map::new();
                    for (column, field) in columns.iter().zip(fields) {
                        object.insert(column.name.clone(), column.value(field)?);
                    }
                    out.extend_from_slice(Json::Object(object).to_string().as_bytes());
                }
            }
        }
        Ok(())
    }

    /// Ends with what stands after the rows.
    pub fn end(self, out: &mut Vec<u8>) {
        if let Form::Json { .. } = self.form {
            out.extend_from_slice(b"\n]\n");
        }
    }
}

fn csv_text(value: Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Records of CSV, each whole.
#[derive(Debug)]
struct CsvWriter(Writer);

impl CsvWriter {
    fn new() -> Self {
        Self(WriterBuilder::new().terminator(Terminator::CRLF).build())
    }

    fn record<'a>(&mut self, fields: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        for (index, field) in fields.enumerate() {
            if index > 0 {
                self.put(out, Writer::delimiter);
            }
            let mut rest = field.as_bytes();
            self.put(out, |writer, room| {
                let (result, read, written) = writer.field(rest, room);
                rest = rest.get(read..).unwrap_or_default();
                (result, written)
            });
        }
        self.put(out, Writer::terminator);
    }

    /// Repeats something until all of it had room.
    fn put(
        &mut self,
        out: &mut Vec<u8>,
        mut work: impl FnMut(&mut Writer, &mut [u8]) -> (WriteResult, usize),
    ) {
        let mut room = [0; 1024];
        loop {
            let (result, written) = work(&mut self.0, &mut room);
            out.extend_from_slice(room.get(..written).unwrap_or_default());
            if result == WriteResult::InputEmpty {
                return;
            }
        }
    }
}

/// What a column's fields mean.
#[derive(Debug)]
struct ColumnReader {
    name: String,
    /// The class of an SQLite column; `None` for PostgreSQL, whose fields are text.
    class: Option<Class>,
}

/// Integers up to here are exact as doubles, which is what most readers of JSON make of them.
const MAX_EXACT: u64 = 1 << 53;

impl ColumnReader {
    fn value(&self, field: &[u8]) -> Result<Json, RowError> {
        let Some(class) = self.class else {
            let value = unescape(field)?;
            return Ok(value.map_or(Json::Null, |bytes| text(&bytes)));
        };
        Ok(match parse_value(class, field)? {
            Value::Null => Json::Null,
            Value::Integer(number) if number.unsigned_abs() <= MAX_EXACT => number.into(),
            Value::Integer(number) => number.to_string().into(),
            // Infinity has no JSON form.
            Value::Real(number) => {
                Number::from_f64(number).map_or_else(|| format!("{number:?}").into(), Json::Number)
            }
            Value::Text(bytes) => text(&bytes),
            Value::Blob(bytes) => hex(&bytes),
        })
    }
}

/// Text; bytes that are not UTF-8 as `\x` and hexadecimal digits, since neither CSV nor JSON can hold them.
fn text(bytes: &[u8]) -> Json {
    core::str::from_utf8(bytes).map_or_else(|_| hex(bytes), Into::into)
}

fn hex(bytes: &[u8]) -> Json {
    let mut digits = b"\\x".to_vec();
    push_hex(bytes, &mut digits);
    String::from_utf8_lossy(&digits).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, TableName};
    use alloc::vec;

    fn written(engine: Engine, types: &[&str], parts: &[&str], format: Format) -> String {
        let columns = types.iter().zip(["a", "b,c"]);
        let shape = Table {
            name: TableName::new("main", "t"),
            columns: columns
                .map(|(type_name, name)| Column {
                    name: name.into(),
                    type_name: (*type_name).into(),
                    nullable: true,
                    default: None,
                    generated: false,
                    identity: false,
                })
                .collect(),
            primary_key: vec![],
            unique: vec![],
            foreign_keys: vec![],
        };
        let mut out = vec![];
        let mut export = RowExport::begin(engine, &shape, format, &mut out);
        for part in parts {
            export.part(part.as_bytes(), &mut out).unwrap();
        }
        export.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_value_has_its_form() {
        let parts = ["a\tb,c\n1\tone, \"two\"\n\\N\t\n", "a\tb,c\n3\tx\\ny\n"];
        let of = |format| written(Engine::Sqlite, &["INTEGER", "TEXT"], &parts, format);
        assert_eq!(
            of(Format::Csv),
            "a,\"b,c\"\r\n1,\"one, \"\"two\"\"\"\r\n,\r\n3,\"x\ny\"\r\n"
        );
        assert_eq!(
            of(Format::Json),
            "[\n{\"a\":1,\"b,c\":\"one, \\\"two\\\"\"},\n{\"a\":null,\"b,c\":\"\"},\n{\"a\":3,\"b,c\":\"x\\ny\"}\n]\n"
        );
        assert_eq!(
            of(Format::Stored),
            "a\tb,c\n1\tone, \"two\"\n\\N\t\n3\tx\\ny\n"
        );
    }

    #[test]
    fn an_empty_field_alone_is_quoted_and_a_long_one_whole() {
        let long = "\"".repeat(5000);
        let part = format!("a\n\\N\n{long}\n");
        let csv = written(Engine::Postgres, &["text"], &[&part], Format::Csv);
        assert_eq!(csv, format!("a\r\n\"\"\r\n\"{}\"\r\n", "\"".repeat(10_000)));
        assert_eq!(
            written(Engine::Postgres, &["text"], &[], Format::Json),
            "[\n]\n"
        );
    }
}
