//! Between SQLite's values and row text.

use std::borrow::Cow;

use coffer_core::{
    rows::{
        RowError,
        sqlite::{Class, Value, parse_value, push_value},
    },
    schema::{Column, TableName},
};
use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::{link::Link, utf16};
use crate::engine::{EngineError, sql};

/// How one column is read.
pub(super) enum Source {
    /// Its value as it is.
    Stored,
    /// This value wherever its own is not NULL; its own is not read.
    Instead(Value<'static>),
}

/// Reads the rows of a table, each as a line with its line feed, until `take` wants no more.
pub(super) fn read(
    link: &Link,
    table: &TableName,
    columns: &[(&Column, Source)],
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<(), EngineError> {
    let order = utf16::byte_order(link)?;
    let mut values: Vec<String> = columns
        .iter()
        .map(|(column, source)| match source {
            Source::Stored => sql::name(&column.name),
            Source::Instead(_) => format!("{} IS NOT NULL", sql::name(&column.name)),
        })
        .collect();
    if order.is_some() {
        values.extend(columns.iter().map(|(column, source)| match source {
            Source::Stored => utf16::stored_bytes(&sql::name(&column.name)),
            Source::Instead(_) => "NULL".to_owned(),
        }));
    }
    let query = format!("SELECT {} FROM {}", values.join(", "), sql::table(table));
    let classes: Vec<Class> = columns.iter().map(|(column, _)| class(column)).collect();
    let mut line = Vec::new();
    // The column of a text that SQLite can't convert.
    let mut changed = None;
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = link.connection.prepare(&query)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            line.clear();
            for (index, ((column, source), class)) in columns.iter().zip(&classes).enumerate() {
                if index > 0 {
                    line.push(b'\t');
                }
                let stored = row.get_ref(index)?;
                if let Some(order) = order
                    && !order.is_same(stored, row.get_ref(columns.len() + index)?)
                {
                    changed = Some(column.name.as_str());
                    return Ok(());
                }
                let value = match source {
                    Source::Stored => borrowed(stored),
                    Source::Instead(value) if stored == ValueRef::Integer(1) => value.clone(),
                    Source::Instead(_) => Value::Null,
                };
                push_value(*class, &value, &mut line);
            }
            line.push(b'\n');
            if !take(&line) {
                break;
            }
        }
        Ok(())
    };
    read().map_err(|error| link.name(&format_args!("reading the rows of {table}"), &error))?;
    changed.map_or(Ok(()), |column| Err(utf16::refused(table, column)))
}

const fn borrowed(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(Cow::Borrowed(text)),
        ValueRef::Blob(bytes) => Value::Blob(Cow::Borrowed(bytes)),
    }
}

/// The storage class that plain values of a column have.
pub(super) fn class(column: &Column) -> Class {
    Class::of_declared_type(&column.type_name)
}

/// Cuts row text that comes in pieces of any size into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The start of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl Lines {
    /// Calls `each` with every line that the piece completes, without its line feed.
    pub(super) fn push<E>(
        &mut self,
        piece: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.begun.is_empty() {
                each(line)?;
            } else {
                self.begun.extend_from_slice(line);
                each(&self.begun)?;
                self.begun.clear();
            }
        }
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    /// Checks that the text ended with a whole line.
    pub(super) const fn finish(&self) -> Result<(), RowError> {
        match self.begun.len() {
            0 => Ok(()),
            length => Err(RowError::Unfinished { length }),
        }
    }
}

/// A value that can be bound to a statement.
pub(super) struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The values of a line, one a column.
pub(super) fn parse<'a>(
    line: &'a [u8],
    classes: &[Class],
    row: u64,
) -> Result<Vec<Bound<'a>>, RowError> {
    let found = line.split(|byte| *byte == b'\t').count();
    if found != classes.len() {
        return Err(RowError::FieldCount {
            row,
            found,
            expected: classes.len(),
        });
    }
    line.split(|byte| *byte == b'\t')
        .zip(classes)
        .map(|(field, class)| parse_value(*class, field).map(Bound))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_whatever_the_pieces() {
        let text = b"a\tb\n\nlonger line\nx\n";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut found: Vec<Vec<u8>> = Vec::new();
            for piece in text.chunks(size) {
                lines
                    .push(piece, |line| {
                        found.push(line.to_vec());
                        Ok::<(), ()>(())
                    })
                    .unwrap();
            }
            assert_eq!(lines.finish(), Ok(()));
            assert_eq!(found, [&b"a\tb"[..], b"", b"longer line", b"x"]);
        }
        let mut lines = Lines::default();
        lines.push(b"a\nbc", |_| Ok::<(), ()>(())).unwrap();
        assert_eq!(lines.finish(), Err(RowError::Unfinished { length: 2 }));
    }
}
