//! Rows as row text and back.

use std::borrow::Cow;

use coffer_core::{
    policy::ColumnPolicy,
    rows::{
        RowError,
        sqlite::{Class, Value, parse_value, push_value},
    },
    schema::{Table, TableName},
};
use rusqlite::{
    Connection, Statement,
    types::{ToSqlOutput, ValueRef},
};

use super::{quote, quote_table};

/// Row text is handed on in pieces of about this size.
const PIECE_BYTES: usize = 128 << 10;

/// A column to read: its name, the class of its declared type, and what is written in place of its values.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) column: String,
    pub(super) class: Class,
    pub(super) policy: ColumnPolicy,
}

/// The class of a column of a table, if it has the column.
pub(super) fn class_of(table: &Table, column: &str) -> Option<Class> {
    table
        .columns
        .iter()
        .find(|own| own.name == column && !own.generated)
        .map(|own| Class::of_declared_type(&own.type_name))
}

/// Reads all rows of a table as row text, in pieces of whole rows. `take` says whether to go on.
pub(super) fn read(
    connection: &Connection,
    table: &TableName,
    columns: &[Reading],
    mut take: impl FnMut(&[u8]) -> bool,
) -> rusqlite::Result<()> {
    let names: Vec<String> = columns.iter().map(|column| quote(&column.column)).collect();
    let sql = format!("SELECT {} FROM {}", names.join(", "), quote_table(table));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut text = Vec::with_capacity(PIECE_BYTES * 2);
    while let Some(row) = rows.next()? {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                text.push(b'\t');
            }
            push_value(
                column.class,
                &value(row.get_ref(index)?, &column.policy),
                &mut text,
            );
        }
        text.push(b'\n');
        if text.len() >= PIECE_BYTES {
            if !take(&text) {
                return Ok(());
            }
            text.clear();
        }
    }
    if !text.is_empty() {
        take(&text);
    }
    Ok(())
}

fn value<'a>(stored: ValueRef<'a>, policy: &'a ColumnPolicy) -> Value<'a> {
    let value = match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(Cow::Borrowed(text)),
        ValueRef::Blob(bytes) => Value::Blob(Cow::Borrowed(bytes)),
    };
    match policy {
        ColumnPolicy::Keep => value,
        ColumnPolicy::Replace(_) if value == Value::Null => Value::Null,
        ColumnPolicy::Replace(None) => Value::Null,
        ColumnPolicy::Replace(Some(text)) => Value::Text(Cow::Borrowed(text.as_bytes())),
    }
}

/// Why a row was not loaded.
pub(super) enum LoadError {
    /// Its text can't be read.
    Text(RowError),
    /// The database refuses it.
    Sqlite(rusqlite::Error),
}

/// The statement that inserts one row.
pub(super) fn insert_statement<'c>(
    connection: &'c Connection,
    table: &TableName,
    columns: &[String],
) -> rusqlite::Result<Statement<'c>> {
    let names: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    connection.prepare(&format!(
        "INSERT INTO {} ({}) VALUES ({places})",
        quote_table(table),
        names.join(", ")
    ))
}

/// Inserts row number `row` (from 1), given as its line without the line feed.
pub(super) fn insert(
    statement: &mut Statement<'_>,
    classes: &[Class],
    row: u64,
    line: &[u8],
) -> Result<(), LoadError> {
    let mut found = 0;
    for (index, field) in line.split(|byte| *byte == b'\t').enumerate() {
        found = index + 1;
        let Some(class) = classes.get(index) else {
            continue;
        };
        let value = parse_value(*class, field).map_err(LoadError::Text)?;
        let bound = match &value {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        };
        statement
            .raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(bound))
            .map_err(LoadError::Sqlite)?;
    }
    if found != classes.len() {
        return Err(LoadError::Text(RowError::FieldCount {
            row,
            found,
            expected: classes.len(),
        }));
    }
    statement.raw_execute().map_err(LoadError::Sqlite)?;
    Ok(())
}
