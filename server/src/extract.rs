//! Taking single tables and files out of an archive, without the application and without reading the rest.

use std::io::{self, Write};

use coffer_core::{
    digest::push_hex,
    manifest::TableData,
    rows::{
        RowError, Rows, push_header,
        sqlite::{Class, Value, parse_value},
        unescape,
    },
    schema::{Engine, Table, TableName},
};

use crate::{
    progress::{Phase, Progress},
    read::{OpenArchive, ReadError},
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

/// Why nothing, or not everything, was taken out.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The archive.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The archive doesn't hold it.
    #[error("the archive holds no {what}; nothing was written")]
    NotInArchive {
        /// What was asked for.
        what: String,
    },
    /// The output.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes the rows of one table. Every part is compared with its digest before any of it is written.
///
/// # Errors
/// [`ExtractError`].
pub fn table(
    archive: &OpenArchive,
    name: &TableName,
    format: Format,
    out: impl Write,
    progress: &Progress,
) -> Result<u64, ExtractError> {
    let missing = || ExtractError::NotInArchive {
        what: format!("table {name}"),
    };
    let data = archive.manifest.table(name).ok_or_else(missing)?;
    let shape = archive.manifest.schema.table(name).ok_or_else(missing)?;
    progress.begin(Phase::Rows, data.bytes);
    progress.expect_rows(data.rows);
    let mut writer = RowWriter::begin(archive.manifest.engine, shape, format, out)?;
    for index in 0..data.parts.len() {
        if progress.cancelled() {
            return Err(ReadError::Cancelled.into());
        }
        let text = archive.part(data, index)?;
        part(&text, data, shape, &mut writer)?;
        progress.add_bytes(text.len() as u64);
    }
    writer.end()?;
    Ok(data.rows)
}

fn part<W: Write>(
    text: &[u8],
    data: &TableData,
    shape: &Table,
    writer: &mut RowWriter<W>,
) -> Result<(), ExtractError> {
    let in_table = |error| ReadError::Rows {
        table: data.table.to_string(),
        error,
    };
    let columns = shape.stored_columns().map(|column| column.name.as_str());
    let mut rows = Rows::new(text, columns).map_err(in_table)?;
    if let RowWriter::Stored(out) = writer {
        out.write_all(rows.remaining())?;
        return Ok(());
    }
    while let Some(fields) = rows.next_fields().map_err(in_table)? {
        writer.row(&fields, &in_table)?;
    }
    Ok(())
}

/// Writes one file of a file set. Its digest is known at its end: on an error, what was written is not to be used.
///
/// # Errors
/// [`ExtractError`].
pub fn file(
    archive: &OpenArchive,
    set: &str,
    path: &str,
    mut out: impl Write,
) -> Result<u64, ExtractError> {
    let files = archive.files()?;
    let found = files
        .iter()
        .find(|file| file.set == set && file.path == path);
    let found = found.ok_or_else(|| ExtractError::NotInArchive {
        what: format!("file {set}/{path}"),
    })?;
    archive.read_file(found, |bytes| Ok::<_, ExtractError>(out.write_all(bytes)?))?;
    out.flush()?;
    Ok(found.size)
}

/// What a column's fields mean.
struct ColumnReader {
    name: String,
    /// The class of an SQLite column; `None` for PostgreSQL, whose fields are text.
    class: Option<Class>,
}

enum RowWriter<W: Write> {
    Stored(W),
    Csv(Box<csv::Writer<W>>, Vec<ColumnReader>),
    Json {
        out: W,
        columns: Vec<ColumnReader>,
        first: bool,
    },
}

impl<W: Write> RowWriter<W> {
    fn begin(
        engine: Engine,
        shape: &Table,
        format: Format,
        mut out: W,
    ) -> Result<Self, ExtractError> {
        let columns: Vec<ColumnReader> = shape
            .stored_columns()
            .map(|column| ColumnReader {
                name: column.name.clone(),
                class: (engine == Engine::Sqlite)
                    .then(|| Class::of_declared_type(&column.type_name)),
            })
            .collect();
        Ok(match format {
            Format::Stored => {
                let mut header = Vec::new();
                push_header(
                    columns.iter().map(|column| column.name.as_str()),
                    &mut header,
                );
                out.write_all(&header)?;
                Self::Stored(out)
            }
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new()
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(out);
                writer
                    .write_record(columns.iter().map(|column| &column.name))
                    .map_err(io::Error::from)?;
                Self::Csv(Box::new(writer), columns)
            }
            Format::Json => {
                out.write_all(b"[")?;
                Self::Json {
                    out,
                    columns,
                    first: true,
                }
            }
        })
    }

    fn row(
        &mut self,
        fields: &[&[u8]],
        in_table: &dyn Fn(RowError) -> ReadError,
    ) -> Result<(), ExtractError> {
        match self {
            Self::Stored(_) => {}
            Self::Csv(writer, columns) => {
                for (column, field) in columns.iter().zip(fields) {
                    let value = column.value(field).map_err(in_table)?;
                    let text = match &value {
                        serde_json::Value::Null => String::new(),
                        serde_json::Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    writer.write_field(text).map_err(io::Error::from)?;
                }
                writer
                    .write_record(None::<&[u8]>)
                    .map_err(io::Error::from)?;
            }
            Self::Json {
                out,
                columns,
                first,
            } => {
                out.write_all(if *first { b"\n" } else { b",\n" })?;
                *first = false;
                let mut object = serde_json::Map::new();
                for (column, field) in columns.iter().zip(fields) {
                    object.insert(column.name.clone(), column.value(field).map_err(in_table)?);
                }
                serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), ExtractError> {
        match self {
            Self::Stored(mut out) => out.flush()?,
            Self::Csv(mut writer, _) => writer.flush()?,
            Self::Json { mut out, .. } => {
                out.write_all(b"\n]\n")?;
                out.flush()?;
            }
        }
        Ok(())
    }
}

/// Integers up to here are exact as doubles, which is what most readers of JSON make of them.
const MAX_EXACT: u64 = 1 << 53;

impl ColumnReader {
    fn value(&self, field: &[u8]) -> Result<serde_json::Value, RowError> {
        use serde_json::Value as Json;
        let Some(class) = self.class else {
            let value = unescape(field)?;
            return Ok(value.map_or(Json::Null, |bytes| text(&bytes)));
        };
        Ok(match parse_value(class, field)? {
            Value::Null => Json::Null,
            Value::Integer(number) if number.unsigned_abs() <= MAX_EXACT => number.into(),
            Value::Integer(number) => number.to_string().into(),
            // Infinity has no JSON form.
            Value::Real(number) => serde_json::Number::from_f64(number)
                .map_or_else(|| format!("{number:?}").into(), Json::Number),
            Value::Text(bytes) => text(&bytes),
            Value::Blob(bytes) => hex(&bytes),
        })
    }
}

/// Text; bytes that are not UTF-8 as `\x` and hexadecimal digits, since neither CSV nor JSON can hold them.
fn text(bytes: &[u8]) -> serde_json::Value {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), Into::into)
}

fn hex(bytes: &[u8]) -> serde_json::Value {
    let mut digits = b"\\x".to_vec();
    push_hex(bytes, &mut digits);
    String::from_utf8_lossy(&digits).into_owned().into()
}
