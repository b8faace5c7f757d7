//! Rows of another product's archive as Prisma keeps them in SQLite.
//!
//! | JSON | declared type | stored |
//! |---|---|---|
//! | ISO time with milliseconds and `Z` | `DATETIME` | integer of milliseconds since 1970 |
//! | `true`, `false` | any | 1, 0 |
//! | text of digits | `BIGINT` | integer |
//! | number | any | integer, else real |
//! | text, and JSON as text | any | text |

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use coffer_core::{
    foreign::{self, Row},
    plan::Reference,
    policy::{ColumnPolicy, TablePolicy},
    rows::{
        Part, PartCutter,
        sqlite::{Value, placeholder, push_value},
    },
    schema::{Column, TableName},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::mpsc;

use super::rows::class;
use crate::engine::{
    Database, EngineError, Snapshot,
    given::{Given, Reading},
};

/// A view of given rows through a database's catalogue.
pub(in crate::engine) struct Converting {
    like: Box<dyn Snapshot>,
    given: Arc<dyn Given>,
}

impl Converting {
    pub(in crate::engine) fn new(like: Box<dyn Snapshot>, given: Arc<dyn Given>) -> Self {
        Self { like, given }
    }
}

/// The value that a column of this declared type holds for one of the JSON's.
fn stored<'a>(declared: &str, value: &'a foreign::Value) -> Value<'a> {
    match value {
        foreign::Value::Null => Value::Null,
        foreign::Value::Bool(truth) => Value::Integer(i64::from(*truth)),
        foreign::Value::Number(number) => match number.parse() {
            Ok(integer) => Value::Integer(integer),
            Err(_) => number.parse().map_or_else(|_| text(number), Value::Real),
        },
        foreign::Value::Text(time) if declared.eq_ignore_ascii_case("datetime") => {
            milliseconds(time).map_or_else(|| text(time), Value::Integer)
        }
        foreign::Value::Text(digits) if declared.eq_ignore_ascii_case("bigint") => {
            digits.parse().map_or_else(|_| text(digits), Value::Integer)
        }
        foreign::Value::Text(plain) | foreign::Value::Json(plain) => text(plain),
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text.as_bytes()))
}

/// Milliseconds since 1970, of a time that is written with exactly three digits of a second and `Z`: other forms were
/// stored as the text that they are.
fn milliseconds(text: &str) -> Option<i64> {
    let exact = text.len() == "2024-01-15T12:00:00.000Z".len() && text.ends_with('Z');
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .filter(|_| exact)?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

/// A row as a line, with its line feed.
fn line(row: &Row, columns: &[&Column], policies: &[ColumnPolicy], out: &mut Vec<u8>) {
    for (index, (column, policy)) in columns.iter().zip(policies).enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        let class = class(column);
        let value = row.get(&column.name).unwrap_or(&foreign::Value::Null);
        let value = match policy {
            ColumnPolicy::Replace(Some(text)) if !value.is_null() => placeholder(class, text),
            ColumnPolicy::Replace(_) => Value::Null,
            ColumnPolicy::Keep => stored(&column.type_name, value),
        };
        push_value(class, &value, out);
    }
    out.push(b'\n');
}

#[async_trait]
impl Snapshot for Converting {
    fn database(&self) -> &Database {
        self.like.database()
    }

    async fn count_rows(&mut self) -> Result<Vec<(TableName, u64)>, EngineError> {
        Ok(self.given.counts())
    }

    async fn references_into(
        &mut self,
        tables: &[TableName],
    ) -> Result<Vec<Reference>, EngineError> {
        self.like.references_into(tables).await
    }

    async fn scalar(&mut self, query: &str) -> Result<Option<String>, EngineError> {
        self.like.scalar(query).await
    }

    async fn printed(
        &mut self,
        table: &TableName,
        column: &str,
        text: &str,
    ) -> Result<String, EngineError> {
        self.like.printed(table, column, text).await
    }

    async fn export(
        &mut self,
        policy: &TablePolicy,
        parts: mpsc::Sender<Part>,
    ) -> Result<(), EngineError> {
        let table = &policy.table;
        let shape = self
            .like
            .database()
            .schema
            .table(table)
            .ok_or_else(|| EngineError::NoTable {
                target: self.like.database().name.clone(),
                table: table.clone(),
            })?
            .clone();
        let columns: Vec<&Column> = shape.stored_columns().collect();
        let mut cutter = PartCutter::new(columns.iter().map(|column| column.name.as_str()));
        let mut reading = Reading::begin(&self.given, table);
        let mut text = Vec::new();
        while let Some(rows) = reading.rows.recv().await {
            for row in &rows {
                line(row, &columns, &policy.columns, &mut text);
                if let Some(part) = cutter.push(&text)
                    && parts.send(part).await.is_err()
                {
                    return Ok(());
                }
                text.clear();
            }
        }
        reading.end().await?;
        let last = cutter.finish().map_err(|error| EngineError::BadRows {
            table: table.clone(),
            error,
        })?;
        if let Some(part) = last {
            // Whoever has hung up knows why.
            let _ = parts.send(part).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stored_as_prisma_does() {
        let of = |declared: &str, value: foreign::Value| match stored(declared, &value) {
            Value::Null => "null".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => format!("{number:?}"),
            Value::Text(text) => format!("'{}'", String::from_utf8_lossy(&text)),
            Value::Blob(_) => "blob".to_owned(),
        };
        let text = |text: &str| foreign::Value::Text(text.to_owned());
        let number = |text: &str| foreign::Value::Number(text.to_owned());
        assert_eq!(
            of("DATETIME", text("2024-01-15T12:00:00.000Z")),
            "1705320000000"
        );
        assert_eq!(of("DATETIME", text("1969-12-31T23:59:59.999Z")), "-1");
        assert_eq!(
            of("DATETIME", text("2024-01-15 12:00:00")),
            "'2024-01-15 12:00:00'"
        );
        assert_eq!(
            of("TEXT", text("2024-01-15T12:00:00.000Z")),
            "'2024-01-15T12:00:00.000Z'"
        );
        assert_eq!(of("BIGINT", text("9007199254740993")), "9007199254740993");
        assert_eq!(of("TEXT", text("17")), "'17'");
        assert_eq!(of("BOOLEAN", foreign::Value::Bool(true)), "1");
        assert_eq!(of("INTEGER", number("-5")), "-5");
        assert_eq!(of("REAL", number("0.5")), "0.5");
        assert_eq!(of("TEXT", foreign::Value::Null), "null");
    }
}
